"""Follow the pods that have a node: what they request of it, as the scheduler reckons.

Little is kept of each, for there may be thousands.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from externalgrpc.kube import api, reflector
from externalgrpc.model import quantity
from externalgrpc.support import clock

PATH: Final = "/api/v1/pods"

BOUND: Final = {"fieldSelector": "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"}
"""What takes room on a node; the API server reports a pod that comes to its end as deleted."""

BALLOON: Final = "vps-autoscaler/balloon"
"""The label of the pods that stand for nothing but room: their requests are not real ones."""

Requests = tuple[int, int]
"""CPU in millicores and memory in bytes."""

_NOTHING: Final[Requests] = (0, 0)


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
    about, spec = _mapping(obj.get("metadata")), _mapping(obj.get("spec"))
    node = spec.get("nodeName")
    if not isinstance(node, str) or not node or not about.get("name"):
        return None
    cpu_millis, memory_bytes = requests(spec)
    owners = _list(about.get("ownerReferences"))
    return Pod(
        name=reflector.qualified(dict(about)),
        uid=str(about.get("uid") or ""),
        node=node,
        cpu_millis=cpu_millis,
        memory_bytes=memory_bytes,
        daemon=any(each.get("kind") == "DaemonSet" for each in owners),
        balloon=BALLOON in _mapping(about.get("labels")),
    )


def requests(spec: Mapping[str, Any]) -> Requests:
    """Add up what a pod's spec requests: cpu in millicores and memory in bytes.

    As :func:`externalgrpc.nodes.pods.requests` does, of a pod as JSON; what the pod says for all
    its containers together (``spec.resources``) counts instead of theirs.
    """
    running = _sum(_of(each) for each in _list(spec.get("containers")))
    sidecars = peak = _NOTHING
    for each in _list(spec.get("initContainers")):
        if each.get("restartPolicy") == "Always":
            sidecars = _sum((sidecars, _of(each)))
        else:
            peak = _most(peak, _sum((sidecars, _of(each))))
    together = _most(_sum((running, sidecars)), peak)
    own = _mapping(_mapping(spec.get("resources")).get("requests"))
    together = (
        _amount(own, "cpu", quantity.millis, together[0]),
        _amount(own, "memory", quantity.units, together[1]),
    )
    return _sum((together, _amounts(_mapping(spec.get("overhead")))))


def _of(container: Mapping[str, Any]) -> Requests:
    return _amounts(_mapping(_mapping(container.get("resources")).get("requests")))


def _amounts(named: Mapping[str, Any]) -> Requests:
    return _amount(named, "cpu", quantity.millis), _amount(named, "memory", quantity.units)


def _amount(
    named: Mapping[str, Any], name: str, read: Callable[[str], int], absent: int = 0
) -> int:
    try:
        return max(0, read(str(named[name]))) if name in named else absent
    except quantity.BadQuantity:
        return 0


def _sum(parts: Iterable[Requests]) -> Requests:
    every = tuple(parts)
    return sum(cpu for cpu, _ in every), sum(memory for _, memory in every)


def _most(one: Requests, other: Requests) -> Requests:
    return max(one[0], other[0]), max(one[1], other[1])


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
