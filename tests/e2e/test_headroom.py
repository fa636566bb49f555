"""Room is there before pods want it, by the real autoscaler and its CapacityBuffers."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from externalgrpc.kube.pods import BALLOON
from tests import absent
from tests.e2e.controlplane import ControlPlane
from tests.e2e.metrics import Prometheus
from tests.e2e.server import pool
from tests.e2e.world import World

CRD = (
    Path(__file__).resolve().parents[3]
    / "shared"
    / "crds"
    / "capacitybuffers.autoscaling.x-k8s.io.yaml"
)
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
BUFFERS = "/apis/autoscaling.x-k8s.io/v1beta1/namespaces/default/capacitybuffers"
TEMPLATES = "/api/v1/namespaces/default/podtemplates"
FLAGS = (
    "--capacity-buffer-controller-enabled",
    "--capacity-buffer-pod-injection-enabled",
)
JSON = "--kube-api-content-type=application/json"
"""What 1.35 needs besides: it sends protobuf, which no API server takes for a custom resource."""
WEB = {"pool": "web"}

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


def _minor(binary: Path) -> int:
    release = re.search(r"1\.(\d+)", binary.name)
    return 99 if release is None else int(release[1])


def _flags(binary: Path) -> tuple[str, ...]:
    return (*FLAGS, JSON) if _minor(binary) == 35 else FLAGS


@pytest.fixture
def buffers(plane: ControlPlane, binary: Path) -> Iterator[None]:
    """Give the cluster the kind CapacityBuffer, and take it away with all that is left of it."""
    if not CRD.exists():
        absent.skip(absent.Need.SHARED)
    if _minor(binary) < 35:
        pytest.skip("this release knows no CapacityBuffers of v1beta1")
    definition = yaml.safe_load(CRD.read_text())
    # What the API server asks of a group of *.k8s.io.
    definition["metadata"]["annotations"]["api-approved.kubernetes.io"] = "unapproved, for a test"
    with plane.client() as api:
        made = api.post(DEFINITIONS, json=definition)
        assert made.is_success, made.text
        deadline = time.monotonic() + 30
        while not api.get(BUFFERS).is_success:
            assert time.monotonic() < deadline, "the kind is not served"
            time.sleep(0.1)
        yield
        api.delete(f"{DEFINITIONS}/{definition['metadata']['name']}")
        api.delete(TEMPLATES)
        while api.get(BUFFERS).is_success:
            time.sleep(0.1)


@pytest.fixture
def prometheus(scene: World) -> Iterator[Prometheus]:
    running = Prometheus(lambda: set(scene.cluster.nodes()))
    running.start()
    yield running
    running.stop()


@pytest.mark.usefixtures("buffers")
def test_load_brings_machines_before_any_pod_waits_and_they_go_with_it(
    scene: World, prometheus: Prometheus, binary: Path
) -> None:
    scene.build()
    web = {**pool("web", labels=WEB), "targetCPU": 70, "headroom": {"lowerAfter": "20s"}}
    scene.serve(web, known=True, kubernetes={"prometheus": prometheus.address})
    scene.want("web", 1, cpu="500m", selector=WEB)
    scene.autoscale(*_flags(binary))
    scene.scheduled()
    assert scene.alive() == {"web": 1}
    waited: list[str] = []

    def two() -> bool:
        waited.extend(scene.cluster.pending())
        return scene.alive() == {"web": 2} and len(scene.cluster.nodes()) == 2

    # Of one machine's two cores 1.9 are in use, and 0.5 requested: 2.71 are wanted.
    prometheus.cores = 1.9
    scene.until(two, "a second machine comes", within_s=240)
    scene.note("load up")
    assert not waited, "a pod had to wait for it"
    room = scene.server.show().groups[0].headroom
    assert (room.by, room.status, room.reason) == ("CapacityBuffer", "True", "OnTarget")
    scene.want("web", 3, cpu="500m", selector=WEB)
    scene.scheduled("three more pods placed")
    prometheus.cores = None
    scene.until(
        lambda: scene.server.show().groups[0].headroom.reason == "NoMetrics",
        "it is known that nobody measures",
    )
    assert scene.alive() == {"web": 2}, "what there was is held"
    assert "NoMetrics: web: " in scene.server.command("ls", f"--address={scene.server.address}")
    prometheus.cores = 0.2
    scene.cluster.delete_pods("web")
    scene.want("web", 1, cpu="500m", selector=WEB)
    scene.until(lambda: scene.alive() == {"web": 1}, "the second machine goes", within_s=240)
    scene.note("load down")
    scene.until(lambda: scene.server.show().groups[0].headroom.balloons == 0, "no balloon is left")
    scene.rests(created=2, web=1)


@pytest.mark.usefixtures("buffers")
def test_a_machine_in_reserve_takes_a_pod_at_once_and_another_comes(
    scene: World, binary: Path
) -> None:
    scene.build()
    scene.serve({**pool("web", labels=WEB), "headroom": {"nodes": 1}}, known=True)
    scene.autoscale(*_flags(binary))
    scene.until(lambda: len(scene.cluster.nodes()) == 1, "a machine comes for no pod", within_s=120)
    scene.note("in reserve")
    scene.want("web", 1, selector=WEB)
    scene.scheduled("placed")
    assert scene.alive() == {"web": 1}, "it was placed on what was there"
    scene.until(lambda: len(scene.cluster.nodes()) == 2, "the reserve is made up", within_s=120)
    scene.note("made up")
    scene.cluster.delete_pods("web")
    scene.rests(created=2, web=1)
    assert "in reserve" in scene.server.show().groups[0].headroom.message


DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
PODS = "/api/v1/namespaces/default/pods"
CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def replicating(plane: ControlPlane) -> Iterator[Replicas]:
    """Stand in for the controllers that make pods of Deployments."""
    every = yaml.safe_load_all((ROOT / "deploy" / "headroom-pods.yaml").read_text())
    priority = next(each for each in every if each["kind"] == "PriorityClass")
    with plane.client() as api:
        made = api.post(CLASSES, json=priority)
        assert made.is_success, made.text
        yield Replicas(api)
        api.delete(DEPLOYMENTS)
        api.delete(f"{CLASSES}/{priority['metadata']['name']}")


class Replicas:
    """As many pods as Deployments say; :meth:`turn` makes those that lack."""

    def __init__(self, api: httpx.Client) -> None:
        self._api = api
        self._made = 0

    def turn(self) -> None:
        for each in self._api.get(DEPLOYMENTS).json()["items"]:
            name = each["metadata"]["name"]
            there = self._api.get(PODS, params={"labelSelector": BALLOON}).json()["items"]
            alive = [pod for pod in there if "deletionTimestamp" not in pod["metadata"]]
            for _ in range(each["spec"]["replicas"] - len(alive)):
                self._made += 1
                pod = each["spec"]["template"]
                owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": "u"}
                about = {
                    **pod["metadata"],
                    "name": f"{name}-{self._made}",
                    "ownerReferences": [{**owner, "controller": True}],
                }
                body = {"apiVersion": "v1", "kind": "Pod", **pod, "metadata": about}
                made = self._api.post(PODS, json=body)
                assert made.is_success, made.text


def test_without_buffers_pods_pause_and_give_way(scene: World, replicating: Replicas) -> None:
    """The same with every release of the autoscaler, and without its flags."""
    scene.build()
    scene.serve({**pool("web", labels=WEB), "headroom": {"nodes": 1}}, known=True)
    scene.autoscale()

    def machines(count: int) -> bool:
        replicating.turn()
        return len(scene.cluster.nodes()) == count and not scene.cluster.pending()

    scene.until(lambda: machines(1), "a machine comes for the pod that pauses", within_s=120)
    scene.note("in reserve")
    room = scene.server.show().groups[0].headroom
    assert (room.by, room.status) == ("Deployment", "True")
    scene.want("web", 1, selector=WEB)
    first = next(iter(scene.cluster.nodes()))
    scene.until(
        lambda: scene.cluster.pods()["web-0"]["spec"].get("nodeName") == first,
        "the real pod takes the place of the one that pauses",
    )
    scene.note("placed")
    scene.until(lambda: machines(2), "the reserve is made up", within_s=120)
    scene.note("made up")
