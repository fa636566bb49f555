"""The real autoscaler drains a node by eviction, with the rights that the chart gives it.

No more than those: it is a service account here, and not the administrator of other scenarios.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart import helm
from tests.e2e import controlplane
from tests.e2e.server import pool
from tests.e2e.world import World

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(600),
    pytest.mark.skipif(helm.find() is None, reason=helm.REASON),
]

Object = dict[str, Any]

HOME = "kube-system"
FULL = "vps-autoscaler"
KINDS = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
VALUES: Object = {
    "config": {
        "cluster": "e2e",
        "kubernetes": {},
        "nodes": [
            {
                "name": "web",
                "provider": "memory",
                "instanceType": "small",
                "region": "north",
                "join": "image",
                "maxSize": 5,
            }
        ],
    }
}
EVICTIONS = re.compile(
    r'^apiserver_request_total\{.*code="201".*resource="pods".*subresource="eviction".*\} (\d+)$',
    re.MULTILINE,
)
REFUSED = re.compile(r".*(?:is forbidden|cannot (?:list|get|watch|create|update|patch)).*")


def rendered() -> list[Object]:
    """Return the account and every right that the chart makes."""
    made = helm.objects(VALUES, f"--namespace={HOME}")
    return [each for each in made if each["kind"] in KINDS]


def path_of(what: Object) -> str:
    """Return where objects of a kind, and of a namespace, are."""
    root = "/api/v1" if what["apiVersion"] == "v1" else f"/apis/{what['apiVersion']}"
    namespace = what["metadata"].get("namespace")
    where = f"{root}/namespaces/{namespace}" if namespace else root
    return f"{where}/{what['kind'].lower()}s"


@contextlib.contextmanager
def account(plane: controlplane.ControlPlane, rights: list[Object], folder: Path) -> Iterator[Path]:
    """Have an account with these rights; give a kubeconfig that is it, and nobody else."""
    with plane.client() as api, contextlib.ExitStack() as undo:
        for each in rights:
            done = api.post(path_of(each), json=each)
            assert done.is_success, done.text
            undo.callback(api.delete, f"{path_of(each)}/{each['metadata']['name']}")
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        path = f"/api/v1/namespaces/{HOME}/serviceaccounts/{FULL}/token"
        made = api.post(path, json=asked)
        assert made.is_success, made.text
        document = yaml.safe_load(plane.kubeconfig.read_text())
        document["users"] = [{"name": "admin", "user": {"token": made.json()["status"]["token"]}}]
        kubeconfig = folder / "account.kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(document))
        yield kubeconfig


def evictions(plane: controlplane.ControlPlane) -> int:
    """Count the evictions that the API server has carried out since it started."""
    with plane.client() as api:
        return sum(int(each) for each in EVICTIONS.findall(api.get("/metrics").text))


def two_machines(scene: World) -> None:
    """Want two machines, each for a pod that leaves little room."""
    scene.build()
    scene.serve(pool("web"))
    scene.want("one", 1)
    scene.want("two", 1)


def node_of(scene: World, pod: str) -> str:
    return str(scene.cluster.pods()[pod]["spec"]["nodeName"])


def leave_one_movable(scene: World) -> tuple[str, str]:
    """Leave a node with nothing but a pod that fits beside that of the other; name both nodes."""
    scene.scheduled("two machines")
    scene.want("movable", 1, cpu="300m", memory="64Mi")
    scene.scheduled("a small pod")
    left = node_of(scene, "movable-0")
    beside = next(each for each in ("one-0", "two-0") if node_of(scene, each) == left)
    other = node_of(scene, "two-0" if beside == "one-0" else "one-0")
    assert left != other
    scene.cluster.delete_pod(beside)
    return left, other


def test_a_movable_pod_is_evicted_and_its_node_goes(
    scene: World, plane: controlplane.ControlPlane
) -> None:
    two_machines(scene)
    before = evictions(plane)
    with account(plane, rendered(), scene.folder) as kubeconfig:
        scene.autoscale(kubeconfig=kubeconfig)
        left, other = leave_one_movable(scene)
        scene.until(lambda: "movable-0" not in scene.cluster.pods(), "the small pod is evicted")
        assert evictions(plane) == before + 1, "by pods/eviction, and not by a deletion"
        scene.note("evicted")
        # What a ReplicaSet does then.
        scene.want("movable", 1, cpu="300m", memory="64Mi")
        scene.until(lambda: scene.alive() == {"web": 1}, "its node's machine is deleted")
        scene.scheduled("elsewhere")
        assert node_of(scene, "movable-0") == other
        scene.rests(created=2, web=1)
        assert left not in scene.cluster.nodes()
        assert not REFUSED.findall(scene.autoscaler.program.output()), "the rights suffice"


def test_without_the_right_to_evict_nothing_is_drained(
    scene: World, plane: controlplane.ControlPlane
) -> None:
    """The same with one rule less: it is this right of the chart by which nodes are emptied."""
    less = rendered()
    for each in less:
        rules = each.get("rules", [])
        each["rules"] = [rule for rule in rules if "pods/eviction" not in rule["resources"]]
        if not rules:
            del each["rules"]
    two_machines(scene)
    before = evictions(plane)
    with account(plane, less, scene.folder) as kubeconfig:
        # It tries for so long before it says what was wrong: two minutes by itself.
        scene.autoscale("--max-pod-eviction-time=5s", kubeconfig=kubeconfig)
        leave_one_movable(scene)
        scene.autoscaler.program.says(r'cannot create resource "pods/eviction"')
        scene.later()
        assert "movable-0" in scene.cluster.pods()
        assert evictions(plane) == before
        assert scene.alive() == {"web": 2}, "the machine stays with its pod"
