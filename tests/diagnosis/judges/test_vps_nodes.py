"""VPSNodes as the doctor sees them."""

from __future__ import annotations

from typing import Any

from externalgrpc.diagnosis.judges import vps_nodes
from externalgrpc.pb import fleet_pb2 as pb
from externalgrpc.vpsnodes import objects
from tests.diagnosis import given


def node(**fields: Any) -> objects.VpsNode:
    settings = {"uid": "u", "generation": 2, "status": {"observedGeneration": 2}, **fields}
    return objects.VpsNode(name="web", **settings)


DELETING = {"deleting": True, "finalizers": (objects.FINALIZER,)}


def found(*there: objects.VpsNode, server: bool = True) -> list:
    facts = given.facts(vps_nodes=there, server=pb.ShowResponse() if server else None)
    return list(vps_nodes.judge(facts))


def test_a_well_one_is_silent() -> None:
    assert found(node()) == []
    assert list(vps_nodes.judge(given.facts())) == []


def test_one_that_waits_for_a_server_that_is_gone() -> None:
    (only,) = found(node(**DELETING), server=False)
    assert only.severity.name == "TROUBLE"
    assert "no server answers: web" in only.what
    assert "kubectl patch vpsnode/web --type=merge" in only.cure


def test_one_that_waits_for_its_machines() -> None:
    draining = {"type": "Draining", "status": "True", "message": "1 machines are left: web-1"}
    status = {"observedGeneration": 2, "conditions": [draining]}
    (only,) = found(node(**DELETING, status=status))
    assert only.severity.name == "WARNING"
    assert "web-1" in only.what


def test_one_that_others_hold_is_theirs() -> None:
    assert found(node(deleting=True, finalizers=("others/own",)), server=False) == []


def test_one_that_is_not_accepted() -> None:
    accepted = {"type": "Accepted", "status": "False", "reason": "TypeGone", "message": "no cx21"}
    (only,) = found(node(status={"observedGeneration": 2, "conditions": [accepted, "odd"]}))
    assert "web is not accepted (TypeGone): no cx21" in only.what


def test_one_that_the_server_does_not_answer() -> None:
    (only,) = found(node(status={}))
    assert "has not answered: web" in only.what
    assert "vpsnodes-rbac.yaml" in only.cure
    assert found(node(status={}), server=False) == []


def test_a_tenant_that_names_a_vpsnode_which_is_not_there() -> None:
    tenants = {"shop": "web", "blog": "wbe", "wiki": "wbe"}
    facts = given.facts(vps_nodes=(node(),), server=pb.ShowResponse(), tenants=tenants)
    (only,) = vps_nodes.judge(facts)
    assert only.severity.name == "WARNING"
    assert "a VPSNode wbe, and there is none: blog, wiki" in only.what
    assert "kubectl label namespace blog vps-autoscaler/tenant=NAME --overwrite" in only.cure


def test_policies_of_tenants_without_the_kind() -> None:
    cluster = {"tenant_policies": frozenset({"vps-tenant-apps"}), "vps_nodes_served": False}
    (only,) = list(vps_nodes.judge(given.facts(cluster=cluster)))
    assert only.severity.name == "TROUBLE"
    assert "stand without the CRD of VPSNodes: vps-tenant-apps" in only.what
    assert "deploy/crds/vpsnodes.yaml" in only.cure
    for served in (True, None):
        there = {**cluster, "vps_nodes_served": served}
        assert list(vps_nodes.judge(given.facts(cluster=there))) == []
    none = {**cluster, "tenant_policies": frozenset()}
    assert list(vps_nodes.judge(given.facts(cluster=none))) == []
