"""Put things into the fakes as the tables of docs/clouds name them.

A case makes one thing that answers to a text, and says how the configuration writes it and what
the order must then ask for.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from typing import Any

Row = dict[str, Any]
FIELDS = {
    "image": "image",
    "sshKeys": "ssh_keys",
    "networks": "networks",
    "firewalls": "firewalls",
    "placementGroup": "placement_group",
}


@dataclasses.dataclass(frozen=True)
class Put:
    """A thing that was put there: ``written`` names it, ``sent`` is what is asked for."""

    id: str
    written: str
    sent: Any


Case = Callable[[Any, str], Put]
_numbers = itertools.count(1)


def at(*path: str) -> Callable[[Row], Any]:
    """Read what a create's body has at a path; the first of a list."""

    def read(body: Row) -> Any:
        here: Any = body
        for key in path:
            here = here[0] if isinstance(here, list) else here
            here = here[key]
        return here[0] if isinstance(here, list) else here

    return read


def _of(row: Row, written: object, sent: Any = None) -> Put:
    return Put(str(row["id"]), str(written), row["id"] if sent is None else sent)


def _stock(rows: str, key: str) -> Case:
    """Name a thing that the vendor has: nothing is put there."""

    def case(fake: Any, text: str) -> Put:
        of = getattr(fake, rows) if hasattr(fake, rows) else fake.catalogue[rows]
        row = next(each for each in of if each[key] == text)
        return _of(row, text)

    return case


def _added(add: str, *more: Any, name: str = "", **settings: Any) -> Case:
    """Put a thing there that answers to the text; with ``name``, to that field of it instead."""

    def case(fake: Any, text: str) -> Put:
        own = f"thing-{next(_numbers)}" if name else text
        row = getattr(fake, add)(own, *more, **settings)
        return _of(row, row[name] if name else text)

    return case


def _image(add: str, place: Callable[[str], Row], first: str | None) -> Case:
    """Put an image there that bears the text where ``place`` says."""

    def case(fake: Any, text: str) -> Put:
        return _of(getattr(fake, add)(first, **place(text)), text)

    return case


def _labelled(text: str) -> Row:
    # What the example selects; the test's own text is a pair.
    if " in " in text:
        return {"labels": {"role": "node", "stage": "prod"}}
    key, _, value = text.partition("=")
    return {"labels": {key: value}}


HETZNER: Mapping[tuple[str, str], Case] = {
    ("image", "name of an image of Hetzner's"): _stock("images", "name"),
    ("image", "labels of a snapshot"): _image("add_image", _labelled, None),
    ("image", "description of a snapshot"): _image(
        "add_image", lambda text: {"description": text}, None
    ),
    ("image", "id"): lambda fake, _text: _of(row := fake.add_image(None), row["id"]),
    ("sshKeys", "name"): lambda fake, text: _of(fake.add_ssh_key(text), text, text),
    ("sshKeys", "id"): _added("add_ssh_key", name="id"),
    ("networks", "name"): _added("add_network"),
    ("networks", "id"): _added("add_network", name="id"),
    ("firewalls", "name"): _added("add_firewall"),
    ("firewalls", "id"): _added("add_firewall", name="id"),
    ("placementGroup", "name"): _added("add_placement_group"),
    ("placementGroup", "id"): _added("add_placement_group", name="id"),
}


def _vpc(written: Callable[[Row, str], object], *subnets: str) -> Case:
    def case(fake: Any, text: str) -> Put:
        label, _, inner = text.partition("/")
        vpc = fake.add_vpc(label, "eu-central", *(subnets or (inner,)))
        return _of(vpc["subnets"][0], written(vpc, text))

    return case


def _linode_key(written: str) -> Case:
    def case(fake: Any, text: str) -> Put:
        row = fake.add_ssh_key(text)
        return _of(row, row[written], row["ssh_key"])

    return case


LINODE: Mapping[tuple[str, str], Case] = {
    ("image", "id"): _stock("images", "id"),
    ("image", "number of an image of yours"): lambda fake, _text: _of(
        row := fake.add_image("mine"), row["id"].removeprefix("private/")
    ),
    ("image", "label"): _added("add_image"),
    ("image", "tag"): _image("add_image", lambda text: {"tags": [text]}, "mine"),
    ("sshKeys", "text of a public key"): lambda _fake, text: Put("", text, text),
    ("sshKeys", "label"): _linode_key("label"),
    ("sshKeys", "id"): _linode_key("id"),
    ("networks", "labels of VPC and subnet"): _vpc(lambda _vpc, text: text),
    ("networks", "label of a VPC with one subnet"): _vpc(lambda vpc, _: vpc["label"], "nodes"),
    ("networks", "id of a subnet"): _vpc(lambda vpc, _text: vpc["subnets"][0]["id"], "nodes"),
    ("firewalls", "label"): _added("add_firewall"),
    ("firewalls", "id"): _added("add_firewall", name="id"),
    ("placementGroup", "label"): _added("add_placement_group", "eu-central"),
    ("placementGroup", "id"): _added("add_placement_group", "eu-central", name="id"),
}


def _walled(written: str) -> Case:
    def case(fake: Any, text: str) -> Put:
        row = fake.add_firewall(text if written == "name" else "wall", "walled")
        return _of(row, row[written], "walled")

    return case


DIGITALOCEAN: Mapping[tuple[str, str], Case] = {
    ("image", "slug"): lambda _fake, text: Put(text, text, text),
    ("image", "id"): _added("add_image", name="id"),
    ("image", "name of an image of yours"): _added("add_image"),
    ("image", "tag of an image of yours"): _image(
        "add_image", lambda text: {"tags": [text]}, "mine"
    ),
    ("sshKeys", "name"): _added("add_ssh_key"),
    ("sshKeys", "fingerprint"): _added("add_ssh_key", name="fingerprint"),
    ("sshKeys", "id"): _added("add_ssh_key", name="id"),
    ("networks", "name"): _added("add_vpc", "fra1"),
    ("networks", "id"): _added("add_vpc", "fra1", name="id"),
    ("firewalls", "name"): _walled("name"),
    ("firewalls", "id"): _walled("id"),
}

VULTR: Mapping[tuple[str, str], Case] = {
    ("image", "name of an operating system"): _stock("os", "name"),
    ("image", "number of an operating system"): lambda _fake, text: Put(text, text, int(text)),
    ("image", "description of a snapshot"): _added("add_snapshot"),
    ("image", "id of a snapshot"): _added("add_snapshot", name="id"),
    ("image", "id of a marketplace image"): lambda _fake, text: Put(
        text, text, text.removeprefix("image:")
    ),
    ("sshKeys", "name"): _added("add_ssh_key"),
    ("sshKeys", "id"): _added("add_ssh_key", name="id"),
    ("networks", "description"): _added("add_vpc", "fra"),
    ("networks", "id"): _added("add_vpc", "fra", name="id"),
    ("firewalls", "description"): _added("add_firewall"),
    ("firewalls", "id"): _added("add_firewall", name="id"),
}


def sent(cloud: str, setting: str, body: Row) -> Any:
    """Read what a create's body asks for under a setting of ours."""
    paths: Mapping[str, Mapping[str, tuple[str, ...]]] = {
        "hetzner": {
            "image": ("image",),
            "sshKeys": ("ssh_keys",),
            "networks": ("networks",),
            "firewalls": ("firewalls", "firewall"),
            "placementGroup": ("placement_group",),
        },
        "linode": {
            "image": ("image",),
            "sshKeys": ("authorized_keys",),
            "firewalls": ("firewall_id",),
            "placementGroup": ("placement_group", "id"),
        },
        "digitalocean": {
            "image": ("image",),
            "sshKeys": ("ssh_keys",),
            "networks": ("vpc_uuid",),
        },
        "vultr": {
            "sshKeys": ("sshkey_id",),
            "networks": ("attach_vpc",),
            "firewalls": ("firewall_group_id",),
        },
    }
    if (cloud, setting) == ("digitalocean", "firewalls"):
        return body["tags"][-1] if "walled" not in body["tags"] else "walled"
    if (cloud, setting) == ("linode", "networks"):
        return next(each["subnet_id"] for each in body["interfaces"] if "subnet_id" in each)
    if (cloud, setting) == ("vultr", "image"):
        return next(body[key] for key in ("os_id", "snapshot_id", "image_id") if key in body)
    return at(*paths[cloud][setting])(body)
