"""What CA asks of the fleet, with the law of each wish checked on the spot."""

from __future__ import annotations

from collections.abc import Sequence

from externalgrpc import fleet as fleets
from externalgrpc import names, refusals
from externalgrpc.fleet import joins, journeys, state, view
from tests.laws import laws, world

BLIND_S = 300.0


def grow(there: world.World, name: str, delta: int, *, cover: bool) -> None:
    """Ask for machines; a refusal must have a reason that the law knows."""
    before = there.fleet
    air = view.in_the_air(before, name, there.now) if name in before.groups else frozenset()
    try:
        there.fleet, grown = fleets.grow(
            before,
            name,
            delta,
            mint=names.mint(name, there.chance),
            now=there.now,
            unix_now=there.now,
            cover=cover,
        )
    except refusals.FleetError as error:
        _refused_for_a_reason(there, name, delta, error)
        return
    still = there.promised.pop(name, frozenset()) & air
    if cover:
        laws.require(
            len(grown.covered) == min(len(still), delta),
            "the first growth of a fresh CA is covered by what is in the air",
            still,
            grown,
        )
    there.witness.grew(
        before,
        there.fleet,
        name,
        delta,
        ordered=grown.ordered,
        covered=grown.covered,
        air=air - _registered(before, name),
    )


def retire(there: world.World, name: str, picks: Sequence[tuple[str, int]]) -> None:
    """Name nodes of every kind: members by node or placeholder, gone ones, strangers, nobody."""
    before = there.fleet
    if name not in before.groups:
        return
    members = view.members(before, name)
    nodes: list[fleets.NodeRef] = []
    foreign = False
    chosen: dict[str, bool] = {}
    for kind, index in picks:
        if kind in ("node", "fake") and members:
            member = members[index % len(members)]
            # A node that CA knows by name is one that has a machine.
            fake = kind == "fake" or member.failure is not None or not _has_machine(member)
            nodes.append(
                _node(member.provider_id, member.provider_id if fake else member.name, fake)
            )
            chosen[member.name] = chosen.get(member.name, not fake)
        elif kind == "gone" and there.let_go:
            gone = there.let_go[index % len(there.let_go)]
            nodes.append(_node(f"sky://launching/{gone}", gone, fake=False))
            foreign |= not gone.startswith(f"{name}-")
        elif kind == "stranger":
            nodes.append(_node(f"other://{index}", "pets-1", fake=False))
            foreign = True
        elif kind == "nobody":
            nodes.append(_node("", "", fake=False))
            foreign = True
    real = any(chosen.values())
    try:
        there.fleet, going = fleets.retire(before, name, nodes, now=there.now)
    except refusals.NotOurs:
        laws.require(foreign, "our own nodes are ours", nodes)
        return
    except refusals.OutOfBounds:
        failed = {member.name for member in members if member.failure is not None}
        left = view.live(before, name) - len(chosen.keys() - failed)
        laws.require(
            real and left < before.groups[name].min_size,
            "only what leaves too few live machines is refused",
            nodes,
        )
        return
    laws.require(not foreign, "strangers are refused", nodes)
    laws.require(set(going) == set(chosen), "all that was named goes", going, chosen)
    there.witness.retired(before, there.fleet, name, going, real=real)
    there.let_go += going


def shrink(there: world.World, name: str, delta: int) -> None:
    """Ask for a smaller target."""
    before = there.fleet
    if name not in before.groups:
        return
    try:
        there.fleet, withdrawn = fleets.shrink(before, name, delta)
    except refusals.OutOfBounds:
        laws.require(delta >= 0, "a decrease is not refused", delta)
        return
    touchable = frozenset(
        launch.name
        for launch in before.launches.values()
        if launch.group == name and not there.may_exist(launch.name)
    )
    laws.require(len(withdrawn) <= -delta, "a shrink takes no more than it is asked for")
    there.witness.shrunk(before, there.fleet, name, withdrawn, touchable=touchable)
    there.let_go += withdrawn


def start(there: world.World) -> None:
    """Start a new process of CA."""
    there.fleet = fleets.autoscaler_started(there.fleet, unix_now=there.now)
    there.witness.covered_since_start.clear()
    there.promised = {
        name: view.in_the_air(there.fleet, name, there.now)
        for name, group in there.fleet.groups.items()
        if there.fleet.accounts[group.account].snapshot is not None
    }


def register(there: world.World, which: int) -> None:
    """Show the Node of a machine that runs."""
    joined = [
        member.provider_id
        for name in there.fleet.groups
        for member in view.members(there.fleet, name)
        if member.showing is view.Showing.RUNNING or member.name in there.fleet.unjoined
    ]
    if joined:
        there.fleet = fleets.register(there.fleet, (joined[which % len(joined)],))


def judge_joins(there: world.World, *, all_joined: bool) -> None:
    """Read the cluster's Nodes: machines that are none in time have failed, and go in the end."""
    before = there.fleet
    nodes = set(before.index.by_provider_id) if all_joined else set(before.registered)
    sight = journeys.Sight(node_at=there.now, ready_at=there.now)
    sights = dict.fromkeys(nodes, sight)
    judged = fleets.judge_joins(before, sights, now=there.now, unix_now=there.now)
    laws.require(laws.targets(before) == laws.targets(judged), "a judgement moves no target")
    late = fleets.overdue(judged, there.now, patience_s=joins.PATIENCE_S)
    there.fleet = fleets.let_go(judged, late, now=there.now)
    for name in judged.groups:
        going = {m.name for m in late} & {m.name for m in view.members(judged, name)}
        laws.require(
            view.target(there.fleet, name) == view.target(judged, name) - len(going),
            "what failed to join and was left too long goes",
        )
        there.witness.let_go |= going
        there.let_go += sorted(going)


def _refused_for_a_reason(
    there: world.World, name: str, delta: int, error: refusals.FleetError
) -> None:
    wanted = there.fleet.groups.get(name)
    if wanted is None or isinstance(error, refusals.UnknownGroup):
        laws.require(wanted is None, "a known group is known", name)
    elif isinstance(error, refusals.OutOfBounds):
        size = view.target(there.fleet, name)
        beyond = delta <= 0 or size + delta > wanted.max_size or wanted.departed
        laws.require(beyond, "a growth within bounds is not refused", name, delta)
    else:
        seen = there.fleet.accounts[wanted.account].snapshot
        blind = seen is None or there.now - seen.begun_at > BLIND_S
        trouble = view.trouble(there.fleet, name)
        tired = joins.held_back(there.fleet, name, there.now)
        laws.require(blind or trouble or tired, "a growth is refused for a reason", error)


def _node(provider_id: str, name: str, fake: bool) -> fleets.NodeRef:  # noqa: FBT001
    return fleets.NodeRef(provider_id=provider_id, name=name, fake=fake)


def _registered(fleet: state.Fleet, name: str) -> frozenset[str]:
    return frozenset(
        member.name
        for member in view.members(fleet, name)
        if member.provider_id in fleet.registered
    )


def _has_machine(member: view.Member) -> bool:
    return member.instance is not None or (
        member.launch is not None and member.launch.instance is not None
    )
