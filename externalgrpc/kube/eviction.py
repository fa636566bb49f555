"""Judge by a pod alone whether the autoscaler moves it off a node that is to be removed.

The rules of its simulator/drainability/rules. PodDisruptionBudgets and the autoscaler's flags are
what a pod alone does not show; who reads them judges them.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import Final

from externalgrpc.kube import api
from externalgrpc.model import loose

SAFE: Final = "cluster-autoscaler.kubernetes.io/safe-to-evict"
SAFE_VOLUMES: Final = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"
MIRROR: Final = "kubernetes.io/config.mirror"

_OVER: Final = frozenset({"Succeeded", "Failed"})
_NEVER: Final = frozenset({"DaemonSet", "Node"})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod, as far as it may keep a node from being removed.

    ``owner`` is the kind of what makes it anew: ``Node`` for a static pod, "" for nothing.
    ``local_storage`` names the volumes that lie on the node's disk, ``done`` says that it is over.
    """

    name: str
    node_name: str
    namespace: str = ""
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    annotations: Mapping[str, str] = dataclasses.field(default_factory=dict)
    owner: str = ""
    local_storage: tuple[str, ...] = ()
    done: bool = False


class Verdict(enum.Enum):
    """What a pod alone shows."""

    MOVED = enum.auto()
    """It never keeps a node."""
    REFUSES = enum.auto()
    """It is annotated so that it is not evicted."""
    UNOWNED = enum.auto()
    """No controller makes it anew elsewhere."""
    OPEN = enum.auto()
    """Its local storage, or in kube-system its PodDisruptionBudget, decides."""


def read(obj: api.Object) -> Pod:
    """Read a pod; what makes no sense counts as not said."""
    about, spec = loose.mapping(obj.get("metadata")), loose.mapping(obj.get("spec"))
    annotations = loose.texts(about.get("annotations"))
    owners = [loose.text(each.get("kind")) for each in loose.sequence(about.get("ownerReferences"))]
    return Pod(
        name=loose.text(about.get("name")),
        node_name=loose.text(spec.get("nodeName")),
        namespace=loose.text(about.get("namespace")),
        labels=loose.texts(about.get("labels")),
        annotations=annotations,
        owner="Node" if MIRROR in annotations else _owner(owners),
        local_storage=tuple(
            loose.text(each.get("name"))
            for each in loose.sequence(spec.get("volumes"))
            if "hostPath" in each or _on_disk(each)
        ),
        done=loose.text(loose.mapping(obj.get("status")).get("phase")) in _OVER
        or bool(about.get("deletionTimestamp")),
    )


def judge(pod: Pod) -> Verdict:
    """Judge a pod by what it alone shows."""
    safe = pod.annotations.get(SAFE)
    if pod.done or pod.owner in _NEVER:
        return Verdict.MOVED
    if safe == "false":
        return Verdict.REFUSES
    if safe == "true":
        return Verdict.MOVED
    return Verdict.OPEN if pod.owner else Verdict.UNOWNED


def kept_volumes(pod: Pod) -> tuple[str, ...]:
    """Name the volumes on the node's disk, but those that the pod says may be lost."""
    lost = pod.annotations.get(SAFE_VOLUMES, "").split(",")
    return tuple(each for each in pod.local_storage if each not in lost)


def _owner(kinds: list[str]) -> str:
    return "DaemonSet" if "DaemonSet" in kinds else next(iter(kinds), "")


def _on_disk(volume: Mapping[str, object]) -> bool:
    empty = volume.get("emptyDir")
    return "emptyDir" in volume and loose.mapping(empty).get("medium") != "Memory"
