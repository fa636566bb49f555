"""Render the user-data of one machine, whichever way its group joins."""

from __future__ import annotations

from collections.abc import Callable

from externalgrpc.bootstrap import joining, machine, raw
from externalgrpc.model import credentials, groups, installed_clouds
from externalgrpc.nodes import kubeletconfig
from providers import contract


def user_data(
    group: groups.NodeGroup,
    provider: contract.Provider,
    *,
    cluster: str,
    cloud: str,
    gpu_label: str,
    node_name: str,
    machine_type: contract.MachineType,
    location: str,
    join_credentials: Callable[[], credentials.JoinCredentials],
    kubelets: kubeletconfig.KubeletConfig | None = None,
) -> str:
    """Render what an order of one machine brings along.

    ``cloud`` is the provider's name in the configuration. ``join_credentials`` is called at most
    once: where we render the join, after everything else of the machine was found right, so that
    no token is minted for nothing. Raises Unjoinable or UnsafeValue, and what it raises.
    """
    cloud_labels = provider.node_labels(machine_type, location)
    if group.join not in joining.METHODS:
        return raw.fill(
            group,
            cluster=cluster,
            node_name=node_name,
            machine_type=machine_type.name,
            location=location,
            provider=cloud,
            scheme=provider.scheme,
            cloud_labels=cloud_labels,
        )
    of = machine.Machine(
        node_name=node_name,
        group=group,
        machine_type=contract.as_ordered(provider, machine_type, group.options),
        scheme=provider.scheme,
        service=installed_clouds.metadata_service(provider),
        gpu_label=gpu_label,
        cloud_labels=cloud_labels,
        join=group.join_settings,
        kubelets=kubelets,
    )
    return joining.user_data(of, join_credentials())
