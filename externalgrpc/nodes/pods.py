"""Add up what a pod requests, the way the scheduler does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from google.protobuf import message

from externalgrpc.model import quantity
from externalgrpc.pb import k8s_core_v1_pb2 as core

Requests = tuple[int, int]
"""What a pod or container asks for: cpu in millicores, memory in bytes."""


class UnreadablePod(ValueError):
    """Say that the bytes of a pod are no v1.Pod."""


def read(pod_bytes: bytes) -> core.Pod:
    """Read v1.Pod bytes; raises :class:`UnreadablePod`."""
    try:
        return core.Pod.FromString(pod_bytes)
    except message.DecodeError as error:
        raise UnreadablePod(f"{len(pod_bytes)} bytes that are no v1.Pod") from error


def requests(pod: core.Pod) -> Requests:
    """Add up what a pod requests: cpu in millicores and memory in bytes.

    All containers and sidecars (init containers that are restarted always) run together; an
    init container runs alone beside the sidecars before it; the pod's overhead comes on top.
    Limits do not count: the API server has made requests of them where none were given.
    """
    running = _sum(_requests(container) for container in pod.spec.containers)
    sidecars = peak = (0, 0)
    for container in pod.spec.initContainers:
        asked = _requests(container)
        if container.restartPolicy == "Always":
            sidecars = _sum((sidecars, asked))
        else:
            peak = _most(peak, _sum((sidecars, asked)))
    return _sum((_most(_sum((running, sidecars)), peak), _amounts(pod.spec.overhead)))


def _requests(container: core.Container) -> Requests:
    return _amounts(container.resources.requests)


def _amounts(named: Mapping[str, core.Quantity]) -> Requests:
    return _read(named, "cpu", quantity.millis), _read(named, "memory", quantity.units)


def _read(named: Mapping[str, core.Quantity], name: str, read: Callable[[str], int]) -> int:
    """Read one request; what nobody can read counts as not made, so that it gets the floor."""
    if name not in named:
        return 0
    try:
        return max(0, read(named[name].string))
    except quantity.BadQuantity:
        return 0


def _most(one: Requests, other: Requests) -> Requests:
    return max(one[0], other[0]), max(one[1], other[1])


def _sum(parts: Iterable[Requests]) -> Requests:
    every = tuple(parts)
    return sum(cpu for cpu, _ in every), sum(memory for _, memory in every)
