"""Compare what a group's template promises with what its Node became.

Promised too much is a fault: Cluster Autoscaler adds a node, sees that the pod still does not fit,
and adds another. Promised too little only wastes. A label or a taint that the Node lacks, or that
it has and the template does not, lets pods land elsewhere than was reckoned.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Protocol

from externalgrpc.model import groups, quantity
from externalgrpc.nodes import template
from externalgrpc.pb import k8s_core_v1_pb2 as core

_TRANSIENT = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")
"""Taints that a cluster puts on a Node while something about it is not done."""

_OWN_NAME = template.HOSTNAME
_MUCH = 0.1
"""A promise that is smaller by more than this part is worth a word."""


class Node(Protocol):
    """What is read of a Node."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Return its labels."""
        ...

    @property
    def taints(self) -> tuple[groups.Taint, ...]:
        """Return its taints."""
        ...

    @property
    def capacity(self) -> template.Observed:
        """Return what it has."""
        ...

    @property
    def allocatable(self) -> template.Observed:
        """Return what it gives to pods."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """Where template and Node differ: of what, and the two figures; empty for what is not there.

    ``wrong`` says that it makes the autoscaler reckon wrongly; else it is only worth knowing.
    """

    what: str
    promised: str
    found: str
    wrong: bool


def compare(promised: bytes, node: Node) -> tuple[Difference, ...]:
    """Compare a template, as serialized v1.Node, with a Node; nothing where they agree."""
    expected = core.Node.FromString(promised)
    return (
        *_labels(dict(expected.metadata.labels), node.labels),
        *_taints(expected, node.taints),
        *_amounts("capacity", expected.status.capacity, node.capacity),
        *_amounts("allocatable", expected.status.allocatable, node.allocatable),
    )


def _labels(expected: Mapping[str, str], found: Mapping[str, str]) -> Iterator[Difference]:
    for key in sorted(expected.keys() | found.keys()):
        if key == _OWN_NAME or expected.get(key) == found.get(key):
            continue
        # What the cluster adds to a Node nobody could promise; it keeps no pod away.
        wrong = key in expected
        yield Difference(f"label {key}", expected.get(key, ""), found.get(key, ""), wrong)


def _taints(expected: core.Node, found: tuple[groups.Taint, ...]) -> Iterator[Difference]:
    promised = {(each.key, each.effect): each.value for each in expected.spec.taints}
    there = {
        (each.key, each.effect): each.value for each in found if not each.key.startswith(_TRANSIENT)
    }
    for key, effect in sorted(promised.keys() | there.keys()):
        one, other = promised.get((key, effect)), there.get((key, effect))
        if one != other:
            yield Difference(
                f"taint {key}:{effect}",
                "" if one is None else one or "(no value)",
                "" if other is None else other or "(no value)",
                wrong=True,
            )


def _amounts(
    kind: str, expected: Mapping[str, core.Quantity], found: template.Observed
) -> Iterator[Difference]:
    for name, amount, reader in (
        ("cpu", found.cpu_millis, quantity.millis),
        ("memory", found.memory_bytes, quantity.units),
        ("ephemeral-storage", found.disk_bytes, quantity.units),
        ("pods", found.pods, quantity.units),
    ):
        if name not in expected or amount is None:
            continue
        text = expected[name].string
        promised = reader(text)
        if promised == amount:
            continue
        wrong = promised > amount
        if wrong or promised < amount * (1 - _MUCH):
            shown = f"{amount}m" if name == "cpu" else str(amount)
            yield Difference(f"{kind} {name}", text, shown, wrong)
