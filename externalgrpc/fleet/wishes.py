"""Grow, retire and shrink groups, as CA asks for.

Each function refuses with an error of :mod:`externalgrpc.model.fleet_errors` or returns the next
Fleet; none of them talks to a cloud.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from externalgrpc.fleet import (
    claims,
    identity,
    joins,
    keys,
    proof,
    quarantine,
    registering,
    retired,
    state,
    view,
)
from externalgrpc.model import fleet_errors, groups, names

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
        raise fleet_errors.OutOfBounds(f"{group}: a growth must be positive, got {delta}")
    if node_group.departed:
        raise fleet_errors.OutOfBounds(
            f"{group}: no longer in the configuration; it is kept only until it is empty"
        )
    if node_group.deletion:
        raise fleet_errors.OutOfBounds(
            f"{group}: its VPSNode is being deleted; it is kept only until it is empty"
        )
    if fleet.awaited:
        raise fleet_errors.NotReady(f"{group}: {fleet.awaited}")
    _require_sight(fleet, node_group, now)
    trouble = view.trouble(fleet, group) or joins.held_back(fleet, group, now)
    if trouble:
        raise fleet_errors.NotReady(f"{group}: {trouble}")
    size, most = view.target(fleet, group), view.room(fleet, group)
    if size + delta > most:
        unsure = node_group.max_size - most
        less = f", less {unsure} in quarantine or on trial" if unsure else ""
        raise fleet_errors.OutOfBounds(
            f"{group}: {size} + {delta} machines would exceed maxSize {node_group.max_size}{less}"
        )
    covered: list[str] = []
    if group in fleet.pending_at_start:
        if cover:
            air = view.in_the_air(fleet, group, unix_now)
            covered = sorted(fleet.pending_at_start[group] & air)[:delta]
        pending_at_start = {
            name: held for name, held in fleet.pending_at_start.items() if name != group
        }
        fleet = dataclasses.replace(fleet, pending_at_start=pending_at_start)
    ordered = tuple(_mint(fleet, mint, delta - len(covered)))
    launches = dict(fleet.launches)
    for name in ordered:
        launches[name] = state.Launch(name=name, group=group, account=node_group.account, born=now)
    minted = {**fleet.minted, **dict.fromkeys(ordered, "")}
    asked = {**fleet.asked, **dict.fromkeys(ordered, unix_now)}
    fleet = dataclasses.replace(fleet, launches=launches, minted=minted, asked=asked)
    return fleet, Grown(ordered=ordered, covered=tuple(covered))


def retire(
    fleet: state.Fleet, group: str, nodes: Sequence[NodeRef], *, now: float, unix_now: float
) -> tuple[state.Fleet, tuple[str, ...]]:
    """Retire nodes of a group; returns the names that were counted and are no more.

    The whole batch is checked before anything is done. Nodes that are gone or already retired are
    success. A machine that CA merely calls unregistered is deleted only where that is proved; else
    it goes into quarantine, which is success too: it no longer counts. Raises UnknownGroup; NotOurs
    naming every foreign node; OutOfBounds when live machines would fall below the group's minimum.
    """
    node_group = known(fleet, group)
    going: dict[str, state.Member] = {}
    doubtful: dict[str, state.Member] = {}
    foreign: list[str] = []
    again: set[str] = set()
    real = 0
    drained: set[str] = set()
    for node in nodes:
        owner = view.whose(fleet, node.provider_id)
        member = view.find(fleet, group, owner[1]) if owner and owner[0] == group else None
        if member is not None and _contradicts(fleet, node):
            foreign.append(f"{_named(node)} (the machine's mark says {member.name})")
        elif member is not None:
            if member.name in going or member.name in doubtful:
                continue
            if _is_believed(fleet, member, node):
                going[member.name] = member
                real += _is_live(member, node)
                if not node.fake and not identity.placeholder_name(node.provider_id):
                    drained.add(member.name)
            else:
                doubtful[member.name] = member
        elif owner is not None or not _was_ours(fleet, node_group, node):
            foreign.append(_named(node))
        else:
            name = identity.placeholder_name(node.provider_id) or node.name
            known_as = keys.retired_names(fleet).get(node.provider_id, "")
            again |= {name, node.provider_id, known_as}
            if not node.fake and node.name == known_as:
                drained |= {known_as, node.provider_id}
    if foreign:
        raise fleet_errors.NotOurs(f"{group}: not machines of this group: {', '.join(foreign)}")
    living = view.live(fleet, group) - sum(1 for m in going.values() if m.failure is None)
    if real and living < node_group.min_size:
        raise fleet_errors.OutOfBounds(
            f"{group}: deleting {real} would leave {living} live machines, "
            f"minSize is {node_group.min_size}"
        )
    fleet = retired.asked_for(fleet, again, drained=frozenset(drained))
    fleet = retired.terminated(fleet, tuple(going.values()), now=now, drained=frozenset(drained))
    accused = frozenset(member.provider_id for member in doubtful.values())
    fleet = quarantine.accuse(fleet, accused, now=now, unix_now=unix_now)
    # A machine that shows life is no such, whatever CA says: it may stay, and that is success too.
    left = tuple(
        name for name, member in doubtful.items() if member.provider_id in fleet.quarantine
    )
    return fleet, (*going, *left)


def shrink(fleet: state.Fleet, group: str, delta: int) -> tuple[state.Fleet, tuple[str, ...]]:
    """Withdraw up to ``-delta`` launches that were not sent; never touches a machine.

    The youngest go first. Returns the names withdrawn; fewer than asked for is success. Raises
    UnknownGroup, OutOfBounds for a delta that is not negative.
    """
    known(fleet, group)
    if delta >= 0:
        raise fleet_errors.OutOfBounds(f"{group}: a decrease must be negative, got {delta}")
    unsent = [
        launch.name
        for launch in fleet.launches.values()
        if launch.group == group and launch.phase is state.Phase.HELD
    ]
    withdrawn = tuple(unsent[delta:])
    return retired.withdraw(fleet, withdrawn, own=False), withdrawn


def autoscaler_started(fleet: state.Fleet, *, unix_now: float) -> state.Fleet:
    """Remember what is in the air at the first call of a new CA process, group by group.

    ``unix_now`` is Unix time in seconds. Groups of an account that was never listed follow with
    its first listing.
    """
    pending_at_start = {
        name: view.in_the_air(fleet, name, unix_now)
        for name, group in fleet.groups.items()
        if fleet.accounts[group.account].snapshot is not None
    }
    return dataclasses.replace(fleet, pending_at_start=pending_at_start)


def await_groups(fleet: state.Fleet, why: str) -> state.Fleet:
    """Take what of the groups is not known yet; empty: all are known now."""
    return fleet if why == fleet.awaited else dataclasses.replace(fleet, awaited=why)


def known(fleet: state.Fleet, group: str) -> groups.NodeGroup:
    """Return a group by its id, or raise UnknownGroup; a trial's is none that CA may name."""
    found = fleet.groups.get(group)
    if found is None or found.trial_of:
        raise fleet_errors.UnknownGroup(f"no node group {group!r}")
    return found


def blind(account: state.AccountState, now: float) -> str:
    """Return why nobody has seen for minutes what an account holds; empty when it was seen."""
    if account.snapshot is None:
        why = account.trouble or "the first listing is under way"
        return f"account {account.name} has not been listed yet: {why}"
    blind_s = now - account.snapshot.begun_at
    hangs = account.listing and now - account.listed_at > BLIND_S
    if blind_s > BLIND_S and (account.failures or hangs):
        why = account.trouble or "the listing hangs"
        return f"account {account.name} could not be listed for {blind_s:.0f} s: {why}"
    return ""


def _require_sight(fleet: state.Fleet, node_group: groups.NodeGroup, now: float) -> None:
    """Raise NotReady when nobody has seen for minutes what the group's account holds."""
    if why := blind(fleet.accounts[node_group.account], now):
        raise fleet_errors.NotReady(f"{node_group.name}: {why}")


def _named(node: NodeRef) -> str:
    return node.name or node.provider_id or "a node without name and providerID"


def _contradicts(fleet: state.Fleet, node: NodeRef) -> bool:
    """Return whether a real Node bears another name than the machine that it claims."""
    if node.fake or node.name in ("", node.provider_id):
        return False
    return registering.contradicts(fleet, node.provider_id, node.name)


def _is_believed(fleet: state.Fleet, member: state.Member, node: NodeRef) -> bool:
    """Return whether a member may be deleted on CA's word.

    A real Node was drained, a launch that no listing shows is an order of ours, if its machine is
    no node already. Of a machine that CA only misses among the Nodes it takes a proof that it never
    was one.
    """
    instance = member.instance
    if not node.fake:
        return True
    if instance is None:
        ordered = member.launch.instance if member.launch is not None else None
        return ordered is None or not claims.shows_life(fleet, ordered)
    return proof.unregistered(fleet, instance, view.account_of(fleet, instance))


def _is_live(member: state.Member, node: NodeRef) -> int:
    """Count 1 for a machine that CA knows as a node, 0 for what it never saw running."""
    unseen = node.fake or bool(identity.placeholder_name(node.provider_id))
    return int(not unseen and member.failure is None)


def _was_ours(  # noqa: PLR0911 - one for each memory
    fleet: state.Fleet, group: groups.NodeGroup, node: NodeRef
) -> bool:
    """Return whether a node that is no member once was one, so that deleting it is success."""
    name = identity.placeholder_name(node.provider_id) or node.name
    retirement = fleet.retired.get(name) or fleet.retired.get(node.provider_id)
    if retirement is not None:
        return retirement.group == group.name
    if node.provider_id in fleet.quarantine:
        # What CA called unregistered before was success, and nothing was deleted.
        return node.fake
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
