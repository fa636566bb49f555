"""Judge how the machines of a group become nodes, and whether they can at all."""

from __future__ import annotations

import functools
from typing import Final

from externalgrpc.bootstrap import joining, machine
from externalgrpc.config import fields, model, validate
from externalgrpc.config.mistakes import Path
from externalgrpc.model import groups, installed_clouds, join_settings, names, rules
from providers import contract

_FETCHED: Final = (
    "kubernetes_packages",
    "kubernetes_key",
    "containerd_packages",
    "containerd_key",
    "k3s_installer",
)
"""The settings of a join that are addresses of what machines fetch, install and run as root."""


def cannot_join(group: groups.NodeGroup, cloud: installed_clouds.Cloud) -> str:
    """Return why a group's machines would never become nodes, or "" when they can.

    Such a group loads, ``check`` fails on it, and a running server leaves it out with this
    sentence as the reason: machines that nobody can use cost money all the same.
    """
    if group.join or installed_clouds.joins_by_itself(cloud):
        return ""
    return (
        "its machines have no way to join the cluster: add kubernetes: to the file so that they "
        "join by kubeadm, give the group a userDataFile, or join: image when its image does it"
    )


def method(
    entry: model.NodeDefaults,
    of: installed_clouds.Cloud | None,
    path: Path,
    findings: validate.Findings,
    *,
    kubernetes: bool,
    user_data: str,
) -> str:
    """Return how a group joins: as it says, by its file, or by kubeadm in a known cluster."""
    join = entry.join or ""
    if not join and user_data:
        join = "raw"
    alone = of is not None and installed_clouds.joins_by_itself(of)
    if not join and kubernetes and entry.user_data_file is None and not alone:
        join = "kubeadm"
    if join in joining.METHODS and not kubernetes:
        message = f"{join} needs to know the cluster"
        cure = "Add kubernetes: to the file, with a kubeconfig, or {} in a pod of the cluster"
        findings.add((*path, "join"), message, cure)
    if join in joining.METHODS and entry.user_data_file is not None:
        message = f"is given beside join: {join}, which writes its own"
        cure = "Remove it; your own lines go under joinOptions.preJoin and postJoin"
        findings.add((*path, "userDataFile"), message, cure, key=True)
    if join not in joining.METHODS and entry.join_options:
        message = "are settings of join: kubeadm and join: k3s"
        findings.add((*path, "joinOptions"), message, "Remove them", key=True)
    if (
        join in joining.METHODS
        and of is not None
        and not installed_clouds.metadata_service(of).learnable
    ):
        cure = (
            "Write a userDataFile that sets the providerID, or join: image; the cloud's class says "
            "in metadata_service how its machines learn it, maybe in a newer release of its package"
        )
        findings.add((*path, "join"), f"cannot be {join}: {machine.NO_IDS}", cure)
    if join in joining.METHODS and entry.any_node_name:
        message = f"is for nodes that we do not name, and join: {join} names them"
        findings.add((*path, "anyNodeName"), message, "Remove it", key=True)
    return join


def fetched_in_the_clear(
    how: join_settings.JoinSettings, path: Path, findings: validate.Findings
) -> None:
    """File every address of a join that is plain http:// off loopback, unless that is allowed."""
    for name in () if how.allow_http else _FETCHED:
        wrong = rules.plain_http(getattr(how, name))
        if wrong:
            findings.add(
                (*path, fields.camel(name)),
                wrong,
                "Write https://, or set joinOptions.allowHttp: true where nobody else is on that "
                "network",
            )


def rendered_bytes(group: groups.NodeGroup, of: installed_clouds.Cloud) -> int:
    """Measure the largest user-data that we would render for a group, as its cloud counts it.

    What only a login or a cluster could know (the cloud's labels, a card's name, the CA) is as
    long as it usually is at most: ``check --online`` measures with the real ones. Raises
    Unjoinable when a machine of the group could not join any cluster.
    """
    return joining.worst_case_bytes(
        (
            machine.Machine(
                node_name=names.longest(group.name),
                group=group,
                machine_type=contract.MachineType(
                    name=candidate.machine_type, cpu_millis=0, memory_bytes=0, disk_bytes=0
                ),
                scheme=of.scheme,
                service=installed_clouds.metadata_service(of),
                gpu_label="",
                cloud_labels=_as_long_as_any(candidate.location),
                join=group.join_settings,
            )
            for candidate in group.candidates
        ),
        joining.example(group.join),
        functools.partial(installed_clouds.user_data_bytes, of),
    )


def _as_long_as_any(location: str) -> dict[str, str]:
    """Give labels that are together as long as those that any of our clouds puts on a node."""
    return {
        "topology.kubernetes.io/region": location,
        "topology.kubernetes.io/zone": f"{location}-dc14",
        "csi.cloud.example.invalid/location-with-card": f"{location}-and-nvidia-rtx-4000-ada",
        "instance.cloud.example.invalid/provided-by": "cloud",
    }
