"""The same loop of Cluster Autoscaler, here and at upstream's own server for Hetzner.

``PEER`` names upstream's example server (cluster-autoscaler/cloudprovider/externalgrpc/examples),
which wraps the in-tree provider; without it nothing is compared. Both look at one fake API, in a
process of its own, with the same machines; one client asks both over one connection each, one
call after another, in interleaved rounds.

``python -m tests.bench.peer MACHINES`` is that fake API.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc

from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.rpc import service
from providers.fakes import engine
from tests.bench import clouds, ours, rig
from tests.fakes import hetzner

SIZES = (10, 100, 1000, 5000)
ROUNDS = 5
UNMANAGED = 3
FIRST_ID = 1_000_000
KIND, PLACE = "cx23", "nbg1"

Calls = list[tuple[str, bytes]]


@dataclasses.dataclass
class Took:
    """The seconds of one server for the rounds: of the clock, and of its processor."""

    loop_s: list[float] = dataclasses.field(default_factory=list)
    cpu_s: list[float] = dataclasses.field(default_factory=list)
    nodes_ms: list[float] = dataclasses.field(default_factory=list)
    refresh_ms: list[float] = dataclasses.field(default_factory=list)

    def loop(self, process: rig.Process, calls: Calls) -> None:
        before = process.cpu_s()
        began = time.perf_counter()
        for rpc, data in calls:
            taken = _timed(process, rpc, data)
            if rpc == "NodeGroupNodes":
                self.nodes_ms.append(taken * 1000)
            elif rpc == "Refresh":
                self.refresh_ms.append(taken * 1000)
        self.loop_s.append(time.perf_counter() - began)
        self.cpu_s.append(process.cpu_s() - before)


def run(say: Callable[[str], None]) -> None:
    """Print a row for each number of machines."""
    say("\nOne loop of CA 1.36 (5 groups, 3 foreign nodes), serial, on a fake Hetzner API")
    program = os.environ.get("PEER", "")
    if not program:
        say("PEER is not set: nothing to compare with (docs/benchmarks.md says what it may name)")
    say(
        f"{'N':>6}{'calls':>8}{'ours s':>9}{'peer s':>9}{'ratio':>7}{'cpu s':>8}{'peer':>7}"
        f"{'ratio':>7}{'Nodes ms':>10}{'peer':>7}{'ratio':>7}{'Refresh ms':>12}{'peer':>8}"
    )
    for machines in SIZES:
        with contextlib.ExitStack() as stack:
            api = stack.enter_context(rig.printed("tests.bench.peer", str(machines)))
            here = stack.enter_context(_ours(api, machines))
            there = stack.enter_context(_peer(program, api, machines)) if program else None
            mine, its = _compared(here, there, machines)
        say(_row(machines, mine, its))


def _compared(here: rig.Process, there: rig.Process | None, machines: int) -> tuple[Took, Took]:
    calls = loop(machines)
    mine, its = Took(), Took()
    pairs = [(here, mine)] + ([(there, its)] if there else [])
    for process, _ in pairs:  # the first loop of a CA registers every node
        Took().loop(process, calls)
    for turn in range(ROUNDS):
        for process, took in pairs if turn % 2 else reversed(pairs):
            took.loop(process, calls)
    return mine, its


def loop(machines: int) -> Calls:
    """Return the calls of one loop: about five a node, and three that go once a group."""
    group = [f"pool-{number}" for number in range(ours.POOLS)]
    calls: Calls = [("Refresh", b""), ("NodeGroups", b"")]
    for name in group:
        data = pb.NodeGroupNodesRequest(id=name).SerializeToString()
        calls.append(("NodeGroupNodes", data))
    for number in range(machines):
        owner = group[number % ours.POOLS]
        calls.append(("NodeGroupForNode", _node(FIRST_ID + number, f"{owner}-{number:06d}")))
    for number in range(UNMANAGED * 7):
        calls.append(("NodeGroupForNode", _node(number % UNMANAGED + 1, "control-plane")))
    for number in range(machines * 4):
        asked = pb.NodeGroupAutoscalingOptionsRequest(
            id=group[number % ours.POOLS], defaults=ours.DEFAULTS
        )
        calls.append(("NodeGroupGetOptions", asked.SerializeToString()))
    for name in group * 3:
        data = pb.NodeGroupTargetSizeRequest(id=name).SerializeToString()
        calls.append(("NodeGroupTargetSize", data))
    return calls


def _node(number: int, name: str) -> bytes:
    node = pb.ExternalGrpcNode(providerID=f"hcloud://{number}", name=name)
    return pb.NodeGroupForNodeRequest(node=node).SerializeToString()


def _timed(process: rig.Process, rpc: str, data: bytes) -> float:
    began = time.perf_counter()
    try:
        process.call(rpc)(data)
    except grpc.RpcError as error:
        # The peer has no options of its own, and CA takes that for an answer.
        if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
            raise
    return time.perf_counter() - began


def _row(machines: int, mine: Took, its: Took) -> str:
    def columns(ours_: list[float], peer: list[float], width: int, digits: int) -> str:
        here = statistics.median(ours_)
        if not peer:
            return f"{here:>{width}.{digits}f}{'-':>{width - 1}}{'-':>7}"
        there = statistics.median(peer)
        ratio = here / there if there else float("nan")
        return f"{here:>{width}.{digits}f}{there:>{width - 1}.{digits}f}{ratio:>7.2f}"

    peer_refresh = f"{statistics.median(its.refresh_ms):.1f}" if its.refresh_ms else "-"
    return (
        f"{machines:>6}{len(loop(machines)):>8}{columns(mine.loop_s, its.loop_s, 9, 2)}"
        f"{columns(mine.cpu_s, its.cpu_s, 8, 2)}{columns(mine.nodes_ms, its.nodes_ms, 10, 1)}"
        f"{statistics.median(mine.refresh_ms):>12.1f}{peer_refresh:>8}"
    )


@contextlib.contextmanager
def _ours(api: str, machines: int) -> Iterator[rig.Process]:
    place = next(each for each in clouds.ALL if each.provider == "hetzner")
    with tempfile.TemporaryDirectory() as folder:
        token, path = Path(folder, "token"), Path(folder, "pools.yaml")
        token.write_text(engine.FAKE_TOKEN)
        most = machines + 10
        path.write_text(clouds.configuration(place, api, ours.POOLS, str(token), max_size=most))
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "externalgrpc", "serve", "--config", str(path)),
                *("--listen", "127.0.0.1:0", "--no-live", "--log-level", "error"),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        address = process.stdout.readline().rsplit(" ", 1)[1].strip()
        threading.Thread(target=process.stdout.read, daemon=True).start()
        with _called(process, address, machines) as running:
            yield running


@contextlib.contextmanager
def _peer(program: str, api: str, machines: int) -> Iterator[rig.Process]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    most = machines + 10
    specs = [f"--nodes=0:{most}:{KIND}:{PLACE}:pool-{number}" for number in range(ours.POOLS)]
    environ = {
        **os.environ,
        "HCLOUD_TOKEN": engine.FAKE_TOKEN,
        "HCLOUD_ENDPOINT": api,
        "HCLOUD_CLOUD_INIT": base64.b64encode(b"#cloud-config\n").decode(),
        "HCLOUD_IMAGE": "debian-13",
    }
    process = subprocess.Popen(
        [program, f"--address={address}", "--cloud-provider=hetzner", *specs],
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with _called(process, address, machines) as running:
        yield running


@contextlib.contextmanager
def _called(
    process: subprocess.Popen[str] | subprocess.Popen[bytes], address: str, machines: int
) -> Iterator[rig.Process]:
    """Connect, and wait until the server shows all machines; end it at the end."""
    try:
        with grpc.insecure_channel(address) as channel:
            grpc.channel_ready_future(channel).result(timeout=120)
            running = rig.Process(process.pid, address, channel)
            ends = time.monotonic() + 120.0
            while (shown := _shown(running)) != machines:
                if time.monotonic() > ends:
                    raise RuntimeError(f"{shown} of {machines} machines are shown at {address}")
                time.sleep(0.2)
            yield running
    finally:
        process.terminate()
        process.wait(timeout=60)


def _shown(process: rig.Process) -> int:
    call = process.channel.unary_unary(
        f"/{service.SERVICE}/NodeGroupNodes",
        pb.NodeGroupNodesRequest.SerializeToString,
        pb.NodeGroupNodesResponse.FromString,
    )
    with contextlib.suppress(grpc.RpcError):
        groups = (pb.NodeGroupNodesRequest(id=f"pool-{each}") for each in range(ours.POOLS))
        return sum(len(call(group, timeout=60).instances) for group in groups)
    return -1


def main() -> None:
    """Serve a Hetzner API with so many servers, marked for both; ends when the input closes."""
    machines = int(sys.argv[1])
    place = next(each for each in clouds.ALL if each.provider == "hetzner")
    with hetzner.HetznerFake() as fake:
        kind = next(each for each in fake.catalogue["server_types"] if each["name"] == KIND)
        where = next(each for each in fake.catalogue["locations"] if each["name"] == PLACE)
        for number in range(machines):
            group = f"pool-{number % ours.POOLS}"
            name = f"{group}-{number:06d}"
            labels = place.labels(name, group) | {"hcloud/node-group": group}
            fake.add(name, labels, id=FIRST_ID + number, server_type=kind, location=where)
        for number in range(UNMANAGED):
            fake.add(f"control-plane-{number}", {}, id=number + 1)
        print(fake.url, flush=True)  # noqa: T201 - the parent process reads it
        sys.stdin.read()


if __name__ == "__main__":
    main()
