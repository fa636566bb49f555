"""Match what a pod asks with the node that a group would get next: pure, as the scheduler judges.

The node is the group's template, which is what Cluster Autoscaler simulates with while the group
has no node of its own (:mod:`externalgrpc.nodes.template`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from externalgrpc.diagnosis.pods import terms, wanted
from externalgrpc.kube import pods
from externalgrpc.model import quantity
from externalgrpc.pb import k8s_core_v1_pb2 as core

_KEEPS_AWAY: Final = ("NoSchedule", "NoExecute")
_GIBI: Final = 1 << 30
_MEBI: Final = 1 << 20
_BYTES: Final = ("memory", "ephemeral-storage")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Taint:
    """A taint that the nodes of a group bear."""

    key: str
    value: str = ""
    effect: str = "NoSchedule"

    def __str__(self) -> str:
        return f"{self.key}{f'={self.value}' if self.value else ''}:{self.effect}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """The node that a group would get. ``gives``: CPU in millicores, all else in units.

    ``taken`` is what pods of DaemonSets will have of it before any other pod.
    """

    labels: Mapping[str, str]
    taints: tuple[Taint, ...] = ()
    gives: Mapping[str, int] = dataclasses.field(default_factory=dict)
    taken: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """One thing that keeps a pod off a node: a code of a fixed set, and a sentence about it."""

    code: str
    sentence: str


def node_of(template: core.Node) -> Node:
    """Read a template; an amount that nobody can read counts as none."""
    return Node(
        labels=dict(template.metadata.labels),
        taints=tuple(
            Taint(key=each.key, value=each.value, effect=each.effect)
            for each in template.spec.taints
        ),
        gives={
            name: pods.amount(name, each.string)
            for name, each in template.status.allocatable.items()
        },
    )


def with_daemons(node: Node, daemons: Iterable[wanted.Needs]) -> Node:
    """Take from a node what those DaemonSets will have of it whose pods it would get."""
    taken: dict[str, int] = {}
    for each in daemons:
        if any(_places(each, node)):
            continue
        for name, asked in each.requests.items():
            taken[name] = taken.get(name, 0) + asked
    return dataclasses.replace(node, taken=taken)


def misfits(
    needs: wanted.Needs, node: Node, volumes: Mapping[str, tuple[terms.Term, ...]]
) -> tuple[Misfit, ...]:
    """Return all that keeps a pod off a node; empty where it fits.

    ``volumes`` are the terms of its volumes' node affinity, by the name of the claim.
    """
    return (
        *_places(needs, node),
        *(
            Misfit(code="Volume", sentence=f"the volume of its claim {claim}: {'; or '.join(miss)}")
            for claim, its in volumes.items()
            if (miss := terms.misses(its, node.labels))
        ),
        *_lacks(needs, node),
    )


def _places(needs: wanted.Needs, node: Node) -> Iterator[Misfit]:
    for taint in node.taints:
        if taint.effect in _KEEPS_AWAY and not tolerated(taint, needs.tolerations):
            yield Misfit(
                code="Taint", sentence=f"its nodes bear {taint}, which the pod does not tolerate"
            )
    for key, value in needs.selector.items():
        if node.labels.get(key) != value:
            yield Misfit(
                code="NodeSelector",
                sentence=f"the pod selects {key}={value}, and {terms.said(key, node.labels)}",
            )
    if needs.affinity is not None and (miss := terms.misses(needs.affinity, node.labels)):
        yield Misfit(code="NodeAffinity", sentence=f"its node affinity: {'; or '.join(miss)}")


def tolerated(taint: Taint, tolerations: Iterable[wanted.Toleration]) -> bool:
    """Return whether one of the tolerations covers a taint; an unknown operator covers none."""
    return any(_tolerates(each, taint) for each in tolerations)


def _tolerates(toleration: wanted.Toleration, taint: Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator == "Exists":
        return True
    return (
        toleration.operator == "Equal"
        and bool(toleration.key)
        and (toleration.value == taint.value)
    )


def _lacks(needs: wanted.Needs, node: Node) -> Iterator[Misfit]:
    for name, asked in needs.requests.items():
        gives, taken = node.gives.get(name, 0), node.taken.get(name, 0)
        if not asked or asked <= gives - taken:
            continue
        less = f", of which DaemonSets take {written(name, taken)}" if taken else ""
        has = f"gives {written(name, gives)}{less}" if gives else "gives none"
        yield Misfit(
            code="TooSmall",
            sentence=f"the pod requests {name} {written(name, asked)}, and a node of it {has}",
        )


def written(name: str, value: int) -> str:
    """Write an amount as people do: 1500m, 3.4Gi, 110; a request is never shown as less."""
    if name == "cpu":
        return quantity.of_millis(value)
    if name not in _BYTES and not name.startswith("hugepages-"):
        return str(value)
    for unit, suffix in ((_GIBI, "Gi"), (_MEBI, "Mi")):
        if value >= unit:
            return f"{value / unit:.2f}".rstrip("0").rstrip(".") + suffix
    return quantity.of_bytes(value)
