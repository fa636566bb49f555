"""The four clouds' HTTP fakes with what a configuration needs to know of each."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any

from externalgrpc.model import installed_clouds
from providers.kit import marks

CLUSTER = "bench"


@dataclasses.dataclass(frozen=True)
class Place:
    """A cloud's fake, and a machine type, location and image that it has."""

    provider: str
    fake: str
    machine_type: str
    location: str
    image: str
    orders: str
    """What the path of a create ends in."""

    def start(self, **settings: Any) -> Any:
        """Start the fake; use it as a context."""
        module, name = self.fake.split(":")
        return getattr(importlib.import_module(module), name)(**settings)

    def add(self, fake: Any, name: str, group: str) -> None:
        """Put a running machine of ours at the fake, past its API."""
        if self.provider == "hetzner":
            fake.add(name, self.labels(name, group))
        else:
            fake.add(name, list(marks.tags(cluster=CLUSTER, group=group, node_name=name)))

    @staticmethod
    def labels(name: str, group: str) -> dict[str, str]:
        """Return a machine's marks where they are labels."""
        fields = {"cluster": CLUSTER, "group": group, "node": name}
        return {f"vps-autoscaler/{key}": value for key, value in fields.items()}


ALL = (
    Place("hetzner", "tests.fakes.hetzner:HetznerFake", "cx23", "nbg1", "debian-13", "/servers$"),
    Place(
        "linode",
        "tests.fakes.linode:LinodeFake",
        "g6-standard-2",
        "eu-central",
        "linode/debian13",
        "/instances$",
    ),
    Place(
        "digitalocean",
        "tests.fakes.digitalocean:DigitalOceanFake",
        "s-2vcpu-4gb",
        "fra1",
        "debian-12-x64",
        "/droplets$",
    ),
    Place("vultr", "tests.fakes.vultr:VultrFake", "vc2-2c-4gb", "fra", "2136", "/instances$"),
)


def configuration(
    place: Place, url: str, groups: int, token_file: str, *, max_size: int = 200, options: str = ""
) -> str:
    """Write a configuration with so many groups at one fake; ``options`` are the account's."""
    nodes = "\n".join(
        f"- {{name: pool-{number}, account: bench, {_machine(place)},"
        f" minSize: 0, maxSize: {max_size}}}"
        for number in range(groups)
    )
    account = (
        f"- {{name: bench, provider: {place.provider}, endpoint: '{url}', tokenFile: {token_file},"
        f" options: {{{options}}}}}"
    )
    return f"cluster: {CLUSTER}\naccounts:\n{account}\nnodes:\n{nodes}\n"


def side_by_side(
    urls: Mapping[str, str], token_file: str, *, max_size: int = 200, options: str = ""
) -> str:
    """Write a configuration with an account and a group at each of these fakes.

    Accounts and groups are named as the cloud; ``urls`` are by that name.
    """
    there = [place for place in installed() if place.provider in urls]
    accounts = "\n".join(
        f"- {{name: {place.provider}, provider: {place.provider},"
        f" endpoint: '{urls[place.provider]}', tokenFile: {token_file}, options: {{{options}}}}}"
        for place in there
    )
    nodes = "\n".join(
        f"- {{name: {place.provider}, account: {place.provider}, {_machine(place)},"
        f" minSize: 0, maxSize: {max_size}}}"
        for place in there
    )
    return f"cluster: {CLUSTER}\naccounts:\n{accounts}\nnodes:\n{nodes}\n"


def _machine(place: Place) -> str:
    return (
        f"instanceType: {place.machine_type}, region: {place.location},"
        f" image: '{place.image}', join: image"
    )


def installed() -> tuple[Place, ...]:
    """Return the clouds whose provider is there."""
    known = installed_clouds.installed()
    return tuple(place for place in ALL if place.provider in known)
