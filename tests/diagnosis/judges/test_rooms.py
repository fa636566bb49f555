"""Room that nobody asks for any more, and room that comes to the machines of others."""

from __future__ import annotations

from typing import Any

import pytest

from externalgrpc.diagnosis.facts import KeptRoom
from externalgrpc.diagnosis.findings import Finding
from externalgrpc.diagnosis.judges import rooms
from externalgrpc.model import groups
from externalgrpc.pb import fleet_pb2 as pb
from tests.diagnosis import given


def kept(kind: str = "CapacityBuffer", group: str = "web", **changed: Any) -> KeptRoom:
    fields = {
        "namespace": "vps-autoscaler",
        "name": f"vps-headroom-{group}",
        "cluster": "demo",
        "replicas": 2,
    }
    return KeptRoom(kind=kind, group=group, **{**fields, **changed})


TEMPLATE = kept("PodTemplate", replicas=0)
ASKING = given.group(labels={"pool": "web"}, target_cpu=70)


def found(*its: groups.NodeGroup, left: Any = (), **changed: Any) -> list[Finding]:
    cluster = {"rooms": left, "vps_nodes_served": changed.pop("served", False)}
    return list(rooms.judge(given.facts(*its, cluster=cluster, **changed)))


def test_what_a_group_asks_for_is_silent() -> None:
    assert found(ASKING, left=(kept(), TEMPLATE)) == []
    assert found(left=()) == []
    assert found(left=None) == []


@pytest.mark.parametrize("group", ["web", "gone"])
def test_what_no_group_asks_for_costs_money(group: str) -> None:
    template = kept("PodTemplate", group, replicas=0)
    (only,) = found(left=(kept(group=group), template, kept("Deployment", group)))
    assert only.severity.name == "TROUBLE"
    assert f"in vps-autoscaler keep room in group {group}, which asks for none" in only.what
    assert only.cure == (
        "kubectl -n vps-autoscaler delete capacitybuffer,podtemplate,deployment "
        f"vps-headroom-{group}"
    )


def test_a_template_alone_holds_nothing() -> None:
    (only,) = found(left=(TEMPLATE,))
    assert only.severity.name == "WARNING"


def test_another_clusters_server_has_its_own() -> None:
    assert found(left=(kept(cluster="other"),)) == []


def test_what_may_be_of_a_vpsnode_that_was_not_seen_is_not_judged() -> None:
    left = (kept(group="object"),)
    assert found(left=left, served=None) == []
    assert found(left=left, served=True) == []
    assert len(found(left=left, served=False)) == 1
    assert len(found(left=left, served=True, vps_nodes=())) == 1
    # A group of the file is known, whatever was seen of VPSNodes.
    assert len(found(left=(kept(),), served=None)) == 1


def test_a_group_that_the_server_keeps_room_in_asks() -> None:
    shown = pb.ShowResponse(groups=[pb.Group(id="new", headroom=pb.Headroom(balloons=1))])
    assert found(left=(kept(group="new"),), shown=shown) == []


def test_room_of_the_file_that_comes_to_a_vpsnode() -> None:
    beside = given.group("object", labels={"pool": "web", "tier": "x"}, vps_node=True)
    (only,) = found(ASKING, beside)
    assert "targetCPU of group web would be kept on nodes of" in only.what
    assert "object" in only.what
    assert "take a label off the VPSNode" in only.cure
    other = given.group("object", labels={"pool": "db"}, vps_node=True)
    assert found(ASKING, other) == []
    # Two groups of the file are refused at the start, and a VPSNode that asks when it is read.
    assert found(ASKING, given.group("two", labels={"pool": "web"})) == []
    asks = given.group("object", labels={"pool": "web"}, vps_node=True, target_cpu=70)
    assert found(given.group(labels={"pool": "web"}), asks) == []
