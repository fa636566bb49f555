"""Make the order for a machine of what its group says."""

from __future__ import annotations

from externalgrpc.model import groups
from providers import contract


def order_for(
    group: groups.NodeGroup,
    *,
    cluster: str,
    node_name: str,
    machine_type: contract.MachineType,
    location: str,
    user_data: str,
    identity: str = "",
) -> contract.Order:
    """Make the order for one machine of a group."""
    return contract.Order(
        node_name=node_name,
        cluster=cluster,
        group=group.name,
        identity=identity,
        machine_type=machine_type,
        location=location,
        image=group.image,
        user_data=user_data,
        ssh_keys=group.ssh_keys,
        networks=group.networks,
        firewalls=group.firewalls,
        placement_group=group.placement_group,
        public_ipv4=group.public_ipv4,
        public_ipv6=group.public_ipv6,
        labels=group.server_labels,
        options=group.options,
    )
