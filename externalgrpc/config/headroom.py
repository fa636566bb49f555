"""Judge what a group says of the room that it keeps: targetCPU and headroom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from externalgrpc.config import fields, validate
from externalgrpc.config.mistakes import Path
from externalgrpc.model import groups


def possible(
    group: groups.NodeGroup, path: Path, findings: validate.Findings, *, kubernetes: bool
) -> None:
    """File what keeps a group from having the room that it asks for."""
    if not group.keeps_room:
        return
    at = _key(group, path)
    if not kubernetes:
        message = "needs to know the cluster: room is kept by an object in it"
        findings.add(at, message, "Add kubernetes: to the file", key=True)
    if group.headroom.machines and group.headroom.cpu_millis:
        message = "is given beside nodes"
        findings.add((*path, "headroom", "cpu"), message, "Keep one of nodes and cpu", key=True)
    if group.headroom.machines > group.max_size:
        message = f"{group.headroom.machines} is more than maxSize {group.max_size}"
        findings.add((*path, "headroom", "nodes"), message, "Lower it, or raise maxSize")
    if not group.labels:
        message = "needs a label by which room is kept on this group's nodes and no others"
        findings.add(at, message, f"Add labels: {{pool: {group.name}}}", key=True)


def apart(
    found: Iterable[groups.NodeGroup], paths: Mapping[str, Path], findings: validate.Findings
) -> None:
    """File which groups' room the nodes of another would do for: it would come there instead."""
    every = tuple(found)
    for group in every:
        if said := shared(group, every):
            findings.add(_key(group, paths[group.name]), *said, key=True)


def shared(group: groups.NodeGroup, every: Iterable[groups.NodeGroup]) -> tuple[str, str] | None:
    """Return whose nodes a group's room would do for, and the cure; None when only its own."""
    if not group.keeps_room or not group.labels:
        return None
    others = (
        each.name
        for each in every
        if each.name != group.name and group.labels.items() <= each.labels.items()
    )
    if (other := next(others, None)) is None:
        return None
    message = (
        f"would be kept on nodes of {fields.describe(other)} as well, which have all "
        "of this group's labels"
    )
    return message, f"Give this group a label of its own, as pool: {group.name}"


def key(group: groups.NodeGroup) -> str:
    """Name the key by which a group asks for room."""
    return "targetCPU" if group.target_cpu is not None else "headroom"


def _key(group: groups.NodeGroup, path: Path) -> Path:
    return (*path, key(group))
