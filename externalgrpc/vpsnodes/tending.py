"""Do what VPSNodes are owed: the finalizer before an order, its end when empty, their status."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from externalgrpc.fleet import state, view
from externalgrpc.kube import errors
from externalgrpc.model import backoff, groups
from externalgrpc.support import logs
from externalgrpc.vpsnodes import composing, draining, objects, pace, status

_LOG = logs.Log("vpsnodes")

_RETRY_S: Final = 2.0
_LONGEST_RETRY_S: Final = 60.0

KNOWN_WITHIN_S: Final = 60.0
"""A server that knows nothing of its machines for longer after its start says so."""

JUDGED_WITHIN_S: Final = 10.0
"""A catalogue that a start does not bring within that is worth saying so."""

_NO_STATUS: Final = (
    "the kind has no status of its own to write: kubectl apply -f deploy/crds/vpsnodes.yaml "
    "upgrades it in place"
)


class Writer(Protocol):
    """What is asked of :class:`externalgrpc.vpsnodes.writing.Writer`."""

    def status(self, of: objects.VpsNode, document: dict[str, Any]) -> None:
        """Replace an object's status."""
        ...

    def keep(self, of: objects.VpsNode) -> None:
        """Put the finalizer on an object."""
        ...

    def release(self, of: objects.VpsNode) -> None:
        """Take the finalizer off an object."""
        ...


class Tending:
    """Write to the API server what is owed and allowed by the pace; belongs to one thread."""

    def __init__(
        self, writer: Writer, *, of_pace: pace.Pace, count: Callable[[str, Mapping[str, str]], None]
    ) -> None:
        self._writer = writer
        self._budget = pace.Budget(of_pace)
        self._count = count
        self._began: float | None = None
        self._written: dict[str, Mapping[str, Any]] = {}
        self._failed: dict[tuple[str, str], tuple[int, float]] = {}
        self._below: dict[str, float] = {}
        self._logged: set[tuple[str, str]] = set()

    def tend(
        self,
        there: Mapping[str, objects.VpsNode],
        standings: Mapping[str, composing.Standing],
        fleet: state.Fleet,
        config: groups.Config,
        *,
        now: float,
        unix_now: float,
        rooms: Mapping[str, status.Room] = types.MappingProxyType({}),
        held: draining.Held = draining.NOTHING,
    ) -> bool:
        """Write what is due; return whether something is still owed. Blocks.

        An object whose write fails, or that the pace holds back, is owed it. ``rooms`` is how the
        room is that groups keep, by name, ``held`` which pods keep Nodes that are to go.
        """
        owed = False
        for name, each in there.items():
            if name in standings:
                owed |= not self._finalizer(each, standings[name], fleet, now)
        self._note_below(fleet, now)
        due: list[tuple[bool, float, objects.VpsNode, status.Document]] = []
        for name, each in there.items():
            if name not in standings:
                continue
            before = self._written.get(each.uid, each.status)
            below_s = now - self._below.get(name, now)
            room = rooms.get(name)
            made = status.document(
                each,
                standings[name],
                fleet=fleet,
                config=config,
                now=now,
                below_s=below_s,
                room=room,
                held=held,
            )
            fresh = status.stamped(made, before, unix_now)
            if fresh == before:
                continue
            if self._waits(each, standings[name], fleet, room, now):
                owed = True
            else:
                later = before.get("observedGeneration") == each.generation
                due.append((later, self._budget.last(each.uid), each, fresh))
        # First those whose spec somebody has just changed, then those that waited longest.
        for later, _, each, fresh in sorted(due, key=lambda it: it[:2]):
            may = not later or self._budget.may(each.uid, now)
            owed |= not (may and self._status(each, fresh, now, counts=later))
        self._forget({each.uid for each in there.values()})
        return owed

    def _waits(
        self,
        of: objects.VpsNode,
        standing: composing.Standing,
        fleet: state.Fleet,
        room: status.Room | None,
        now: float,
    ) -> bool:
        """Return whether what a process before us wrote had better stand until we know better.

        A restart is no news: that nothing has been asked yet is not written over what was so.
        """
        if self._began is None:
            self._began = now
        if now - self._began > KNOWN_WITHIN_S or of.uid in self._written:
            return False
        if of.status.get("observedGeneration") != of.generation:
            return standing.verdict.ok is None and now - self._began <= JUDGED_WITHIN_S
        return not status.known(fleet, standing, room)

    def _finalizer(
        self,
        of: objects.VpsNode,
        standing: composing.Standing,
        fleet: state.Fleet,
        now: float,
    ) -> bool:
        """Put the finalizer on, or take it off, where that is due; return whether it is done."""
        if not of.deleting and not of.kept and standing.group is not None:
            return self._try("keep", of, lambda: self._writer.keep(of), now)
        if not (of.deleting and of.kept and _may_go(of, standing, fleet)):
            return True
        done = self._try("release", of, lambda: self._writer.release(of), now)
        if done:
            _LOG.info("VPSNode let go", name=of.name, policy=of.deletion_policy)
        return done

    def _status(
        self, of: objects.VpsNode, fresh: status.Document, now: float, *, counts: bool
    ) -> bool:
        done = self._try("status", of, lambda: self._writer.status(of, fresh), now)
        if done:
            self._written[of.uid] = fresh
            self._budget.wrote(of.uid, now, counts=counts)
        return done

    def _try(self, what: str, of: objects.VpsNode, write: Callable[[], None], now: float) -> bool:
        """Write, unless it failed a moment ago; return whether it was done."""
        key = (what, of.uid)
        times, again_at = self._failed.get(key, (0, now))
        if now < again_at:
            return False
        try:
            write()
        except errors.KubeError as error:
            self._count("vpsnode_writes", {"what": what, "outcome": "refused"})
            wait_s = backoff.wait_s(times + 1, base_s=_RETRY_S, longest_s=_LONGEST_RETRY_S)
            self._failed[key] = (times + 1, now + wait_s)
            if what == "status":
                self._budget.wrote(of.uid, now, counts=True)
            self._report(what, of, error)
            return False
        self._count("vpsnode_writes", {"what": what, "outcome": "written"})
        self._failed.pop(key, None)
        return True

    def _report(self, what: str, of: objects.VpsNode, error: errors.KubeError) -> None:
        """Log the first of a kind: a right that is missing is missing for every object."""
        kind = (what, type(error).__name__)
        if kind in self._logged:
            return
        self._logged.add(kind)
        missing = what == "status" and isinstance(error, errors.NotFound)
        cure = _NO_STATUS if missing else "kubectl apply -f deploy/vpsnodes-rbac.yaml"
        denied = missing or isinstance(error, errors.Denied)
        _LOG.warning(
            "VPSNode not written",
            what=what,
            name=of.name,
            error=str(error),
            cure=cure if denied else "it is tried again",
        )

    def _note_below(self, fleet: state.Fleet, now: float) -> None:
        """Remember since when groups have fewer machines than their minimum."""
        below = {
            group.name
            for group in view.served(fleet)
            if view.target(fleet, group.name) < group.min_size
        }
        self._below = {name: self._below.get(name, now) for name in below}

    def _forget(self, uids: set[str]) -> None:
        self._written = {uid: each for uid, each in self._written.items() if uid in uids}
        self._failed = {key: each for key, each in self._failed.items() if key[1] in uids}
        self._budget.forget(uids)


def _may_go(of: objects.VpsNode, standing: composing.Standing, fleet: state.Fleet) -> bool:
    """Return whether nothing of ours holds an object that is being deleted any more."""
    if standing.verdict.reason == composing.NAME_TAKEN:
        return True
    if of.deletion_policy == objects.ORPHAN:
        # What is in the air would come as a machine that nobody has heard of.
        return not any(each.group == of.name for each in fleet.launches.values())
    return status.empty(fleet, of.name)
