"""The four clouds' HTTP fakes with what a configuration needs to know of each."""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any

from externalgrpc import clouds


@dataclasses.dataclass(frozen=True)
class Place:
    """A cloud's fake, and a machine type, location and image that it has."""

    provider: str
    fake: str
    machine_type: str
    location: str
    image: str

    def start(self, **settings: Any) -> Any:
        """Start the fake; use it as a context."""
        module, name = self.fake.split(":")
        return getattr(importlib.import_module(module), name)(**settings)


ALL = (
    Place("hetzner", "tests.fakes.hetzner:HetznerFake", "cx23", "nbg1", "debian-13"),
    Place(
        "linode", "tests.fakes.linode:LinodeFake", "g6-standard-2", "eu-central", "linode/debian13"
    ),
    Place(
        "digitalocean",
        "tests.fakes.digitalocean:DigitalOceanFake",
        "s-2vcpu-4gb",
        "fra1",
        "debian-12-x64",
    ),
    Place("vultr", "tests.fakes.vultr:VultrFake", "vc2-2c-4gb", "fra", "2136"),
)


def configuration(place: Place, url: str, groups: int, token_file: str, max_size: int = 200) -> str:
    """Write a configuration with so many groups at one fake."""
    nodes = "\n".join(
        f"- {{name: pool-{number}, account: bench, instanceType: {place.machine_type},"
        f" region: {place.location}, image: '{place.image}', join: image,"
        f" minSize: 0, maxSize: {max_size}}}"
        for number in range(groups)
    )
    account = (
        f"- {{name: bench, provider: {place.provider}, endpoint: '{url}', tokenFile: {token_file}}}"
    )
    return f"cluster: bench\naccounts:\n{account}\nnodes:\n{nodes}\n"


def installed() -> tuple[Place, ...]:
    """Give the clouds whose provider is there."""
    known = clouds.installed()
    return tuple(place for place in ALL if place.provider in known)
