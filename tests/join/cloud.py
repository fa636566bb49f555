"""Play Hetzner Cloud with machines that are there: a create boots one, a delete cuts its power."""

from __future__ import annotations

import copy
from pathlib import Path

from tests.fakes import hetzner, hetzner_model
from tests.join import metadata, skies, vm

MACHINE_TYPE = "tcg11"
IMAGE, LOCATION = "debian-13", "fsn1"


class BootingCloud(hetzner.HetznerFake):
    """The fake project, whose servers are emulated machines.

    ``machines`` are all that were ever booted, by the server's id; their folders stay.
    """

    def __init__(self, folder: Path, image: Path) -> None:
        super().__init__()
        self._folder, self._image = folder, image
        self.machines: dict[int, vm.Machine] = {}
        self.told: dict[int, skies.Identity] = {}
        self.create_s, self.boot_s, self.delete_s = 0.5, 0.0, 0.5
        self.on_boot = self._boot
        self._sell(vm.CORES, vm.MEMORY_MIB / 1024)

    def settle(self) -> None:
        for number, server in self.servers.items():
            machine = self.machines.get(number)
            if machine is not None and machine.is_off:
                server.power = "off"
        super().settle()

    def guests(self) -> list[metadata.Guest]:
        """Tell the metadata service what to tell whom."""
        return [
            metadata.Guest(pid=machine.pid, answers=skies.HETZNER.answers(self.told[number]))
            for number, machine in tuple(self.machines.items())
        ]

    def close(self) -> None:
        super().close()
        for machine in self.machines.values():
            machine.kill()

    def _boot(self, server: hetzner_model.Server) -> None:
        mac = "96:00:00:" + ":".join(f"{each:02x}" for each in server.id.to_bytes(4, "big")[1:])
        told = skies.Identity(
            id=str(server.id),
            name=server.name,
            mac=mac,
            location=server.location["name"],
            user_data=server.user_data,
        )
        machine = vm.Machine(
            self._folder / server.name,
            self._image,
            name=server.name,
            mac=mac,
            smbios=skies.HETZNER.smbios(told),
        )
        self.told[server.id], self.machines[server.id] = told, machine
        machine.start()

    def _drop(self, server: hetzner_model.Server) -> None:
        super()._drop(server)
        if server.id in self.machines:
            self.machines[server.id].kill()

    def _sell(self, cores: int, memory_gib: float) -> None:
        """Have a type in the catalogue that is as large as what the emulator plays."""
        like = next(row for row in self.catalogue["server_types"] if row["name"] == "cx23")
        row = {
            **copy.deepcopy(like),
            "id": 990,
            "name": MACHINE_TYPE,
            "description": "TCG11",
            "cores": cores,
            "memory": memory_gib,
            "disk": 10,
        }
        self.catalogue["server_types"].append(row)
        priced = {"id": 990, "name": MACHINE_TYPE, "prices": row["prices"]}
        self.pricing["server_types"].append(priced)
