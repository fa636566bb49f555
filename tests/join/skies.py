"""Say how the clouds' machines learn who they are: firmware and metadata, cloud by cloud."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import yaml

from tests.e2e import vendors


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a cloud knows of a machine: ``user_data`` as it was ordered."""

    id: str
    name: str
    mac: str
    location: str
    user_data: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sky:
    """A cloud as its machines see it."""

    vendor: vendors.Vendor
    smbios: Callable[[Identity], Mapping[str, str]]
    answers: Callable[[Identity], Mapping[str, str]]


def _hetzner(of: Identity) -> Mapping[str, str]:
    base = "GET /hetzner/v1"
    subnets = [{"ipv4": True, "type": "dhcp"}]
    card = {"mac_address": of.mac, "name": "eth0", "subnets": subnets, "type": "physical"}
    whole = {
        "availability-zone": f"{of.location}-dc1",
        "hostname": of.name,
        "instance-id": int(of.id),
        "local-ipv4": "",
        "network-config": {"config": [card], "version": 1},
        "public-ipv4": "198.18.0.1",
        "public-keys": [],
        "region": "eu-central",
        "vendor_data": "",
    }
    return {
        f"{base}/metadata": yaml.safe_dump(whole),
        f"{base}/metadata/instance-id": of.id,
        f"{base}/metadata/hostname": of.name,
        f"{base}/metadata/private-networks": "",
        f"{base}/userdata": of.user_data,
    }


HETZNER = Sky(
    vendor=vendors.HETZNER,
    smbios=lambda of: {"manufacturer": "Hetzner", "product": "vServer", "serial": of.id},
    answers=_hetzner,
)
ALL = {each.vendor.name: each for each in (HETZNER,)}
