"""Keep what happened lately, for eyes: a fold over the Fleets that a watcher saw, one by one.

Bounded whatever happens: the ways of what is there, the last :data:`ENDED` that ended, and the last
:data:`HAPPENINGS` things that happened. Two Fleets between which nobody looked count as one step.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from externalgrpc.fleet import joins, keys, notnow, repair, state, view, ways

ENDED: Final = 50
HAPPENINGS: Final = 100
_AT_ONCE: Final = 3
"""More machines of a group than these to which the same happened at once are one happening."""

_FATEFUL: Final = (
    *("groups", "launches", "index", "missing", "retired", "quarantine"),
    *("registered", "journeys", "unjoined"),
)
"""Where none of these parts of a Fleet changed, no way did."""

_WORDS: Final = {
    ways.End.FAILED: "never became a node, and is gone",
    ways.End.DRAINED: "is gone: the autoscaler drained it and let it go",
    ways.End.DELETED: "is gone: it was let go",
    ways.End.VANISHED: "is gone at the cloud, and nobody here deleted it",
    ways.End.WITHDRAWN: "was not made: its order was taken back or given up",
    ways.End.DOUBTED: "is in quarantine: not counted, and nothing deletes it",
}


class Weight(enum.Enum):
    """How much a happening matters; the values are the words that are shown."""

    NOTE = "note"
    GOOD = "good"
    WARNING = "warning"
    TROUBLE = "trouble"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that happened, in a sentence; ``at`` in Unix seconds, ``number`` counts from 1."""

    number: int
    at: float
    weight: Weight
    text: str
    group: str = ""
    machine: str = ""
    account: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What is kept: ``standing`` are the ways of what is there, by key.

    ``ended`` and ``happenings`` have the latest first.
    """

    standing: Mapping[str, ways.Way] = dataclasses.field(default_factory=dict)
    ended: tuple[ways.Way, ...] = ()
    happenings: tuple[Happening, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What is to be said; ``several`` is how it reads of many machines at once."""

    weight: Weight
    text: str
    group: str = ""
    machine: str = ""
    account: str = ""
    several: str = ""


def record(
    history: History,
    before: state.Fleet | None,
    after: state.Fleet,
    *,
    now: float,
    unix_now: float,
) -> History:
    """Add to a history what two Fleets differ in; ``before`` is None at the first look.

    What is there at the first look is taken as it is, and not said to have happened.
    """
    first = before is None
    said: list[_Said] = []
    found: Mapping[str, ways.Way] = history.standing
    ended: list[ways.Way] = []
    if before is None or any(getattr(before, at) is not getattr(after, at) for at in _FATEFUL):
        found, ended = ways.follow(history.standing, after, now=now, unix_now=unix_now, first=first)
        if not first:
            said += _together(_moved(history.standing, found, ended))
    if before is not None:
        said += _stated(before, after, now)
    number = history.happenings[0].number if history.happenings else 0
    fresh = tuple(
        Happening(
            number=number + place,
            at=unix_now,
            weight=each.weight,
            text=each.text,
            group=each.group,
            machine=each.machine,
            account=each.account,
        )
        for place, each in enumerate(said, 1)
    )
    return History(
        standing=found,
        ended=(*reversed(ended), *history.ended)[:ENDED],
        happenings=(*reversed(fresh), *history.happenings)[:HAPPENINGS],
    )


def _moved(
    before: Mapping[str, ways.Way], after: Mapping[str, ways.Way], ended: list[ways.Way]
) -> Iterator[_Said]:
    """Say what became of machines."""
    asked: dict[str, int] = {}
    for name, way in after.items():
        if name not in before and ways.Step.ASKED in way.taken:
            asked[way.group] = asked.get(way.group, 0) + 1
    for group, count in asked.items():
        machines = "a machine" if count == 1 else f"{count} machines"
        yield _Said(
            weight=Weight.NOTE, text=f"the autoscaler asked {group} for {machines}", group=group
        )
    for name, way in after.items():
        known = before.get(name)
        if known is None and ways.Step.ASKED not in way.taken:
            # It stood before this process ordered anything of its name, or somebody else made it.
            where = f"{way.machine_type} in {way.location}"
            yield _said_of(way, Weight.NOTE, f"was found: {where}", f"were found: {where}")
        elif known is not way:
            yield from _steps(known or ways.Way(name=name, group=way.group), way)
    for way in ended:
        known = before.get(way.name)
        expected = way.end in (ways.End.DRAINED, ways.End.DELETED, ways.End.WITHDRAWN)
        yield _said_of(
            way, Weight.NOTE if expected else Weight.WARNING, _WORDS[way.end or ways.End.VANISHED]
        )


def _steps(known: ways.Way, way: ways.Way) -> Iterator[_Said]:
    taken = {step for step, at in way.taken.items() if at is not None} - known.taken.keys()
    if ways.Step.CREATED in taken:
        where = f"{way.machine_type} in {way.location}" if way.machine_type else "at the cloud"
        yield _said_of(way, Weight.NOTE, f"was made: {where}", f"were made: {where}")
    if ways.Step.RUNNING in taken:
        yield _said_of(way, Weight.NOTE, "runs", "run")
    arrived = ways.Step.READY if ways.Step.READY in taken else ways.Step.NODE
    if arrived in taken:
        asked_at, at = way.taken.get(ways.Step.ASKED), way.taken[arrived]
        took = f", {at - asked_at:.0f} s after it was asked for" if asked_at and at else ""
        ready = "ready " if arrived is ways.Step.READY else ""
        yield _said_of(way, Weight.GOOD, f"is a {ready}node{took}", f"are {ready}nodes")
    if way.code and (way.code, way.message) != (known.code, known.message):
        yield _said_of(way, Weight.TROUBLE, f"failed: {way.code}: {way.message}")
    if way.end is not None and known.end is None:
        drained = way.end is ways.End.DRAINED
        why = "the autoscaler drained it" if drained else "it is being deleted"
        yield _said_of(way, Weight.NOTE, f"is let go: {why}", "are let go")


def _said_of(way: ways.Way, weight: Weight, what: str, several: str = "") -> _Said:
    return _Said(
        weight=weight,
        text=f"{way.name} {what}",
        group=way.group,
        machine=way.name,
        account=way.account,
        several=several or what,
    )


def _together(said: Iterable[_Said]) -> Iterator[_Said]:
    """Say once what happened to many machines of a group at once."""
    alike: dict[tuple[str, str], list[_Said]] = {}
    for each in said:
        alike.setdefault((each.group, each.several or each.text), []).append(each)
    for (group, several), many in alike.items():
        if len(many) <= _AT_ONCE:
            yield from many
            continue
        text = f"{len(many)} machines of {group} {several}"
        yield dataclasses.replace(many[0], text=text, machine="")


def _stated(before: state.Fleet, after: state.Fleet, now: float) -> Iterator[_Said]:
    """Say what became of accounts, groups and the whole."""
    if before.groups != after.groups:
        yield _Said(weight=Weight.NOTE, text="the configuration was taken anew")
    if bool(before.outage) != bool(after.outage):
        yield (
            _Said(weight=Weight.TROUBLE, text=f"outage: {after.outage}")
            if after.outage
            else _Said(weight=Weight.GOOD, text="the outage is over")
        )
    for held in repair.begun(before, after):
        text = f"{held.name} is let go: its Node is not ready for longer than repair allows"
        yield _Said(weight=Weight.WARNING, text=text, group=held.group, machine=held.name)
    if before.refusals is not after.refusals:
        yield from _refused(before, after)
    if before.quarantine is not after.quarantine:
        yield from _doubted(before, after)
    for name in after.accounts:
        yield from _heard(before, after, name)
    for group, strikes in after.strikes.items():
        if strikes != before.strikes.get(group) and (why := joins.held_back(after, group, now)):
            yield _Said(weight=Weight.TROUBLE, text=f"{group}: {why}", group=group)


def _refused(before: state.Fleet, after: state.Fleet) -> Iterator[_Said]:
    for thing, refusal in after.refusals.items():
        if before.refusals.get(thing) == refusal:
            continue
        yield _Said(
            weight=Weight.WARNING,
            text=f"{words_of(thing)} was refused: {refusal.failure.message}",
            group=thing.group if isinstance(thing, state.BadOrder) else "",
            account="" if isinstance(thing, state.BadOrder) else thing.account,
        )


def words_of(thing: state.RefusedThing) -> str:
    """Say in words what a no was said to."""
    match thing:
        case state.SoldOut(account, None):
            return f"an order at {account}"
        case state.SoldOut(account, candidate) if candidate is not None:
            return f"{candidate.machine_type} in {candidate.location} at {account}"
        case state.OverQuota(account, machine_type, location):
            part = machine_type or (f"everything in {location}" if location else "everything")
            return f"{part} at {account}"
        case state.BadLogin(account):
            return f"the login of {account}"
        case state.BadOrder(group, candidate):
            of = f"{candidate.machine_type} in {candidate.location} for " if candidate else ""
            return f"the order of {of}{group}"
        case _:
            return "an order"


def _doubted(before: state.Fleet, after: state.Fleet) -> Iterator[_Said]:
    for provider_id, held in after.quarantine.items():
        if provider_id in before.quarantine:
            continue
        instance = view.known(after, provider_id)
        name = keys.key_of(after, instance) if instance is not None else provider_id
        yield _Said(
            weight=Weight.WARNING,
            text=f"{name} is in quarantine: {held.doubt.value}: {held.message}",
            group=instance.group if instance is not None else "",
            machine=name,
        )
    for provider_id in before.quarantine.keys() - after.quarantine.keys():
        yield _Said(weight=Weight.NOTE, text=f"{provider_id} is out of quarantine")


def _heard(before: state.Fleet, after: state.Fleet, account: str) -> Iterator[_Said]:
    held, known = after.accounts[account], before.accounts.get(account)
    if known is None:
        yield _Said(weight=Weight.NOTE, text=f"account {account} was opened", account=account)
        return
    if held.failures and not known.failures:
        text = f"{account} could not be listed: {held.trouble}"
        yield _Said(weight=Weight.WARNING, text=text, account=account)
    elif known.failures and not held.failures:
        yield _Said(weight=Weight.GOOD, text=f"{account} is listed again", account=account)
    said, was = notnow.why_account(after, account), notnow.why_account(before, account)
    if said is not None and (was is None or was.code != said.code):
        text = f"nothing is ordered at {account} for now: {said.reason}"
        yield _Said(weight=Weight.TROUBLE, text=text, account=account)
    elif said is None and was is not None:
        text = f"{account} orders machines again"
        yield _Said(weight=Weight.GOOD, text=text, account=account)
