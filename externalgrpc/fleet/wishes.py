"""The way down: what CA asks for.

Each function refuses with an error of :mod:`externalgrpc.refusals` or returns the next Fleet; none
of them talks to a cloud.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from externalgrpc import groups, names, refusals
from externalgrpc.fleet import identity, joins, retired, state, view

BLIND_S = 300.0
"""Growth is refused when listings fail, or hang, and the last good one is older than this."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NodeRef:
    """A node as CA names it; ``fake`` is set on what CA made up for an unregistered instance."""

    provider_id: str
    name: str
    fake: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """What a growth came to: the names ordered and those that answered it without an order."""

    ordered: tuple[str, ...]
    covered: tuple[str, ...]


def grow(
    fleet: state.Fleet,
    group: str,
    delta: int,
    *,
    mint: Iterator[str],
    now: float,
    unix_now: float,
    cover: bool,
) -> tuple[state.Fleet, Grown]:
    """Raise a group's target by ``delta`` launches, or refuse.

    The first growth of a group after CA started is answered by the machines that were in the air
    at that time as far as they reach, when ``cover`` allows it: a fresh CA (1.36 and later) has
    forgotten them and asks for them again. Raises UnknownGroup, OutOfBounds, NotReady.
    """
    node_group = known(fleet, group)
    if delta <= 0:
        raise refusals.OutOfBounds(f"{group}: a growth must be positive, got {delta}")
    if node_group.departed:
        raise refusals.OutOfBounds(
            f"{group}: no longer in the configuration; it is kept only until it is empty"
        )
    _require_sight(fleet, node_group, now)
    trouble = view.trouble(fleet, group) or joins.held_back(fleet, group, now)
    if trouble:
        raise refusals.NotReady(f"{group}: {trouble}")
    size = view.target(fleet, group)
    if size + delta > node_group.max_size:
        raise refusals.OutOfBounds(
            f"{group}: {size} + {delta} machines would exceed maxSize {node_group.max_size}"
        )
    covered: list[str] = []
    if group in fleet.covers:
        if cover:
            air = view.in_the_air(fleet, group, unix_now)
            covered = sorted(fleet.covers[group] & air)[:delta]
        covers = {name: held for name, held in fleet.covers.items() if name != group}
        fleet = dataclasses.replace(fleet, covers=covers)
    ordered = tuple(_mint(fleet, mint, delta - len(covered)))
    launches = dict(fleet.launches)
    for name in ordered:
        launches[name] = state.Launch(name=name, group=group, account=node_group.account, born=now)
    fleet = dataclasses.replace(fleet, launches=launches)
    return fleet, Grown(ordered=ordered, covered=tuple(covered))


def retire(
    fleet: state.Fleet, group: str, nodes: Sequence[NodeRef], *, now: float
) -> tuple[state.Fleet, tuple[str, ...]]:
    """Let nodes of a group go; returns the names that were counted and are no more.

    The whole batch is checked before anything is done. Nodes that are gone or already let go are
    success. Raises UnknownGroup; NotOurs naming every foreign node; OutOfBounds when live
    machines would fall below the group's minimum.
    """
    node_group = known(fleet, group)
    going: dict[str, state.Member] = {}
    foreign: list[str] = []
    real = 0
    for node in nodes:
        owner = view.whose(fleet, node.provider_id)
        if owner is not None and owner[0] == group:
            member = view.find(fleet, group, owner[1])
            if member is not None and member.name not in going:
                going[member.name] = member
                real += _is_live(member, node)
        elif owner is not None or not _was_ours(fleet, node_group, node):
            foreign.append(node.name or node.provider_id or "a node without name and providerID")
    if foreign:
        raise refusals.NotOurs(f"{group}: not machines of this group: {', '.join(foreign)}")
    left = view.live(fleet, group) - sum(1 for m in going.values() if m.failure is None)
    if real and left < node_group.min_size:
        raise refusals.OutOfBounds(
            f"{group}: deleting {real} would leave {left} live machines, "
            f"minSize is {node_group.min_size}"
        )
    return retired.let_go(fleet, tuple(going.values()), now=now), tuple(going)


def shrink(fleet: state.Fleet, group: str, delta: int) -> tuple[state.Fleet, tuple[str, ...]]:
    """Withdraw up to ``-delta`` launches that were not sent; never touches a machine.

    The youngest go first. Returns the names withdrawn; fewer than asked for is success. Raises
    UnknownGroup, OutOfBounds for a delta that is not negative.
    """
    known(fleet, group)
    if delta >= 0:
        raise refusals.OutOfBounds(f"{group}: a decrease must be negative, got {delta}")
    unsent = [
        launch.name
        for launch in fleet.launches.values()
        if launch.group == group and launch.phase is state.Phase.HELD
    ]
    withdrawn = tuple(unsent[delta:])
    return retired.withdraw(fleet, withdrawn), withdrawn


def autoscaler_started(fleet: state.Fleet, *, unix_now: float) -> state.Fleet:
    """Remember what is in the air at the first call of a new CA process, group by group.

    ``unix_now`` is Unix time in seconds. Groups of an account that was never listed follow with
    its first listing.
    """
    covers = {
        name: view.in_the_air(fleet, name, unix_now)
        for name, group in fleet.groups.items()
        if fleet.accounts[group.account].snapshot is not None
    }
    return dataclasses.replace(fleet, covers=covers)


def register(fleet: state.Fleet, provider_ids: Iterable[str]) -> state.Fleet:
    """Remember that CA showed us the Nodes of these machines; that they did not join is forgiven.

    A fresh CA shows them all, one a call: what was derived of the fleet still holds, so it is
    handed on.
    """
    seen = frozenset(provider_ids)
    fresh = dataclasses.replace(fleet, registered=fleet.registered | seen)
    joined = {owner[1] for each in seen if (owner := view.whose(fleet, each)) is not None}
    late = {
        key: held
        for key, held in fleet.unjoined.items()
        if key not in joined or held.failure.code == joins.NEVER_READY
    }
    if len(late) < len(fleet.unjoined):
        return dataclasses.replace(fresh, unjoined=late)
    fresh.memo.update(fleet.memo)
    return fresh


def known(fleet: state.Fleet, group: str) -> groups.NodeGroup:
    """Give a group by its id, or raise UnknownGroup."""
    found = fleet.groups.get(group)
    if found is None:
        raise refusals.UnknownGroup(f"no node group {group!r}")
    return found


def _require_sight(fleet: state.Fleet, node_group: groups.NodeGroup, now: float) -> None:
    """Raise NotReady when nobody has seen for minutes what the group's account holds."""
    account = fleet.accounts[node_group.account]
    if account.snapshot is None:
        raise refusals.NotReady(
            f"{node_group.name}: account {account.name} has not been listed yet: "
            f"{account.trouble or 'the first listing is under way'}"
        )
    blind_s = now - account.snapshot.begun_at
    hangs = account.listing and now - account.listed_at > BLIND_S
    if blind_s > BLIND_S and (account.failures or hangs):
        raise refusals.NotReady(
            f"{node_group.name}: account {account.name} could not be listed for {blind_s:.0f} s: "
            f"{account.trouble or 'the listing hangs'}"
        )


def _is_live(member: state.Member, node: NodeRef) -> int:
    """Count 1 for a machine that CA knows as a node, 0 for what it never saw running."""
    unseen = node.fake or bool(identity.placeholder_name(node.provider_id))
    return int(not unseen and member.failure is None)


def _was_ours(fleet: state.Fleet, group: groups.NodeGroup, node: NodeRef) -> bool:
    """Tell whether a node that is no member once was one, so that deleting it is success."""
    name = identity.placeholder_name(node.provider_id) or node.name
    retirement = fleet.retired.get(name) or fleet.retired.get(node.provider_id)
    if retirement is not None:
        return retirement.group == group.name
    remembered = fleet.gone.get(node.provider_id) or fleet.gone.get(name)
    if remembered is not None:
        return remembered.group == group.name
    instance = fleet.index.by_provider_id.get(node.provider_id)
    if instance is not None:
        return instance.group == group.name
    scheme = fleet.accounts[group.account].scheme
    if not node.provider_id.startswith(f"{scheme}://"):
        return False
    if node.fake:
        return True
    return names.minted_for(group.name, name) and view.find(fleet, group.name, name) is None


def _mint(fleet: state.Fleet, mint: Iterator[str], count: int) -> Iterator[str]:
    minted: set[str] = set()
    while len(minted) < count:
        name = next(mint)
        if name not in minted and not identity.name_is_taken(fleet, name):
            minted.add(name)
            yield name
