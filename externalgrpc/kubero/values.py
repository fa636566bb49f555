"""Read what a Helm values file says of Kubero: where its operator runs, and what apps get.

Only the key ``kubero`` is ours to read; what stands beside it is for other charts. What stands
below it is read strictly: a misspelled key would place nothing and say nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from externalgrpc.config import lines, mistakes, options, validate
from externalgrpc.model import quantity, rules
from externalgrpc.support import regular_files


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Toleration:
    """A pod's toleration. Raises ValueError for what the API server would refuse."""

    key: str = ""
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""
    toleration_seconds: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no pod can have."""
        if not self.key and self.operator != "Exists":
            raise ValueError("has no key; give it one, or operator: Exists to tolerate every taint")
        if self.key and (wrong := rules.key(self.key)):
            raise ValueError(f"the key {self.key} {wrong}")
        if self.operator == "Exists" and self.value:
            raise ValueError("has operator: Exists and a value; remove one")
        if wrong := rules.value(self.value):
            raise ValueError(f"the value {self.value} {wrong}")
        if self.toleration_seconds is not None and self.effect != "NoExecute":
            raise ValueError("has tolerationSeconds, which only effect: NoExecute takes; remove it")

    def fields(self) -> dict[str, object]:
        """Give it as it stands in a pod."""
        said = {
            "key": self.key,
            "operator": self.operator,
            "value": self.value,
            "effect": self.effect,
            "tolerationSeconds": self.toleration_seconds,
        }
        return {key: each for key, each in said.items() if each not in {"", None}}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a container asks for and may take: quantities by the resource's name."""

    requests: Mapping[str, str] = dataclasses.field(default_factory=dict)
    limits: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse texts that are no quantities (BadQuantity is a ValueError)."""
        for each in (*self.requests.values(), *self.limits.values()):
            if quantity.parse(each) < 0:
                raise ValueError(f"{each} is negative")

    def fields(self) -> dict[str, dict[str, str]]:
        """Give it as it stands in a container; empty parts are left out."""
        said = {"requests": dict(self.requests), "limits": dict(self.limits)}
        return {key: each for key, each in said.items() if each}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Where Kubero's operator runs."""

    node_selector: Mapping[str, str] = dataclasses.field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()

    def __post_init__(self) -> None:
        """Refuse labels that no node can have."""
        _judge_selector(self.node_selector)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AppDefaults:
    """What apps get that say nothing themselves."""

    node_selector: Mapping[str, str] = dataclasses.field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    resources: Resources = dataclasses.field(default_factory=Resources)

    def __post_init__(self) -> None:
        """Refuse labels that no node can have."""
        _judge_selector(self.node_selector)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """What is below ``kubero`` in a values file."""

    operator: Operator = dataclasses.field(default_factory=Operator)
    default_app_config: AppDefaults = dataclasses.field(default_factory=AppDefaults)


def read(path: Path) -> tuple[Values, tuple[str, ...]]:
    """Read a values file; give the names of the keys that were not looked at, too.

    Raises mistakes.ConfigError with every mistake in it, and regular_files.Unreadable.
    """
    tree = lines.read(regular_files.read(path), str(path))
    findings = validate.Findings(tree)
    top = tree.value if isinstance(tree.value, dict) else {}
    found = None
    if "kubero" in top:
        found = options.read(Values, top["kubero"], ("kubero",), findings)
    else:
        findings.missing(("kubero",), "Put operator and defaultAppConfig below it")
    if wrong := findings.taken():
        raise mistakes.ConfigError(wrong)
    if not isinstance(found, Values):
        raise TypeError("nothing was read, and no mistake was filed")
    return found, tuple(key for key in top if key != "kubero")


def _judge_selector(selector: Mapping[str, str]) -> None:
    for key, value in selector.items():
        if wrong := rules.key(key):
            raise ValueError(f"nodeSelector: the key {key} {wrong}")
        if wrong := rules.value(value):
            raise ValueError(f"nodeSelector: the value {value} of {key} {wrong}")
