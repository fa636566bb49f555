"""deploy/fake-nodes.yaml against a real API server: who has it makes fake Nodes, and no others."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from externalgrpc.kube import access
from providers import contract
from providers.memory import kwok
from tests.e2e import waiting
from tests.kube import plane as planes

pytestmark = pytest.mark.e2e

NODES = "/api/v1/nodes?dryRun=All"
FILE = str(planes.ROOT / "deploy" / "fake-nodes.yaml")
MACHINE = contract.Instance(
    id="1001",
    provider_id="memory://1001",
    node_name="web-a",
    group="web",
    machine_type="small",
    location="north",
    state=contract.InstanceState.RUNNING,
)
SHAPE = contract.NodeShape(
    labels={"tier": "web"},
    taints=(contract.Taint(key="tier", value="web", effect="NoSchedule"),),
    capacity={"cpu": "2"},
    allocatable={"cpu": "1900m"},
)


def node() -> dict[str, Any]:
    return copy.deepcopy(dict(kwok.node_object(MACHINE, SHAPE, cluster="play")))


@pytest.fixture(scope="module")
def allowed(plane: planes.Plane) -> Iterator[planes.Plane]:
    """Apply the file, and wait until right and fence are in force."""
    plane.kubectl("apply", "-f", FILE)
    bare = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "bare"}}
    try:
        with plane.ourselves() as api:
            waiting.until(
                lambda: "for kwok, may be made" in api.post(NODES, json=bare).text,
                "our account may make Nodes, and not all",
            )
        yield plane
    finally:
        plane.kubectl("delete", "-f", FILE)


def test_without_the_file_no_node_may_be_made(plane: planes.Plane) -> None:
    lacking = access.missing(plane.link().api, access.needs_of_fake_nodes())
    assert [str(each) for each in lacking] == ["create nodes"]
    with plane.ourselves() as api:
        assert api.post(NODES, json=node()).status_code == httpx.codes.FORBIDDEN


def test_with_the_file_the_nodes_of_machines_in_memory_may(allowed: planes.Plane) -> None:
    needs = access.needs_of_fake_nodes()
    assert access.missing(allowed.link().api, needs) == ()
    assert access.excess(allowed.link().api, needs) == ()
    assert [str(each) for each in access.excess(allowed.link().api)] == ["create nodes"]
    with allowed.ourselves() as api:
        made = api.post(NODES, json=node())
        assert made.is_success, made.text
        assert made.json()["status"]["allocatable"] == {"cpu": "1900m"}


def _without(*path: str) -> dict[str, Any]:
    fields = at = node()
    for step in path[:-1]:
        at = at[step]
    del at[path[-1]]
    return fields


def _with(value: str, *path: str) -> dict[str, Any]:
    fields = at = node()
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return fields


REFUSED = {
    "a machine of a real cloud": _with("hcloud://1", "spec", "providerID"),
    "a machine of nobody": _without("spec", "providerID"),
    "no spec": _without("spec"),
    "no annotations": _without("metadata", "annotations"),
    "one that kwok would not know": _with("real", "metadata", "annotations", "kwok.x-k8s.io/node"),
    "one that we would not find again": _without("metadata", "labels", contract.FAKE_NODE),
    "no labels": _without("metadata", "labels"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_no_other_node_may_be_made_with_it(allowed: planes.Plane, what: str) -> None:
    with allowed.ourselves() as api, allowed.client() as admin:
        reply = api.post(NODES, json=REFUSED[what])
        assert reply.is_client_error, reply.text
        assert "for kwok, may be made" in reply.json()["message"]
        # It is the fence that refuses: an administrator, whom it does not concern, may.
        assert admin.post(NODES, json=REFUSED[what]).is_success


def test_the_fence_around_changes_lets_ours_go_again(
    allowed: planes.Plane, fenced: planes.Plane
) -> None:
    path = "/api/v1/nodes/web-a"
    with allowed.ourselves() as api:
        assert api.post("/api/v1/nodes", json=node()).is_success
        done = api.delete(path)
        assert done.is_success, done.text
