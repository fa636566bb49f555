"""Play the clouds with machines that are there: a create boots one, a delete cuts its power."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from externalgrpc.bootstrap import packed
from providers.fakes import engine
from tests.fakes import digitalocean, hetzner, linode, vultr
from tests.join import fake_metadata, image, metadata, vm

MACHINE_TYPE = "tcg-1c-2gb"
CREATE_S, DELETE_S = 6.0, 0.5
_DISK_GB, _DISK_MIB = image.DISK_BYTES // 1000**3, math.ceil(image.DISK_BYTES / 1024**2)


class Rack:
    """The emulated machines of a cloud, by the server's id; folders of those gone stay."""

    def __init__(self, sky: fake_metadata.Sky, folder: Path, system: Path) -> None:
        self.sky = sky
        self._folder, self._system = folder, system
        self.machines: dict[str, vm.Machine] = {}
        self.reported: dict[str, fake_metadata.Identity] = {}

    def boot(
        self, number: object, name: str, location: str, user_data: str, sent: bytes = b""
    ) -> None:
        """Switch a new machine on."""
        tail = hashlib.sha256(name.encode()).digest()
        identity = fake_metadata.Identity(
            id=str(number),
            name=name,
            mac=":".join([*self.sky.mac_prefix.split(":"), *(f"{each:02x}" for each in tail[:3])]),
            location=location,
            user_data=user_data,
            sent=sent,
        )
        machine = vm.Machine(
            self._folder / name,
            self._system,
            name=name,
            mac=identity.mac,
            smbios=self.sky.smbios(identity),
            drive=self.sky.drive(identity),
        )
        self.reported[identity.id], self.machines[identity.id] = identity, machine
        machine.start()

    def is_off(self, number: object) -> bool:
        """Return whether a machine was switched on and went off."""
        machine = self.machines.get(str(number))
        return machine is not None and machine.is_off

    def keep(self, numbers: Collection[object]) -> None:
        """Cut the power of every machine that is none of these."""
        there = {str(each) for each in numbers}
        for number, machine in tuple(self.machines.items()):
            if number not in there:
                machine.kill()

    def guests(self) -> list[metadata.Guest]:
        """Return what the metadata service is to say to each machine."""
        return [
            metadata.Guest(
                pid=machine.pid,
                answers=self.sky.answers(self.reported[number]),
                header=self.sky.header,
            )
            for number, machine in tuple(self.machines.items())
        ]


class HetznerCloud(hetzner.HetznerFake):
    """A Hetzner project whose servers are emulated machines."""

    def __init__(self, rack: Rack) -> None:
        super().__init__()
        self.rack = rack
        self.create_s, self.boot_s, self.delete_s = CREATE_S, 0.0, DELETE_S
        self.on_boot = lambda s: rack.boot(s.id, s.name, s.location["name"], s.user_data)
        shape = {"cores": vm.CORES, "memory": vm.MEMORY_MIB / 1024, "disk": _DISK_GB}
        row = _sell(self.catalogue["server_types"], rack, "name", id=990, **shape)
        priced = {"id": 990, "name": MACHINE_TYPE, "prices": row["prices"]}
        self.pricing["server_types"].append(priced)

    def settle(self) -> None:
        for server in self.servers.values():
            if self.rack.is_off(server.id):
                server.power = "off"
        super().settle()
        self.rack.keep(self.servers)


class LinodeCloud(linode.LinodeFake):
    """A Linode account whose machines are emulated; its watchdog sleeps."""

    def __init__(self, rack: Rack) -> None:
        super().__init__()
        self.rack = rack
        self.create_s, self.boot_s, self.delete_s = CREATE_S, 0.0, DELETE_S
        self.on_boot = lambda m: rack.boot(
            m.id, m.label, m.region, _unpacked(m.user_data), m.user_data
        )
        shape = {"vcpus": vm.CORES, "memory": vm.MEMORY_MIB, "disk": _DISK_MIB}
        _sell(self.catalogue["types"], rack, "id", **shape)

    def settle(self) -> None:
        for machine in self.machines.values():
            if machine.off_at is None and self.rack.is_off(machine.id):
                machine.off_at = self.now()
        super().settle()
        self.rack.keep(self.machines)


def _unpacked(sent: bytes) -> str:
    return (packed.unzipped(sent) or sent).decode()


class DigitalOceanCloud(digitalocean.DigitalOceanFake):
    """A DigitalOcean account whose droplets are emulated machines."""

    def __init__(self, rack: Rack) -> None:
        super().__init__()
        self.rack = rack
        self.boot_s, self.delete_s = CREATE_S, DELETE_S
        self.on_boot = lambda d: rack.boot(d.id, d.name, d.region["slug"], d.user_data)
        shape = {"vcpus": vm.CORES, "memory": vm.MEMORY_MIB, "disk": _DISK_GB}
        _sell(self.catalogue["sizes"], rack, "slug", **shape)

    def settle(self) -> None:
        for droplet in self.droplets.values():
            if self.rack.is_off(droplet.id):
                droplet.power = "off"
        super().settle()
        self.rack.keep(self.droplets)


class VultrCloud(vultr.VultrFake):
    """A Vultr account whose instances are emulated machines."""

    def __init__(self, rack: Rack) -> None:
        super().__init__()
        self.rack = rack
        self.create_s, self.boot_s, self.delete_s = CREATE_S, 0.0, DELETE_S
        self.on_boot = lambda i: rack.boot(i.id, i.label, i.region, i.user_data.decode())
        shape = {"vcpu_count": vm.CORES, "ram": vm.MEMORY_MIB, "disk": _DISK_GB}
        _sell(self.catalogue["plans"], rack, "id", **shape)

    def settle(self) -> None:
        for instance in self.instances.values():
            if self.rack.is_off(instance.id):
                instance.power = "stopped"
        super().settle()
        self.rack.keep(self.instances)


CLOUDS: dict[str, Callable[[Rack], engine.Fake]] = {
    "hetzner": HetznerCloud,
    "linode": LinodeCloud,
    "digitalocean": DigitalOceanCloud,
    "vultr": VultrCloud,
}


def _sell(rows: list[dict[str, Any]], rack: Rack, key: str, **shape: Any) -> dict[str, Any]:
    """Have a type in the catalogue that is as large as what the emulator plays."""
    like = next(row for row in rows if row[key] == rack.sky.vendor.machine_type)
    rows.append({**copy.deepcopy(like), key: MACHINE_TYPE, **shape})
    return rows[-1]
