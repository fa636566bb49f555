"""Root on one machine, against a real API server with NodeRestriction: all that it can claim.

A kubelet's credential is ``system:node:<name>`` in ``system:nodes``, and so is root's on its
machine. What is allowed here is what the server must not believe; docs/decisions/0017 has the
table, and changes with this file.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from externalgrpc.kube import approval, csr, nodes
from externalgrpc.rpc.service import FAKE_NODE
from tests.e2e import programs, waiting
from tests.kube import plane as planes
from tests.kube import requests

pytestmark = pytest.mark.e2e

Object = dict[str, Any]

EVIL = "pool-evil22"
SIBLING = "pool-good22"
ITS_OWN = "memory://1"
THE_SIBLINGS = "memory://2"

NODES = nodes.PATH
CSI = "/apis/storage.k8s.io/v1/csinodes"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
MERGE = {"Content-Type": "application/merge-patch+json"}
DRY = "?dryRun=All"
TAINT = {"key": "ToBeDeletedByClusterAutoscaler", "value": "1", "effect": "NoSchedule"}
OWNER = {"apiVersion": "v1", "kind": "Node", "name": SIBLING, "uid": "u"}


def node(name: str = EVIL, *, about: Object | None = None, **spec: Any) -> Object:
    metadata = {"name": name, **(about or {})}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec}


@pytest.fixture
def siblings(plane: planes.Plane) -> Iterator[planes.Plane]:
    plane.make_node(SIBLING, provider_id=THE_SIBLINGS)
    yield plane
    with plane.client() as admin:
        admin.delete(NODES)


@pytest.fixture
def root(siblings: planes.Plane) -> Iterator[httpx.Client]:
    """Be root on the hostile machine, whose Node is not there yet."""
    with siblings.kubelet(EVIL) as client:
        yield client


@pytest.fixture
def registered(root: httpx.Client) -> httpx.Client:
    """Be root on the hostile machine once it is a node with the providerID that it should have."""
    assert root.post(NODES, json=node(providerID=ITS_OWN)).is_success
    return root


# ---- what a Node may be made with ------------------------------------------------------------

MADE: dict[str, tuple[Object, bool]] = {
    "no providerID": (node(), True),
    "another machine's providerID": (node(providerID=THE_SIBLINGS), True),
    "the providerID of a machine that is none": (node(providerID="memory://999"), True),
    "any taint": (node(taints=[TAINT]), True),
    "a finalizer, which keeps it from going": (node(about={"finalizers": ["a.test/x"]}), True),
    "an owner, which takes it along": (node(about={"ownerReferences": [OWNER]}), True),
    "labels of ours": (node(about={"labels": {"vps-autoscaler/group": "x"}}), True),
    "an instance type of its own": (
        node(about={"labels": {"node.kubernetes.io/instance-type": "huge"}}),
        True,
    ),
    "a word for the autoscaler": (
        node(
            about={"annotations": {"cluster-autoscaler.kubernetes.io/scale-down-disabled": "true"}}
        ),
        True,
    ),
    # CA marks what is no real node with a key that has two slashes: no object can carry it.
    "CA's mark of a fake": (node(about={"annotations": {FAKE_NODE: "unregistered"}}), False),
    "the name of CA's templates": (node("template-node-for-pool-1"), False),
    "a sibling's name": (node(SIBLING), False),
    "a name that is free": (node("pool-free22"), False),
    "a role": (node(about={"labels": {"node-role.kubernetes.io/control-plane": ""}}), False),
    "a restricted label": (node(about={"labels": {"node-restriction.kubernetes.io/x": ""}}), False),
}


@pytest.mark.parametrize("what", MADE)
def test_it_makes_its_node_with(root: httpx.Client, what: str) -> None:
    body, allowed = MADE[what]
    reply = root.post(NODES + DRY, json=body)
    assert reply.is_success is allowed, reply.text


# ---- what it may change ----------------------------------------------------------------------

CHANGED: dict[str, tuple[Object, bool]] = {
    "another machine's providerID": ({"spec": {"providerID": THE_SIBLINGS}}, False),
    "no providerID": ({"spec": {"providerID": None}}, False),
    "taints": ({"spec": {"taints": [TAINT]}}, False),
    "unschedulable": ({"spec": {"unschedulable": True}}, True),
    "owners": ({"metadata": {"ownerReferences": [OWNER]}}, False),
    "finalizers": ({"metadata": {"finalizers": ["a.test/x"]}}, True),
    "any annotation": ({"metadata": {"annotations": {"vps-autoscaler/x": "y"}}}, True),
    "any label of no reserved domain": ({"metadata": {"labels": {"vps-autoscaler/x": ""}}}, True),
    "its zone": ({"metadata": {"labels": {"topology.kubernetes.io/zone": "x"}}}, True),
    "its host name's label": ({"metadata": {"labels": {"kubernetes.io/hostname": SIBLING}}}, True),
    "a role": ({"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}}, False),
    "CA's mark of a fake": ({"metadata": {"annotations": {FAKE_NODE: "x"}}}, False),
}
STATUS: dict[str, tuple[Object, bool]] = {
    "ready, or not, as it likes": (
        {"status": {"conditions": [{"type": "Ready", "status": "True"}]}},
        True,
    ),
    "any size": ({"status": {"capacity": {"cpu": "9999", "memory": "99Ti"}}}, True),
    "a sibling's address": (
        {"status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.2"}]}},
        True,
    ),
    "taints": ({"spec": {"taints": [TAINT]}}, False),
}


@pytest.mark.parametrize("what", CHANGED)
def test_it_changes_its_node_to(registered: httpx.Client, what: str) -> None:
    patch, allowed = CHANGED[what]
    reply = registered.patch(f"{NODES}/{EVIL}{DRY}", json=patch, headers=MERGE)
    assert reply.is_success is allowed, reply.text


@pytest.mark.parametrize("what", STATUS)
def test_it_reports_of_its_node(registered: httpx.Client, what: str) -> None:
    patch, allowed = STATUS[what]
    reply = registered.patch(f"{NODES}/{EVIL}/status{DRY}", json=patch, headers=MERGE)
    assert reply.is_success is allowed, reply.text


def test_a_providerid_is_set_once_and_may_be_anybodys(root: httpx.Client) -> None:
    assert root.post(NODES, json=node()).is_success
    path = f"{NODES}/{EVIL}"
    first = root.patch(path, json={"spec": {"providerID": THE_SIBLINGS}}, headers=MERGE)
    assert first.is_success, first.text
    second = root.patch(path, json={"spec": {"providerID": ITS_OWN}}, headers=MERGE)
    assert "may not change providerID" in second.text


# ---- siblings, and everything else -----------------------------------------------------------


def test_it_reaches_no_sibling(registered: httpx.Client) -> None:
    path = f"{NODES}/{SIBLING}"
    patch = {"metadata": {"annotations": {"a": "b"}}}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": SIBLING}}
    for reply in (
        registered.get(path),
        registered.get(NODES),
        registered.patch(path, json=patch, headers=MERGE),
        registered.patch(f"{path}/status", json={"status": {}}, headers=MERGE),
        registered.put(path, json=node(SIBLING)),
        registered.delete(path),
        registered.delete(NODES),
        registered.get("/api/v1/pods", params={"fieldSelector": f"spec.nodeName={SIBLING}"}),
        registered.post(f"{LEASES.replace('default', 'kube-node-lease')}{DRY}", json=lease),
        registered.get("/api/v1/namespaces/kube-system/secrets"),
        registered.get("/api/v1/namespaces/kube-system"),
    ):
        assert reply.status_code == httpx.codes.FORBIDDEN, f"{reply.request.url}: {reply.text}"


def test_it_tells_tales_of_siblings(registered: httpx.Client) -> None:
    # So no Event is a proof of anything.
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "tale", "namespace": "default"},
        "involvedObject": {"kind": "Node", "name": SIBLING},
        "reason": "NodeNotReady",
    }
    assert registered.post(f"/api/v1/namespaces/default/events{DRY}", json=event).is_success


@pytest.mark.parametrize("name", [EVIL, SIBLING])
def test_it_asks_for_certificates_of_its_own_name_only(registered: httpx.Client, name: str) -> None:
    body = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": "evil"},
        "spec": {
            "signerName": csr.SIGNER,
            "usages": ["digital signature", "client auth"],
            "request": base64.b64encode(requests.pem(name)).decode(),
        },
    }
    reply = registered.post(approval.PATH + DRY, json=body)
    assert reply.is_success is (name == EVIL), reply.text


# ---- to go, and to come back as another ------------------------------------------------------


def test_it_deletes_no_node_not_even_its_own(registered: httpx.Client) -> None:
    assert registered.delete(f"{NODES}/{EVIL}").status_code == httpx.codes.FORBIDDEN


def test_after_somebody_deleted_its_node_it_comes_back_as_any_machine(
    siblings: planes.Plane, registered: httpx.Client
) -> None:
    with siblings.client() as admin:
        assert admin.delete(f"{NODES}/{EVIL}").is_success
    assert registered.post(NODES, json=node(providerID=THE_SIBLINGS)).is_success


@pytest.fixture
def collector(plane: planes.Plane) -> Iterator[programs.Program]:
    """Run the garbage collector of a real controller manager."""
    name = "kube-controller-manager"
    argv = [
        str(programs.built(name) / name),
        f"--kubeconfig={plane.kubeconfig}",
        "--controllers=garbage-collector-controller",
        "--leader-elect=false",
        "--secure-port=0",
    ]
    with programs.running(programs.Program(name, argv, plane.folder)) as collector:
        yield collector


def test_by_an_owner_that_it_deletes_it_goes_when_it_likes_and_comes_back_as_any_machine(
    root: httpx.Client, collector: programs.Program
) -> None:
    # A kubelet makes and deletes its own CSINode, and a Node may be made with any owner.
    made = root.post(
        CSI,
        json={
            "apiVersion": "storage.k8s.io/v1",
            "kind": "CSINode",
            "metadata": {"name": EVIL},
            "spec": {"drivers": []},
        },
    ).json()
    owner = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSINode",
        "name": EVIL,
        "uid": made["metadata"]["uid"],
    }
    body = node(about={"ownerReferences": [owner]}, providerID=ITS_OWN)
    assert root.post(NODES, json=body).is_success
    assert root.delete(f"{CSI}/{EVIL}").is_success
    waiting.until(
        lambda: root.get(f"{NODES}/{EVIL}").status_code == httpx.codes.NOT_FOUND,
        "its Node is collected",
        meanwhile=collector.check,
    )
    assert root.post(NODES, json=node(providerID=THE_SIBLINGS)).is_success


def test_its_node_can_be_made_to_stay(siblings: planes.Plane, registered: httpx.Client) -> None:
    path = f"{NODES}/{EVIL}"
    patch = {"metadata": {"finalizers": ["a.test/x"]}}
    assert registered.patch(path, json=patch, headers=MERGE).is_success
    link = siblings.link().api
    found = nodes.read(link.get(path))
    assert found is not None
    assert nodes.remove(link, found, still=lambda _node: True)
    left = nodes.read(link.get(path))
    assert left is not None
    assert left.deleting
    # Nobody is held up by it: it counts as one that is being deleted, and only people end it.
    assert not nodes.remove(link, left, still=lambda _node: True)
    with siblings.client() as admin:
        assert admin.patch(path, json={"metadata": {"finalizers": []}}, headers=MERGE).is_success
