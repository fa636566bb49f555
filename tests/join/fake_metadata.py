"""Say how the clouds' machines learn who they are: firmware and metadata, cloud by cloud."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable, Mapping

import yaml

from tests.e2e import vendors

Texts = Mapping[str, str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a cloud knows of a machine: ``user_data`` as it was ordered.

    ``sent`` is what the cloud was sent of it, where it hands bytes on.
    """

    id: str
    name: str
    mac: str
    location: str
    user_data: str
    sent: bytes = b""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sky:
    """A cloud as its machines see it; ``source`` is what cloud-init must find there.

    ``answers`` is what its metadata service says to "METHOD /path", when a GET carries ``header``
    (name and value) where it must; "GET /" is answered without. ``drive`` holds the files of a
    configuration drive, where the cloud gives one.
    """

    vendor: vendors.Vendor
    source: str
    mac_prefix: str
    smbios: Callable[[Identity], Texts]
    answers: Callable[[Identity], Texts]
    header: tuple[str, str] = ("", "")
    drive: Callable[[Identity], Texts] = lambda _of: {}


def _hetzner(of: Identity) -> Texts:
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


def _linode(of: Identity) -> Texts:
    whole = {
        "id": int(of.id),
        "label": of.name,
        "region": of.location,
        "type": "g6-standard-2",
        "host_uuid": "0" * 32,
        "tags": [],
    }
    return {
        "PUT /v1/token": _LINODE_TOKEN,
        "GET /v1/instance": json.dumps(whole),
        "GET /v1/user-data": base64.b64encode(of.sent or of.user_data.encode()).decode(),
    }


def _digitalocean(of: Identity) -> Texts:
    base = "GET /metadata/v1"
    return {f"{base}/id": of.id, f"{base}/hostname": of.name, f"{base}/user-data": of.user_data}


def _drive(of: Identity) -> Texts:
    fields = {"uuid": of.id, "hostname": of.name, "name": of.name, "meta": {}}
    base = "openstack/latest"
    return {f"{base}/meta_data.json": json.dumps(fields), f"{base}/user_data": of.user_data}


def _vultr(of: Identity) -> Texts:
    nowhere = {"additional": [], "address": "", "gateway": "", "netmask": ""}
    card = {"ipv4": nowhere, "ipv6": nowhere, "mac": of.mac, "network-type": "public"}
    whole = {
        "bgp": {},
        "hostname": of.name,
        "instance-v2-id": of.id,
        "instanceid": "4711",
        "interfaces": [card],
        "public-keys": [],
        "region": {"regioncode": of.location.upper()},
        "user-data": of.user_data,
        "vendor-data": "",
    }
    return {"GET /v1.json": json.dumps(whole)}


def _made_by(manufacturer: str) -> Callable[[Identity], Texts]:
    return lambda of: {"manufacturer": manufacturer, "product": "server", "serial": of.id}


_LINODE_TOKEN = "t" * 32
HETZNER = Sky(
    vendor=vendors.HETZNER,
    source="Hetzner",
    mac_prefix="96:00:00",
    smbios=_made_by("Hetzner"),
    answers=_hetzner,
)
LINODE = Sky(
    vendor=vendors.LINODE,
    source="Akamai",
    mac_prefix="f2:3c:94",
    smbios=_made_by("Linode"),
    answers=_linode,
    header=("Metadata-Token", _LINODE_TOKEN),
)
DIGITALOCEAN = Sky(
    vendor=vendors.DIGITALOCEAN,
    source="ConfigDrive",
    mac_prefix="0a:e1:38",
    smbios=_made_by("DigitalOcean"),
    answers=_digitalocean,
    drive=_drive,
)
VULTR = Sky(
    vendor=vendors.VULTR,
    source="Vultr",
    mac_prefix="56:00:04",
    smbios=_made_by("Vultr"),
    answers=_vultr,
    header=("Metadata-Token", "cloudinit"),
)
ALL = {each.vendor.name: each for each in (HETZNER, LINODE, DIGITALOCEAN, VULTR)}
