"""Throw bytes at every RPC: ``python -m tests.port.fuzz --seconds 60`` (``make fuzz SECONDS=60``).

Starts a server process and keeps it under fire: requests that real autoscalers sent (from
../shared/traces where it lies beside the checkout) and empty ones, mutated in their bytes. Ends
with an error when an answer is none that the contract knows, when the server's memory grows or
when its log shows a traceback. A run is replayed with ``--seed``.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import grpc

from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.rpc import fleet_service, health, reflection, service
from tests import serving
from tests.port import process

TRACES = Path(__file__).resolve().parents[3] / "shared" / "traces"
GROWTH_KIB = 8 * 1024
ALLOWED = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNAVAILABLE,  # growth of a group that is held back
}
STREAMS = {f"/{health.SERVICE}/Watch", f"/{reflection.SERVICE}/ServerReflectionInfo"}
OTHERS = [
    f"/{fleet_service.SERVICE}/Show",
    f"/{health.SERVICE}/Check",
    f"/{health.SERVICE}/List",
    *STREAMS,
]
INTERESTING = (b"", b"\x00", b"\xff" * 9 + b"\x01", b"\x0a\xff\xff\xff\xff\x0f", b"\x0b", b"\x0c")

POOLS = f"""{serving.TWO_POOLS}
- {{name: toy, provider: memory, instanceType: small, region: north, maxSize: 9}}
"""
"""The recorded calls name a group "toy"."""

Case = tuple[str, bytes]


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a program that prints


def seeds() -> list[Case]:
    """Return each different request once, with its method."""
    rpcs = [each.name for each in pb.DESCRIPTOR.services_by_name["CloudProvider"].methods]
    found = [(f"/{service.SERVICE}/{name}", b"") for name in rpcs]
    found += [(method, b"\x0a\x05alpha") for method, _ in found]
    found += [(method, data) for method in OTHERS for data in (b"", b"\x0a\x03abc", b"\x3a\x00")]
    traces = sorted(TRACES.glob("*.jsonl"))
    if not traces:
        say(f"left out: the requests of real autoscalers, for lack of {TRACES.parent.name}/traces")
    for path in traces:
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            data = bytes.fromhex(entry["request"])
            found.append((f"/{service.SERVICE}/{entry['rpc'].rpartition('/')[2]}", data))
    return list(dict.fromkeys(found))


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Change some bytes: flip, cut, repeat, insert, or nothing at all."""
    for _ in range(chance.choice((0, 1, 1, 2, 4, 16))):
        at = chance.randrange(len(data) + 1)
        to = min(len(data), at + chance.choice((1, 1, 2, 8, 64)))
        match chance.randrange(5):
            case 0:
                data = data[:at] + chance.randbytes(to - at) + data[to:]
            case 1:
                data = data[:at] + data[to:]
            case 2:
                data = data[:to] + data[at:to] * chance.choice((1, 2, 50)) + data[to:]
            case 3:
                data = data[:at] + chance.choice(INTERESTING) + data[at:]
            case _:
                data = data[:at]
        data = data[: 1 << 16]
    return data


def cases(chance: random.Random) -> Iterator[Case]:
    known = seeds()
    methods = sorted({method for method, _ in known})
    while True:
        method, data = chance.choice(known)
        if chance.random() < 0.1:
            method = chance.choice(methods)
        yield method, mutated(data, chance)


def ask(channel: grpc.Channel, method: str, data: bytes) -> grpc.StatusCode:
    try:
        if method in STREAMS:
            call = channel.stream_stream(method, None, None)(iter([data]), timeout=10)
            next(call, None)
            call.cancel()
        else:
            channel.unary_unary(method, None, None)(data, timeout=10)
    except grpc.RpcError as error:
        assert isinstance(error, grpc.Call)
        return error.code()
    return grpc.StatusCode.OK


def run(seconds: float, seed: int) -> int:
    """Fuzz for a while; gives the number of faults."""
    say(f"fuzzing for {seconds:.0f} s, seed {seed}")
    chance, codes, faults = random.Random(seed), collections.Counter(), 0
    with (
        tempfile.TemporaryDirectory() as folder,
        process.served(Path(folder), text=POOLS) as up,
        grpc.insecure_channel(up.address) as channel,
    ):
        flow = cases(chance)
        for _ in range(1000):
            ask(channel, *next(flow))
        before, end = up.rss_kib(), time.monotonic() + seconds
        while time.monotonic() < end:
            method, data = next(flow)
            code = ask(channel, method, data)
            codes[code.name] += 1
            if code is not grpc.StatusCode.OK and code not in ALLOWED:
                faults += 1
                say(f"FAULT {method} answered {code.name} to {data[:200].hex()}")
        grown = up.rss_kib() - before
        if grown > GROWTH_KIB:
            faults += 1
            say(f"FAULT memory grew by {grown} KiB")
        for line in up.logged("raceback")[:3]:
            faults += 1
            say(f"FAULT {line[:500]}")
    say(f"{sum(codes.values())} requests, {grown:+} KiB, {faults} faults: {dict(codes)}")
    return faults


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=60.0)
    arguments.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    chosen = arguments.parse_args()
    sys.exit(1 if run(chosen.seconds, chosen.seed) else 0)


if __name__ == "__main__":
    main()
