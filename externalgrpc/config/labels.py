"""Read the labels and taints that a group's Nodes and machines get."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from externalgrpc.config import fields, model, validate
from externalgrpc.config.mistakes import Path
from externalgrpc.model import groups, rules


def check(
    labels: Mapping[str, str],
    path: Path,
    further: Callable[[str], str],
    findings: validate.Findings,
) -> None:
    """File what is wrong with labels; ``further`` says what else is with a key."""
    for key, value in labels.items():
        wrong = rules.key(key) or further(key)
        if wrong:
            message = f"the label key {fields.describe(key)} {wrong}"
            findings.add((*path, key), message, "Choose another key", key=True)
        wrong = rules.value(value)
        if wrong:
            message = f"the label value {fields.describe(value)} {wrong}"
            findings.add((*path, key), message, "Choose another value")


def taints(
    entries: Sequence[model.TaintEntry], path: Path, findings: validate.Findings
) -> tuple[groups.Taint, ...]:
    """Read taints; what is wrong is filed."""
    found: list[groups.Taint] = []
    for index, entry in enumerate(entries):
        at = (*path, index)
        if entry.key is None:
            findings.missing((*at, "key"), "Add the taint's key")
        if entry.effect is None:
            findings.missing((*at, "effect"), f"Add one of {', '.join(rules.EFFECTS)}")
        wrong = rules.key(entry.key) if entry.key is not None else ""
        if wrong:
            message = f"the taint key {fields.describe(entry.key)} {wrong}"
            findings.add((*at, "key"), message, "Choose another key")
        wrong = rules.value(entry.value)
        if wrong:
            message = f"the taint value {fields.describe(entry.value)} {wrong}"
            findings.add((*at, "value"), message, "Choose another value")
        taint = groups.Taint(key=entry.key or "", value=entry.value, effect=entry.effect or "")
        if any((each.key, each.effect) == (taint.key, taint.effect) for each in found):
            message = f"{taint.key}:{taint.effect} is there twice"
            findings.add(at, message, "Remove one: a node has one taint of a key and effect")
        found.append(taint)
    return tuple(found)
