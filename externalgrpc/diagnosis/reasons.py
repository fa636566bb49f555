"""Answer why a group has no further node, and why a machine is no node yet.

From what a running server shows alone; the cluster is not asked. Pure: same answer, same findings.
"""

from __future__ import annotations

from typing import Final

from externalgrpc.diagnosis.findings import Finding, Severity, age
from externalgrpc.fleet import repair
from externalgrpc.model import by_hand
from externalgrpc.pb import fleet_pb2 as pb

_SEVERITY: Final = {
    "NotAsked": Severity.FINE,
    "OnTheWay": Severity.NOTE,
    "Settling": Severity.NOTE,
    "Departed": Severity.NOTE,
    "Paused": Severity.NOTE,
}
"""How bad an answer is; every other code keeps a node from coming, and is a warning."""

_PHASES: Final = {
    "held": "It waits to be ordered",
    "asked": "It is being ordered",
    "unsure": "It was ordered, and the cloud has not answered yet whether it made it",
    "accepted": "The cloud accepted the order and is making it",
    "creating": "The cloud is making it, or it boots",
    "stopped": "The cloud says that it is stopped",
    "deleting": "It is being deleted",
    "orphan": "It has the cluster's mark and belongs to no group",
    "trial": "A trial that was ended by force left it",
}
_STEPS: Final = {
    "created": "it was made",
    "running": "it is running, and asked for no certificate yet",
    "csr": "it asked for a certificate, and no Node of it was seen",
    "node": "its Node is there and is not Ready",
}
_DOCS: Final = "Look at its serial console, and at docs/joining.md."


def explain(shown: pb.ShowResponse, name: str) -> tuple[Finding, ...]:
    """Return why of whatever has a name: a group, a machine, or a machine's provider id.

    A group and a machine of one name are both answered. Empty where nothing has the name.
    """
    groups = [_group(each) for each in shown.groups if each.id == name]
    machines = [
        _machine(shown, each) for each in shown.machines if name in (each.name, each.provider_id)
    ]
    return tuple(groups + machines)


def _group(group: pb.Group) -> Finding:
    subject = f"group {group.id}"
    if not group.HasField("why"):
        return Finding(
            severity=Severity.WARNING,
            subject=subject,
            what="The server does not say why, for it is older than this command.",
            cure="Upgrade the server, or look at vps-autoscaler ls.",
        )
    return Finding(
        severity=_SEVERITY.get(group.why.code, Severity.WARNING),
        subject=subject,
        what=group.why.sentence,
        why=f"{group.target} machines of {group.min}..{group.max}; code {group.why.code}.",
        cure=group.why.cure,
    )


def _machine(shown: pb.ShowResponse, machine: pb.Machine) -> Finding:
    severity, what, cure = _state(shown, machine)
    known = [
        f"group {machine.group}" if machine.group else "",
        "/".join(filter(None, (machine.machine_type, machine.location))),
        f"account {machine.account}" if machine.account else "",
        f"{age(machine.age_seconds)} old" if machine.age_seconds >= 0 else "",
        machine.provider_id,
    ]
    return Finding(
        severity=severity,
        subject=f"machine {machine.name or machine.provider_id}",
        what=what,
        why=", ".join(filter(None, known)),
        cure=cure,
    )


def _state(shown: pb.ShowResponse, machine: pb.Machine) -> tuple[Severity, str, str]:
    """Give severity, sentence and cure of the first thing that is true of a machine."""
    return _amiss(machine) or _going(machine) or _coming(shown, machine)


def _amiss(machine: pb.Machine) -> tuple[Severity, str, str] | None:
    what, cure = "", ""
    if machine.error_code in repair.CODES:
        what = f"It was a node, and {_bare(machine.error_message)}."
        cure = "See docs/repair.md."
    elif machine.error_code:
        what = f"It failed as {machine.error_code}: {_bare(machine.error_message)}."
    elif machine.phase == "quarantine":
        what = f"It is in quarantine ({machine.doubt}): {_bare(machine.doubt_message)}."
        cure = "See docs/operating.md, Machines that are not touched."
    elif machine.withheld_because:
        what = (
            f"It did not become a node, {machine.withheld_code} ({_bare(machine.withheld_message)}"
            f"), and is not given up: {_bare(machine.withheld_because)}."
        )
        cure = _DOCS
    elif machine.rival:
        what = f"The Node {machine.rival} claims its providerID under another name."
        cure = "Find out which of the two the machine is; delete the other."
    return (Severity.WARNING, what, cure) if what else None


def _going(machine: pb.Machine) -> tuple[Severity, str, str] | None:
    """Return what outweighs that it was a node once."""
    if machine.phase not in ("deleting", "orphan", "trial", "stopped"):
        return None
    severity = Severity.NOTE if machine.phase == "deleting" else Severity.WARNING
    what, cure = _PHASES[machine.phase], ""
    if machine.phase == "trial":
        cure = "vps-autoscaler try --clean deletes it."
        if machine.doubt_message:
            what = f"It has the mark of a trial, and {_bare(machine.doubt_message)}"
            cure = f"If it is yours and nobody needs it: {by_hand.purge(machine.provider_id)}"
    return severity, f"{what}.", cure


def _coming(shown: pb.ShowResponse, machine: pb.Machine) -> tuple[Severity, str, str]:
    if machine.step == "ready":
        return Severity.FINE, "It is a node: its Node was seen Ready.", ""
    if machine.step in _STEPS and machine.phase == "running":
        since = age(machine.step_seconds_ago)
        return Severity.NOTE, f"It is no node yet: {_STEPS[machine.step]}, for {since}.", _DOCS
    if machine.phase in _PHASES:
        held = shown.orders_held if machine.phase == "held" else ""
        more = f": {_bare(held)}" if held else ""
        return Severity.NOTE, f"{_PHASES[machine.phase]}{more}.", ""
    if machine.registered:
        return Severity.FINE, "It is a node, as far as the autoscaler showed.", ""
    what = "It is running, and whether it is a node is not known: no Node of it was seen."
    return Severity.NOTE, what, _DOCS


def _bare(text: str) -> str:
    """Take off a full stop: what others wrote may end in one of its own."""
    return text.rstrip(".")
