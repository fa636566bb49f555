"""Find Node objects whose machines are gone: two complete listings in a row must agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from externalgrpc.fleet import pausing, state, vanishing
from externalgrpc.kube import nodes
from externalgrpc.model import names

REMOVALS = 3
"""Most Node objects removed in one sweep."""

ABSENCES = 2
"""Complete listings that must lack a machine before its Node is removed."""


class Leftover(NamedTuple):
    """A Node to be removed, if ``still`` says yes to it as it is by then."""

    node: nodes.Node
    still: Callable[[nodes.Node], bool]


class _Absence(NamedTuple):
    """How many listings have lacked a machine, when the last of them began, and since when."""

    listings: int
    begun_at: float
    since: float


class Leftovers:
    """Remember, from sweep to sweep, whose machine was absent how often."""

    def __init__(self) -> None:
        self._absent: dict[str, _Absence] = {}

    def due(
        self, fleet: state.Fleet, there: Iterable[nodes.Node], *, now: float
    ) -> Iterator[Leftover]:
        """Yield the Nodes that go now, a few at a time; ``there`` are all that there are.

        None while the cluster has lost its nodes at large. Where the machines of more Nodes than
        may be chance are absent, they must have been so for minutes.
        """
        absent: dict[str, _Absence] = {}
        found: list[Leftover] = []
        there = tuple(there)
        patience_s = self._patience_s(fleet, there)
        for node in there:
            begun_at = _absent_since(fleet, node)
            if begun_at is None:
                continue
            seen = self._absent.get(node.uid, _Absence(0, float("-inf"), now))
            if begun_at > seen.begun_at:
                seen = _Absence(seen.listings + 1, begun_at, seen.since)
            absent[node.uid] = seen
            terminated = _was_terminated(fleet, node)
            ripe = terminated or (
                not node.ready
                and now - seen.since >= patience_s
                and not pausing.own_word(fleet, _group_of(fleet, node), "")
            )
            if seen.listings >= ABSENCES and ripe and not node.deleting:
                found.append(Leftover(node, _removable if terminated else _not_ready))
        self._absent = absent
        if not fleet.outage:
            yield from found[:REMOVALS]

    @staticmethod
    def _patience_s(fleet: state.Fleet, there: tuple[nodes.Node, ...]) -> float:
        """Return how long machines must have been absent before their Nodes go."""
        lost = sum(
            1
            for node in there
            if not _was_terminated(fleet, node) and _absent_since(fleet, node) is not None
        )
        ours = lost + sum(1 for node in there if node.provider_id in fleet.index.by_provider_id)
        return vanishing.APART_S if vanishing.is_outage(lost, ours) else 0.0


def _removable(_node: nodes.Node) -> bool:
    """Return True: its machine was terminated, so whatever the Node says is old."""
    return True


def _not_ready(node: nodes.Node) -> bool:
    """Return whether the kubelet of a Node is silent."""
    return not node.ready


def _was_terminated(fleet: state.Fleet, node: nodes.Node) -> bool:
    gone = fleet.gone.get(node.provider_id)
    return gone is not None and gone.terminated and gone.drained


def _absent_since(fleet: state.Fleet, node: nodes.Node) -> float | None:
    """When the listing began that lacks a Node's machine; None if it is not ours, or is there.

    Ours is what this process knew, or what has our cloud's scheme and a name that we minted for a
    group that is configured.
    """
    scheme, found, _ = node.provider_id.partition("://")
    if not found:
        return None
    still_known = (
        node.provider_id in fleet.index.by_provider_id
        or node.provider_id in fleet.missing
        or node.name in fleet.launches
        or node.name in fleet.retired
    )
    if still_known:
        return None
    configured = fleet.groups.get(_group_of(fleet, node))
    if configured is None:
        return None
    account = fleet.accounts[configured.account]
    fresh = account.snapshot is not None and not account.failures and account.scheme == scheme
    return account.snapshot.begun_at if account.snapshot is not None and fresh else None


def _group_of(fleet: state.Fleet, node: nodes.Node) -> str:
    """Name the group that a Node's machine was of; empty for none."""
    if node.provider_id in fleet.gone:
        return fleet.gone[node.provider_id].group
    return next((name for name in fleet.groups if names.minted_for(name, node.name)), "")
