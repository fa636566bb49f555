"""Two servers and one Lease on a real API server: kills, stops, and never two that act."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import yaml

from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.pb import externalgrpc_pb2_grpc
from tests.e2e import cloud, server, waiting
from tests.kube import plane as planes

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{planes.NAMESPACE}/leases"
SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{planes.NAMESPACE}/endpointslices"
LASTS_S = 3.0
SERVICE = f"""
apiVersion: v1
kind: Service
metadata: {{name: vps-autoscaler, namespace: {planes.NAMESPACE}}}
spec: {{ports: [{{name: grpc, port: 8086, targetPort: 8086}}]}}
"""


class Pair:
    """Two servers over one cloud, as one Deployment would run them."""

    def __init__(self, folder: Path, plane: planes.Plane, *flags: str) -> None:
        self.plane = plane
        self.cloud = cloud.Cloud(folder, create_s=0.2, boot_s=0.2, delete_s=0.2)
        self.cloud.start()
        self.servers: list[server.Server] = []
        self._account = plane.account()
        for number in range(2):
            home = folder / str(number)
            home.mkdir()
            made = server.Server(
                home,
                {"hetzner": self.cloud.endpoint},
                [server.pool("web", join="image")],
                kubeconfig=self._account,
                flags=[
                    *flags,
                    f"--leader-elect-lease-duration={LASTS_S}",
                    "--leader-elect-service=vps-autoscaler",
                    f"--leader-elect-endpoint=10.0.0.{number}:8086",
                ],
                settleS=0.5,
            )
            self.servers.append(made)
            made.start()
            # Its machines never join, and would answer every growth after a take-over.
            made.change(coverForgottenMachines=False)

    def close(self) -> None:
        for each in self.servers:
            each.program.kill()
        self.cloud.stop()

    def acting(self, among: list[server.Server] | None = None) -> server.Server | None:
        """Find the one that holds nothing back; there is never more than one."""
        found = [each for each in among or self.servers if "stands by" not in held(each)]
        assert len(found) <= 1
        return found[0] if found else None

    def await_acting(self, among: list[server.Server] | None = None) -> server.Server:
        return waiting.until(lambda: self.acting(among), "somebody leads")

    def other(self, than: server.Server) -> server.Server:
        (found,) = (each for each in self.servers if each is not than)
        return found

    def created(self, count: int) -> None:
        waiting.until(lambda: self.cloud.created() == count, f"{count} machines")


def held(of: server.Server) -> str:
    return str(of.show().orders_held)


def grow(of: server.Server, delta: int = 1) -> grpc.StatusCode:
    with grpc.insecure_channel(of.address) as channel:
        stub = externalgrpc_pb2_grpc.CloudProviderStub(channel)
        try:
            stub.NodeGroupIncreaseSize(
                pb.NodeGroupIncreaseSizeRequest(id="web", delta=delta), timeout=5.0
            )
        except grpc.RpcError as error:
            assert isinstance(error, grpc.Call)
            return error.code()
        return grpc.StatusCode.OK


def refresh(of: server.Server) -> grpc.StatusCode:
    with grpc.insecure_channel(of.address) as channel:
        stub = externalgrpc_pb2_grpc.CloudProviderStub(channel)
        try:
            stub.Refresh(pb.RefreshRequest(), timeout=5.0)
        except grpc.RpcError as error:
            assert isinstance(error, grpc.Call)
            return error.code()
        return grpc.StatusCode.OK


@pytest.fixture
def pair(plane: planes.Plane, tmp_path: Path) -> Iterator[Pair]:
    plane.kubectl("apply", "-f", str(planes.ROOT / "deploy" / "leader-election.yaml"))
    plane.kubectl("apply", "-f", "-", stdin=SERVICE)
    made = Pair(tmp_path, plane, "--leader-elect=own")
    try:
        yield made
    finally:
        made.close()
        with plane.client() as api:
            api.delete(f"{LEASES}/vps-autoscaler")
            api.delete(f"{SLICES}/vps-autoscaler-leader")


def test_one_acts_and_the_other_answers_what_only_looks(pair: Pair) -> None:
    leader = pair.await_acting()
    standby = pair.other(leader)
    assert grow(standby) == refresh(standby) == grpc.StatusCode.UNAVAILABLE
    assert grow(leader) == refresh(leader) == grpc.StatusCode.OK
    pair.created(1)
    waiting.until(lambda: standby.targets() == {"web": 1}, "it sees what the other made")
    assert "stands by: the Lease is held by" in held(standby)
    assert not standby.doubts()


def test_kill_and_stop(pair: Pair) -> None:
    """SIGKILL; SIGTERM; and SIGSTOP past the Lease, with wishes that wait for a hand."""
    leader = pair.await_acting()
    assert grow(leader) == grpc.StatusCode.OK
    pair.created(1)
    told = []

    began = time.monotonic()
    leader.program.kill()
    leader, gone = pair.await_acting([pair.other(leader)]), leader
    told.append(f"SIGKILL {time.monotonic() - began:.1f} s")
    gone.start()
    assert grow(leader) == grpc.StatusCode.OK
    pair.created(2)

    began = time.monotonic()
    leader.program.stop()
    leader, gone = pair.await_acting([pair.other(leader)]), leader
    told.append(f"SIGTERM {time.monotonic() - began:.1f} s")
    gone.start()
    assert grow(leader) == grpc.StatusCode.OK
    pair.created(3)

    # Orders that are asked for and not sent when the process is paused: they take their time.
    pair.cloud.turn("latency", seconds=1.0, method="POST", path="/servers$")
    assert grow(leader, 6) == grpc.StatusCode.OK
    waiting.until(lambda: "asked" in leader.phases(), "the first are under way")
    began = time.monotonic()
    leader.program.signal(signal.SIGSTOP)
    paused, leader = leader, pair.await_acting([pair.other(leader)])
    told.append(f"SIGSTOP {time.monotonic() - began:.1f} s")
    before = {each.id for each in pair.cloud.servers()}
    sent = len(orders(pair.cloud))
    assert paused.program.ended() is None
    paused.program.signal(signal.SIGCONT)
    status = waiting.until(paused.program.ended, "it led, and ends")
    assert status == 1
    assert "this server led, and the Lease is held by" in paused.program.output()
    assert len(orders(pair.cloud)) == sent, "who was paused has sent nothing any more"
    assert {each.id for each in pair.cloud.servers()} == before
    assert sent < 3 + 6, "some of them had not been sent"
    pair.cloud.turn("latency", seconds=0.0, method="POST", path="/servers$")
    assert grow(leader) == grpc.StatusCode.OK
    pair.created(sent + 1)
    waiting.until(lambda: leader.targets() == {"web": sent + 1}, "all of them count")
    assert not leader.doubts()
    sys.stdout.write(f"\ntake-overs with a Lease of {LASTS_S:.0f} s: {', '.join(told)}\n")


def orders(of: cloud.Cloud) -> list[str]:
    return [
        each["path"]
        for each in of.log()
        if each["method"] == "POST" and each["path"].endswith("/servers")
    ]


def test_the_rights_of_the_manifest_are_what_it_takes(pair: Pair) -> None:
    """Nothing is refused in the logs, and another's Lease cannot be read or changed."""
    pair.await_acting()
    for each in pair.servers:
        assert "leases.coordination" not in each.program.output()
    with pair.plane.ourselves() as api:
        assert api.get(f"{LEASES}/another").status_code == 403
        assert api.get(LEASES).status_code == 403
        assert api.delete(f"{LEASES}/vps-autoscaler").status_code == 403
    rules = [
        rule
        for each in yaml.safe_load_all(
            (planes.ROOT / "deploy" / "leader-election.yaml").read_text()
        )
        for rule in each.get("rules", ())
    ]
    assert {verb for rule in rules for verb in rule["verbs"]} == {
        "create",
        "get",
        "update",
        "patch",
    }


def test_the_service_leads_to_whoever_leads(pair: Pair) -> None:
    def leads_to() -> list[str]:
        with pair.plane.client() as api:
            found = api.get(f"{SLICES}/vps-autoscaler-leader").json()
        return [one for each in found.get("endpoints") or () for one in each["addresses"]]

    leader = pair.await_acting()
    where = {each: [f"10.0.0.{number}"] for number, each in enumerate(pair.servers)}
    waiting.until(lambda: leads_to() == where[leader], "the Service leads to the leader")
    leader.program.kill()
    other = pair.other(leader)
    waiting.until(lambda: leads_to() == where[other], "the Service leads to the other")
    with pair.plane.client() as api:
        found = api.get(f"{SLICES}/vps-autoscaler-leader").json()
    assert found["metadata"]["labels"]["kubernetes.io/service-name"] == "vps-autoscaler"
    assert found["metadata"]["ownerReferences"][0]["kind"] == "Service", "it goes with it"
    assert found["ports"] == [{"name": "grpc", "port": 8086, "protocol": "TCP"}]
