"""Remember the way of each machine to a ready node: when it took which step, and where it ended.

A Fleet forgets a launch when its machine is listed, and a machine when it is gone; this keeps what
a person asks for afterwards. It is a copy for eyes: nothing here decides about machines.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator, Mapping

from externalgrpc.fleet import keys, state, stock, view
from externalgrpc.model import groups
from providers import contract


class Step(enum.Enum):
    """The steps of a way, in their order; the values are the words that are shown."""

    ASKED = "asked"
    """The autoscaler asked for it."""
    ORDERED = "ordered"
    """The order was sent to the cloud."""
    CREATED = "created"
    """The cloud has made it."""
    RUNNING = "running"
    JOINED = "joined"
    """Its kubelet has asked for a certificate with the machine's own token (kubeadm)."""
    NODE = "node"
    READY = "ready"


class End(enum.Enum):
    """How a way ended."""

    FAILED = "failed"
    """It never became a node."""
    DRAINED = "drained"
    """The autoscaler drained its node and let it go."""
    DELETED = "deleted"
    """It was retired without having been drained."""
    VANISHED = "vanished"
    """The cloud has it no more, and nobody here deleted it."""
    WITHDRAWN = "withdrawn"
    """The order was taken back, or given up for another, before a machine was shown."""
    DOUBTED = "doubted"
    """It went into quarantine: it is not counted any more, and nothing deletes it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The way of one machine; instants are Unix seconds.

    ``taken`` has, for each step that was taken, when; None where nobody was looking. ``code`` and
    ``message`` say what went wrong last. ``end`` is set once it is retired, ``ended_at`` when it is
    no more.
    """

    name: str
    group: str
    account: str = ""
    provider_id: str = ""
    machine_type: str = ""
    location: str = ""
    taken: Mapping[Step, float | None] = dataclasses.field(default_factory=dict)
    code: str = ""
    message: str = ""
    end: End | None = None
    ended_at: float = 0.0


def follow(
    ways: Mapping[str, Way], fleet: state.Fleet, *, now: float, unix_now: float, first: bool
) -> tuple[dict[str, Way], list[Way]]:
    """Return the ways of all that is there, by key, and those that have ended since.

    ``first`` says that nobody looked before: what stands then was not seen on its way.
    """
    found: dict[str, Way] = {}
    ended: list[Way] = []
    for member in _members(fleet):
        known = ways.get(member.name)
        if known is not None and not _may_be(known, member):
            ended.append(_ended(fleet, known, unix_now))
            known = None
        seen = known or Way(name=member.name, group=_group_of(fleet, member))
        found[member.name] = _further(
            fleet, seen, member, now=now, unix_now=unix_now, unseen=first or known is None
        )
    for name in _lingering(fleet):
        if name in ways and name not in found:
            found[name] = dataclasses.replace(ways[name], end=_end(fleet, ways[name]))
    for name, way in ways.items():
        if name not in found:
            known = _with_refusal(fleet, way, now=now, unix_now=unix_now)
            ended.append(_ended(fleet, known, unix_now))
    return found, ended


def _members(fleet: state.Fleet) -> Iterator[state.Member]:
    for group in fleet.groups:
        yield from view.members(fleet, group)


def _group_of(fleet: state.Fleet, member: state.Member) -> str:
    if member.instance is not None:
        return member.instance.group
    launch = member.launch or fleet.launches.get(member.name)
    return launch.group if launch is not None else ""


def _may_be(known: Way, member: state.Member) -> bool:
    """Return whether a member is the machine of a way: keys may pass to a namesake."""
    instance = member.instance
    return instance is None or known.provider_id in ("", instance.provider_id)


def _lingering(fleet: state.Fleet) -> Iterator[str]:
    """Name what is no member and is still there: on its way out."""
    for group in fleet.groups:
        for instance in view.leaving(fleet, group):
            yield keys.retired_names(fleet).get(instance.provider_id, instance.node_name)


def _further(
    fleet: state.Fleet,
    way: Way,
    member: state.Member,
    *,
    now: float,
    unix_now: float,
    unseen: bool,
) -> Way:
    taken = dict(way.taken)
    launch = fleet.launches.get(member.name)
    if launch is not None:
        taken.setdefault(Step.ASKED, unix_now - (now - launch.born))
        if launch.asked_at > state.NEVER:
            # A launch that goes to another candidate is ordered anew: the last order counts.
            taken[Step.ORDERED] = unix_now - (now - launch.asked_at)
    instance = member.instance or (launch.instance if launch is not None else None)
    _made(taken, instance, member, fleet, unix_now=unix_now, unseen=unseen)
    failure = _failure(fleet, member)
    candidate = launch.candidate if launch is not None else None
    return dataclasses.replace(
        way,
        account=launch.account if launch is not None else _account(fleet, way, instance),
        provider_id=instance.provider_id if instance is not None else way.provider_id,
        machine_type=instance.machine_type
        if instance is not None
        else (candidate.machine_type if candidate is not None else way.machine_type),
        location=instance.location
        if instance is not None
        else (candidate.location if candidate is not None else way.location),
        taken=taken if taken != way.taken else way.taken,
        code=failure.code if failure is not None else "",
        message=failure.message if failure is not None else "",
    )


def _made(
    taken: dict[Step, float | None],
    instance: contract.Instance | None,
    member: state.Member,
    fleet: state.Fleet,
    *,
    unix_now: float,
    unseen: bool,
) -> None:
    """Note the steps that a machine took, each once."""
    if instance is None:
        return
    journey = fleet.journeys.get(member.name)
    if journey is not None and journey.provider_id not in ("", instance.provider_id):
        journey = None
    created_at = instance.created_at or (None if unseen else unix_now)
    if created_at is not None and (ordered_at := taken.get(Step.ORDERED)) is not None:
        created_at = max(created_at, ordered_at)  # the cloud's clock is another
    taken.setdefault(Step.CREATED, created_at)
    late = None if unseen else unix_now
    if instance.state is contract.InstanceState.RUNNING:
        taken.setdefault(Step.RUNNING, late)
    for step, at in (
        (Step.JOINED, journey.csr_at if journey else 0.0),
        (Step.NODE, journey.node_at if journey else 0.0),
        (Step.READY, journey.ready_at if journey else 0.0),
    ):
        if at:
            taken.setdefault(step, at)
    if instance.provider_id in fleet.registered:
        taken.setdefault(Step.NODE, late)


def _account(fleet: state.Fleet, way: Way, instance: contract.Instance | None) -> str:
    if instance is None:
        return way.account
    return fleet.index.account_of.get(instance.provider_id, way.account)


def _failure(fleet: state.Fleet, member: state.Member) -> state.Failure | None:
    if member.failure is not None:
        return member.failure
    withheld = fleet.unjoined.get(member.name)
    return withheld.failure if withheld is not None else None


def _ended(fleet: state.Fleet, way: Way, unix_now: float) -> Way:
    return dataclasses.replace(way, end=way.end or _end(fleet, way), ended_at=unix_now)


def _with_refusal(fleet: state.Fleet, way: Way, *, now: float, unix_now: float) -> Way:
    """Say what a cloud said to an order that came to nothing between two looks, if it is known."""
    ordered_at = way.taken.get(Step.ORDERED)
    if way.code or Step.CREATED in way.taken or ordered_at is None:
        return way
    candidate = groups.Candidate(way.machine_type, way.location)
    keys: tuple[state.RefusedThing, ...] = (
        *stock.keys_of(way.group, way.account, candidate),
        state.OverQuota(way.account),
        state.BadLogin(way.account),
    )
    said = [
        refusal
        for key in keys
        if (refusal := fleet.refusals.get(key)) is not None
        and unix_now - (now - refusal.at) >= ordered_at
    ]
    if not said:
        return way
    failure = max(said, key=lambda each: each.at).failure
    return dataclasses.replace(way, code=failure.code, message=failure.message)


def _end(fleet: state.Fleet, way: Way) -> End:
    gone = fleet.gone.get(way.provider_id) or fleet.gone.get(way.name)
    retired = fleet.retired.get(way.name)
    if way.code:
        return End.FAILED
    if way.provider_id in fleet.quarantine:
        return End.DOUBTED
    if (gone is not None and gone.drained) or (retired is not None and retired.drained):
        return End.DRAINED
    if Step.CREATED not in way.taken:
        return End.WITHDRAWN
    if retired is not None or (gone is not None and gone.terminated):
        return End.DELETED
    return End.VANISHED
