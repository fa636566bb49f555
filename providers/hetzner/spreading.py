"""Spread a group's machines over placement groups, which hold ten servers each.

A shard is a spread placement group of ours, ``<cluster>-<group>-<number>``, marked with cluster
and group. Claims are counted before the create is sent, so that parallel creates do not overfill
a shard; what the cloud then shows replaces what we counted.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Collection, Iterable
from typing import Any

from providers import contract, errors
from providers.hetzner import listing, reading, vocabulary, wire
from providers.kit import cache

ROOM = 10
"""How many servers a spread group holds (the vendor's limit)."""

_GROUPS = ("/placement_groups", "placement_groups")
_VIEW_KEPT_S = 60.0
_CLAIM_KEPT_S = 900.0
_NAMES_TRIED = 5
_TIMES_ASKED = 20


@dataclasses.dataclass(slots=True)
class _Claim:
    shard: int
    until: float
    server: int = 0


@dataclasses.dataclass(slots=True)
class _View:
    """The shards of one group as last listed: id -> servers in it."""

    read_at: float
    shards: dict[int, set[int]]
    names: set[str]


class Shards:
    """The placement groups of one account; safe to use from several threads."""

    def __init__(self, connection: wire.Connection, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._clock = clock
        self._guard = threading.Lock()
        self._flights = cache.Flights()
        self._views: dict[tuple[str, str], _View] = {}
        self._claims: dict[str, _Claim] = {}
        self._full: dict[int, float] = {}

    def claim(self, order: contract.Order) -> int:
        """Take room for an order's machine; return the placement group's id.

        The same order gets the same shard while its claim stands. Makes a shard when all are
        full; raises what the API says, QuotaExceeded at the project's 50 groups among it.
        """
        for _ in range(_TIMES_ASKED):
            shard = self._take(order)
            if shard:
                return shard
            # One asks for a group, and who comes at once with it counts on the shard it makes.
            # Nobody else waits: no lock is held meanwhile.
            self._flights.join((order.cluster, order.group), lambda: self._find_room(order))
        raise wire.NoAnswerError(f"others took all the room that was made for {order.group}")

    def _take(self, order: contract.Order) -> int:
        """Claim room where there is some that we know of; 0 when we have to ask."""
        with self._guard:
            now = self._clock()
            self._claims = {k: v for k, v in self._claims.items() if v.until > now}
            held = self._claims.get(order.node_name)
            if held is not None and not self._is_full(held.shard, now):
                return held.shard
            shard = self._known_room(order, now)
            if shard:
                self._claims[order.node_name] = _Claim(shard, now + _CLAIM_KEPT_S)
            return shard

    def _find_room(self, order: contract.Order) -> None:
        """List a group's shards, and make one where none has room."""
        key, now = (order.cluster, order.group), self._clock()
        with self._guard:
            if self._known_room(order, now):
                return  # somebody found it between our look and now
            view = self._views.get(key)
        if view is None or view.read_at < now:
            view = self._view(order)
        with self._guard:
            self._views[key] = view
            found = self._with_room(view, now)
        if not found:
            self._make(order, view)

    def filled(self, order: contract.Order, server: int) -> None:
        """Note which server a claim became; the count by listing takes over in time."""
        with self._guard:
            claim = self._claims.get(order.node_name)
            if claim is not None:
                claim.server = server
                claim.until = self._clock() + _VIEW_KEPT_S

    def drop(self, order: contract.Order) -> None:
        """Give a claim back: the order was refused."""
        with self._guard:
            self._claims.pop(order.node_name, None)

    def refused(self, order: contract.Order) -> None:
        """Give a claim back and leave its shard alone for a while: the cloud could not place."""
        with self._guard:
            claim = self._claims.pop(order.node_name, None)
            if claim is not None:
                self._full[claim.shard] = self._clock() + _VIEW_KEPT_S

    def forget(self) -> None:
        """Drop what was listed: the cloud no longer knows something that we sent."""
        with self._guard:
            self._views.clear()

    def leftovers(self, cluster: str) -> tuple[contract.Leftover, ...]:
        """List a cluster's shards, of every group; one request for each 50."""
        rows = listing.pages(
            self._connection,
            *_GROUPS,
            sort="id:asc",
            label_selector=reading.selector(cluster=cluster),
        )
        return tuple(
            contract.Leftover(
                kind="placement group",
                id=str(int(row["id"])),
                name=str(row["name"]),
                group=str(row["labels"].get(reading.GROUP, "")),
            )
            for row in rows
            if row["labels"].get(reading.CLUSTER) == cluster and row["labels"].get(reading.GROUP)
        )

    def _withdrawn(self, shard: int) -> bool:
        """Return a shard to nobody for a while, unless somebody has it."""
        with self._guard:
            now = self._clock()
            if any(each.shard == shard and each.until > now for each in self._claims.values()):
                return False
            self._full[shard] = now + _VIEW_KEPT_S
            return True

    def is_free(self, left: contract.Leftover, cluster: str) -> bool:
        """Return whether a shard is ours and empty at this instant; it is given to nobody then.

        One that an order may still come into is not. While we ask, no lock is held.
        """
        marks = {reading.CLUSTER: cluster, reading.GROUP: left.group}
        row = self._shown(int(left.id))
        if row is None or row["servers"] or not self._withdrawn(int(left.id)):
            return False
        row = self._shown(int(left.id))  # an order may have come between
        if row is None or row["servers"]:
            return False
        return all(row["labels"].get(key) == value for key, value in marks.items())

    def _shown(self, shard: int) -> dict[str, Any] | None:
        try:
            row: dict[str, Any] = self._connection.get(f"/placement_groups/{shard}")[
                "placement_group"
            ]
        except wire.SaidNoError as error:
            if error.code != vocabulary.NOT_FOUND:
                raise
            return None
        return row

    def delete(self, left: contract.Leftover, cluster: str) -> bool:
        """Delete a shard; return whether it was there. What was listed of its group is dropped."""
        try:
            self._connection.ask("DELETE", f"/placement_groups/{int(left.id)}")
        except wire.SaidNoError as error:
            if error.code != vocabulary.NOT_FOUND:
                raise
            return False
        finally:
            with self._guard:
                self._views.pop((cluster, left.group), None)
        return True

    def _known_room(self, order: contract.Order, now: float) -> int:
        view = self._views.get((order.cluster, order.group))
        if view is None or now - view.read_at > _VIEW_KEPT_S:
            return 0
        return self._with_room(view, now)

    def _with_room(self, view: _View, now: float) -> int:
        """Return the oldest shard with room, 0 when there is none."""
        return next((each for each in sorted(view.shards) if self._room(each, view, now)), 0)

    def _is_full(self, shard: int, now: float) -> bool:
        return self._full.get(shard, 0.0) > now

    def _room(self, shard: int, view: _View, now: float) -> bool:
        servers = set(view.shards[shard])
        pending = 0
        for claim in self._claims.values():
            if claim.shard == shard and claim.server:
                servers.add(claim.server)
            elif claim.shard == shard:
                pending += 1
        return len(servers) + pending < ROOM and not self._is_full(shard, now)

    def _view(self, order: contract.Order) -> _View:
        now = self._clock()
        rows = self._listed(order.cluster, order.group)
        return _View(
            read_at=now,
            shards={int(row["id"]): {int(each) for each in row["servers"]} for row in rows},
            names={str(row["name"]) for row in rows},
        )

    def _listed(self, cluster: str, group: str) -> list[dict[str, Any]]:
        return listing.pages(
            self._connection,
            *_GROUPS,
            sort="id:asc",
            label_selector=reading.selector(cluster=cluster, group=group),
        )

    def _make(self, order: contract.Order, view: _View) -> None:
        """Make the next shard; a name that others took is passed over."""
        number = 0
        for _ in range(_NAMES_TRIED):
            number += 1
            while f"{order.cluster}-{order.group}-{number}" in view.names:
                number += 1
            name = f"{order.cluster}-{order.group}-{number}"
            marks = {reading.CLUSTER: order.cluster, reading.GROUP: order.group}
            body = {"name": name, "type": "spread", "labels": marks}
            try:
                row = self._connection.ask("POST", "/placement_groups", json=body)
            except wire.SaidNoError as error:
                if error.code != vocabulary.TAKEN:
                    raise
                continue
            shard = int(row["placement_group"]["id"])
            with self._guard:
                view.shards[shard] = set()
                view.names.add(name)
            return
        raise errors.BadOrder(
            f"placement groups named {order.cluster}-{order.group}-1 and on are not ours: "
            "rename them, or name a placement group in the configuration"
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Leftovers:
    """The shards of one cluster as a kind of :mod:`providers.kit.leftovers`."""

    shards: Shards
    cluster: str

    def listed(
        self,
        *,
        groups: Collection[str],
        nodes: Collection[str],  # noqa: ARG002  (single servers leave nothing behind)
    ) -> Iterable[contract.Leftover]:
        """Return the shards of these groups; nothing is asked where there are none."""
        shown = self.shards.leftovers(self.cluster) if groups else ()
        return [each for each in shown if each.group in groups]

    def is_free(self, left: contract.Leftover) -> bool:
        """Ask whether a shard is ours and empty; two requests."""
        return self.shards.is_free(left, self.cluster)

    def delete(self, left: contract.Leftover) -> bool:
        """Delete a shard."""
        return self.shards.delete(left, self.cluster)
