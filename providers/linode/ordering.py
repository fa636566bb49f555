"""Write what an order asks of Linode."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from typing import Any

from providers import contract, packing
from providers.kit import marks, options
from providers.linode import resolver
from providers.linode.options import GroupOptions

USER_DATA_LIMIT_BYTES = 16384

_LABEL = re.compile(r"[a-zA-Z]((?!--|__|\.\.)[a-zA-Z0-9-_.]){2,63}")


def user_data_bytes(text: str) -> int:
    """Return how much of the limit a user-data takes: a large cloud-config is sent as gzip."""
    return len(packing.within(text, USER_DATA_LIMIT_BYTES))


def impossible(order: contract.Order) -> Iterator[str]:
    """List why an order cannot work, as far as that shows without asking."""
    size = user_data_bytes(order.user_data)
    if size > USER_DATA_LIMIT_BYTES:
        yield f"user-data of {size} bytes is over Linode's limit of {USER_DATA_LIMIT_BYTES}"
    if not _LABEL.fullmatch(order.node_name):
        yield f"{order.node_name!r} is no label of a Linode"
    if len(order.firewalls) > 1:
        yield "a Linode is born with one firewall; name only one"
    if not (order.public_ipv4 or order.networks):
        yield "a Linode without a public interface needs a network"
    try:
        marks.ordered(order)
    except ValueError as error:
        yield str(error)


def body(order: contract.Order, resolver: resolver.Resolver) -> dict[str, Any]:
    """Write the request for an order; raises BadOrder for what is not there."""
    needed = bool(order.user_data)
    fields: dict[str, Any] = {
        "type": order.machine_type.name,
        "region": resolver.region(order.location, for_user_data=needed),
        "image": resolver.image(order.image, for_user_data=needed),
        "label": order.node_name,
        "tags": list(marks.ordered(order)),
        "booted": True,
        "swap_size": 0,  # the API's own default is 512 MB, and a kubelet refuses swap
    }
    if order.user_data:
        sent = packing.within(order.user_data, USER_DATA_LIMIT_BYTES)
        fields["metadata"] = {"user_data": packing.base64_of(sent)}
    if order.ssh_keys:
        fields["authorized_keys"] = [resolver.key(key) for key in order.ssh_keys]
    else:
        fields["root_pass"] = f"aA1-{secrets.token_urlsafe(32)}"
    if order.networks:
        fields["interfaces"] = _interfaces(order, resolver.subnet(order.networks, order.location))
    if order.firewalls:
        fields["firewall_id"] = resolver.firewall(order.firewalls[0])
    private_ip = options.or_defaults(order.options, GroupOptions).private_ip
    if private_ip:
        fields["private_ip"] = True
    if order.networks or order.firewalls or private_ip:
        # These are said in the older of two ways; the account's setting must not pick one.
        fields["interface_generation"] = "legacy_config"
    if order.placement_group:
        number = resolver.placement_group(order.placement_group, order.location)
        fields["placement_group"] = {"id": number}
    return fields


def _interfaces(order: contract.Order, subnet: int) -> list[dict[str, Any]]:
    """Return eth0 (public, with the default route) and eth1 (the subnet), or the subnet alone."""
    inner: dict[str, Any] = {"purpose": "vpc", "subnet_id": subnet}
    if not order.public_ipv4:
        return [{**inner, "primary": True}]
    return [{"purpose": "public", "primary": True}, inner]
