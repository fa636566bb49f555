"""Make a VPSNode's status of the fleet and of what came of its spec. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from externalgrpc.fleet import state
from externalgrpc.model import groups
from externalgrpc.nodes import pricing
from externalgrpc.vpsnodes import composing, draining, machines, objects, scalable, selling, spec

Document = dict[str, Any]

_LONGEST: Final = 4000
"""So many characters of a sentence are written: a spec may have many mistakes."""

_NAMED: Final = 10
"""So many machines a sentence names."""


class Room(NamedTuple):
    """How the room is that a group keeps, as the condition CPUTarget says it.

    ``message`` has no figures that move by themselves: each would be a write to the API server.
    """

    status: str
    reason: str
    message: str


STARTING: Final = "Starting"

_UNKNOWN: Final = Room("Unknown", STARTING, "nothing was reckoned yet")


def document(
    of: objects.VpsNode,
    standing: composing.Standing,
    *,
    fleet: state.Fleet,
    config: groups.Config,
    now: float,
    below_s: float = 0.0,
    room: Room | None = None,
    held: draining.Held = draining.NOTHING,
) -> Document:
    """Make the status of an object, without the instants (:func:`stamped`).

    ``now`` is monotonic; ``below_s`` is for how long the group has been below its minimum, ``room``
    how its room is, None where nobody has reckoned any; ``held`` which pods keep its Nodes. What
    does not change makes the same document again.
    """
    group = fleet.groups.get(of.name) if standing.group is not None else None
    found = machines.of(fleet, of.name) if group is not None else ()
    members = [each for each in found if each.counts]
    ready = sum(each.state == machines.READY for each in members)
    living = [each for each in members if each.provider_id]
    fields: Document = {
        "observedGeneration": of.generation,
        "state": _state(group, members, ready),
        "nodes": len(members),
        "readyNodes": ready,
        "machines": [each.document() for each in machines.listed(found)],
        "conditions": _conditions(
            of, standing, group, found, ready, fleet, now, below_s, room, held
        ),
    }
    if living:
        fields["nodeName"] = living[0].node_name
        fields["ipAddress"] = living[0].address
    if group is not None and (price := _price(fleet, config, group, members)) is not None:
        fields["pricePerHour"] = f"{pricing.short(price)} {config.currency}"
    if standing.good:
        fields["acceptedSpec"] = dict(standing.good)
    return {key: each for key, each in fields.items() if each != ""}


def stamped(made: Document, before: Mapping[str, Any], unix_now: float) -> Document:
    """Set the instants: those of ``before`` where nothing changed since, ``unix_now`` elsewhere."""
    stamp = datetime.datetime.fromtimestamp(int(unix_now), tz=datetime.UTC)
    now = stamp.strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions, shown = _by(before, "conditions", "type"), _by(before, "machines", "name")
    return {
        **made,
        "conditions": [
            {**each, "lastTransitionTime": _kept(each, conditions, "type", "status", now)}
            for each in made["conditions"]
        ],
        "machines": [
            {**each, "since": _kept(each, shown, "name", "state", now)} for each in made["machines"]
        ],
    }


def _kept(
    each: Document, before: Mapping[str, Mapping[str, Any]], key: str, same: str, now: str
) -> str:
    instant = "lastTransitionTime" if key == "type" else "since"
    held = before.get(each[key], {})
    return str(held.get(instant) or now) if held.get(same) == each[same] else now


def _by(before: Mapping[str, Any], field: str, key: str) -> dict[str, Mapping[str, Any]]:
    entries = before.get(field)
    return {
        str(each[key]): each
        for each in (entries if isinstance(entries, list) else ())
        if isinstance(each, dict) and key in each
    }


def _state(group: groups.NodeGroup | None, members: list[machines.Machine], ready: int) -> str:
    """Return the state of the group as a whole, for whoever reads only that."""
    if group is None:
        return machines.FAILED
    states = {each.state for each in members}
    if machines.FAILED in states and not ready:
        return machines.FAILED
    if ready >= group.min_size and (ready or not members):
        return machines.READY
    return machines.JOINING if machines.JOINING in states else machines.CREATING


def _conditions(
    of: objects.VpsNode,
    standing: composing.Standing,
    group: groups.NodeGroup | None,
    found: tuple[machines.Machine, ...],
    ready: int,
    fleet: state.Fleet,
    now: float,
    below_s: float,
    room: Room | None,
    held: draining.Held,
) -> list[Document]:
    verdict = standing.verdict
    known = {True: "True", False: "False", None: "Unknown"}
    made = [("Accepted", known[verdict.ok], verdict.reason, verdict.message)]
    if group is None:
        message = "no spec of it was accepted"
        made += [
            ("Ready", "False", "NotInForce", message),
            ("Scalable", "False", scalable.NOT_IN_FORCE, message),
        ]
    else:
        made.append(("Ready", *_ready(fleet, group, ready)))
        may = scalable.judge(fleet, group, now=now, below_s=below_s)
        made.append(("Scalable", str(may.ok), may.reason, may.message))
    if (said := _cpu_target(of, group, room)) is not None:
        made.append(("CPUTarget", *said))
    if of.deleting:
        made.append(("Draining", "True", *_draining(of, fleet, group, found, held)))
    return [
        {
            "type": kind,
            "status": status,
            "observedGeneration": of.generation,
            "reason": reason,
            "message": message if len(message) <= _LONGEST else f"{message[: _LONGEST - 3]}...",
        }
        for kind, status, reason, message in made
    ]


def _ready(fleet: state.Fleet, group: groups.NodeGroup, ready: int) -> tuple[str, str, str]:
    if fleet.accounts[group.account].snapshot is None:
        message = f"account {group.account} could not be listed yet"
        return "Unknown", "NotListedYet", message
    message = f"{ready} nodes are ready, {group.min_size} are to be"
    if ready >= group.min_size:
        return "True", "EnoughNodes", message
    return "False", "TooFewNodes", message


def _cpu_target(
    of: objects.VpsNode, group: groups.NodeGroup | None, room: Room | None
) -> Room | None:
    """Return how the room for a target of CPU use is; None where neither spec nor group has one."""
    if group is not None and group.target_cpu:
        return room or _UNKNOWN
    if not spec.target_cpu(of.spec):
        return None
    if of.deleting:
        return Room("False", "Deleting", "no room is kept on machines that are to go")
    if not spec.scaled(of.spec):
        message = (
            "spec.autoScale.enabled is not true: the number of machines is fixed, and none can be "
            "added for the target. Set it to true, with maxNodes, or remove targetCPU"
        )
        return Room("False", "FixedSize", message)
    return Room("False", scalable.NOT_IN_FORCE, "the target is not in force: see Accepted")


def _draining(
    of: objects.VpsNode,
    fleet: state.Fleet,
    group: groups.NodeGroup | None,
    found: tuple[machines.Machine, ...],
    held: draining.Held,
) -> tuple[str, str]:
    if not of.kept:
        return "Released", "its machines hold it no more; it waits for finalizers of others"
    if group is not None and fleet.accounts[group.account].snapshot is None:
        return "NotListedYet", f"account {group.account} could not be listed yet"
    left = [each for each in found if each.state != machines.DELETING]
    if not left:
        return "WaitingForEmpty", "its last machines are being deleted"
    names = [each.node_name or each.name for each in left]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    node = next((each.node_name for each in left if each.node_name), names[0])
    return "WaitingForEmpty", (
        f"{len(left)} machines are left: {', '.join(names[:_NAMED])}{more}. The autoscaler removes "
        f"those whose pods can go elsewhere. {_held(left, held)}kubectl get pods -A "
        f"--field-selector spec.nodeName={node} shows what is on one, kubectl drain {node} "
        "--ignore-daemonsets --delete-emptydir-data moves it, and kubectl patch vpsnode "
        f"{of.name} --type merge -p "
        '\'{"spec":{"deletionPolicy":"Orphan"}}\' lets the machines run on without it'
    )


def _held(left: list[machines.Machine], held: draining.Held) -> str:
    """Name the pods that keep machines, or say why none is known; "" where none keeps any."""
    if held.unknown:
        return f"{held.unknown}. "
    found = [
        f"on {each.node_name} {pod}"
        for each in left
        for pod in held.by_node.get(each.node_name, ())
    ]
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"Kept by pods: {', '.join(found[:_NAMED])}{more}. " if found else ""


def _price(
    fleet: state.Fleet,
    config: groups.Config,
    group: groups.NodeGroup,
    members: list[machines.Machine],
) -> Decimal | None:
    """Add up what the machines cost an hour; None where that is not known of one."""
    catalogue = fleet.accounts[group.account].catalogue
    if catalogue is None:
        return None
    total = Decimal(0)
    for each in members:
        offer = catalogue.offers.get(groups.Candidate(*each.candidate))
        price = selling.per_hour(config, group, offer) if offer is not None else None
        if price is None and each.candidate[0]:
            return None
        total += price or Decimal(0)
    return total


def known(fleet: state.Fleet, standing: composing.Standing, room: Room | None = None) -> bool:
    """Return whether all that a status speaks of was asked for once since the process started."""
    target = standing.group is not None and standing.group.target_cpu
    if target and (room is None or room.reason == STARTING):
        return False
    if fleet.awaited or fleet.identity is None or standing.verdict.ok is None:
        return False
    account = fleet.accounts.get(standing.group.account) if standing.group is not None else None
    listed = account is None or (account.snapshot is not None and account.settled)
    return listed and (fleet.identity == "" or fleet.nodes is not None)


def empty(fleet: state.Fleet, name: str) -> bool:
    """Return whether nothing of a group is left, or may yet come: only then may its object go.

    Sure only where every account that may have any was listed since it settled.
    """
    group = fleet.groups.get(name)
    asked = [fleet.accounts[group.account]] if group is not None else list(fleet.accounts.values())
    if not all(account.settled for account in asked) or fleet.awaited:
        return False
    if any(each.group == name for each in fleet.launches.values()):
        return False
    if any(each.group == name for each in fleet.retired.values()):
        return False
    if any(each.instance.group == name for each in fleet.missing.values()):
        return False
    return all(each.group != name for each in fleet.index.by_provider_id.values())
