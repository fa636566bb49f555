"""Retired names: machines that must not exist, from the wish to the proof that they do not.

A retired name stops counting at once. Its deletion is repeated until two listings that began after
the cloud's settling time agree that it is gone; a name whose create may still land is a tombstone
until then. What was retired is remembered, and retired again should a cloud show it once more.

Only what CA drained goes whatever its Node says. All else was retired because it never was a node,
or because its Node was not ready for long: it is spared if it becomes one, or ready, before the
cloud took its deletion, be that late or again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from externalgrpc.fleet import keys, proof, state, stock, tidying, view
from externalgrpc.model import backoff, groups
from providers import contract, errors

ABSENCES = 2
"""How many listings must agree, after the settling time, that a retired machine is gone."""

REPEAT_DELETE_S = 30.0
"""A deletion that listings contradict is repeated after this long, doubling to ten minutes."""

MAX_REPEAT_DELETE_S = 600.0


def terminated(
    fleet: state.Fleet,
    members: Sequence[state.Member],
    *,
    now: float,
    drained: frozenset[str] = frozenset(),
    own: bool = False,
    repair: bool = False,
) -> state.Fleet:
    """Retire members: a launch that was never sent vanishes, all else is deleted and awaited.

    ``drained`` are the keys of those whose real Nodes CA deleted; ``own`` says that it is not CA
    who asks for it, ``repair`` that their Nodes are not ready.
    """
    if not members:
        return fleet
    names = {member.name for member in members}
    retired = dict(fleet.retired)
    gone = dict(fleet.gone)
    for member in members:
        launch = member.launch or _launch_of(fleet, member)
        if launch is not None:
            names.add(launch.name)
        instance = member.instance or (launch.instance if launch is not None else None)
        if instance is not None:
            account = view.account_of(fleet, instance)
            retired[member.name] = owed(
                instance,
                account,
                now,
                key=member.name,
                drained=member.name in drained,
                own=own,
                repair=repair,
            )
        elif launch is not None and (launch.may_land or launch.phase is state.Phase.ASKED):
            retired[member.name] = _tombstone(launch, now, own=own)
        elif launch is not None and launch.asked_at > state.NEVER:
            gone[member.name] = state.Gone(launch.group, terminated=True, own=own)
    return dataclasses.replace(
        fleet,
        launches={name: held for name, held in fleet.launches.items() if name not in names},
        missing={
            provider_id: held
            for provider_id, held in fleet.missing.items()
            if keys.key_of(fleet, held.instance) not in names
        },
        retired=retired,
        gone=gone,
    )


def _launch_of(fleet: state.Fleet, member: state.Member) -> state.Launch | None:
    """Return the order that a machine came of, though another machine has its name for a key."""
    launch = fleet.launches.get(member.name)
    if launch is None and member.instance is not None:
        named = fleet.launches.get(member.instance.node_name)
        return named if proof.is_our_order(fleet, member.instance) else None
    return launch


def withdraw(fleet: state.Fleet, names: Iterable[str], *, own: bool = True) -> state.Fleet:
    """Forget held launches; those that were sent once stay retired, should they land after all.

    ``own`` says that it is not CA who asks for it.
    """
    dropped = set(names)
    if not dropped:
        return fleet
    gone = {
        name: state.Gone(launch.group, terminated=True, own=own)
        for name in dropped
        if (launch := fleet.launches[name]).asked_at > state.NEVER
    }
    launches = {name: held for name, held in fleet.launches.items() if name not in dropped}
    return dataclasses.replace(fleet, launches=launches, gone={**fleet.gone, **gone})


def asked_for(
    fleet: state.Fleet, asked: Iterable[str], *, drained: frozenset[str] = frozenset()
) -> state.Fleet:
    """Note that CA asks for what was retired on our own word: it waits for nothing any more.

    ``drained`` are the keys of those whose real Nodes CA deleted.
    """
    changed = {
        key: dataclasses.replace(held, own=False, drained=held.repair and key in drained)
        for key in asked
        if (held := fleet.retired.get(key)) is not None and held.own
    }
    if not changed:
        return fleet
    return dataclasses.replace(fleet, retired={**fleet.retired, **changed})


def owed(
    instance: contract.Instance,
    account: str,
    now: float,
    *,
    key: str,
    surplus: bool = False,
    drained: bool = False,
    own: bool = False,
    repair: bool = False,
) -> state.Retirement:
    """Make the retirement of a machine whose id is known: its deletion is owed."""
    return state.Retirement(
        key=key,
        name=instance.node_name,
        group=instance.group,
        account=account,
        since=now,
        deletion=state.Deletion.OWED,
        instance_id=instance.id,
        provider_id=instance.provider_id,
        surplus=surplus,
        drained=drained,
        own=own,
        repair=repair,
        candidate=groups.Candidate(instance.machine_type, instance.location),
    )


def listed(fleet: state.Fleet, snapshot: state.Snapshot, *, now: float) -> state.Fleet:
    """Bring the retired names of an account nearer to being forgotten, or delete them again."""
    if not fleet.retired:
        return fleet
    settle_s = fleet.accounts[snapshot.account].settle_s
    retired: dict[str, state.Retirement] = {}
    gone = dict(fleet.gone)
    left_behind: set[tuple[str, str]] = set()
    for key, retirement in fleet.retired.items():
        if retirement.account != snapshot.account:
            retired[key] = retirement
            continue
        # Any account's listing will do to show it: two logins may look into one project.
        instance = fleet.index.by_provider_id.get(keys.machine_of(fleet, retirement))
        after = snapshot.begun_at > retirement.doubtful_since + settle_s
        left = (
            _shown(retirement, instance, now, after=after)
            if instance is not None
            else _absent(retirement, now, after=after)
        )
        if left is not None:
            retired[key] = left
            continue
        for known_as in filter(None, (retirement.provider_id, key)):
            gone[known_as] = state.Gone(
                retirement.group,
                terminated=True,
                drained=retirement.drained,
                own=retirement.own,
                repair=retirement.repair,
            )
        left_behind.add((retirement.group, retirement.name))
    fleet = dataclasses.replace(fleet, retired=retired, gone=gone)
    return tidying.gone(fleet, snapshot.account, frozenset(left_behind))


def ordered(
    fleet: state.Fleet, name: str, answer: contract.Instance | errors.CloudError, *, now: float
) -> state.Fleet:
    """Take the answer to a create whose launch was retired while it was under way."""
    retirement = fleet.retired.get(name)
    if retirement is None or retirement.deletion is not state.Deletion.AWAITED:
        return fleet
    match answer:
        case contract.Instance():
            return _put(proof.bound(fleet, name, answer), _landed(retirement, answer))
        case errors.NoCapacity() | errors.Refused() | errors.Throttled():
            return _forget(fleet, retirement)
        case _:
            return _put(fleet, dataclasses.replace(retirement, doubtful_since=now))


def looked_up(
    fleet: state.Fleet,
    name: str,
    answer: contract.Instance | errors.CloudError | None,
    *,
    now: float,
) -> state.Fleet:
    """Take the answer to the look-up of a tombstone."""
    retirement = fleet.retired.get(name)
    if retirement is None or retirement.deletion is not state.Deletion.AWAITED:
        return fleet
    if isinstance(answer, contract.Instance) and not proof.may_be_of(fleet, name, answer):
        # Somebody else's label says so: the machine of this name is not there.
        answer = None
    match answer:
        case contract.Instance():
            return _put(proof.bound(fleet, name, answer), _landed(retirement, answer))
        case None if retirement.looking:
            return _forget(proof.never_shown(fleet, retirement), retirement)
        case None:
            # Asked while it was a launch still: not after two listings that lack it.
            return fleet
        case _:
            wait_s = stock.retry_wait_s(answer, 1)
            return _put(
                fleet, dataclasses.replace(retirement, looking=False, not_before=now + wait_s)
            )


def deleted(
    fleet: state.Fleet, key: str, error: errors.CloudError | None, *, now: float
) -> state.Fleet:
    """Take the answer to a delete; no error means that the cloud took it."""
    retirement = fleet.retired.get(key)
    if retirement is None or retirement.deletion is not state.Deletion.SENT:
        return fleet
    attempts = retirement.attempts + 1
    if error is not None:
        wait_s = stock.retry_wait_s(error, attempts)
        return _put(
            fleet,
            dataclasses.replace(
                retirement,
                deletion=state.Deletion.OWED,
                not_before=now + wait_s,
                attempts=attempts,
                message=error.message,
            ),
        )
    return _put(
        fleet,
        dataclasses.replace(
            retirement,
            deletion=state.Deletion.DONE,
            doubtful_since=now,
            absences=0,
            attempts=attempts,
            message="",
        ),
    )


def _tombstone(launch: state.Launch, now: float, *, own: bool) -> state.Retirement:
    asked = launch.phase is state.Phase.ASKED
    return state.Retirement(
        key=launch.name,
        name=launch.name,
        group=launch.group,
        account=launch.account,
        since=now,
        deletion=state.Deletion.AWAITED,
        doubtful_since=state.NEVER if asked else launch.doubtful_since,
        own=own,
        candidate=launch.candidate,
        asked_at=launch.asked_at,
    )


def _landed(retirement: state.Retirement, instance: contract.Instance) -> state.Retirement:
    return dataclasses.replace(
        retirement,
        looking=False,
        deletion=state.Deletion.OWED,
        not_before=state.NEVER,
        instance_id=instance.id,
        provider_id=instance.provider_id,
    )


def _shown(
    retirement: state.Retirement, instance: contract.Instance, now: float, *, after: bool
) -> state.Retirement:
    if retirement.deletion is state.Deletion.AWAITED or retirement.instance_id != instance.id:
        return dataclasses.replace(_landed(retirement, instance), absences=0)
    due = retirement.doubtful_since + backoff.wait_s(
        retirement.attempts, base_s=REPEAT_DELETE_S, longest_s=MAX_REPEAT_DELETE_S
    )
    if retirement.deletion is state.Deletion.DONE and after and now >= due:
        return dataclasses.replace(
            retirement, deletion=state.Deletion.OWED, not_before=now, absences=0
        )
    return dataclasses.replace(retirement, absences=0)


def _absent(retirement: state.Retirement, now: float, *, after: bool) -> state.Retirement | None:
    """Count a listing that lacks a retired machine; None when it is proved gone.

    A tombstone is looked up once enough listings lack it; while its create is under way, no
    listing counts.
    """
    awaited = retirement.deletion is state.Deletion.AWAITED
    if not after or not (awaited or retirement.deletion is state.Deletion.DONE):
        return retirement
    if awaited and retirement.doubtful_since == state.NEVER:
        return retirement
    absences = retirement.absences + 1
    if absences >= ABSENCES and not awaited:
        return None
    return dataclasses.replace(retirement, absences=absences, not_before=now)


def _forget(fleet: state.Fleet, retirement: state.Retirement) -> state.Fleet:
    retired = {key: held for key, held in fleet.retired.items() if key != retirement.key}
    gone = {
        **fleet.gone,
        retirement.key: state.Gone(retirement.group, terminated=True, own=retirement.own),
    }
    return dataclasses.replace(fleet, retired=retired, gone=gone)


def _put(fleet: state.Fleet, retirement: state.Retirement) -> state.Fleet:
    return dataclasses.replace(fleet, retired={**fleet.retired, retirement.key: retirement})
