"""Start servers as processes, call them, and read what the kernel says they used."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import grpc

from externalgrpc.rpc import service

TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass
class Process:
    """A server in a process of its own, and a channel to it."""

    pid: int
    address: str
    channel: grpc.Channel

    def call(self, rpc: str) -> Callable[[bytes], bytes]:
        return self.channel.unary_unary(f"/{service.SERVICE}/{rpc}", None, None)

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * TICK_S

    def rss_mib(self) -> float:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("no VmRSS")


@contextlib.contextmanager
def running(module: str, *arguments: str) -> Iterator[Process]:
    """Run ``python -m module``; it prints its address and ends when its input closes."""
    with _started(module, *arguments) as (process, address):
        if not address:
            raise RuntimeError(f"{module} did not start")
        with grpc.insecure_channel(address) as channel:
            grpc.channel_ready_future(channel).result(timeout=30)
            yield Process(process.pid, address, channel)


@contextlib.contextmanager
def printed(module: str, *arguments: str) -> Iterator[str]:
    """Run ``python -m module``; give the line that it prints, and close its input at the end."""
    with _started(module, *arguments) as (_process, line):
        yield line


@contextlib.contextmanager
def _started(module: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(timeout=30)


@dataclasses.dataclass
class Measured:
    """Latencies of single calls, and cpu seconds of the server over all of them."""

    latencies_s: list[float] = dataclasses.field(default_factory=list)
    round_medians_s: list[float] = dataclasses.field(default_factory=list)
    cpu_s: float = 0.0

    @property
    def median_us(self) -> float:
        return statistics.median(self.latencies_s) * 1e6

    def percentile_us(self, share: float) -> float:
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1e6

    @property
    def cpu_us(self) -> float:
        return self.cpu_s / len(self.latencies_s) * 1e6

    def add(
        self, process: Process, calls: Sequence[tuple[Callable[[bytes], bytes], bytes]]
    ) -> None:
        cpu_before = process.cpu_s()
        taken: list[float] = []
        for call, request in calls:
            began = time.perf_counter()
            call(request)
            taken.append(time.perf_counter() - began)
        self.latencies_s += taken
        self.round_medians_s.append(statistics.median(taken))
        self.cpu_s += process.cpu_s() - cpu_before
