"""Say how the clouds differ where the scenarios see it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

Shapes = dict[str, Mapping[str, Any]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """A cloud's words: of provider ids, paths, machine types, and a machine that runs.

    ``machine_type``, ``region`` and ``image`` are what a pool orders: two cores, 4 GiB.
    """

    name: str
    scheme: str
    orders: str
    running: str
    types: str
    shapes: Callable[[Mapping[str, Any]], Shapes]
    machine_type: str
    region: str
    image: str
    size: str = "per_page"
    page: int = 100
    following: Callable[[Mapping[str, Any]], int | None] = lambda _told: None
    creates_slowly: bool = True


def _hetzner(body: Mapping[str, Any]) -> Shapes:
    return {each["name"]: each for each in body["server_types"]}


def _linode(body: Mapping[str, Any]) -> Shapes:
    return {
        each["id"]: _shape(each["vcpus"], each["memory"], each["disk"] / 1000)
        for each in body["data"]
    }


def _digitalocean(body: Mapping[str, Any]) -> Shapes:
    return {
        each["slug"]: _shape(each["vcpus"], each["memory"], each["disk"]) for each in body["sizes"]
    }


def _vultr(body: Mapping[str, Any]) -> Shapes:
    return {
        each["id"]: _shape(each["vcpu_count"], each["ram"], each["disk"]) for each in body["plans"]
    }


def _shape(cores: int, memory_mib: float, disk_gb: float) -> Mapping[str, Any]:
    return {
        "cores": cores,
        "memory": memory_mib / 1024,
        "disk": disk_gb,
        "architecture": "x86",
    }


HETZNER = Vendor(
    name="hetzner",
    scheme="hcloud",
    orders="/servers",
    running="running",
    types="/server_types",
    shapes=_hetzner,
    page=50,
    following=lambda value: value["meta"]["pagination"]["next_page"],
    machine_type="cx23",
    region="fsn1",
    image="debian-13",
)
LINODE = Vendor(
    name="linode",
    scheme="linode",
    orders="/linode/instances",
    running="running",
    types="/linode/types",
    shapes=_linode,
    size="page_size",
    machine_type="g6-standard-2",
    region="eu-central",
    image="linode/debian13",
)
DIGITALOCEAN = Vendor(
    name="digitalocean",
    scheme="digitalocean",
    orders="/droplets",
    running="active",
    types="/sizes",
    shapes=_digitalocean,
    page=200,
    creates_slowly=False,
    machine_type="s-2vcpu-4gb",
    region="fra1",
    image="debian-12-x64",
)
VULTR = Vendor(
    name="vultr",
    scheme="vultr",
    orders="/instances",
    running="active running ok",
    types="/plans",
    shapes=_vultr,
    page=500,
    machine_type="vc2-2c-4gb",
    region="fra",
    image="2136",
)
ALL = (HETZNER, LINODE, DIGITALOCEAN, VULTR)
