"""Run all benchmarks, or those named: ``python -m tests.bench [rpcs loop peer idle ...]``."""

from __future__ import annotations

import argparse
import concurrent.futures
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc

from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.rpc import service
from tests.bench import idle, ours, peer, reach, rig, sick, vpsnodes


def say(line: str = "") -> None:
    print(line, flush=True)  # noqa: T201 - this is a program that prints


def for_node(number: int) -> bytes:
    group = f"pool-{number % ours.POOLS}"
    node = pb.ExternalGrpcNode(
        providerID=f"memory://{1001 + number}",
        name=f"{group}-{number:06d}",
        labels={
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/os": "linux",
            "kubernetes.io/hostname": f"{group}-{number:06d}",
        },
    )
    return pb.NodeGroupForNodeRequest(node=node).SerializeToString()


def foreign(number: int) -> bytes:
    node = pb.ExternalGrpcNode(providerID=f"foreign://{number}", name=f"cp-{number}")
    return pb.NodeGroupForNodeRequest(node=node).SerializeToString()


def options(number: int) -> bytes:
    request = pb.NodeGroupAutoscalingOptionsRequest(
        id=f"pool-{number % ours.POOLS}", defaults=ours.DEFAULTS
    )
    return request.SerializeToString()


def target(number: int) -> bytes:
    return pb.NodeGroupTargetSizeRequest(id=f"pool-{number % ours.POOLS}").SerializeToString()


STARTS = 9

HOT: dict[str, Callable[[int], bytes]] = {
    "NodeGroupForNode": for_node,
    "NodeGroupTargetSize": target,
    "NodeGroupGetOptions": options,
}


def rpcs(machines: int = 1000, rounds: int = 15, calls: int = 400) -> None:
    say(
        f"\nHot RPCs at N={machines} against a bare handler, {rounds} interleaved rounds of {calls}"
    )
    say(f"{'rpc':<22}{'ours us':>9}{'bare us':>9}{'ratio':>7}{'cpu us':>9}{'bare':>9}{'ratio':>7}")
    with (
        rig.running("tests.bench.ours", "--machines", str(machines)) as our,
        rig.running("tests.bench.bare") as bare,
    ):
        for rpc, request in HOT.items():
            mine, floor = rig.Measured(), rig.Measured()
            for number in range(machines):
                our.call("NodeGroupForNode")(for_node(number))
            for turn in range(rounds):
                batch = [request(turn * calls + each) for each in range(calls)]
                if rpc == "NodeGroupForNode":
                    batch = [request((turn * calls + each) % machines) for each in range(calls)]
                pair = [(our, mine), (bare, floor)]
                for process, measured in pair if turn % 2 else reversed(pair):
                    call = process.call(rpc)
                    measured.add(process, [(call, data) for data in batch])
            ratios = [
                a / b for a, b in zip(mine.round_medians_s, floor.round_medians_s, strict=True)
            ]
            say(
                f"{rpc:<22}{mine.median_us:>9.0f}{floor.median_us:>9.0f}"
                f"{statistics.median(ratios):>7.2f}{mine.cpu_us:>9.0f}{floor.cpu_us:>9.0f}"
                f"{mine.cpu_s / floor.cpu_s:>7.2f}"
            )


def mix(machines: int, unmanaged: int = 3) -> Iterator[tuple[str, bytes]]:
    """Give the calls of one idle loop of CA 1.36 (facts: 5,023 of them at N=1,000, G=5, U=3)."""
    groups = ours.POOLS
    managed = machines - unmanaged
    yield "Refresh", b""
    yield "NodeGroups", b""
    for number in range(managed):
        yield "NodeGroupForNode", for_node(number)
    for number in range(unmanaged * 7):
        yield "NodeGroupForNode", foreign(number % unmanaged)
    for number in range(managed * 4):
        yield "NodeGroupGetOptions", options(number)
    for number in range(groups * 3):
        yield "NodeGroupTargetSize", target(number)


def loop(sizes: tuple[int, ...] = (100, 1000, 5000)) -> None:
    say("\nOne idle loop of CA 1.36 (G=5, U=3), serial, against the same calls to a bare handler")
    say(f"{'N':>6}{'calls':>8}{'ours s':>9}{'bare s':>9}{'ratio':>7}{'us/call':>9}")
    for machines in sizes:
        with (
            rig.running("tests.bench.ours", "--machines", str(machines)) as our,
            rig.running("tests.bench.bare") as bare,
        ):
            for rpc, data in mix(machines):  # the first loop of a CA registers every node
                our.call(rpc)(data)
            ratios, totals, floors = [], [], []
            for turn in range(3 if machines > 1000 else 5):
                taken: dict[int, float] = {}
                for process in (our, bare) if turn % 2 else (bare, our):
                    methods = {rpc: process.call(rpc) for rpc, _ in mix(1 + 3)}
                    calls = [(methods[rpc], data) for rpc, data in mix(machines)]
                    began = time.perf_counter()
                    for call, data in calls:
                        call(data)
                    taken[process.pid] = time.perf_counter() - began
                totals.append(taken[our.pid])
                floors.append(taken[bare.pid])
                ratios.append(taken[our.pid] / taken[bare.pid])
            count = sum(1 for _ in mix(machines))
            say(
                f"{machines:>6}{count:>8}{statistics.median(totals):>9.2f}"
                f"{statistics.median(floors):>9.2f}{statistics.median(ratios):>7.2f}"
                f"{statistics.median(totals) / count * 1e6:>9.0f}"
            )


def increase(count: int = 200, latency_s: float = 2.0) -> None:
    say(f"\nIncreaseSize(1) x {count} while the cloud takes {latency_s:.0f} s per create")
    with rig.running(
        "tests.bench.ours", "--machines", "1000", "--create-latency", str(latency_s)
    ) as our:
        call = our.call("NodeGroupIncreaseSize")
        measured = rig.Measured()
        requests = [
            pb.NodeGroupIncreaseSizeRequest(
                id=f"pool-{number % ours.POOLS}", delta=1
            ).SerializeToString()
            for number in range(count)
        ]
        measured.add(our, [(call, data) for data in requests])
        say(
            f"p50 {measured.median_us / 1000:.2f} ms, p99 {measured.percentile_us(0.99) / 1000:.2f}"
            f" ms, max {max(measured.latencies_s) * 1000:.2f} ms"
        )


def start() -> None:
    say("\nStart-up and memory")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pools.yaml")
        path.write_text(ours.configuration(0))
        # As installed: pip has compiled what it installed, and a checkout compiles at each start.
        compiled = {**os.environ, "PYTHONPYCACHEPREFIX": str(Path(folder, "compiled"))}
        compiled.pop("PYTHONDONTWRITEBYTECODE", None)
        taken, floors = [], []
        for turn in range(STARTS + 1):
            first, floor = _first_answer(path, compiled), _bare_start(compiled)
            if turn:  # the first one of all compiles
                taken.append(first)
                floors.append(floor)
    ratios = [ours_s / bare_s for ours_s, bare_s in zip(taken, floors, strict=True)]
    say(
        f"`serve` to the first RPC answered: median {statistics.median(taken):.2f} s; an "
        f"interpreter that imports grpc and pydantic: {statistics.median(floors):.2f} s; ratio "
        f"{statistics.median(ratios):.2f} ({STARTS} interleaved starts)"
    )
    for machines in (0, 1000, 5000):
        with rig.running("tests.bench.ours", "--machines", str(machines)) as our:
            for rpc, data in itertools.islice(mix(max(machines, 4)), 2 * machines + 2):
                our.call(rpc)(data)
            for pool in range(ours.POOLS):
                our.call("NodeGroupNodes")(target(pool))
            say(f"RSS at {machines:>5} machines (the cloud included): {our.rss_mib():.0f} MiB")


def _bare_start(environ: dict[str, str]) -> float:
    began = time.perf_counter()
    program = "import grpc; from pydantic import BaseModel"
    subprocess.run([sys.executable, "-c", program], check=True, env=environ)
    return time.perf_counter() - began


def _first_answer(path: Path, environ: dict[str, str]) -> float:
    began = time.perf_counter()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "externalgrpc", "serve", "--config", str(path)),
            *("--listen", "127.0.0.1:0", "--no-live"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environ,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        address = line.rsplit(" ", 1)[1].strip()
        with grpc.insecure_channel(address) as channel:
            channel.unary_unary(f"/{service.SERVICE}/NodeGroups", None, None)(
                b"", wait_for_ready=True, timeout=10
            )
        return time.perf_counter() - began
    finally:
        process.terminate()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            pool.submit(process.stdout.read)
            process.wait(timeout=30)


SECTIONS: dict[str, Callable[[], None]] = {
    "rpcs": rpcs,
    "loop": loop,
    "increase": increase,
    "idle": lambda: idle.run(say),
    "clouds": lambda: reach.run(say),
    "sick": lambda: sick.run(say),
    "start": start,
    "peer": lambda: peer.run(say),
    "vpsnodes": lambda: vpsnodes.run(say),
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("sections", nargs="*", default=list(SECTIONS), choices=list(SECTIONS))
    for name in arguments.parse_args().sections:
        SECTIONS[name]()


if __name__ == "__main__":
    main()
