"""Write what an order asks of DigitalOcean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from providers import contract
from providers.digitalocean import resolver
from providers.kit import marks

USER_DATA_LIMIT_BYTES = 64 * 1024


def impossible(order: contract.Order) -> Iterator[str]:
    """List why an order cannot work, as far as that shows without asking."""
    size = len(order.user_data.encode())
    if size > USER_DATA_LIMIT_BYTES:
        yield f"user-data of {size} bytes is over DigitalOcean's limit of {USER_DATA_LIMIT_BYTES}"
    if order.public_ipv6 and not order.public_ipv4:
        yield "DigitalOcean has no droplets with a public IPv6 address alone: switch off both"
    if order.placement_group:
        yield "DigitalOcean has no placement groups"
    try:
        marks.ordered(order)
    except ValueError as error:
        yield str(error)


def body(order: contract.Order, resolver: resolver.Resolver) -> dict[str, Any]:
    """Write the request for an order; raises BadOrder for what is not there."""
    worn = list(marks.ordered(order))
    for firewall in order.firewalls:
        if joining := resolver.firewall_tag(firewall, worn):
            worn.append(joining)
    fields: dict[str, Any] = {
        "name": order.node_name,
        "size": order.machine_type.name,
        "region": order.location,
        "image": resolver.image(order.image, order.location),
        "tags": worn,
        "ssh_keys": [resolver.ssh_key(key) for key in order.ssh_keys],
        "ipv6": order.public_ipv6,
        "public_networking": order.public_ipv4,
    }
    if order.user_data:
        fields["user_data"] = order.user_data
    if order.networks:
        fields["vpc_uuid"] = resolver.vpc(order.networks, order.location)
    return fields
