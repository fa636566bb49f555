"""Judge a node's labels by node selector terms, as the scheduler does.

One reader for required node affinity, a PersistentVolume's nodeAffinity and a StorageClass's
allowedTopologies. Pure.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from externalgrpc.model import loose

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,19}")
_SHOWN: Final = 4


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One condition on one label."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        match self.operator:
            case "Exists" | "DoesNotExist":
                return f"{self.key} {self.operator}"
            case "Gt" | "Lt":
                sign = ">" if self.operator == "Gt" else "<"
                return f"{self.key} {sign} {''.join(self.values[:1])}"
            case "In" if len(self.values) == 1:
                return f"{self.key}={self.values[0]}"
        more = len(self.values) - _SHOWN
        named = ", ".join(self.values[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        return f"{self.key} {self.operator} ({named})"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """Conditions that must all hold. ``names_nodes``: it also asks for Nodes that exist, by name.

    A term that asks for nothing fits no node.
    """

    requirements: tuple[Requirement, ...] = ()
    names_nodes: bool = False


def read(value: object) -> tuple[Term, ...]:
    """Read ``nodeSelectorTerms``: of several terms one must fit."""
    return tuple(
        Term(
            requirements=tuple(_requirement(each) for each in _list(term, "matchExpressions")),
            names_nodes=bool(_list(term, "matchFields")),
        )
        for term in loose.sequence(value)
    )


def read_topologies(value: object) -> tuple[Term, ...]:
    """Read a StorageClass's ``allowedTopologies``, which know no operator but In."""
    return tuple(
        Term(
            requirements=tuple(
                Requirement(
                    key=loose.text(each.get("key")),
                    operator="In",
                    values=loose.words(each.get("values")),
                )
                for each in _list(term, "matchLabelExpressions")
            )
        )
        for term in loose.sequence(value)
    )


def misses(terms: Iterable[Term], labels: Mapping[str, str]) -> tuple[str, ...]:
    """Say of each term what keeps it from fitting; empty as soon as one fits."""
    missed: list[str] = []
    for term in terms:
        miss = _miss(term, labels)
        if not miss:
            return ()
        missed.append(miss)
    return tuple(dict.fromkeys(missed)) or ("no term is given, which fits no node",)


def holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    """Return whether labels satisfy a condition; an operator that is not known holds never."""
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":
            return value is None or value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            return _compared(requirement, value)
    return False


def said(key: str, labels: Mapping[str, str]) -> str:
    """Return what a node's label is."""
    return f"its nodes have {key}={labels[key]}" if key in labels else f"its nodes have no {key}"


def _miss(term: Term, labels: Mapping[str, str]) -> str:
    if term.names_nodes:
        return "it asks for a Node that exists, by its name, and none that is to come"
    if not term.requirements:
        return "its term is empty, which fits no node"
    for each in term.requirements:
        if not holds(each, labels):
            return f"it asks for {each}, and {said(each.key, labels)}"
    return ""


def _compared(requirement: Requirement, value: str | None) -> bool:
    """Compare as integers; what is none on either side satisfies nothing."""
    if value is None or len(requirement.values) != 1:
        return False
    if not (_INTEGER.fullmatch(value) and _INTEGER.fullmatch(requirement.values[0])):
        return False
    has, wanted = int(value), int(requirement.values[0])
    return has > wanted if requirement.operator == "Gt" else has < wanted


def _requirement(of: Mapping[str, object]) -> Requirement:
    return Requirement(
        key=loose.text(of.get("key")),
        operator=loose.text(of.get("operator")),
        values=loose.words(of.get("values")),
    )


def _list(term: Mapping[str, object], key: str) -> list[dict[str, Any]]:
    return loose.sequence(term.get(key))
