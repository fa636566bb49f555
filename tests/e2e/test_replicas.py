"""Two pods, each with a real autoscaler and a server that follows its Lease: one acts, always."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.e2e import controlplane
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
    yield [scene.pod(f"pod-{number}", pool("web"), flags=FOLLOW) for number in (1, 2)]
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
