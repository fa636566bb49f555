"""Say of each machine of a group how far it is, in the words of a VPSNode's status. Pure."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from externalgrpc.fleet import keys, state, view
from externalgrpc.support import plaintext
from providers import contract

MOST: Final = 100
"""So many machines a status lists; the schema takes no more."""

CREATING: Final = "creating"
JOINING: Final = "joining"
READY: Final = "ready"
FAILED: Final = "failed"
DELETING: Final = "deleting"

_LONGEST: Final = 300


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine of a group; ``counts`` says that it is one of its members."""

    name: str
    state: str
    counts: bool = True
    created_at: float = 0.0
    node_name: str = ""
    address: str = ""
    provider_id: str = ""
    message: str = ""
    candidate: tuple[str, str] = ("", "")

    def document(self) -> dict[str, Any]:
        """Return it as status.machines has it; what is not known is left out."""
        fields = {
            "name": self.name,
            "nodeName": self.node_name,
            "state": self.state,
            "ipAddress": self.address,
            "providerID": self.provider_id,
            "message": self.message,
        }
        return {key: each for key, each in fields.items() if each}


def of(fleet: state.Fleet, group: str) -> tuple[Machine, ...]:
    """List a group's machines, oldest first: members, those in quarantine, those that go."""
    found: dict[str, Machine] = {}

    def add(machine: Machine) -> None:
        name = machine.name if machine.name not in found else machine.provider_id
        found.setdefault(name, dataclasses.replace(machine, name=name))

    for member in view.members(fleet, group):
        add(_member(fleet, member))
    for instance in view.quarantined(fleet, group):
        held = fleet.quarantine[instance.provider_id]
        add(_shown(fleet, instance, FAILED, f"in quarantine: {held.message}", counts=False))
    for instance in view.leaving(fleet, group):
        add(_shown(fleet, instance, DELETING, "", counts=False))
    return tuple(
        sorted(found.values(), key=lambda each: (each.created_at or float("inf"), each.name))
    )


def listed(machines: tuple[Machine, ...]) -> tuple[Machine, ...]:
    """Choose those that a status lists: of too many, those that need a look, and the oldest."""
    if len(machines) <= MOST:
        return machines
    by_need = sorted(machines, key=lambda each: (each.state != FAILED, each.state == READY))
    chosen = {each.name for each in by_need[:MOST]}
    return tuple(each for each in machines if each.name in chosen)


def _member(fleet: state.Fleet, member: view.Member) -> Machine:
    instance = member.instance or (member.launch.instance if member.launch is not None else None)
    if member.failure is not None:
        return _made(member, instance, FAILED, short(member.failure.message))
    if instance is None:
        return _made(member, None, CREATING, "")
    if member.instance is None or instance.state in (
        contract.InstanceState.CREATING,
        contract.InstanceState.UNFINISHED,
    ):
        return _made(member, instance, CREATING, "")
    if instance.state is contract.InstanceState.STOPPED:
        return _made(member, instance, FAILED, "it is switched off")
    return _running(fleet, member, instance)


def _running(fleet: state.Fleet, member: view.Member, instance: contract.Instance) -> Machine:
    node_name = fleet.registered.get(instance.provider_id, "")
    node = (fleet.nodes or {}).get(node_name)
    if node is not None and node.ready:
        return _made(member, instance, READY, "", node_name)
    journey = fleet.journeys.get(member.name)
    if node is not None and journey is not None and journey.ready_at:
        return _made(member, instance, FAILED, "its Node is not ready", node_name)
    unjoined = fleet.unjoined.get(member.name)
    message = short(unjoined.failure.message) if unjoined is not None else ""
    return _made(member, instance, JOINING, message, node_name if node is not None else "")


def _made(
    member: view.Member,
    instance: contract.Instance | None,
    how: str,
    message: str,
    node_name: str = "",
) -> Machine:
    candidate = member.launch.candidate if member.launch is not None else None
    if instance is None:
        sold = (candidate.machine_type, candidate.location) if candidate is not None else ("", "")
        return Machine(name=plaintext.line(member.name), state=how, message=message, candidate=sold)
    return Machine(
        name=plaintext.line(member.name),
        state=how,
        created_at=instance.created_at,
        node_name=plaintext.line(node_name),
        address=plaintext.line(instance.addresses[0]) if instance.addresses else "",
        provider_id=plaintext.line(instance.provider_id),
        message=message,
        candidate=(instance.machine_type, instance.location),
    )


def _shown(
    fleet: state.Fleet, instance: contract.Instance, how: str, message: str, *, counts: bool
) -> Machine:
    return Machine(
        name=plaintext.line(keys.key_of(fleet, instance)),
        state=how,
        counts=counts,
        created_at=instance.created_at,
        node_name=plaintext.line(fleet.registered.get(instance.provider_id, "")),
        address=plaintext.line(instance.addresses[0]) if instance.addresses else "",
        provider_id=plaintext.line(instance.provider_id),
        message=short(message),
        candidate=(instance.machine_type, instance.location),
    )


def short(message: str) -> str:
    """Cut a sentence of others to a length that a status can bear."""
    text = plaintext.line(message)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
