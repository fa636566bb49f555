"""Judge the room that is kept in groups: by what no group asks for any more, and where it comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from externalgrpc.config import headroom
from externalgrpc.diagnosis.facts import Facts, KeptRoom
from externalgrpc.diagnosis.findings import Finding, Severity, names, warning

SUBJECT: Final = "room"


def judge(facts: Facts) -> Iterator[Finding]:
    """Judge what is left over, and groups of the file whose room comes to a VPSNode's nodes."""
    yield from _left(facts)
    yield from _shared(facts)


def _left(facts: Facts) -> Iterator[Finding]:
    """Find objects of this cluster's server whose group asks for no room.

    A server takes them away while some group asks; one that starts when none does looks for none.
    A group that is not known may be a VPSNode where those were not seen: nothing is said of it.
    """
    asking = {each.name for each in facts.config.groups if each.keeps_room}
    asking |= {each.id for each in facts.server_groups if each.HasField("headroom")}
    known = {each.name for each in facts.config.groups}
    surely = facts.vps_nodes is not None or facts.cluster.vps_nodes_served is False
    by_group: dict[tuple[str, str], list[KeptRoom]] = {}
    for each in facts.cluster.rooms or ():
        if each.cluster != facts.config.cluster or each.group in asking:
            continue
        if surely or each.group in known:
            by_group.setdefault((each.namespace, each.group), []).append(each)
    for (namespace, group), its in by_group.items():
        kept = sum(each.replicas for each in its)
        kinds = ",".join(dict.fromkeys(each.kind.lower() for each in its))
        yield Finding(
            severity=Severity.TROUBLE if kept else Severity.WARNING,
            subject=SUBJECT,
            what=f"{_row(its)} in {namespace} keep room in group {group}, which asks for none",
            why="The autoscaler holds machines for it." if kept else "They are of no use.",
            cure=f"kubectl -n {namespace} delete {kinds} {' '.join(_names(its))}",
        )


def _shared(facts: Facts) -> Iterator[Finding]:
    """Find groups of the file whose room the nodes of a VPSNode would do for.

    A VPSNode that asks is refused for it; a group of the file was accepted without knowing any.
    """
    objects = [each for each in facts.config.groups if each.vps_node]
    for group in facts.config.groups:
        if group.vps_node or (said := headroom.shared(group, objects)) is None:
            continue
        yield warning(
            SUBJECT,
            f"{headroom.key(group)} of group {group.name} {said[0]}",
            f"That is a VPSNode: the room of {group.name} may come to its machines instead.",
            f"{said[1]}; or take a label off the VPSNode.",
        )


def _names(its: list[KeptRoom]) -> list[str]:
    return list(dict.fromkeys(each.name for each in its))


def _row(its: list[KeptRoom]) -> str:
    return names(f"{each.kind} {each.name}" for each in its)
