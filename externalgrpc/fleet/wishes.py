"""The way down: what CA and the operator ask for.

Each function refuses with an error of :mod:`externalgrpc.refusals` or returns the next Fleet; none
of them talks to a cloud.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence

from externalgrpc import groups, names, refusals
from externalgrpc.fleet import state, view
from providers import contract

BLIND_S = 300.0
"""Growth is refused when no listing has come for this long (and at least ten listings' time)."""


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
    account = fleet.accounts[node_group.account]
    if account.snapshot is None:
        raise refusals.NotReady(
            f"{group}: account {account.name} has not been listed yet: "
            f"{account.trouble or 'the first listing is under way'}"
        )
    if node_group.departed:
        raise refusals.OutOfBounds(
            f"{group}: no longer in the configuration; it is kept only until it is empty"
        )
    size = view.target(fleet, group)
    if size + delta > node_group.max_size:
        raise refusals.OutOfBounds(
            f"{group}: {size} + {delta} machines would exceed maxSize {node_group.max_size}"
        )
    blind = now - account.snapshot.begun_at
    if blind > BLIND_S and account.failures:
        raise refusals.NotReady(
            f"{group}: account {account.name} could not be listed for {blind:.0f} s: "
            f"{account.trouble}"
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
    going: dict[str, view.Member] = {}
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
            foreign.append(node.name or node.provider_id)
    if foreign:
        raise refusals.NotOurs(f"{group}: not machines of this group: {', '.join(foreign)}")
    left = view.live(fleet, group) - sum(1 for m in going.values() if m.failure is None)
    if real and left < node_group.min_size:
        raise refusals.OutOfBounds(
            f"{group}: deleting {real} would leave {left} live machines, "
            f"minSize is {node_group.min_size}"
        )
    for member in going.values():
        fleet = let_go(fleet, member, now=now)
    return fleet, tuple(going)


def shrink(fleet: state.Fleet, group: str, delta: int) -> tuple[state.Fleet, tuple[str, ...]]:
    """Withdraw up to ``-delta`` launches that were not sent; never touches a machine.

    Returns the names withdrawn; fewer than asked for is success. Raises UnknownGroup, OutOfBounds
    for a delta that is not negative.
    """
    known(fleet, group)
    if delta >= 0:
        raise refusals.OutOfBounds(f"{group}: a decrease must be negative, got {delta}")
    unsent = [
        launch.name
        for launch in fleet.launches.values()
        if launch.group == group and launch.phase is state.Phase.HELD and not launch.may_land
    ]
    withdrawn = tuple(unsent[delta:])
    launches = {n: launch for n, launch in fleet.launches.items() if n not in withdrawn}
    return dataclasses.replace(fleet, launches=launches), withdrawn


def autoscaler_started(fleet: state.Fleet, *, unix_now: float) -> state.Fleet:
    """Remember what is in the air at the first call of a new CA process, group by group."""
    covers = {
        name: view.in_the_air(fleet, name, unix_now)
        for name, group in fleet.groups.items()
        if fleet.accounts[group.account].snapshot is not None
    }
    return dataclasses.replace(fleet, covers=covers)


def register(fleet: state.Fleet, provider_ids: Iterable[str]) -> state.Fleet:
    """Remember that CA showed us the Nodes of these machines."""
    return dataclasses.replace(fleet, registered=fleet.registered | frozenset(provider_ids))


def configure(
    fleet: state.Fleet,
    node_groups: Iterable[groups.NodeGroup],
    accounts: Iterable[state.AccountState],
    *,
    blocked: Mapping[str, str],
) -> state.Fleet:
    """Take a new configuration; what the fleet has stays.

    A group that is gone from the configuration and still has machines stays visible with min 0
    and refuses growth, until it is empty; its launches that were not sent are withdrawn.
    ``blocked`` says of groups that cannot work as configured why.
    """
    wanted = {group.name: group for group in node_groups}
    launches = {
        name: launch
        for name, launch in fleet.launches.items()
        if launch.group in wanted or launch.phase is not state.Phase.HELD
    }
    fleet = dataclasses.replace(fleet, launches=launches)
    kept = dict(fleet.accounts)
    for account in accounts:
        before = kept.get(account.name)
        if before is None or before.provider != account.provider:
            kept[account.name] = account
        else:
            kept[account.name] = dataclasses.replace(
                before,
                settle_s=account.settle_s,
                rate_per_s=account.rate_per_s,
                hands=account.hands,
                pace=account.pace,
            )
    for name, group in fleet.groups.items():
        if name not in wanted and view.members(fleet, name):
            wanted[name] = dataclasses.replace(group, min_size=0, departed=True)
    covers = {name: held for name, held in fleet.covers.items() if name in wanted}
    return dataclasses.replace(
        fleet, groups=wanted, blocked=dict(blocked), accounts=kept, covers=covers
    )


def let_go(fleet: state.Fleet, member: view.Member, *, now: float) -> state.Fleet:
    """Retire one member: a launch that was not sent vanishes, all else is deleted and awaited."""
    launch = member.launch
    launches = {n: held for n, held in fleet.launches.items() if n != member.name}
    missing = {
        pid: held
        for pid, held in fleet.missing.items()
        if state.key_of(held.instance) != member.name
    }
    fleet = dataclasses.replace(fleet, launches=launches, missing=missing)
    instance = member.instance or (launch.instance if launch is not None else None)
    if instance is not None:
        return _retire(fleet, _owed(fleet, member.name, instance, now))
    if launch is None or not (launch.may_land or launch.phase is state.Phase.ASKED):
        return fleet
    return _retire(
        fleet,
        state.Retirement(
            key=member.name,
            name=member.name,
            group=launch.group,
            account=launch.account,
            since=now,
            deletion=state.Deletion.AWAITED,
            doubtful_since=(
                state.NEVER if launch.phase is state.Phase.ASKED else launch.doubtful_since
            ),
        ),
    )


def known(fleet: state.Fleet, group: str) -> groups.NodeGroup:
    """Give a group by its id, or raise UnknownGroup."""
    found = fleet.groups.get(group)
    if found is None:
        raise refusals.UnknownGroup(f"no node group {group!r}")
    return found


def _is_live(member: view.Member, node: NodeRef) -> int:
    return int(not node.fake and member.failure is None and member.instance is not None)


def _was_ours(fleet: state.Fleet, group: groups.NodeGroup, node: NodeRef) -> bool:
    """Tell whether a node that is no member once was one, so that deleting it is success."""
    name = state.placeholder_name(node.provider_id) or node.name
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
    return node.fake or names.minted_for(group.name, name)


def _mint(fleet: state.Fleet, mint: Iterator[str], count: int) -> Iterator[str]:
    minted: set[str] = set()
    while len(minted) < count:
        name = next(mint)
        taken = (
            name in minted
            or name in fleet.launches
            or name in fleet.retired
            or name in fleet.index.by_name
            or name in fleet.gone
        )
        if not taken:
            minted.add(name)
            yield name


def _owed(
    fleet: state.Fleet, key: str, instance: contract.Instance, now: float
) -> state.Retirement:
    account = fleet.groups[instance.group].account if instance.group in fleet.groups else ""
    account = fleet.index.account_of.get(instance.provider_id, account)
    return state.Retirement(
        key=key,
        name=instance.node_name,
        group=instance.group,
        account=account,
        since=now,
        deletion=state.Deletion.OWED,
        instance_id=instance.id,
        provider_id=instance.provider_id,
    )


def _retire(fleet: state.Fleet, retirement: state.Retirement) -> state.Fleet:
    return dataclasses.replace(fleet, retired={**fleet.retired, retirement.key: retirement})
