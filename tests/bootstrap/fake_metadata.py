"""What answers a machine: each cloud's metadata service, and the hosts of packages."""

from __future__ import annotations

import json
from typing import Any

from tests.bootstrap.guest import Guest

LINK = "http://169.254.169.254"
UUID = "cb676a46-66fd-4dfb-b839-443f2e6c0b60"


def hetzner(machine: Guest) -> None:
    machine.serve(f"{LINK}/hetzner/v1/metadata/instance-id", "4711\n")


def digitalocean(machine: Guest) -> None:
    machine.serve(f"{LINK}/metadata/v1/id", "4711")


def linode(machine: Guest) -> None:
    machine.serve(f"{LINK}/v1/token", "tok", method="PUT", Metadata_Token_Expiry_Seconds="3600")
    answer = {
        "placement_group": {"id": 7},
        "id": 4711,
        "host_uuid": "3a3ddd59d9a78bb8de041391075df4",
    }
    machine.serve(
        f"{LINK}/v1/instance", json.dumps(answer), Metadata_Token="tok", Accept="application/json"
    )


def vultr(machine: Guest) -> None:
    answer = {"instanceid": "42", "instance-v2-id": UUID, "hostname": "guest"}
    machine.serve(f"{LINK}/v1.json", json.dumps(answer), Metadata_Token="cloudinit")


CLOUDS = {
    "hcloud": (hetzner, "hcloud://4711"),
    "digitalocean": (digitalocean, "digitalocean://4711"),
    "linode": (linode, "linode://4711"),
    "vultr": (vultr, f"vultr://{UUID}"),
}


def package_hosts(machine: Guest) -> None:
    machine.serve("https://pkgs.k8s.io/core:/stable:/v1.36/deb/Release.key", "KUBERNETES KEY")
    for each in ("debian", "ubuntu"):
        machine.serve(f"https://download.docker.com/linux/{each}/gpg", f"DOCKER KEY {each}")


def joined_with(machine: Guest) -> dict[str, Any]:
    loaded = json.loads(machine.recorded("joined-with"))
    assert isinstance(loaded, dict)
    return loaded


def flags(machine: Guest) -> dict[str, str]:
    registration = joined_with(machine)["nodeRegistration"]
    return {each["name"]: each["value"] for each in registration["kubeletExtraArgs"]}
