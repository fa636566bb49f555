"""Know how a machine asks its cloud's metadata service for its own id.

A cloud that is not listed needs nothing here: its machines take the id that cloud-init learned
(``v1.instance_id``), which is the same on the clouds that are. As cloud-init's datasources do it:
Hetzner and DigitalOcean answer in plain text, Linode wants a token first and Vultr a fixed header.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Final

_SERVICE: Final = "http://169.254.169.254"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the id is: at ``url``, as text or as ``field`` of a JSON object.

    ``token_url`` answers a PUT with a token that the other request must carry. ``pattern`` is an
    extended regular expression that every id of the cloud matches: an id of another form would
    make a Node that belongs to no machine, for ever. ``beside`` is the network of private addresses
    that stand beside the public one on the same NIC and lead somewhere, or "".
    """

    url: str = ""
    token_url: str = ""
    field: str = ""
    pattern: str = "[A-Za-z0-9][A-Za-z0-9._-]*"
    beside: str = ""


ELSEWHERE: Final = Source()
"""Any other cloud: cloud-init's word is taken."""

SOURCES: Final[Mapping[str, Source]] = {
    "hcloud": Source(url=f"{_SERVICE}/hetzner/v1/metadata/instance-id", pattern="[0-9]+"),
    "digitalocean": Source(url=f"{_SERVICE}/metadata/v1/id", pattern="[0-9]+"),
    "linode": Source(
        url=f"{_SERVICE}/v1/instance",
        token_url=f"{_SERVICE}/v1/token",
        field="id",
        pattern="[0-9]+",
        beside="192.168.128.0/17",
    ),
    "vultr": Source(
        url=f"{_SERVICE}/v1.json",
        field="instance-v2-id",
        pattern="[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    ),
}
"""The metadata services by the scheme of the cloud's provider ids."""


def source_for(scheme: str) -> Source:
    """Give the source of a cloud's ids."""
    return SOURCES.get(scheme, ELSEWHERE)
