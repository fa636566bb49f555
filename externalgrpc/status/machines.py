"""Show machines on the status page, each with its way: members, what is in doubt, what goes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Final

from externalgrpc.fleet import keys, repair, state, trials, view, ways
from externalgrpc.status import known as of
from externalgrpc.status import shape
from providers import contract

_AFTER: Final = {
    ways.Step.ASKED: ways.Step.ORDERED,
    ways.Step.ORDERED: ways.Step.CREATED,
    ways.Step.CREATED: ways.Step.RUNNING,
    ways.Step.RUNNING: ways.Step.NODE,
    ways.Step.NODE: ways.Step.READY,
}
"""The step that comes next; a request for a certificate is none that all make."""

_AT_REST: Final = frozenset({"failed", "deleting", "orphan", "trial", "quarantine", "stopped"})
"""In these phases no step is awaited."""


def machines(known: of.Known) -> Iterator[shape.Machine]:
    """Show all machines with our mark, and the orders of such."""
    fleet = known.fleet
    for name in fleet.groups:
        for member in view.members(fleet, name):
            yield _member(known, name, member)
        for instance in view.quarantined(fleet, name):
            held = fleet.quarantine[instance.provider_id]
            yield _standing(known, instance, "quarantine", held.doubt.value, held.message)
        for instance in view.leaving(fleet, name):
            yield _standing(known, instance, "deleting")
    for instance in view.orphans(fleet):
        text = "it carries the cluster's mark and no group that is configured"
        yield _standing(known, instance, "orphan", "Orphan", text)
    for instance in trials.leftovers(fleet):
        why = trials.unproved(fleet, instance) or "a trial that was ended by force left it"
        text = f"{why}; to delete it: {trials.cure(fleet, instance)}"
        yield _standing(known, instance, "trial", "Trial", text)


def _member(known: of.Known, group: str, member: state.Member) -> shape.Machine:
    fleet = known.fleet
    way = known.past.standing.get(member.name) or ways.Way(name=member.name, group=group)
    phase = "unknown"
    if member.instance is not None:
        phase = "failed" if member.failure is not None else member.instance.state.value
    elif member.launch is not None:
        phase = member.launch.phase.value
    withheld = fleet.unjoined.get(member.name)
    code, message = way.code, way.message
    if withheld is not None and withheld.withheld:
        code = withheld.failure.code
        message = f"{withheld.failure.message}; it is not given up: {withheld.withheld}"
    if (unready := repair.trouble(fleet, member.provider_id, known.now)) is not None:
        code, message = unready.code, unready.message
    return _machine(
        known,
        way,
        phase=phase,
        code=code,
        message=message,
        provider_id=member.instance.provider_id if member.instance is not None else "",
    )


def _standing(
    known: of.Known, instance: contract.Instance, phase: str, code: str = "", message: str = ""
) -> shape.Machine:
    """Show a machine that is no member, under the way that was seen of it, where one was."""
    fleet = known.fleet
    name = keys.retired_names(fleet).get(instance.provider_id) or keys.key_of(fleet, instance)
    way = known.past.standing.get(name)
    if way is None or way.provider_id != instance.provider_id:
        way = ways.Way(
            name=name,
            group=instance.group,
            account=view.account_of(fleet, instance) if instance.group in fleet.groups else "",
            machine_type=instance.machine_type,
            location=instance.location,
            taken={ways.Step.CREATED: instance.created_at or None},
        )
    way = dataclasses.replace(
        way, account=fleet.index.account_of.get(instance.provider_id, way.account), end=way.end
    )
    return _machine(
        known,
        way,
        phase=phase,
        code=code or way.code,
        message=message or way.message,
        provider_id=instance.provider_id,
    )


def _machine(
    known: of.Known, way: ways.Way, *, phase: str, code: str, message: str, provider_id: str
) -> shape.Machine:
    return shape.Machine(
        name=way.name,
        group=way.group,
        account=way.account,
        provider_id=provider_id,
        instance_type=way.machine_type,
        region=way.location,
        phase=phase,
        price_per_hour=known.price(way.account, way.machine_type, way.location, way.group),
        way=steps(way),
        awaits="" if phase in _AT_REST else _next(known, way),
        code=code,
        message=message,
    )


def steps(way: ways.Way) -> tuple[shape.StepTaken, ...]:
    """Show the steps that were taken, in their order."""
    return tuple(
        shape.StepTaken(step=step.value, at=way.taken[step])
        for step in ways.Step
        if step in way.taken
    )


def _next(known: of.Known, way: ways.Way) -> str:
    """Name the step that is awaited; empty for none."""
    last = ways.Step.READY if known.watches_nodes else ways.Step.NODE
    if last in way.taken or ways.Step.READY in way.taken:
        return ""
    following = ways.Step.ORDERED
    for step in ways.Step:
        if step is ways.Step.JOINED:
            continue
        if step in way.taken:
            following = _AFTER[step]
    return following.value
