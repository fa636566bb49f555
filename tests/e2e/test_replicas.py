"""Two pods, each with a real autoscaler and a server that follows its Lease: one acts, always."""

from __future__ import annotations

import copy
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import autoscaler, controlplane, leaders, server, service, waiting
from tests.e2e.server import pool
from tests.e2e.world import Pod, World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/cluster-autoscaler"
FOLLOW = ("--leader-elect=follow", "--leader-elect-resource-namespace=kube-system")
LOOP = "Starting main loop"


def names_hosts() -> bool:
    """Return whether a process may have a host name of its own here."""
    try:
        return subprocess.run(["unshare", "--uts", "hostname", "x"], check=False).returncode == 0
    except OSError:
        return False


@pytest.fixture
def pods(scene: World, plane: controlplane.ControlPlane) -> Iterator[list[Pod]]:
    if shutil.which("unshare") is None or not names_hosts():
        pytest.skip("no unshare --uts here: two pods need host names of their own")
    with plane.client() as api:
        api.delete(LEASE)
    scene.build()
    metrics = {f"pod-{number}": leaders.metrics_flag() for number in (1, 2)}
    made = [scene.pod(name, pool("web"), flags=(*FOLLOW, flag)) for name, flag in metrics.items()]
    with leaders.Watch(metrics) as watch:
        yield made
    assert watch.at_once == [], "two acted at once"
    assert watch.acted, "nobody ever acted"
    with plane.client() as api:
        api.delete(LEASE)


def leader(scene: World, plane: controlplane.ControlPlane, pods: list[Pod]) -> Pod:
    """Wait until an autoscaler goes through its loops; whose it is."""
    del plane
    return scene.until(
        lambda: next((each for each in pods if LOOP in each.autoscaler.program.output()), None),
        "an autoscaler leads",
    )


def other(than: Pod, pods: list[Pod]) -> Pod:
    (found,) = (each for each in pods if each is not than)
    return found


def rests(scene: World, of: Pod, *, created: int, web: int) -> None:
    scene.server, scene.autoscaler = of.server, of.autoscaler
    scene.rests(created=created, web=web)


def test_a_standby_that_is_killed_changes_nothing(
    scene: World, pods: list[Pod], plane: controlplane.ControlPlane
) -> None:
    """Neither for the autoscaler that leads nor for its server: growth and deletion go on."""
    first = leader(scene, plane, pods)
    second = other(first, pods)
    scene.want("web", 1)
    scene.scheduled()
    before = holder(plane)
    second.kill()
    scene.want("web", 1)
    scene.scheduled("scheduled after SIGKILL of the standby")
    second.start()
    scene.until(lambda: "serving address" in second.server.program.output(), "it is back")
    second.kill()
    scene.want("web", 1)
    scene.scheduled("scheduled after another")
    rests(scene, first, created=3, web=3)
    scene.cluster.delete_pods("web")
    scene.until(lambda: not scene.alive(), "all of them go")
    assert len(scene.cloud.deletions()) == 3
    assert holder(plane) == before
    assert first.server.program.ended() is first.autoscaler.program.ended() is None


def holder(plane: controlplane.ControlPlane) -> tuple[str, int]:
    with plane.client() as api:
        spec = api.get(LEASE).json()["spec"]
    return spec["holderIdentity"], spec["leaseTransitions"]


SERVICE = "vps-autoscaler"
SLICE = f"/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/{SERVICE}-leader"
OWN_LEASE = f"/apis/coordination.k8s.io/v1/namespaces/default/leases/{SERVICE}"
SERVICES = "/api/v1/namespaces/default/services"


class Beside:
    """Two servers that hold a Lease of their own, their Service, and the autoscaler's view of it.

    ``server`` stands for the one that the Service leads to, at the Service's address.
    """

    def __init__(self, scene: World, plane: controlplane.ControlPlane) -> None:
        self.plane = plane
        self.metrics = {f"10.0.0.{number}": leaders.metrics_flag() for number in (1, 2)}
        self.servers = {}
        for address, flag in self.metrics.items():
            folder = scene.folder / address
            folder.mkdir()
            self.servers[address] = server.Server(
                folder,
                {each: one.endpoint for each, one in scene.clouds.items()},
                [pool("web")],
                kubeconfig=plane.kubeconfig,
                flags=(
                    flag,
                    "--leader-elect=own",
                    "--leader-elect-lease-duration=6",
                    f"--leader-elect-service={SERVICE}",
                    f"--leader-elect-endpoint={address}:8086",
                ),
            )
        for each in self.servers.values():
            each.start()
        ports = {
            address: int(each.address.rpartition(":")[2]) for address, each in self.servers.items()
        }
        self.service = service.Service(self.leads_to, ports)

    def leads_to(self) -> str:
        """Return the address of the Service's one endpoint; empty without."""
        with self.plane.client() as api:
            found = api.get(SLICE).json()
        return next((one for each in found.get("endpoints") or () for one in each["addresses"]), "")

    def close(self) -> None:
        self.service.stop()
        for each in self.servers.values():
            each.program.kill()


@pytest.fixture
def beside(scene: World, plane: controlplane.ControlPlane) -> Iterator[Beside]:
    scene.build()
    fields = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": SERVICE},
        "spec": {"ports": [{"name": "grpc", "port": 8086}]},
    }
    with plane.client() as api:
        assert api.post(SERVICES, json=fields).is_success
        made = Beside(scene, plane)
        try:
            with leaders.Watch(made.metrics) as watch:
                yield made
            assert watch.at_once == [], "two acted at once"
            assert len(watch.acted) == 3, "each take-over was seen"
        finally:
            made.close()
            for path in (OWN_LEASE, SLICE, f"{SERVICES}/{SERVICE}"):
                api.delete(path)


def test_an_autoscaler_finds_the_server_that_leads(
    scene: World, beside: Beside, binary: Path
) -> None:
    """`--leader-elect own`: one autoscaler, a Service, and its servers lost one after the other."""
    first = scene.until(beside.leads_to, "the Service leads to somebody")
    at_the_service = copy.copy(beside.servers[first])
    at_the_service._listen = beside.service.address
    scaler = autoscaler.Autoscaler(
        binary,
        scene.folder,
        kubeconfig=beside.plane.kubeconfig,
        server=at_the_service,
        expander="least-waste",
    )
    scene.autoscaler = scaler
    try:
        scaler.start()
        scene.want("web", 1)
        scene.scheduled()
        (second,) = (each for each in beside.servers if each != first)
        standby, leads = beside.servers[second].program, beside.servers[first].program
        standby.kill()
        scene.want("web", 1)
        scene.scheduled("scheduled after SIGKILL of the standby")
        assert beside.leads_to() == first
        beside.servers[second].start()  # at the address that it had

        leads.kill()
        scene.want("web", 1)
        scene.scheduled("SIGKILL of the one that acts, scheduled")
        assert beside.leads_to() == second
        beside.servers[first].start()
        waiting.until(
            lambda: "stands by" in beside.servers[first].show().orders_held, "it stands by"
        )

        # Its connection stays, and the autoscaler waits for answers, until the process wakes up.
        standby.signal(signal.SIGSTOP)
        scene.want("web", 1)
        scene.until(lambda: beside.leads_to() == first, "the Service leads to the other")
        standby.signal(signal.SIGCONT)
        assert scene.until(standby.ended, "who led ends") == 1
        scene.scheduled("SIGSTOP, take-over and SIGCONT of the one that acts, scheduled")
        scene.server = beside.servers[first]
        scene.rests(created=4, web=4)
        scene.cluster.delete_pods("web")
        scene.until(lambda: not scene.alive(), "all of them go")
        assert len(scene.cloud.deletions()) == 4
    finally:
        scaler.program.kill()


def test_a_pool_survives_its_pods(
    scene: World, pods: list[Pod], plane: controlplane.ControlPlane
) -> None:
    first = leader(scene, plane, pods)
    second = other(first, pods)
    scene.note("one leads")
    scene.want("web", 2)
    scene.scheduled()
    rests(scene, first, created=2, web=2)
    # An autoscaler that does not lead calls nobody.
    assert LOOP not in second.autoscaler.program.output()
    assert "autoscaler started" not in second.server.program.output()
    assert "group grows" not in second.server.program.output()
    scene.until(lambda: second.server.targets() == {"web": 2}, "it sees what the other made")
    assert "stands by: the Lease is held by" in second.server.show().orders_held

    began = time.monotonic()
    first.kill()
    scene.want("web", 1)
    scene.scheduled(f"SIGKILL of {first.name}, scheduled")
    scene.timings.append(f"(from the kill {time.monotonic() - began:.1f} s)")
    rests(scene, second, created=3, web=3)
    first.start()
    scene.until(lambda: "serving address" in first.server.program.output(), "it is back")

    second.signal(signal.SIGSTOP)
    began = time.monotonic()
    scene.until(lambda: LOOP in first.autoscaler.program.output(), "the other autoscaler leads")
    scene.want("web", 1)
    scene.scheduled(f"SIGSTOP of {second.name}, scheduled")
    scene.timings.append(f"(from the stop {time.monotonic() - began:.1f} s)")
    sent = len(scene.cloud.log())
    second.signal(signal.SIGCONT)
    for each in second.programs:
        scene.until(each.ended, f"{each.name} led, and ends")
    assert second.server.program.ended() == 1
    assert "this server led, and the Lease is held by pod-" in second.server.program.output()
    rests(scene, first, created=4, web=4)
    assert not [
        each
        for each in scene.cloud.log()[sent:]
        if each["method"] in ("POST", "DELETE") and "/servers" in each["path"]
    ], "nobody ordered or deleted anything since"
    assert not scene.cloud.deletions()
    scene.cluster.delete_pods("web")
    scene.until(lambda: not scene.alive(), "all of them go")
    assert len(scene.cloud.deletions()) == 4
    scene.note("all gone")
