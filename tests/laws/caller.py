"""What CA asks of the fleet, with the law of each wish checked on the spot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from externalgrpc import fleet as fleets
from externalgrpc.fleet import joins, registering, state, view
from externalgrpc.model import fleet_errors, names
from tests.laws import laws, vps_nodes, world

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
    except fleet_errors.FleetError as error:
        _refused_for_a_reason(there, name, delta, error)
        return
    vps_nodes.may_grow(before, name)
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
    """Name nodes of every kind: Nodes, what never registered, gone ones, strangers, nobody.

    As in a loop of CA, all Nodes are shown first; what is a Node is never called unregistered.
    """
    show(there)
    before = there.fleet
    if name not in before.groups:
        return
    members = view.members(before, name)
    seen = there.nodes()
    claimed = {each.provider_id for each in seen.values()}
    real_ones = [
        member
        for member in members
        if member.instance is not None
        and (node := seen.get(member.instance.node_name)) is not None
        and node.provider_id == member.provider_id
    ]
    unregistered = [member for member in members if member.provider_id not in claimed]
    nodes: list[fleets.NodeRef] = []
    foreign = False
    chosen: dict[str, view.Member] = {}
    drained: set[str] = set()
    for kind, index in picks:
        if kind == "node" and real_ones:
            member = real_ones[index % len(real_ones)]
            assert member.instance is not None
            nodes.append(_node(member.provider_id, member.instance.node_name, fake=False))
            chosen[member.name] = member
            drained.add(member.provider_id)
        elif kind == "fake" and unregistered:
            member = unregistered[index % len(unregistered)]
            nodes.append(_node(member.provider_id, member.provider_id, fake=True))
            chosen[member.name] = member
        elif kind == "gone" and (
            terminated := [n for n in there.terminated if n.startswith(f"{name}-")]
        ):
            gone = terminated[index % len(terminated)]
            placeholder = f"sky://launching/{gone}"
            nodes.append(_node(placeholder, placeholder, fake=True))
            owner = view.whose(before, placeholder)
            if owner is not None and owner[0] == name:
                # It became a node before it was deleted, and was spared.
                spared = view.find(before, name, owner[1])
                if spared is not None:
                    chosen.setdefault(owner[1], spared)
        elif kind == "stranger":
            nodes.append(_node(f"other://{index}", "pets-1", fake=False))
            foreign = True
        elif kind == "nobody":
            nodes.append(_node("", "", fake=False))
            foreign = True
    fresh = drained - there.truth.drained
    there.truth.drained |= fresh
    try:
        there.fleet, going = fleets.retire(before, name, nodes, now=there.now, unix_now=there.now)
    except fleet_errors.NotOurs:
        there.truth.drained -= fresh
        laws.require(foreign, "our own nodes are ours", nodes)
        return
    except fleet_errors.OutOfBounds:
        there.truth.drained -= fresh
        live = sum(member.failure is None for member in chosen.values())
        laws.require(
            drained and view.live(before, name) - live < before.groups[name].min_size,
            "only what leaves too few live machines is refused",
            nodes,
        )
        return
    laws.require(not foreign, "strangers are refused", nodes)
    _ask(there, nodes, chosen.values())
    stay = {
        member.name
        for member in view.members(there.fleet, name)
        if member.provider_id not in drained and laws.lives(there.fleet, member)
    }
    laws.require(set(going) == chosen.keys() - stay, "all that was named goes", going, chosen)
    there.witness.retired(before, there.fleet, name, going, real=bool(drained))
    there.terminated += [
        each
        for each in going
        if chosen[each].provider_id not in there.fleet.quarantine and "://" not in each
    ]


def show(there: world.World) -> None:
    """Show every Node, as CA does when a loop begins."""
    for name, seen in there.nodes().items():
        if registering.claim(there.fleet, seen.provider_id, name).news:
            there.fleet = fleets.register(
                there.fleet, {seen.provider_id: name}, now=there.now, unix_now=there.now
            )


def shrink(there: world.World, name: str, delta: int) -> None:
    """Ask for a smaller target."""
    before = there.fleet
    if name not in before.groups:
        return
    try:
        there.fleet, withdrawn = fleets.shrink(before, name, delta)
    except fleet_errors.OutOfBounds:
        laws.require(delta >= 0, "a decrease is not refused", delta)
        return
    touchable = frozenset(
        launch.name
        for launch in before.launches.values()
        if launch.group == name and not there.may_exist(launch.name)
    )
    laws.require(len(withdrawn) <= -delta, "a shrink takes no more than it is asked for")
    there.witness.shrunk(before, there.fleet, name, withdrawn, touchable=touchable)
    there.terminated += withdrawn
    there.asked |= set(withdrawn)


def _ask(
    there: world.World, nodes: Sequence[fleets.NodeRef], chosen: Iterable[view.Member]
) -> None:
    """Remember what CA deleted, by every name that it has."""
    for node in nodes:
        there.asked |= {node.name, node.provider_id, node.provider_id.rpartition("/")[2]}
    for member in chosen:
        there.asked |= {member.name, member.provider_id}
        if member.instance is not None:
            there.asked.add(member.instance.node_name)
        if member.launch is not None and member.launch.instance is not None:
            there.asked.add(member.launch.instance.provider_id)
    there.asked.discard("")


def start(there: world.World) -> None:
    """Start a new process of CA."""
    there.fleet = fleets.autoscaler_started(there.fleet, unix_now=there.now)
    there.witness.covered_since_start.clear()
    there.promised = {
        name: view.in_the_air(there.fleet, name, there.now)
        for name, group in there.fleet.groups.items()
        if there.fleet.accounts[group.account].snapshot is not None
    }


def _refused_for_a_reason(
    there: world.World, name: str, delta: int, error: fleet_errors.FleetError
) -> None:
    wanted = there.fleet.groups.get(name)
    if wanted is None or isinstance(error, fleet_errors.UnknownGroup):
        laws.require(wanted is None, "a known group is known", name)
    elif isinstance(error, fleet_errors.OutOfBounds):
        size = view.target(there.fleet, name)
        unsure = laws.unsure(there.fleet, name)
        beyond = delta <= 0 or size + delta > wanted.max_size - unsure or wanted.closing
        laws.require(beyond, "a growth within bounds is not refused", name, delta)
    else:
        seen = there.fleet.accounts[wanted.account].snapshot
        blind = seen is None or there.now - seen.begun_at > BLIND_S
        trouble = view.trouble(there.fleet, name)
        tired = joins.held_back(there.fleet, name, there.now)
        reason = blind or trouble or tired or there.fleet.awaited
        laws.require(reason, "a growth is refused for a reason", error)


def _node(provider_id: str, name: str, fake: bool) -> fleets.NodeRef:  # noqa: FBT001
    return fleets.NodeRef(provider_id=provider_id, name=name, fake=fake)


def _registered(fleet: state.Fleet, name: str) -> frozenset[str]:
    return frozenset(
        member.name
        for member in view.members(fleet, name)
        if member.provider_id in fleet.registered
    )
