"""Describe the node that a group would get next, as the v1.Node bytes that CA simulates with.

The promise must never be larger than the machine: Cluster Autoscaler (CA) that is promised too
much adds a node, sees that the pod still does not fit, and adds another. A promise that is too
small only wastes. So everything here rounds down, and where the candidates of a group differ the
smallest figure and the common labels are promised.

Memory: the price list's figure less ``memory_overhead`` (kernel and firmware; seen: 3.6 % and
6.8 %) is the node's capacity; so is the disk less ``disk_overhead``. Allocatable is capacity less
what the kubelet reserves and less its eviction threshold, for memory and for the root disk alike.
What a real node of the same make reported takes the place of the arithmetic. CA adds DaemonSet
pods itself.

Every kubelet sets ``kubernetes.io/hostname``, so it is promised too, as the group's name: CA up to
1.31 writes the simulated node's own name over it only where it is there, and pods that spread over
hosts look for the key.

Empty on purpose: the name (CA mints ``template-node-for-<group>-<random>``) and the providerID
(CA copies it to the nodes it injects, and it would name a machine that does not exist).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Final

from externalgrpc.model import groups, quantity
from externalgrpc.pb import k8s_core_v1_pb2 as core
from providers import contract

HOSTNAME: Final = "kubernetes.io/hostname"
OS: Final = "kubernetes.io/os"
ARCH: Final = "kubernetes.io/arch"
INSTANCE_TYPE: Final = "node.kubernetes.io/instance-type"
REGION: Final = "topology.kubernetes.io/region"
ZONE: Final = "topology.kubernetes.io/zone"

_BETA_OS: Final = "beta.kubernetes.io/os"
_BETA_ARCH: Final = "beta.kubernetes.io/arch"
IDENTITY: Final[Mapping[str, str]] = {
    OS: OS,
    ARCH: ARCH,
    INSTANCE_TYPE: INSTANCE_TYPE,
    REGION: REGION,
    ZONE: ZONE,
    _BETA_OS: OS,
    _BETA_ARCH: ARCH,
    "beta.kubernetes.io/instance-type": INSTANCE_TYPE,
    "failure-domain.beta.kubernetes.io/region": REGION,
    "failure-domain.beta.kubernetes.io/zone": ZONE,
}
"""The labels that say what and where a machine is, old names included, by what they stand for."""

_PLACE: Final = (REGION, ZONE)
_LABEL_VALUE_LENGTH: Final = 63
_SLACK_BYTES: Final = 1 << 20
"""A kubelet reckons its thresholds in floating point; this much is no other reserve."""
_CONDITIONS: Final = (
    ("Ready", "True"),
    ("MemoryPressure", "False"),
    ("DiskPressure", "False"),
    ("PIDPressure", "False"),
    ("NetworkUnavailable", "False"),
)


class NoCandidate(ValueError):
    """Say that a group has no candidate that its cloud knows, so no node can be described."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What a real node reported, in part or whole; None where nobody looked."""

    cpu_millis: int | None = None
    memory_bytes: int | None = None
    disk_bytes: int | None = None
    pods: int | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What real nodes of one machine type and image reported; it replaces our arithmetic.

    Resource by resource, and never upwards beyond reason: a learned capacity above the price
    list's figure (for pods: above the configured number) counts as that figure, since it was
    learned from something else; a learned allocatable above what the group's reserve leaves of
    the capacity counts as that, since it was learned from a node that reserved less.
    GPUs are not learned: a node whose driver is not up yet reports none, and a template without
    them would never be asked for again.
    """

    capacity: Observed = Observed()
    allocatable: Observed = Observed()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """A candidate of a group that was found in the cloud's catalogue.

    ``cloud_labels`` is what :meth:`providers.contract.Provider.node_labels` says of it, ``kept``
    what its kubelet keeps from pods, where that is not just the group's reserve.
    """

    machine_type: contract.MachineType
    location: str
    cloud_labels: Mapping[str, str]
    kept: groups.KubeletReserve | None = None
    learned: Learned = Learned()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Amounts of everything that a node has or gives to pods."""

    cpu_millis: int
    memory_bytes: int
    disk_bytes: int
    pods: int
    gpus: Mapping[str, int] = dataclasses.field(default_factory=dict)


def template_node(
    group: groups.NodeGroup, prospects: Sequence[Prospect], *, gpu_label: str
) -> bytes:
    """Serialize the v1.Node that a fresh machine of the group would become.

    The same input gives the same bytes. Raises :class:`NoCandidate` when ``prospects`` is empty.
    """
    return node(group, prospects, gpu_label=gpu_label).SerializeToString(deterministic=True)


def node(group: groups.NodeGroup, prospects: Sequence[Prospect], *, gpu_label: str) -> core.Node:
    """Make the v1.Node that a fresh machine of the group would become; see template_node."""
    if not prospects:
        raise NoCandidate(f"group {group.name}: the cloud knows none of its types and regions")
    shapes = [resources(prospect, prospect.kept or group.reserve) for prospect in prospects]
    message = core.Node(
        metadata=core.ObjectMeta(labels=labels(group, prospects, gpu_label=gpu_label)),
        spec=core.NodeSpec(
            taints=[
                core.Taint(key=taint.key, value=taint.value, effect=taint.effect)
                for taint in group.taints
            ]
        ),
        status=core.NodeStatus(
            conditions=[
                core.NodeCondition(type=kind, status=status) for kind, status in _CONDITIONS
            ]
        ),
    )
    for name, amount in _quantities(_smallest(capacity for capacity, _ in shapes)).items():
        message.status.capacity[name].string = amount
    for name, amount in _quantities(_smallest(allocatable for _, allocatable in shapes)).items():
        message.status.allocatable[name].string = amount
    return message


def promised(group: groups.NodeGroup, prospects: Sequence[Prospect]) -> Resources:
    """Return what the node of a group gives to pods, whichever candidate it will be."""
    shapes = [resources(prospect, prospect.kept or group.reserve) for prospect in prospects]
    return _smallest(allocatable for _, allocatable in shapes)


def labels(
    group: groups.NodeGroup, prospects: Sequence[Prospect], *, gpu_label: str
) -> dict[str, str]:
    """Return the labels that every fresh machine of the group carries, whichever it will be.

    A label that not all prospects share is left out, the instance type among them: a pod that
    selects it must not be promised a node that may come as another type (prices then follow the
    group, see :mod:`externalgrpc.nodes.pricing`). Region, zone and CSI keys of a group that spans
    several locations fall out the same way. When only one location of such a group is left in
    the catalogue nobody knows which labels vary, so none of the cloud's are promised. The
    group's own labels come last: they are what the operator orders for the node, but for those
    that say of a machine what it is not (:func:`contradictions`).
    """
    blind = group.region_free and len({prospect.location for prospect in prospects}) == 1
    sets = [
        {
            **({} if blind else prospect.cloud_labels),
            **machine_labels(prospect.machine_type, gpu_label=gpu_label),
        }
        for prospect in prospects
    ]
    shared = {
        key: value
        for key, value in sets[0].items()
        if all(other.get(key) == value for other in sets[1:])
    }
    facts = [
        {**each.cloud_labels, **machine_labels(each.machine_type, gpu_label=gpu_label)}
        for each in prospects
    ]
    own = {
        key: value
        for key, value in group.labels.items()
        if not any(_contradicts(key, value, truth) for truth in facts)
        and not (blind and IDENTITY.get(key) in _PLACE and IDENTITY[key] in facts[0])
    }
    return {**shared, HOSTNAME: group.name, **own}


def contradictions(
    labels: Mapping[str, str], truth: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    """Return the labels of a group that say of a machine what it is not, each with what it is.

    ``truth`` is what its cloud and its type say of it; what they do not say may be said.
    """
    return tuple(
        (key, truth[IDENTITY[key]])
        for key, value in labels.items()
        if key in IDENTITY and _contradicts(key, value, truth)
    )


def _contradicts(key: str, value: str, truth: Mapping[str, str]) -> bool:
    return key == HOSTNAME or truth.get(IDENTITY.get(key, ""), value) != value


def machine_labels(machine_type: contract.MachineType, *, gpu_label: str) -> dict[str, str]:
    """Return the labels that follow from a machine type: what it is, wherever it stands.

    The GPU label is there for whole cards only: CA takes a ready node that carries it without
    an allocatable GPU for one whose driver is not up, for ever. Its value is the card's model.
    """
    labels = {
        OS: "linux",
        ARCH: machine_type.arch,
        _BETA_OS: "linux",
        _BETA_ARCH: machine_type.arch,
        INSTANCE_TYPE: machine_type.name,
    }
    if machine_type.gpus > 0:
        labels[gpu_label] = label_value(machine_type.gpu_model) or "gpu"
    return labels


def label_value(text: str) -> str:
    """Turn a vendor's words into a valid label value ("RTX 4000 Ada" is "rtx-4000-ada")."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower())[:_LABEL_VALUE_LENGTH].strip("._-")


def resources(prospect: Prospect, reserve: groups.KubeletReserve) -> tuple[Resources, Resources]:
    """Work out capacity and allocatable of one prospect: arithmetic first, then what was learned.

    Allocatable is never above capacity, and neither is negative or above the nominal figures.
    """
    kind, learned = prospect.machine_type, prospect.learned
    capacity = Resources(
        cpu_millis=_learned(learned.capacity.cpu_millis, kind.cpu_millis, kind.cpu_millis),
        memory_bytes=_learned(
            learned.capacity.memory_bytes,
            _whole_kibibytes(
                kind.memory_bytes - _share(kind.memory_bytes, reserve.memory_overhead)
            ),
            kind.memory_bytes,
        ),
        disk_bytes=_learned(
            learned.capacity.disk_bytes,
            _whole_kibibytes(kind.disk_bytes - _share(kind.disk_bytes, reserve.disk_overhead)),
            kind.disk_bytes,
        ),
        pods=_learned(learned.capacity.pods, reserve.max_pods, reserve.max_pods),
        gpus={_gpu_resource(kind.gpu_model): kind.gpus} if kind.gpus > 0 else {},
    )
    eviction_disk_bytes = _share(capacity.disk_bytes, reserve.eviction_disk_fraction)
    free_memory_bytes = capacity.memory_bytes - reserve.memory_bytes - reserve.eviction_memory_bytes
    free_disk_bytes = capacity.disk_bytes - reserve.disk_bytes - eviction_disk_bytes
    allocatable = Resources(
        cpu_millis=_believed(
            learned.allocatable.cpu_millis, capacity.cpu_millis - reserve.cpu_millis
        ),
        memory_bytes=min(
            capacity.memory_bytes,
            _believed(
                learned.allocatable.memory_bytes, _whole_kibibytes(free_memory_bytes), _SLACK_BYTES
            ),
        ),
        disk_bytes=min(
            capacity.disk_bytes,
            _believed(
                learned.allocatable.disk_bytes, _whole_kibibytes(free_disk_bytes), _SLACK_BYTES
            ),
        ),
        pods=_believed(learned.allocatable.pods, capacity.pods),
        gpus=capacity.gpus,
    )
    return capacity, allocatable


def _learned(learned: int | None, reckoned: int, ceiling: int) -> int:
    return max(0, min(reckoned if learned is None else learned, ceiling))


def _believed(learned: int | None, reckoned: int, slack: int = 0) -> int:
    """Take what a node allocates, unless that is more than its make should leave to pods."""
    believed = learned is not None and learned <= reckoned + slack
    return max(0, learned if learned is not None and believed else reckoned)


def _share(amount: int, fraction: float) -> int:
    """Return a fraction of an amount, rounded up; 0.075 means 0.075 and not its binary cousin."""
    return int((amount * Decimal(str(fraction))).to_integral_value(ROUND_CEILING))


def _smallest(shapes: Iterable[Resources]) -> Resources:
    every = tuple(shapes)
    cards = {name for shape in every for name in shape.gpus}
    return Resources(
        cpu_millis=min(shape.cpu_millis for shape in every),
        memory_bytes=min(shape.memory_bytes for shape in every),
        disk_bytes=min(shape.disk_bytes for shape in every),
        pods=min(shape.pods for shape in every),
        gpus={name: min(shape.gpus.get(name, 0) for shape in every) for name in cards},
    )


def _quantities(amounts: Resources) -> dict[str, str]:
    """Return the amounts as Kubernetes does."""
    return {
        "cpu": quantity.of_millis(amounts.cpu_millis),
        "memory": quantity.of_bytes(amounts.memory_bytes),
        "ephemeral-storage": quantity.of_bytes(amounts.disk_bytes),
        "pods": str(amounts.pods),
        **{name: str(count) for name, count in amounts.gpus.items() if count > 0},
    }


def _whole_kibibytes(amount_bytes: int) -> int:
    return amount_bytes // 1024 * 1024


def _gpu_resource(model: str) -> str:
    """Return the extended resource under which the vendor's device plugin offers its cards."""
    return "amd.com/gpu" if model.lower().startswith("amd") else "nvidia.com/gpu"
