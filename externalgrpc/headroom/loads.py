"""Reckon from Nodes, pods and samples what a group's machines carry: pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping

from externalgrpc.headroom import wanted
from externalgrpc.kube import pods, usage

_NOTHING = wanted.Amount()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """What the pods of a node request: all of them, and DaemonSets' alone; balloons left out."""

    all: wanted.Amount = _NOTHING
    daemons: wanted.Amount = _NOTHING


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A group's load on the nodes that were measured; ``unmeasured`` names the others.

    ``own_millis`` is what pods that are no DaemonSet's request on all of its nodes.
    """

    load: wanted.Load
    own_millis: int
    nodes: int
    unmeasured: tuple[str, ...] = ()


def by_node(bound: Iterable[pods.Pod]) -> dict[str, Requested]:
    """Add up what pods request, by node. Balloons are none: they would keep themselves up."""
    found: dict[str, Requested] = {}
    for pod in bound:
        if pod.balloon:
            continue
        before = found.get(pod.node, Requested())
        found[pod.node] = Requested(
            all=_plus(before.all, pod),
            daemons=_plus(before.daemons, pod) if pod.daemon else before.daemons,
        )
    return found


def daemons(requested: Mapping[str, Requested]) -> wanted.Amount:
    """Return the most that DaemonSets take of any node, the control plane's among them."""
    return wanted.Amount(
        cpu_millis=max((each.daemons.cpu_millis for each in requested.values()), default=0),
        memory_bytes=max((each.daemons.memory_bytes for each in requested.values()), default=0),
    )


def seen(
    nodes: Collection[str],
    requested: Mapping[str, Requested],
    samples: Mapping[str, usage.Sample],
) -> Seen:
    """Add up a group's ready nodes; use and requests of the same ones, or they say nothing."""
    measured = [name for name in nodes if name in samples]
    of = [requested.get(name, Requested()) for name in measured]
    every = [requested.get(name, Requested()) for name in nodes]
    return Seen(
        load=wanted.Load(
            used_millis=sum(samples[name].cpu_millis for name in measured),
            requested_millis=sum(each.all.cpu_millis for each in of),
        ),
        own_millis=sum(each.all.cpu_millis - each.daemons.cpu_millis for each in every),
        nodes=len(nodes),
        unmeasured=tuple(sorted(name for name in nodes if name not in samples)),
    )


def _plus(amount: wanted.Amount, pod: pods.Pod) -> wanted.Amount:
    return wanted.Amount(
        cpu_millis=amount.cpu_millis + pod.cpu_millis,
        memory_bytes=amount.memory_bytes + pod.memory_bytes,
    )
