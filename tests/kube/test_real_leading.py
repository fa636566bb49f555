"""Two servers and one Lease on a real API server: kills, stops, and never two that act."""

from __future__ import annotations

import itertools
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc
import pytest
import yaml

from externalgrpc.kube import connection, errors
from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.pb import externalgrpc_pb2_grpc
from externalgrpc.support import clock
from tests.e2e import cloud, leaders, server, service, waiting
from tests.kube import plane as planes

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{planes.NAMESPACE}/leases"
SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{planes.NAMESPACE}/endpointslices"
LASTS_S = 3.0
NAMES = ("0", "1")
MERGE = {"Content-Type": "application/merge-patch+json"}
SERVICE = f"""
apiVersion: v1
kind: Service
metadata: {{name: vps-autoscaler, namespace: {planes.NAMESPACE}}}
spec: {{ports: [{{name: grpc, port: 8086, targetPort: 8086}}]}}
"""


class Pair:
    """Two servers over one cloud, as one Deployment would run them."""

    def __init__(
        self, folder: Path, plane: planes.Plane, *flags: str, hosts: Sequence[str] = ("", "")
    ) -> None:
        """``hosts`` are names of hosts of their own, as pods have them; empty: this one's."""
        self.plane = plane
        metrics = [leaders.metrics_flag() for _ in range(2)]
        self.watch = leaders.Watch(dict(zip(NAMES, metrics, strict=True)))
        self.cloud = cloud.Cloud(folder, create_s=0.2, boot_s=0.2, delete_s=0.2)
        self.cloud.start()
        self.servers: list[server.Server] = []
        self._account = plane.account()
        port = int(plane.url.rpartition(":")[2])
        self.wires = [service.Service(lambda: "api", {"api": port}) for _ in range(2)]
        """Between each of them and the API server."""
        for number in range(2):
            home = folder / str(number)
            home.mkdir()
            kubeconfig = home / "account"
            text = self._account.read_text()
            kubeconfig.write_text(text.replace(plane.url, f"https://{self.wires[number].address}"))
            made = server.Server(
                home,
                {"hetzner": self.cloud.endpoint},
                [server.pool("web", join="image")],
                kubeconfig=kubeconfig,
                flags=[
                    *flags,
                    metrics[number],
                    f"--leader-elect-lease-duration={LASTS_S}",
                    "--leader-elect-service=vps-autoscaler",
                    f"--leader-elect-endpoint=10.0.0.{number}:8086",
                ],
                settleS=0.5,
            )
            self.servers.append(made)
            if host := hosts[number]:
                made.program.within = within(host)
            made.start()
            # Its machines never join, and would answer every growth after a take-over.
            made.change(coverForgottenMachines=False)

    def close(self) -> None:
        for each in self.servers:
            each.program.kill()
        for wire in self.wires:
            wire.stop()
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


def within(host: str) -> list[str]:
    """Give what runs a program on a host of that name."""
    return ["unshare", "--uts", "sh", "-c", f'hostname {host}; exec "$@"', "--"]


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


def test_a_standby_that_is_killed_changes_nothing_for_the_one_that_acts(pair: Pair) -> None:
    """SIGKILL, again and again, also while it begins: the Lease, its holder and orders stay."""
    with pair.watch:
        leader = pair.await_acting()
        standby = pair.other(leader)
        before = the_lease(pair.plane)
        acted = pair.watch.await_acted(NAMES)
        for number in range(1, 4):
            standby.program.kill()
            assert grow(leader) == grpc.StatusCode.OK
            pair.created(number)
            standby.start()
            assert grow(standby) == grpc.StatusCode.UNAVAILABLE
        pair.watch.later()
        after = the_lease(pair.plane)
        assert after["renewTime"] > before["renewTime"]
        assert {**after, "renewTime": ""} == {**before, "renewTime": ""}
        assert pair.watch.acted == [acted]
        assert pair.watch.at_once == []
        assert not leader.doubts()
        waiting.until(lambda: standby.targets() == {"web": 3}, "it knows what the other made")


def the_lease(plane: planes.Plane, name: str = "vps-autoscaler") -> dict[str, object]:
    with plane.client() as api:
        return dict(api.get(f"{LEASES}/{name}").json()["spec"])


def test_of_two_that_live_one_acts_through_every_take_over(pair: Pair) -> None:
    """Asked all the while: through SIGKILL, SIGTERM, SIGSTOP, a cut wire and a stolen Lease."""
    with pair.watch:
        leader = pair.await_acting()
        pair.watch.await_acted(NAMES)
        for number, blow in enumerate(("kill", "stop", "pause", "cut", "steal"), start=1):
            last = pair.watch.acted[-1]
            match blow:
                case "kill":
                    leader.program.kill()
                case "stop":
                    leader.program.stop()
                case "pause":
                    leader.program.signal(signal.SIGSTOP)
                case "cut":
                    # It lives and asks for its Lease, and hears nothing of the other that has it.
                    pair.wires[pair.servers.index(leader)].cut.set()
                case "steal":
                    with pair.plane.client() as api:
                        path, how = f"{LEASES}/vps-autoscaler", {"holderIdentity": "nobody"}
                        done = api.patch(path, json={"spec": how}, headers=MERGE)
                        assert done.is_success
            gone, leader = leader, pair.await_acting([pair.other(leader)])
            if blow == "pause":
                gone.program.signal(signal.SIGCONT)
            pair.watch.later()
            pair.wires[pair.servers.index(gone)].cut.clear()
            if blow in {"pause", "cut", "steal"}:
                assert waiting.until(gone.program.ended, "who led ends") == 1
                gone.program.stop()
            assert grow(leader) == grpc.StatusCode.OK
            pair.watch.await_acted([each for each in NAMES if each != last])
            pair.created(number)
            gone.start()
        pair.watch.later()
        assert pair.watch.at_once == []
        assert len(pair.watch.acted) == 6
        assert all(a != b for a, b in itertools.pairwise(pair.watch.acted))


def test_kill_and_stop(pair: Pair) -> None:
    """SIGKILL; SIGTERM; and SIGSTOP past the Lease, with wishes that wait for a hand."""
    leader = pair.await_acting()
    assert grow(leader) == grpc.StatusCode.OK
    pair.created(1)
    times = []

    began = time.monotonic()
    leader.program.kill()
    leader, gone = pair.await_acting([pair.other(leader)]), leader
    times.append(f"SIGKILL {time.monotonic() - began:.1f} s")
    gone.start()
    assert grow(leader) == grpc.StatusCode.OK
    pair.created(2)

    began = time.monotonic()
    leader.program.stop()
    leader, gone = pair.await_acting([pair.other(leader)]), leader
    times.append(f"SIGTERM {time.monotonic() - began:.1f} s")
    gone.start()
    assert grow(leader) == grpc.StatusCode.OK
    pair.created(3)

    # Orders that are asked for and not sent when the process is paused: they take their time.
    pair.cloud.turn("latency", seconds=3.0, method="POST", path="/servers$")
    assert grow(leader, 6) == grpc.StatusCode.OK
    waiting.until(lambda: "asked" in leader.phases(), "the first are under way")
    began = time.monotonic()
    leader.program.signal(signal.SIGSTOP)
    paused, leader = leader, pair.await_acting([pair.other(leader)])
    times.append(f"SIGSTOP {time.monotonic() - began:.1f} s")
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
    sys.stdout.write(f"\ntake-overs with a Lease of {LASTS_S:.0f} s: {', '.join(times)}\n")


def orders(of: cloud.Cloud) -> list[str]:
    return [
        each["path"]
        for each in of.log()
        if each["method"] == "POST" and each["path"].endswith("/servers")
    ]


def test_a_lease_lost_while_a_connection_is_opened_sends_nothing(plane: planes.Plane) -> None:
    """The wire takes its time after the first question, as a process does that is stopped there."""
    asked: list[float] = []
    carries = threading.Event()
    lost = threading.Event()

    def may_write() -> str:
        asked.append(time.monotonic())
        return "another leads" if lost.is_set() else ""

    def slowly() -> str:
        carries.wait(30.0)
        return "api"

    port = int(plane.url.rpartition(":")[2])
    wire = service.Service(slowly, {"api": port})
    path = f"/api/v1/namespaces/{planes.NAMESPACE}/configmaps"
    made = {"metadata": {"name": "late"}, "apiVersion": "v1", "kind": "ConfigMap"}
    text = plane.kubeconfig.read_text().replace(plane.url, f"https://{wire.address}")
    kubeconfig = plane.folder / "slow"
    kubeconfig.write_text(text)
    found: list[BaseException] = []

    def post() -> None:
        link = connection.connect(
            kubeconfig=str(kubeconfig), time_source=clock.SystemClock(), may_write=may_write
        )
        try:
            link.api.post(path, made)
        except errors.KubeError as error:
            found.append(error)

    sender = threading.Thread(target=post)
    try:
        sender.start()
        waiting.until(lambda: asked, "the first question")
        lost.set()
        carries.set()
        sender.join(30.0)
        assert isinstance(found[0], errors.NotLeading)
        with plane.client() as admin:
            assert admin.get(f"{path}/late").status_code == 404
        lost.clear()
        post()
        with plane.client() as admin:
            assert admin.delete(f"{path}/late").is_success, "the same, while it leads"
    finally:
        carries.set()
        sender.join(30.0)
        wire.stop()


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
