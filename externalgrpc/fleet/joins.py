"""Watch machines become nodes: how far each has come, who did not in time, which groups never do.

Judged only where the cluster is known and its Nodes were listed. A machine that failed to join is
shown to CA as being created, with the error: CA deletes such at once, without a drain. So it takes
the proof that the machine never was a node (:mod:`externalgrpc.fleet.proof`), and is done to a few
in ten minutes only; what is held back is reported. What CA leaves is retired by :func:`overdue`. A
group whose joins fail in a row is held back, so that it does not burn an hourly minimum in a loop.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from externalgrpc.fleet import (
    identity,
    journeys,
    pausing,
    proof,
    state,
    vanishing,
    verdicts,
    view,
)
from externalgrpc.fleet.state import Step
from externalgrpc.model import backoff, groups
from providers import contract

PATIENCE_S = 120.0
"""How long CA has to let a machine go that failed to join, before we do."""

STRIKES = 3
"""So many failed joins in a row hold a group back."""

HELD_BACK_S = 300.0
"""For how long at first; doubling with each further one up to MAX_HELD_BACK_S."""

MAX_HELD_BACK_S = 3600.0

NEVER_READY = "NodeNotReady"
"""The code of a machine whose Node came and was never ready; a Node's coming does not cure it."""

_ON_TRIAL = "it was ordered for a trial, which ends it"

_OFF_AT_FIRST_S = 180.0
"""A machine that nobody saw run may be off because it was not started yet."""

_WAYS = {
    Step.CREATED: "was created",
    Step.RUNNING: "ran",
    Step.CSR: "asked for its certificate",
    Step.NODE: "registered its Node",
    Step.READY: "was ready",
}
_NEXT = {
    Step.RUNNING: "run",
    Step.CSR: "ask for its certificate",
    Step.NODE: "register its Node",
    Step.READY: "become ready",
}


def judge(
    fleet: state.Fleet,
    sights: Mapping[str, journeys.NodeObservation],
    *,
    now: float,
    unix_now: float,
    sure: bool = True,
) -> state.Fleet:
    """Note how far machines have come, and mark those that are no nodes and will not be.

    ``sights`` holds what the cluster shows, by Node name and by provider id. A machine has failed
    when it powered itself off before it was a node (our join script does so), or when the time of
    a step or of its whole way is over. One that is a node after all is forgiven. While we are not
    ``sure`` of what we see, or most nodes that we saw are lost, nothing more counts as failed.
    """
    before = fleet.journeys
    fleet = journeys.follow(fleet, sights, unix_now=unix_now)
    sick = outage(fleet, sights)
    if sick != fleet.outage:
        fleet = dataclasses.replace(fleet, outage=sick)
    court = verdicts.Court(fleet, now)
    unjoined: dict[str, state.Unjoined] = {}
    strikes = dict(fleet.strikes)
    doubtful = not sure or bool(sick and outage(fleet, sights, guesses=False))
    for group, member, instance in _machines(fleet):
        journey = fleet.journeys[member.name]
        known = fleet.unjoined.get(member.name)
        if known is not None and known.provider_id not in ("", member.provider_id):
            known = None
        if journey.ready_at:
            # One that becomes ready now ends a row of failures; those that have long been, do not.
            held = before.get(member.name)
            if held is None or not held.ready_at:
                strikes.pop(group.name, None)
            continue
        if known is not None and journey.node_at and known.failure.code != NEVER_READY:
            known = None
        failure = known.failure if known else _failure(fleet, instance, group, journey, unix_now)
        if failure is None or (known is None and doubtful):
            continue
        if known is None:
            known = state.Unjoined(
                now, failure, withheld=verdicts.NOT_YET, provider_id=member.provider_id
            )
            row = strikes.get(group.name)
            strikes[group.name] = state.Strikes(row.count + 1 if row else 1, now)
        if group.trial_of:
            # Whoever tries hears of it and ends the trial: it takes no verdict from the others.
            unjoined[member.name] = dataclasses.replace(known, withheld=_ON_TRIAL)
            continue
        unjoined[member.name] = court.heard(known, instance, group, doubtful=doubtful)
    changed = (
        unjoined != fleet.unjoined or strikes != fleet.strikes or court.verdicts != fleet.verdicts
    )
    if not changed:
        return fleet
    return dataclasses.replace(fleet, unjoined=unjoined, strikes=strikes, verdicts=court.verdicts)


def overdue(fleet: state.Fleet, now: float, *, patience_s: float) -> Sequence[state.Member]:
    """List machines that failed to join, as is proved, and that CA has left for too long."""
    late = {key for key, held in fleet.unjoined.items() if now - held.since > patience_s}
    if not late:
        return ()
    return [
        member
        for name in fleet.groups
        for member in view.members(fleet, name)
        if member.name in late
        and member.failure is not None
        and member.instance is not None
        and proof.settled(
            fleet, member.instance, account := view.account_of(fleet, member.instance)
        )
        and not pausing.own_word(fleet, name, account)
    ]


def outage(
    fleet: state.Fleet, sights: Mapping[str, journeys.NodeObservation], *, guesses: bool = True
) -> str:
    """Say that the cluster has lost nodes at large; empty when it has not.

    Machines that run, were nodes, and are not ready: joins then fail for no fault of theirs. With
    ``guesses`` those count that nobody saw ready but whose Nodes look as if they had been.
    """
    joined = [
        instance
        for _, member, instance in _machines(fleet)
        if instance.state is contract.InstanceState.RUNNING
        and (journey := fleet.journeys.get(member.name)) is not None
        and journey.ready_at
        and (guesses or not journey.guessed)
    ]
    lost = sum(1 for each in joined if not journeys.seen(fleet, sights, each).ready_at)
    if not vanishing.is_outage(lost, len(joined)):
        return ""
    return f"{lost} of {len(joined)} machines that run and were nodes are not ready"


def held_back(fleet: state.Fleet, group: str, now: float) -> str:
    """Return why a group may not grow for now; empty when it may."""
    left_s = held_back_s(fleet, group, now)
    if left_s <= 0:
        return ""
    return (
        f"{fleet.strikes[group].count} machines in a row did not become nodes; the group is held "
        f"back for another {left_s:.0f} s"
    )


def held_back_s(fleet: state.Fleet, group: str, now: float) -> float:
    """Return for how many seconds a group may not grow; 0 when it may."""
    strikes = fleet.strikes.get(group)
    if strikes is None or strikes.count < STRIKES:
        return 0.0
    wait_s = backoff.wait_s(
        strikes.count - STRIKES + 1, base_s=HELD_BACK_S, longest_s=MAX_HELD_BACK_S
    )
    return max(0.0, strikes.last_at + wait_s - now)


def _machines(
    fleet: state.Fleet,
) -> Iterator[tuple[groups.NodeGroup, state.Member, contract.Instance]]:
    for name, group in fleet.groups.items():
        for member in view.members(fleet, name):
            if member.instance is not None:
                yield group, member, member.instance


def _failure(
    fleet: state.Fleet,
    instance: contract.Instance,
    group: groups.NodeGroup,
    journey: state.Journey,
    unix_now: float,
) -> state.Failure | None:
    if journey.node_at:
        limit_s = group.join_deadlines.ready_s or group.provision_timeout_s
        late = unix_now - journey.node_at > limit_s
        return _late(NEVER_READY, instance, journey, Step.READY, limit_s) if late else None
    if instance.provider_id in fleet.registered or not instance.created_at:
        return None
    if instance.state is contract.InstanceState.STOPPED:
        return _gone_off(instance, journey, unix_now)
    step, step_s = _next_limit(group, journey)
    if step_s is not None and unix_now - journey.since > step_s:
        return _late("JoinTimeout", instance, journey, step, step_s)
    whole_s = group.provision_timeout_s
    running = instance.state is contract.InstanceState.RUNNING
    if not running or unix_now - instance.created_at <= whole_s:
        return None
    return state.Failure(
        state.ErrorClass.OTHER,
        "JoinTimeout",
        f"{identity.key_of(instance)} did not become a node within {whole_s:.0f} s: it "
        f"{_WAYS[journey.step]}, but did not {_NEXT[step]}",
    )


def _gone_off(
    instance: contract.Instance, journey: state.Journey, unix_now: float
) -> state.Failure | None:
    age_s = unix_now - instance.created_at
    if not journey.running_at and age_s < _OFF_AT_FIRST_S:
        return None
    return state.Failure(
        state.ErrorClass.OTHER,
        "JoinFailed",
        f"{identity.key_of(instance)} went off before it became a node, {age_s:.0f} s after its "
        f"creation: it {_WAYS[journey.step]}, and its serial console says what went wrong",
    )


def _next_limit(group: groups.NodeGroup, journey: state.Journey) -> tuple[Step, float | None]:
    """Return the step that is due before there is a Node, and what it may take in seconds."""
    limits = group.join_deadlines
    match journey.step:
        case Step.CREATED:
            return Step.RUNNING, limits.running_s
        case Step.RUNNING if group.join == "kubeadm":
            return Step.CSR, limits.csr_s
        case _:
            # Others' certificate requests are not known to be theirs.
            return Step.NODE, limits.node_s


def _late(
    code: str, instance: contract.Instance, journey: state.Journey, step: Step, limit_s: float
) -> state.Failure:
    return state.Failure(
        state.ErrorClass.OTHER,
        code,
        f"{identity.key_of(instance)} {_WAYS[journey.step]}, and did not {_NEXT[step]} within "
        f"{limit_s:.0f} s of that",
    )
