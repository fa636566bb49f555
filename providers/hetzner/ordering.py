"""Write what an order asks of Hetzner."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hcloud.helpers import labels as label_rules

from providers import contract
from providers.hetzner import reading, resolver
from providers.kit import marks, naming

USER_DATA_LIMIT_BYTES = 32 * 1024
RESERVED_PREFIX = "hetzner.cloud/"


def impossible(order: contract.Order) -> Iterator[str]:
    """List why an order cannot work, as far as that shows without asking."""
    size = len(order.user_data.encode())
    if size > USER_DATA_LIMIT_BYTES:
        yield f"user-data of {size} bytes is over Hetzner's limit of {USER_DATA_LIMIT_BYTES}"
    if not (order.public_ipv4 or order.public_ipv6 or order.networks):
        yield "a server without public IPv4 and IPv6 addresses needs a network"
    if any(key.startswith(RESERVED_PREFIX) for key in order.labels):
        yield f"server labels must not start with {RESERVED_PREFIX}: Hetzner keeps it for itself"
    for key in (reading.IDENTITY, reading.UNJOINED, reading.ADOPTED):
        if key in order.labels:
            yield f"the server label {key!r} would pass for one of our own marks"
    if order.identity and not marks.is_identity(order.identity):
        yield f"{order.identity!r} is no identity of a cluster"
    good, problem = label_rules.LabelValidator.validate_verbose(reading.marks(order))
    if not good:
        yield problem


def body(order: contract.Order, resolver: resolver.Resolver) -> dict[str, Any]:
    """Write the request for an order, but for its placement group; raises BadOrder."""
    fields: dict[str, Any] = {
        "name": order.node_name,
        "server_type": order.machine_type.name,
        "location": order.location,
        "image": resolver.image(order.image, order.machine_type.arch),
        "labels": reading.marks(order),
        "start_after_create": True,
        "public_net": {"enable_ipv4": order.public_ipv4, "enable_ipv6": order.public_ipv6},
    }
    if order.user_data:
        fields["user_data"] = order.user_data
    if order.ssh_keys:
        fields["ssh_keys"] = [int(key) if naming.is_number(key) else key for key in order.ssh_keys]
    if order.networks:
        fields["networks"] = [resolver.network(name) for name in order.networks]
    if order.firewalls:
        fields["firewalls"] = [{"firewall": resolver.firewall(name)} for name in order.firewalls]
    return fields
