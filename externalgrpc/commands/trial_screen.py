"""Show what came of a trial: how long phases took, how Node and template differ, the proofs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType

from externalgrpc.commands.fitting import Fitting
from externalgrpc.commands.tables import ruled
from externalgrpc.support import plaintext

if TYPE_CHECKING:
    from externalgrpc.pb import fleet_pb2 as pb


UNWATCHED = (
    "without kubernetes: in the configuration nobody sees whether the machine became a node: it "
    "ran, and that is all that is known; a Node of it is to be deleted by hand"
)


def is_ready(over: pb.Trial) -> bool:
    """Return whether the machine became a ready node, or runs where nobody watches."""
    wanted = "node ready" if over.watched else "machine running"
    return any(step.name == wanted for step in over.steps)


def summary(over: pb.Trial) -> RenderableType:
    """Draw the end of a trial, for a person."""
    times = ruled("step", "after", "took")
    for name, after, took in phases(over):
        times.add_row(plaintext.line(name), f"{after:.1f} s", f"{took:.1f} s")
    parts: list[RenderableType] = [f"trial of {plaintext.line(over.group)}", Fitting(times)]
    if over.differences:
        found = ruled("label, taint or amount", "promised", "found", "verdict")
        for each in over.differences:
            found.add_row(
                plaintext.line(each.what),
                plaintext.line(each.promised) or "-",
                plaintext.line(each.found) or "-",
                "wrong" if each.wrong else "",
            )
        parts += ["template and Node differ", Fitting(found)]
    elif over.compared:
        parts.append("template and Node agree")
    if not over.watched:
        parts.append(UNWATCHED)
    parts += [f"gone: {plaintext.line(each)}" for each in over.proofs]
    return Group(*parts)


def phases(over: pb.Trial) -> list[tuple[str, float, float]]:
    """Return each step with the seconds from the beginning, and from the step before it."""
    found: list[tuple[str, float, float]] = []
    for number, step in enumerate(over.steps):
        before = over.steps[max(0, number - 1)].at
        after = step.at - over.steps[0].at
        found.append((step.name, max(0.0, after), max(0.0, step.at - before)))
    return found


def as_dict(over: pb.Trial) -> dict[str, Any]:
    """Return the end of a trial as plain values, for ``-o json``."""
    return {
        "group": over.group,
        "trial": over.trial,
        "account": over.account,
        "machine": {
            "name": over.node_name,
            "providerID": over.provider_id,
            "instanceType": over.machine_type,
            "region": over.location,
        },
        "watched": over.watched,
        "ready": is_ready(over),
        "code": over.code,
        "reason": over.reason,
        "steps": [
            {"name": name, "afterSeconds": round(after, 3), "tookSeconds": round(took, 3)}
            for name, after, took in phases(over)
        ],
        "compared": over.compared,
        "differences": [
            {
                "what": each.what,
                "promised": each.promised,
                "found": each.found,
                "wrong": each.wrong,
            }
            for each in over.differences
        ],
        "left": list(over.left),
        "proofs": list(over.proofs),
    }
