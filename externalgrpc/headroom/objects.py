"""Write a group's balloons as Kubernetes objects: a PodTemplate and a CapacityBuffer, or pods.

All bear one name and stand in our own namespace, so that no tenant's policy changes them; nodes are
chosen by the group's labels, and its taints tolerated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from externalgrpc.headroom import wanted
from externalgrpc.kube import api, pods
from externalgrpc.model import groups, quantity

PREFIX: Final = "vps-headroom-"
CLUSTER: Final = "vps-autoscaler/cluster"
OWNER: Final = {"app.kubernetes.io/managed-by": "vps-autoscaler"}
SELECTOR: Final = f"{pods.BALLOON},app.kubernetes.io/managed-by=vps-autoscaler"
"""Finds what we made, among whatever else stands in the namespace."""

PRIORITY_CLASS: Final = "vps-autoscaler-balloon"
"""Of deploy/headroom-pods.yaml: -10, the lowest for which the autoscaler adds a machine."""

PAUSE_IMAGE: Final = "registry.k8s.io/pause:3.10"


def name(group: str) -> str:
    """Return how a group's objects are called."""
    return f"{PREFIX}{group}"


def path(kind: str, namespace: str, named: str = "") -> str:
    """Return where objects of a kind are; of one, where it is named."""
    root = {
        "PodTemplate": "/api/v1",
        "CapacityBuffer": "/apis/autoscaling.x-k8s.io/v1beta1",
        "Deployment": "/apis/apps/v1",
    }[kind]
    every = f"{root}/namespaces/{api.segment(namespace)}/{kind.lower()}s"
    return f"{every}/{api.segment(named)}" if named else every


def template(cluster: str, group: groups.NodeGroup, of: wanted.Balloon) -> api.Object:
    """Make the PodTemplate of a group's balloons."""
    return {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "metadata": _about(cluster, group.name),
        "template": _pod(cluster, group, of),
    }


def buffer(cluster: str, group: str, replicas: int) -> api.Object:
    """Make the CapacityBuffer of a group: so many of the pods of its template."""
    return {
        "apiVersion": "autoscaling.x-k8s.io/v1beta1",
        "kind": "CapacityBuffer",
        "metadata": _about(cluster, group),
        "spec": {
            "provisioningStrategy": "buffer.x-k8s.io/active-capacity",
            "podTemplateRef": {"name": name(group)},
            "replicas": replicas,
        },
    }


def deployment(
    cluster: str, group: groups.NodeGroup, of: wanted.Balloon, replicas: int
) -> api.Object:
    """Make the Deployment of a group: pods that pause, and give way to any other."""
    pod = _pod(cluster, group, of)
    pod["spec"] |= {
        "priorityClassName": PRIORITY_CLASS,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _about(cluster, group.name),
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {pods.BALLOON: group.name}},
            "template": pod,
        },
    }


def _about(cluster: str, group: str) -> dict[str, Any]:
    return {"name": name(group), "labels": _labels(cluster, group)}


def _labels(cluster: str, group: str) -> Mapping[str, str]:
    return {**OWNER, CLUSTER: cluster, pods.BALLOON: group}


def _pod(cluster: str, group: groups.NodeGroup, of: wanted.Balloon) -> dict[str, Any]:
    requests = {"cpu": quantity.of_millis(of.cpu_millis)}
    if of.memory_bytes:
        requests["memory"] = quantity.of_bytes(of.memory_bytes)
    return {
        "metadata": {"labels": dict(_labels(cluster, group.name))},
        "spec": {
            "nodeSelector": dict(group.labels),
            "tolerations": [
                {
                    "key": taint.key,
                    "operator": "Equal",
                    "value": taint.value,
                    "effect": taint.effect,
                }
                for taint in group.taints
            ],
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": "room",
                    "image": PAUSE_IMAGE,
                    "resources": {"requests": requests},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }
