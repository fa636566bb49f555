"""What three healthy clouds' groups notice while the fourth is sick, and how soon it recovers.

The server is a process of its own, as users run it; the four fakes are here. Conditions take
turns, and every cloud is the sick one once.
"""

from __future__ import annotations

import collections
import contextlib
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc

from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.rpc import client
from providers.fakes import engine, troubles
from tests.bench import clouds as places
from tests.bench import rig
from tests.e2e import waiting

LOOKS = 150
GROWTHS = 4

Condition = troubles.Trouble | None
Latencies = dict[tuple[str, Condition], list[float]]

READS: dict[str, Callable[[str], bytes]] = {
    "NodeGroupNodes": lambda group: pb.NodeGroupNodesRequest(id=group).SerializeToString(),
    "NodeGroupTargetSize": lambda group: pb.NodeGroupTargetSizeRequest(
        id=group
    ).SerializeToString(),
}


def growth(group: str, delta: int) -> bytes:
    return pb.NodeGroupIncreaseSizeRequest(id=group, delta=delta).SerializeToString()


@contextlib.contextmanager
def serving(fakes: dict[str, Any]) -> Iterator[rig.Process]:
    """Run ``vps-autoscaler serve`` with an account and a group at each fake."""
    with tempfile.TemporaryDirectory() as folder:
        token = Path(folder, "token")
        token.write_text(engine.FAKE_TOKEN)
        path = Path(folder, "pools.yaml")
        urls = {name: fake.url for name, fake in fakes.items()}
        path.write_text(places.side_by_side(urls, str(token), max_size=900, options="settleS: 1.0"))
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "externalgrpc", "serve", "--config", str(path)),
                *("--listen", "127.0.0.1:0", "--no-live"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        reading = process.stdout
        try:
            address = reading.readline().rsplit(" ", 1)[1].strip()
            drain = threading.Thread(target=reading.read, daemon=True)
            drain.start()
            with grpc.insecure_channel(address) as channel:
                grpc.channel_ready_future(channel).result(timeout=30)
                yield rig.Process(process.pid, address, channel)
        finally:
            process.terminate()
            process.wait(timeout=60)


class Bench:
    """Four fakes, a server, and what its answers took."""

    def __init__(self, fakes: dict[str, Any], process: rig.Process) -> None:
        self.fakes = fakes
        self.process = process
        self.latencies: Latencies = collections.defaultdict(list)
        self.failed = 0
        self.recovered_s: dict[troubles.Trouble, list[float]] = collections.defaultdict(list)

    def turn(self, sick: str, condition: Condition) -> None:
        """Measure the other three while one is in a condition, then wait until it is well."""
        if condition is None:
            self.measure(sick, condition)
            return
        fake = self.fakes[sick]
        with troubles.struck(fake, condition):
            self.process.call("NodeGroupIncreaseSize")(growth(sick, 2))
            waiting.until(lambda: self.suffers(sick, condition), f"{sick}: {condition.value}")
            self.measure(sick, condition)
        began, instant = time.monotonic(), time.time()
        waiting.until(lambda: self.is_well(sick, instant), f"{sick} is well again")
        self.recovered_s[condition].append(time.monotonic() - began)

    def suffers(self, sick: str, condition: troubles.Trouble) -> bool:
        """Return whether the server has met the trouble; a hang shows only after its time-out."""
        if condition is troubles.Trouble.HANGS:
            return self.fakes[sick].exchanges[-1].fault is engine.FaultKind.HANG
        return bool(self.trouble(sick))

    def is_well(self, sick: str, since: float) -> bool:
        """Return whether the server was answered since an instant (Unix seconds), and says so."""
        answered = any(
            each.at >= since and each.sent and each.reply.status == 200
            for each in self.fakes[sick].exchanges[-20:]
        )
        return answered and not self.trouble(sick)

    def trouble(self, account: str) -> str:
        """Return what the server says is wrong with an account."""
        shown = client.show(self.process.channel, self.process.address)
        return next(each.trouble for each in shown.accounts if each.name == account)

    def measure(self, sick: str, condition: Condition) -> None:
        healthy = [name for name in self.fakes if name != sick]
        grows = self.process.call("NodeGroupIncreaseSize")
        for number in range(LOOKS):
            for group in healthy:
                for rpc, request in READS.items():
                    self.timed(rpc, condition, self.process.call(rpc), request(group))
                if number % (LOOKS // GROWTHS) == 0:
                    self.timed("NodeGroupIncreaseSize", condition, grows, growth(group, 1))

    def timed(
        self, rpc: str, condition: Condition, call: Callable[[bytes], bytes], request: bytes
    ) -> None:
        began = time.perf_counter()
        try:
            call(request)
        except grpc.RpcError:
            self.failed += 1
        self.latencies[rpc, condition].append(time.perf_counter() - began)


def percentile_ms(taken: list[float], share: float) -> float:
    ordered = sorted(taken)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


def run(say: Callable[[str], None]) -> None:
    """Print a row for each RPC and condition."""
    conditions: list[Condition] = [None, *troubles.Trouble]
    with contextlib.ExitStack() as stack:
        fakes = {place.provider: stack.enter_context(place.start()) for place in places.installed()}
        process = stack.enter_context(serving(fakes))
        bench = Bench(fakes, process)
        bench.measure("", None)  # warms all that is made once
        bench.latencies.clear()
        for turn, sick in enumerate(fakes):
            for condition in conditions if turn % 2 else reversed(conditions):
                bench.turn(sick, condition)
    say("\nThree healthy clouds' groups while the fourth is sick (each cloud once, in turns)")
    say(
        f"{'rpc':<24}{'the fourth':<22}{'p50 ms':>8}{'ratio':>7}{'p99 ms':>8}{'ratio':>7}"
        f"{'calls':>7}"
    )
    for rpc in (*READS, "NodeGroupIncreaseSize"):
        well = bench.latencies[rpc, None]
        for condition in conditions:
            taken = bench.latencies[rpc, condition]
            half, most = (percentile_ms(taken, share) for share in (0.5, 0.99))
            say(
                f"{rpc:<24}{condition.value if condition else 'healthy':<22}"
                f"{half:>8.2f}{half / percentile_ms(well, 0.5):>7.2f}"
                f"{most:>8.2f}{most / percentile_ms(well, 0.99):>7.2f}{len(taken):>7}"
            )
    say(f"calls that failed: {bench.failed}")
    for trouble, taken in bench.recovered_s.items():
        say(f"well again after {trouble.value}: within {max(taken):.1f} s of the mending")
