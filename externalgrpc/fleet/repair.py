"""Delete machines whose Nodes are not ready for longer than their groups allow, where they ask so.

It is the one deletion of what was a node on our own word, so it takes what this process saw itself,
without a gap: the Node that is the machine by name and providerID, with one Ready condition that
is not True from then till now; or, of a Node that was seen and is absent, siblings that all are
ready. It stands under the limits of failed joins, and in an outage nothing goes. What is not sure
is withheld and reported. The machine leaves the target at once, as after CA's DeleteNodes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

from externalgrpc.fleet import claims, proof, retired, state, vanishing, verdicts, view
from externalgrpc.model import groups
from providers import contract

UNREADY, ABSENT = "NodeUnready", "NodeAbsent"
CODES = frozenset({UNREADY, ABSENT})
"""How it is named to people that a machine which was a node has no ready Node."""

SIBLINGS = "its Node is absent, and not all other machines of the group are ready nodes"

ADOPTED = "it was adopted: it is deleted on the autoscaler's word alone"

STANDS = (contract.InstanceState.RUNNING, contract.InstanceState.STOPPED)


def judge(fleet: state.Fleet, *, now: float, unix_now: float, sure: bool = True) -> state.Fleet:
    """Note which machines have no ready Node, and retire those whose time is over.

    ``sure`` says that the Nodes have been seen without a gap: else the time of all begins anew. To
    be called only when the API server was just heard of.
    """
    groups_ = [each for each in fleet.groups.values() if each.repair_after_s is not None]
    known = fleet.nodes is not None and not fleet.nodes_stale
    # Also where nobody asks for repair yet, or another acts: what a person said holds later too.
    if known and (alone := _left_alone(fleet)) != fleet.left_alone:
        fleet = dataclasses.replace(fleet, left_alone=alone)
    if not sure or not groups_ or not known:
        return dataclasses.replace(fleet, unready={}) if fleet.unready else fleet
    court = verdicts.Court(fleet, now)
    unready: dict[str, state.Unready] = {}
    going: list[state.Member] = []
    for group in groups_:
        for member, instance, changed_at in _ill(fleet, group.name):
            held = fleet.unready.get(member.provider_id)
            if held is None or held.changed_at != changed_at:
                held = state.Unready(now, changed_at, verdicts.NOT_YET)
            why = _waits(fleet, group, instance, held, now=now, unix_now=unix_now)
            why = why or court.repaired(group.name, view.account_of(fleet, instance))
            if why:
                unready[member.provider_id] = held._replace(withheld=why)
            else:
                going.append(member)
    if unready != fleet.unready or court.verdicts is not fleet.verdicts:
        fleet = dataclasses.replace(fleet, unready=unready, verdicts=court.verdicts)
    return retired.terminated(fleet, going, now=now, own=True, repair=True)


def begun(before: state.Fleet, after: state.Fleet) -> list[state.Retirement]:
    """Return the machines that are retired since, for a repair."""
    if before.retired is after.retired:
        return []
    return [
        held for key, held in after.retired.items() if held.repair and key not in before.retired
    ]


def trouble(fleet: state.Fleet, provider_id: str, now: float) -> state.Failure | None:
    """Say that a machine has no ready Node, for how long, and what comes of that; None for no such.

    It is for people's eyes, and never shown to CA.
    """
    held = fleet.unready.get(provider_id)
    instance = view.known(fleet, provider_id)
    if held is None or instance is None or instance.group not in fleet.groups:
        return None
    code, what = (UNREADY, "not ready") if held.changed_at else (ABSENT, "absent")
    after_s = fleet.groups[instance.group].repair_after_s or 0.0
    then = f"its machine is deleted after {after_s / 60:.0f} min"
    if held.withheld != verdicts.NOT_YET:
        then = f"it is not repaired: {held.withheld}"
    message = f"its Node is {what}, seen so for {(now - held.since) / 60:.0f} min; {then}"
    return state.Failure(state.ErrorClass.OTHER, code, message)


def _ill(fleet: state.Fleet, group: str) -> Iterator[tuple[state.Member, contract.Instance, float]]:
    """Give the machines that listings show and whose Nodes are not ready, with since when."""
    for member in view.members(fleet, group):
        instance = member.instance
        if instance is None or member.provider_id not in fleet.index.by_provider_id:
            continue
        if member.provider_id in fleet.left_alone or instance.state not in STANDS:
            continue
        changed_at = _unready_since(fleet, instance)
        if changed_at is not None:
            yield member, instance, changed_at


def _unready_since(fleet: state.Fleet, instance: contract.Instance) -> float | None:
    """Return since when a machine's Node says that it is not ready; 0: it was seen and is absent.

    None for a Node that is ready or does not say, and where names and providerIDs do not agree.
    """
    nodes = fleet.nodes or {}
    names = claims.by_provider_id(fleet).get(instance.provider_id, ())
    if not names:
        known_as = (fleet.registered.get(instance.provider_id, ""), instance.node_name)
        absent = known_as[0] and not any(name in nodes for name in known_as)
        return 0.0 if absent else None
    if len(names) > 1 or not claims.agrees(fleet, instance, names[0]):
        return None
    if claims.usurped(fleet, instance) or nodes[names[0]].ready:
        return None
    return nodes[names[0]].unready_since or None


def _waits(
    fleet: state.Fleet,
    group: groups.NodeGroup,
    instance: contract.Instance,
    held: state.Unready,
    *,
    now: float,
    unix_now: float,
) -> str:
    """Return why a machine is not to be deleted yet, whatever the limits; empty when it may be."""
    # By our own clock, and by the API server's: neither alone makes the time longer.
    seen_s = min(now - held.since, unix_now - held.changed_at)
    if seen_s < (group.repair_after_s or 0.0):
        return verdicts.NOT_YET
    if instance.adopted:
        return ADOPTED
    if lost_at_large(fleet, view.account_of(fleet, instance)):
        return verdicts.OUTAGE
    if not held.changed_at and not _siblings_are_ready(fleet, group.name, instance):
        return SIBLINGS
    return ""


def _siblings_are_ready(fleet: state.Fleet, group: str, instance: contract.Instance) -> bool:
    others = _ready(fleet, (group,))
    others.pop(instance.provider_id, None)
    return bool(others) and all(others.values())


def lost_at_large(fleet: state.Fleet, account: str) -> bool:
    """Return whether an account or the cluster has lost too many nodes for any to be repaired."""
    if fleet.outage or vanishing.vanished(fleet, account):
        return True
    ready = _ready(fleet, fleet.groups)
    own = [well for each, well in ready.items() if fleet.index.account_of.get(each) == account]
    return any(vanishing.is_outage(of.count(False), len(of)) for of in (list(ready.values()), own))


def _ready(fleet: state.Fleet, of: Iterable[str]) -> dict[str, bool]:
    """Return of the machines of groups, by provider id, whether their Nodes are ready.

    What is proved never to have been a node is left out; what was one before this process started,
    and is absent since, is not.
    """
    return {
        each.provider_id: vanishing.node_is_ready(fleet, each.instance)
        for group in of
        for each in view.members(fleet, group)
        if each.instance is not None
        and not proof.never_joined(fleet, each.instance, view.account_of(fleet, each.instance))
    }


def _left_alone(fleet: state.Fleet) -> frozenset[str]:
    """Return the machines that a person said to leave alone, by the Node that there is, or was."""
    claiming = claims.by_provider_id(fleet)
    said = {each.provider_id for each in (fleet.nodes or {}).values() if each.left_alone}
    said |= {each for each in fleet.left_alone if each not in claiming}
    return frozenset(said & (fleet.index.by_provider_id.keys() | fleet.missing.keys()))
