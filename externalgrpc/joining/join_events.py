"""Compare two fleets for what people want to hear of joins: timings and Kubernetes Events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from externalgrpc.fleet import joins, repair, state, view
from externalgrpc.fleet.state import Step
from externalgrpc.kube import events

_ACTION: Final = "Join"
WHOLE: Final = "total"
"""The phase under which the whole way from creation to readiness is timed."""

MOST: Final = 20
"""So many failed machines at a time get Events of their own; the log and metrics have all."""


class Timing(NamedTuple):
    """How long a machine of a group took for a step (or for all of them), in seconds."""

    group: str
    phase: str
    seconds: float


def timings(before: state.Fleet, after: state.Fleet) -> Iterator[Timing]:
    """Yield the steps taken since, of machines that were watched from the start."""
    for name, journey in _moved(before, after):
        machine = after.index.by_name.get(name)
        if machine is None or not journey.watched:
            continue
        for step, seconds in _fresh_steps(before.journeys.get(name), journey):
            yield Timing(machine.group, step.name.lower(), seconds)
        if journey.ready_at and not _ready_before(before, name):
            whole_s = max(0.0, journey.ready_at - journey.created_at)
            yield Timing(machine.group, WHOLE, whole_s)


class Wait(NamedTuple):
    """How long the autoscaler waited for a machine of a group, in seconds."""

    group: str
    seconds: float


def waits(before: state.Fleet, after: state.Fleet) -> Iterator[Wait]:
    """Yield the machines that are ready nodes since, with the time since they were asked for.

    Of watched ones only, and of those that this process was asked for: what it costs to wait for a
    cloud, to be refused by it and to be ordered anew is in it, which no other timing has.
    """
    for name, journey in _moved(before, after):
        machine, asked_at = after.index.by_name.get(name), after.asked.get(name)
        if machine is None or asked_at is None or not journey.watched:
            continue
        if journey.ready_at and not _ready_before(before, name):
            yield Wait(machine.group, max(0.0, journey.ready_at - asked_at))


def changes(
    before: state.Fleet, after: state.Fleet, home: events.Regarding
) -> Iterator[events.Event]:
    """Yield the Events for what went wrong since, on ``home``, and for whoever is a node now."""
    failed = [each for each in after.unjoined.items() if each[0] not in before.unjoined]
    for name, held in failed[:MOST]:
        group = view.group_of(after, name)
        yield _warning(home, held.failure.code, f"group {group}: {held.failure.message}")
        if held.failure.code == joins.NEVER_READY:
            node = events.Regarding(kind="Node", name=name, uid=name)
            yield _warning(node, held.failure.code, held.failure.message)
    if len(failed) > MOST:
        yield _warning(home, "JoinsFailed", f"{len(failed) - MOST} more machines did not join")
    for group, strikes in after.strikes.items():
        if strikes.count >= joins.STRIKES and strikes != before.strikes.get(group):
            why = joins.held_back(after, group, strikes.last_at)
            yield _warning(home, "GroupHeldBack", f"group {group}: {why}")
    for name, journey in _moved(before, after):
        if journey.ready_at and journey.watched and not _ready_before(before, name):
            steps = ", ".join(
                f"{step.name.lower()} {seconds:.0f} s"
                for step, seconds in _fresh_steps(None, journey)
            )
            whole_s = max(0.0, journey.ready_at - journey.created_at)
            yield events.Event(
                regarding=events.Regarding(kind="Node", name=name, uid=name),
                reason="Joined",
                action=_ACTION,
                note=f"ready {whole_s:.0f} s after its machine was created: {steps}",
                kind="Normal",
            )


def repairs(
    before: state.Fleet, after: state.Fleet, home: events.Regarding
) -> Iterator[events.Event]:
    """Yield the Events for machines that are retired since, for their Nodes are not ready."""
    for held in repair.begun(before, after)[:MOST]:
        was = before.unready.get(held.provider_id)
        state_ = "absent" if was is not None and not was.changed_at else "not ready"
        note = (
            f"{held.name} is {state_} for longer than repair.notReadyFor: its machine is deleted, "
            "and the autoscaler orders another when pods need one"
        )
        name = after.registered.get(held.provider_id, held.name)
        node = events.Regarding(kind="Node", name=name, uid=name)
        for regarding, text in ((home, f"group {held.group}: {note}"), (node, note)):
            yield events.Event(
                regarding=regarding, reason="Repair", action="Repair", note=text, kind="Warning"
            )


def _moved(before: state.Fleet, after: state.Fleet) -> Iterator[tuple[str, state.Journey]]:
    if after.journeys is before.journeys:
        return
    for name, journey in after.journeys.items():
        if journey is not before.journeys.get(name):
            yield name, journey


def _fresh_steps(
    before: state.Journey | None, journey: state.Journey
) -> Iterator[tuple[Step, float]]:
    """Yield the steps that are new, with the seconds since the step before each."""
    last = journey.created_at
    for step in (Step.RUNNING, Step.CSR, Step.NODE, Step.READY):
        at = journey.instants[step]
        if not at:
            continue
        if before is None or not before.instants[step]:
            yield step, max(0.0, at - last)
        last = at


def _ready_before(fleet: state.Fleet, name: str) -> bool:
    journey = fleet.journeys.get(name)
    return journey is not None and bool(journey.ready_at)


def _warning(regarding: events.Regarding, reason: str, note: str) -> events.Event:
    return events.Event(
        regarding=regarding, reason=reason, action=_ACTION, note=note, kind="Warning"
    )
