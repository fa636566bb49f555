"""`vps-autoscaler serve` as a process of its own, and what the kernel says of it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests import serving

PROGRAM = ("-m", "externalgrpc")


@dataclasses.dataclass
class Served:
    pid: int
    address: str
    log: Path

    def rss_kib(self) -> int:
        return self._status("VmRSS:")

    def threads(self) -> int:
        return self._status("Threads:")

    def files(self) -> int:
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())

    def logged(self, *parts: str) -> list[str]:
        lines = self.log.read_text().splitlines()
        return [line for line in lines if all(part in line for part in parts)]

    def _status(self, key: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1])
        raise AssertionError(key)


@contextlib.contextmanager
def served(
    folder: Path,
    *,
    text: str = serving.TWO_POOLS,
    listen: str = "127.0.0.1:0",
    program: Sequence[str] = PROGRAM,
    more: Sequence[str] = (),
) -> Iterator[Served]:
    """Run the command on the memory cloud; its log goes to a file."""
    path, log = folder / "pools.yaml", folder / "serve.log"
    path.write_text(text)
    command = [sys.executable, *program, "serve", "--config", str(path), *more]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [*command, "--listen", listen, "--no-live"],
            stdout=subprocess.PIPE,
            stderr=sink,
            text=True,
            env={key: value for key, value in os.environ.items() if key != "GRPC_VERBOSITY"},
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, log.read_text()
        address = line.rsplit(" ", 1)[1].strip()
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield Served(process.pid, address, log)
    finally:
        process.terminate()
        process.wait(timeout=60)
