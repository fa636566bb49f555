"""Make the Node of a machine that is only pretended, so that kwok keeps it Ready.

kwok plays the kubelet of every Node with its annotation: it sets the conditions, renews the lease,
and says of pods that they run. What a Node has it takes as it finds it in the status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from providers import contract

_HOSTNAME: Final = "kubernetes.io/hostname"
_ARCH: Final = "kubernetes.io/arch"


def node_object(
    instance: contract.Instance, shape: contract.NodeShape, *, cluster: str
) -> Mapping[str, Any]:
    """Return a Node as JSON has it; the same input gives the same object.

    It carries no condition: it is Ready once kwok says so, and never where no kwok is there.
    """
    # Set past the shape's: a group's own label must not make another cluster's Node of it.
    ours = {_HOSTNAME: instance.node_name, contract.FAKE_NODE: cluster}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": instance.node_name,
            "labels": {**shape.labels, **ours},
            "annotations": dict([contract.POSED]),
        },
        "spec": {
            "providerID": instance.provider_id,
            "taints": [
                {"key": taint.key, "value": taint.value, "effect": taint.effect}
                for taint in shape.taints
            ],
        },
        "status": {
            "capacity": dict(shape.capacity),
            "allocatable": dict(shape.allocatable),
            # kwok would say amd64 of an arm machine.
            "nodeInfo": {"architecture": shape.labels.get(_ARCH, "amd64"), **_UNKNOWN},
        },
    }


_UNKNOWN: Final[Mapping[str, str]] = {
    "machineID": "",
    "systemUUID": "",
    "bootID": "",
    "kernelVersion": "",
    "osImage": "pretended",
    "containerRuntimeVersion": "",
    "kubeletVersion": "",
    "kubeProxyVersion": "",
    "operatingSystem": "linux",
}
"""The other fields of nodeInfo, which Kubernetes wants all of; kwok fills in what is empty."""
