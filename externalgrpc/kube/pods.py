"""Follow the pods that have a node: what they request of it, as the scheduler reckons.

Little is kept of each, for there may be thousands.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable, Mapping
from typing import Any, Final

from externalgrpc.kube import api, reflector
from externalgrpc.model import loose, quantity
from externalgrpc.support import clock

PATH: Final = "/api/v1/pods"

BOUND: Final = {"fieldSelector": "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"}
"""What takes room on a node; the API server reports a pod that comes to its end as deleted."""

BALLOON: Final = "vps-autoscaler/balloon"
"""The label of the pods that stand for nothing but room: their requests are not real ones."""

Requests = tuple[int, int]
"""CPU in millicores and memory in bytes."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod that has a node. ``daemon`` says that a DaemonSet owns it, ``balloon`` that we do.

    ``name`` is its namespace and name.
    """

    name: str
    uid: str
    node: str
    cpu_millis: int
    memory_bytes: int
    daemon: bool = False
    balloon: bool = False


class Pods(reflector.Reflector[Pod]):
    """The cluster's bound pods, followed; see :class:`externalgrpc.kube.reflector.Reflector`."""

    def __init__(self, of: api.Api, *, time_source: clock.Clock, chance: random.Random) -> None:
        super().__init__(
            of,
            PATH,
            read,
            on_change=lambda _before, _after: None,
            time_source=time_source,
            chance=chance,
            query=BOUND,
        )


def read(obj: api.Object) -> Pod | None:
    """Read a pod, None when it has no node or no name; what makes no sense counts as not said."""
    about, spec = loose.mapping(obj.get("metadata")), loose.mapping(obj.get("spec"))
    node = spec.get("nodeName")
    if not isinstance(node, str) or not node or not about.get("name"):
        return None
    cpu_millis, memory_bytes = requests(spec)
    owners = loose.sequence(about.get("ownerReferences"))
    return Pod(
        name=reflector.qualified(dict(about)),
        uid=str(about.get("uid") or ""),
        node=node,
        cpu_millis=cpu_millis,
        memory_bytes=memory_bytes,
        daemon=any(each.get("kind") == "DaemonSet" for each in owners),
        balloon=BALLOON in loose.mapping(about.get("labels")),
    )


def requests(spec: Mapping[str, Any]) -> Requests:
    """Add up what a pod's spec requests: cpu in millicores and memory in bytes.

    As :func:`externalgrpc.nodes.pods.requests` does, of a pod as JSON.
    """
    every = every_request(spec)
    return every.get("cpu", 0), every.get("memory", 0)


def every_request(spec: Mapping[str, Any]) -> dict[str, int]:
    """Add up what a pod's spec requests, by resource: cpu in millicores, all else in units.

    All containers and sidecars run together; an init container runs alone beside the sidecars
    before it; what the pod says for all its containers together (``spec.resources``) counts
    instead of theirs; its overhead comes on top.
    """
    running = _sum(_of(each) for each in loose.sequence(spec.get("containers")))
    sidecars: dict[str, int] = {}
    peak: dict[str, int] = {}
    for each in loose.sequence(spec.get("initContainers")):
        if each.get("restartPolicy") == "Always":
            sidecars = _sum((sidecars, _of(each)))
        else:
            peak = _most(peak, _sum((sidecars, _of(each))))
    together = _most(_sum((running, sidecars)), peak)
    own = _amounts(loose.mapping(loose.mapping(spec.get("resources")).get("requests")))
    return _sum(({**together, **own}, _amounts(loose.mapping(spec.get("overhead")))))


def _of(container: Mapping[str, Any]) -> dict[str, int]:
    return _amounts(loose.mapping(loose.mapping(container.get("resources")).get("requests")))


def _amounts(named: Mapping[str, Any]) -> dict[str, int]:
    return {name: amount(name, str(value)) for name, value in named.items()}


def amount(name: str, text: str) -> int:
    """Read an amount of a resource: CPU in millicores, all else in units; 0 for nonsense."""
    try:
        return max(0, quantity.millis(text) if name == "cpu" else quantity.units(text))
    except quantity.BadQuantity:
        return 0


def _sum(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total.get(name, 0) + value
    return total


def _most(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in {**one, **other}}
