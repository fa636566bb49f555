"""Run one machine under software emulation, and look at what it leaves behind."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

MEMORY_MIB = 2048
CORES = 1
_KILL_S = 10.0


class Machine:
    """An emulated machine that boots a copy of the image; stopped by its own process.

    ``smbios`` is what its firmware calls the system: cloud-init knows clouds by it. ``drive``
    holds the files of a second disk, labelled as OpenStack's configuration drives are. The
    network is the emulator's own: it leads to this host (10.0.2.2, and every address that this
    host reaches) and gives out one address by DHCP.
    """

    def __init__(
        self,
        folder: Path,
        image: Path,
        *,
        name: str,
        mac: str,
        smbios: Mapping[str, str],
        drive: Mapping[str, str],
    ) -> None:
        folder.mkdir(parents=True)
        self.name = name
        self.mac = mac
        self.disk = folder / "disk"
        self.console = folder / "console.log"
        self.log = folder / "emulator.log"
        self.on_at = 0.0
        """When it was switched on, in Unix seconds."""
        self._child: subprocess.Popen[bytes] | None = None
        self._image = image
        self._second = folder / "drive"
        self._files = dict(drive)
        content = ",".join(f"{key}={value}" for key, value in smbios.items())
        self._argv = [
            "qemu-system-x86_64",
            "-nodefaults",
            "-no-reboot",
            *("-display", "none"),
            *("-accel", "tcg"),
            *("-cpu", "Nehalem"),
            *("-smp", str(CORES)),
            *("-m", str(MEMORY_MIB)),
            *("-kernel", str(image / "kernel")),
            *("-initrd", str(image / "initrd")),
            *("-append", "root=/dev/vda rw rootflags=noinit_itable console=ttyS0 net.ifnames=0"),
            *("-drive", f"file={self.disk},if=virtio,format=raw,cache=unsafe"),
            *("-netdev", "user,id=net0"),
            *("-device", f"virtio-net-pci,netdev=net0,mac={mac}"),
            *("-device", "virtio-rng-pci"),
            *("-serial", f"file:{self.console}"),
            *("-smbios", f"type=1,{content}"),
            *(("-drive", f"file={self._second},if=virtio,format=raw") if drive else ()),
        ]

    def start(self) -> None:
        """Switch it on."""
        subprocess.run(
            ["cp", "--sparse=always", "--reflink=auto", str(self._image / "disk"), str(self.disk)],
            check=True,
        )
        if self._files:
            self._make_drive()
        self.console.touch()
        with self.log.open("wb") as out:
            self._child = subprocess.Popen(
                self._argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
            )
        self.on_at = time.time()

    def _make_drive(self) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            for name, text in self._files.items():
                path = Path(scratch) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            made = ["mke2fs", "-q", "-t", "ext4", "-L", "config-2", "-d", scratch]
            subprocess.run([*made, str(self._second), "4M"], check=True)

    @property
    def pid(self) -> int:
        """Give its process, 0 before it was switched on."""
        return self._child.pid if self._child is not None else 0

    @property
    def is_off(self) -> bool:
        """Return whether it was on and is no longer."""
        return self._child is not None and self._child.poll() is not None

    def kill(self) -> None:
        """Cut its power; harmless when it is off."""
        if self._child is not None:
            self._child.kill()
            self._child.wait(_KILL_S)

    def said(self) -> str:
        """Return all that it wrote to its serial console."""
        if not self.console.exists():
            return ""
        return self.console.read_text(errors="replace").replace("\r", "")

    def tail(self, lines: int) -> str:
        """Return the end of its console, and what the emulator complained of."""
        output = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join([*self.said().splitlines()[-lines:], output]).strip()

    def uptime_of(self, pattern: str) -> float | None:
        """Return when the console first showed a line, in seconds after the kernel began."""
        line = re.search(rf"^.*(?:{pattern}).*$", self.said(), re.MULTILINE)
        stamp = line and re.search(r"Up (\d+\.\d+) seconds|\[ *(\d+\.\d+)\]", line[0])
        return float(stamp[1] or stamp[2]) if stamp else None

    # -- its disk, once it is off ---------------------------------------------------------------

    def settle_disk(self) -> None:
        """Do what a next boot would: replay the journal of a disk whose power was cut."""
        assert self.is_off, f"{self.name} is still on"
        done = subprocess.run(["e2fsck", "-fy", str(self.disk)], capture_output=True, text=True)
        assert done.returncode in (0, 1), f"{self.name}'s disk is broken: {done.stdout}"

    def files(self, folder: str) -> list[str]:
        """Name what lies in a folder of its disk; empty when there is no such folder."""
        listed = self._debugfs(f"ls -p {folder}")
        names = [line.split("/")[5] for line in listed.splitlines() if line.count("/") >= 6]
        return sorted(name for name in names if name not in {".", "..", ""})

    def read(self, path: str) -> str:
        """Return a file of its disk; empty when there is none."""
        return self._debugfs(f"cat {path}")

    def _debugfs(self, request: str) -> str:
        done = subprocess.run(
            ["debugfs", "-R", request, str(self.disk)], capture_output=True, check=True
        )
        return done.stdout.decode(errors="replace")
