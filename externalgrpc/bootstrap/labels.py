"""Decide which labels a machine's kubelet is to put on its Node.

The template promises labels (:mod:`externalgrpc.nodes.template`); this is the other end of the
promise: all of them are ordered, but for those that every kubelet sets by itself and those that a
kubelet may not set. The latter are left to the cloud's own controllers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from externalgrpc.model import groups
from externalgrpc.nodes import template
from providers import contract

KUBELETS_OWN: Final = frozenset(
    {
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
    }
)
"""What every kubelet sets by itself."""

_ALLOWED: Final = KUBELETS_OWN | {
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/instance-type",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
}
_OPEN: Final = ("kubelet.kubernetes.io", "node.kubernetes.io")
_CLOSED: Final = ("kubernetes.io", "k8s.io")


def ordered(
    group: groups.NodeGroup,
    machine_type: contract.MachineType,
    cloud_labels: Mapping[str, str],
    *,
    gpu_label: str,
) -> dict[str, str]:
    """Return the labels to order for one machine, sorted; the group's own win.

    A label of the group that a kubelet may not set is not left out but stays in: a node without
    it would not be what the group promises. Who renders refuses it. One that says of the machine
    what it is not is left out, as in the template.
    """
    derived = {
        **cloud_labels,
        **template.machine_labels(machine_type, gpu_label=gpu_label),
    }
    fields = {
        key: value
        for key, value in derived.items()
        if key not in KUBELETS_OWN and kubelet_may_set(key)
    }
    false = {template.HOSTNAME, *(key for key, _ in template.contradictions(group.labels, derived))}
    own = {key: value for key, value in group.labels.items() if key not in false}
    return dict(sorted({**fields, **own}.items()))


def kubelet_may_set(key: str) -> bool:
    """Return whether the kubelet and NodeRestriction let a node label itself with a key.

    Anything outside ``kubernetes.io`` and ``k8s.io``; inside, what Kubernetes lists.
    """
    domain = key.rpartition("/")[0]
    return key in _ALLOWED or _within(domain, _OPEN) or not _within(domain, _CLOSED)


def _within(domain: str, parents: tuple[str, ...]) -> bool:
    return any(domain == parent or domain.endswith(f".{parent}") for parent in parents)
