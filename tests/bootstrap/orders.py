"""Machines to render user-data for."""

from __future__ import annotations

import dataclasses
from typing import Any

from externalgrpc.bootstrap import joining, machine
from externalgrpc.model import credentials, groups, installed_clouds, join_settings
from providers import contract, metadata

GIB = 1024**3
TOKEN = "abcdef.0123456789abcdef"
GPU_LABEL = "vps-autoscaler/gpu"
SERVICES = {
    cloud.scheme: installed_clouds.metadata_service(cloud)
    for cloud in installed_clouds.installed().within("providers").values()
}
WAY_IN = credentials.example()
K3S_WAY_IN = credentials.example("v1.36.2+k3s1")
KIND = contract.MachineType(name="cx23", cpu_millis=2000, memory_bytes=4 * GIB, disk_bytes=40 * GIB)
GROUP = groups.NodeGroup(
    name="workers",
    account="first",
    candidates=(groups.Candidate("cx23", "fsn1"),),
    min_size=0,
    max_size=3,
    labels={"tier": "web", "example.org/x": ""},
    taints=(groups.Taint(key="dedicated", value="web", effect="NoSchedule"),),
    join="kubeadm",
)
CLOUD_LABELS = {
    "topology.kubernetes.io/region": "fsn1",
    "topology.kubernetes.io/zone": "fsn1-dc14",
    "csi.hetzner.cloud/location": "fsn1",
}


def machine_of(
    *,
    scheme: str = "hcloud",
    service: metadata.Service | None = None,
    group: dict[str, Any] | None = None,
    **join: Any,
) -> machine.Machine:
    """Make a machine; ``group`` changes its group, everything else how it joins.

    A scheme that no cloud of ours has is an older cloud's, which says no ``service``.
    """
    return machine.Machine(
        node_name="workers-x7k2pq",
        group=dataclasses.replace(GROUP, **(group or {})),
        machine_type=KIND,
        scheme=scheme,
        service=service or SERVICES.get(scheme, metadata.Service()),
        gpu_label=GPU_LABEL,
        cloud_labels=CLOUD_LABELS,
        join=join_settings.JoinSettings(**join),
    )


def user_data(
    *,
    method: str = "kubeadm",
    scheme: str = "hcloud",
    service: metadata.Service | None = None,
    group: dict[str, Any] | None = None,
    **join: Any,
) -> str:
    """Render the user-data of such a machine."""
    of = machine_of(scheme=scheme, service=service, group={"join": method, **(group or {})}, **join)
    return joining.user_data(of, WAY_IN if method == "kubeadm" else K3S_WAY_IN)
