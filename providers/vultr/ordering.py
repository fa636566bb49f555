"""Write what an order asks of Vultr."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from providers import contract
from providers.kit import marks
from providers.vultr import resolver

USER_DATA_LIMIT_BYTES = 64 * 1024
"""The vendor documents no limit; this is what a MySQL BLOB would hold, and the most that any of
the other clouds takes."""


def impossible(order: contract.Order) -> Iterator[str]:
    """List why an order cannot work, as far as that shows without asking."""
    size = len(order.user_data.encode())
    if size > USER_DATA_LIMIT_BYTES:
        yield f"user-data of {size} bytes is over the {USER_DATA_LIMIT_BYTES} that we send to Vultr"
    kind = order.machine_type
    if kind.gpu_model and not kind.gpus:
        yield (
            f"{kind.name} is a fraction of a {kind.gpu_model} (or a card that we do not know): "
            "Kubernetes counts whole cards, so choose a plan with whole ones"
        )
    if not kind.disk_bytes:
        yield f"{kind.name} has no disk of its own and needs block devices, which are not supported"
    if not (order.public_ipv4 or order.public_ipv6 or order.networks):
        yield "an instance without public IPv4 and IPv6 addresses needs a VPC with a NAT gateway"
    if len(order.firewalls) > 1:
        yield f"an instance has one firewall group, not {len(order.firewalls)}"
    if order.placement_group:
        yield "Vultr has no placement groups"
    try:
        marks.ordered(order)
    except ValueError as error:
        yield str(error)


def body(order: contract.Order, resolver: resolver.Resolver) -> dict[str, Any]:
    """Write the request for an order; raises BadOrder for what is not there."""
    fields: dict[str, Any] = {
        "label": order.node_name,
        "hostname": order.node_name,
        "region": order.location,
        "plan": order.machine_type.name,
        **resolver.image(order.image),
        "tags": list(marks.ordered(order)),
        "enable_ipv6": order.public_ipv6,
        "backups": "disabled",
        "activation_email": False,
    }
    if order.user_data:
        fields["user_data"] = base64.b64encode(order.user_data.encode()).decode()
    if order.ssh_keys:
        fields["sshkey_id"] = [resolver.ssh_key(key) for key in order.ssh_keys]
    if order.networks:
        fields["attach_vpc"] = resolver.vpcs(order.networks, order.location)
    if order.firewalls:
        fields["firewall_group_id"] = resolver.firewall(order.firewalls[0])
    if not order.public_ipv4:
        fields["disable_public_ipv4" if order.public_ipv6 else "vpc_only"] = True
    return fields
