"""Follow the cluster's Nodes, name the machine of one, and remove one whose machine is gone."""

from __future__ import annotations

import dataclasses
import datetime
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from externalgrpc.kube import api, errors, reflector
from externalgrpc.model import groups, loose, quantity
from externalgrpc.nodes import template
from externalgrpc.support import clock

PATH: Final = "/api/v1/nodes"

LEAVE_ALONE: Final = (
    "vps-autoscaler/repair-disabled",
    "cluster-autoscaler.kubernetes.io/scale-down-disabled",
)
"""Annotations of a Node by which, set to true, a person forbids to delete its machine."""

_STATUSES: Final = ("True", "False", "Unknown")
_ATTEMPTS: Final = 4
_NOTHING: Final = template.Observed()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A Node object, as far as it matters to us.

    ``ready_since`` is when its Ready condition last changed, and ``created_at`` when it was made,
    in Unix seconds; 0 where it does not say. ``deleting`` says that it waits for finalizers.
    ``capacity`` and ``allocatable`` are what its kubelet reported, in whole or part.
    ``left_alone`` says that a person cordoned it, or forbade by annotation to delete it.
    ``pod_cidrs`` are the networks of its pods, where the cluster gives Nodes some; ``addresses``
    those at which the cluster reaches it (InternalIP).
    """

    name: str
    uid: str
    provider_id: str = ""
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    taints: tuple[groups.Taint, ...] = ()
    ready: bool = False
    ready_since: float = 0.0
    created_at: float = 0.0
    deleting: bool = False
    left_alone: bool = False
    kubelet_version: str = ""
    capacity: template.Observed = _NOTHING
    allocatable: template.Observed = _NOTHING
    pod_cidrs: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


class NotOurs(errors.KubeError):
    """The Node is not, or no longer, the one that was meant; nothing was done."""


class Nodes(reflector.Reflector[Node]):
    """The cluster's Nodes, followed; see :class:`externalgrpc.kube.reflector.Reflector`."""

    def __init__(
        self,
        of: api.Api,
        *,
        on_change: Callable[[Node | None, Node | None], None],
        time_source: clock.Clock,
        chance: random.Random,
        timing: reflector.Timing | None = None,
    ) -> None:
        super().__init__(
            of,
            PATH,
            read,
            on_change=on_change,
            time_source=time_source,
            chance=chance,
            timing=timing,
        )


def may_have_ipv6(there: Iterable[Node]) -> bool:
    """Return whether a cluster may have IPv6 addresses: no only where its Nodes say so.

    Where the cluster gives networks to its Nodes (kubeadm's podSubnet, k3s), a dual-stack one gives
    each two, so IPv4 alone means that there is nothing else. Where no Node has any, nobody knows.
    """
    found = tuple(there)
    if not any(each.pod_cidrs for each in found):
        return True
    return any(":" in item for each in found for item in (*each.pod_cidrs, *each.addresses))


def adopt(of: api.Api, node: Node, provider_id: str) -> None:
    """Give a Node without a providerID the one of its machine; it can never be changed again.

    Idempotent. Raises NotOurs when the Node names another machine or is not the one that was
    seen, KubeError otherwise.
    """
    path = f"{PATH}/{api.segment(node.name)}"
    try:
        found = read(of.get(path))
        if found is None or found.uid != node.uid:
            raise NotOurs("another Node has taken the name", operation=f"PATCH {path}")
        if not found.provider_id:
            # The uid holds the patch to this very object; a field that was set meanwhile is
            # defended by the API server, which lets nobody change it.
            fields = {"metadata": {"uid": node.uid}, "spec": {"providerID": provider_id}}
            found = read(of.patch(path, fields))
    except errors.Invalid:
        found = read(of.get(path))
    except (errors.NotFound, errors.Conflict) as error:
        raise NotOurs("the Node is gone", operation=f"PATCH {path}") from error
    if found is None or found.provider_id != provider_id:
        raise NotOurs("the Node names another machine", operation=f"PATCH {path}")


def remove(of: api.Api, node: Node, *, still: Callable[[Node], bool]) -> bool:
    """Delete a Node object, if it is the one that was seen and ``still`` says yes to it as it is.

    It is read again first, and deleted only in the version that was judged. Returns whether it is
    gone now: gone already is success, and so is another Node of its name, which is left alone.
    Raises KubeError.
    """
    path = f"{PATH}/{api.segment(node.name)}"
    for attempt in range(_ATTEMPTS):
        try:
            response = of.get(path)
            found = read(response)
            if found is None or found.uid != node.uid:
                return True
            if found.deleting:
                return False
            if not still(found):
                return False
            version = str(response["metadata"].get("resourceVersion") or "")
            of.delete(path, uid=node.uid, resource_version=version)
        except errors.NotFound:
            return True
        except errors.Conflict:
            # A heartbeat came in between: look again.
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return True
    return False


def read(obj: api.Object) -> Node | None:
    """Read a Node object, None when it has no name; what makes no sense counts as not said."""
    about, spec, status = (loose.mapping(obj.get(key)) for key in ("metadata", "spec", "status"))
    name = about.get("name")
    if not isinstance(name, str) or not name:
        return None
    ready, ready_since = _ready(status)
    cidrs = spec.get("podCIDRs")
    return Node(
        name=name,
        uid=loose.text(about.get("uid")),
        provider_id=loose.text(spec.get("providerID")),
        labels={
            key: value
            for key, value in loose.mapping(about.get("labels")).items()
            if isinstance(value, str)
        },
        taints=tuple(
            groups.Taint(
                key=loose.text(each.get("key")),
                value=loose.text(each.get("value")),
                effect=loose.text(each.get("effect")),
            )
            for each in loose.sequence(spec.get("taints"))
        ),
        ready=ready,
        ready_since=ready_since,
        created_at=_unix(about.get("creationTimestamp")),
        deleting=bool(about.get("deletionTimestamp")),
        left_alone=bool(spec.get("unschedulable"))
        or any(loose.mapping(about.get("annotations")).get(key) == "true" for key in LEAVE_ALONE),
        kubelet_version=loose.text(loose.mapping(status.get("nodeInfo")).get("kubeletVersion")),
        capacity=_observed(status.get("capacity")),
        allocatable=_observed(status.get("allocatable")),
        pod_cidrs=tuple(map(loose.text, cidrs)) if isinstance(cidrs, list) else (),
        addresses=tuple(
            loose.text(each.get("address"))
            for each in loose.sequence(status.get("addresses"))
            if each.get("type") == "InternalIP"
        ),
    )


def _ready(status: Mapping[str, Any]) -> tuple[bool, float]:
    for each in loose.sequence(status.get("conditions")):
        if each.get("type") == "Ready":
            value = loose.text(each.get("status"))
            since = _unix(each.get("lastTransitionTime"))
            return value == "True", since if value in _STATUSES else 0.0
    return False, 0.0


def _observed(value: object) -> template.Observed:
    amounts = loose.mapping(value)
    return template.Observed(
        cpu_millis=_amount(amounts.get("cpu"), quantity.millis),
        memory_bytes=_amount(amounts.get("memory"), quantity.units),
        disk_bytes=_amount(amounts.get("ephemeral-storage"), quantity.units),
        pods=_amount(amounts.get("pods"), quantity.units),
    )


def _amount(value: object, reader: Callable[[str], int]) -> int | None:
    try:
        return reader(value) if isinstance(value, str) else None
    except quantity.BadQuantity:
        return None


def _unix(value: object) -> float:
    try:
        return datetime.datetime.fromisoformat(loose.text(value)).timestamp()
    except (ValueError, OverflowError):
        return 0.0
