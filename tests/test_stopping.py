"""SIGTERM ends a server within its grace, whatever its cloud does: real processes, real signals."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import grpc
import pytest

from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.pb import externalgrpc_pb2_grpc
from tests import hostile, serving
from tests.bench import clouds as places
from tests.hostile import Asked, Hostile, Step

ROOT = Path(__file__).parent.parent
LONG_S = 20.0
"""The grace where nothing may be waited for: a stop that waits takes all of it, on any machine."""

GRACE_S = 5.0
LATE_S = 15.0
"""How late a stop may be on a busy machine; the clouds' clients wait for 30 s, longer than both."""

START_S = 60.0

BEGIN = """
import sys
from externalgrpc import cli, serving
serving.GRACE_S = float(sys.argv.pop(1))
sys.argv[0] = "vps-autoscaler"
cli.main()
"""
KINDS = {place.provider: place for place in places.ALL}


@contextlib.contextmanager
def served(
    folder: Path, place: places.Place, url: str, grace_s: float
) -> Iterator[tuple[subprocess.Popen, str]]:
    token = folder / "token"
    token.write_text("fake-token\n")
    file = folder / "pools.yaml"
    file.write_text(places.configuration(place, url, 1, str(token), options="settleS: 1"))
    command = [sys.executable, "-c", BEGIN, str(grace_s), "serve", "--config", str(file)]
    command += ["--listen", "127.0.0.1:0", "--no-live", "--metrics", ""]
    with open(folder / "log", "w") as log:  # noqa: PTH123
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT)
        try:
            line = process.stdout.readline()
            assert " on 127.0.0.1:" in line, line + (folder / "log").read_text()
            yield process, line.rsplit(" ", 1)[1].strip()
        finally:
            process.kill()
            process.wait(10)
            process.stdout.close()


def stops(process: subprocess.Popen, within_s: float) -> float:
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(within_s) == 0
    return time.monotonic() - began


def silent(_asked: Asked) -> Iterable[Step]:
    yield 3600.0


def drips_headers(_asked: Asked) -> Iterable[Step]:
    return hostile.drip(b"HTTP/1.1 200 OK\r\nX-Long: ")


def drips_a_body(_asked: Asked) -> Iterable[Step]:
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
    yield from hostile.drip(b"")


PAIRS = (
    ("hetzner", drips_a_body),
    ("linode", silent),
    ("digitalocean", drips_headers),
    ("vultr", drips_a_body),
)


@pytest.mark.parametrize(("kind", "script"), PAIRS)
def test_a_listing_that_hangs_holds_no_stop(tmp_path: Path, kind: str, script: object) -> None:
    with (
        Hostile(script) as cloud,  # type: ignore[arg-type]
        served(tmp_path, KINDS[kind], cloud.url, LONG_S) as (process, _),
    ):
        serving.until(lambda: cloud.asked, START_S)
        assert stops(process, LONG_S + LATE_S) < LONG_S


def test_a_connection_that_is_never_made_holds_no_stop(tmp_path: Path) -> None:
    with hostile.deaf() as url, served(tmp_path, KINDS["hetzner"], url, LONG_S) as (process, _):
        assert stops(process, LONG_S + LATE_S) < LONG_S


@pytest.mark.parametrize(("kind", "script"), PAIRS)
def test_creates_that_hang_hold_a_stop_for_its_grace_and_no_longer(
    tmp_path: Path, kind: str, script: object
) -> None:
    """The cloud is well until it is asked for machines."""
    place = KINDS[kind]
    with (
        place.start() as fake,
        Hostile(hostile.relay(fake.root, orders=script)) as cloud,
        served(tmp_path, place, cloud.url + fake.prefix, GRACE_S) as (process, address),
    ):
        with grpc.insecure_channel(address) as channel:
            stub = externalgrpc_pb2_grpc.CloudProviderStub(channel)
            asked = pb.NodeGroupIncreaseSizeRequest(id="pool-0", delta=3)

            def grown() -> bool:
                try:
                    stub.NodeGroupIncreaseSize(asked, timeout=5)
                except grpc.RpcError:
                    return False  # the catalogue is still being read
                return True

            serving.until(grown, START_S)
            serving.until(lambda: any(each.method == "POST" for each in cloud.asked), START_S)
        took = stops(process, GRACE_S + LATE_S)
        assert took > GRACE_S / 2, "what is under way is waited for"


def test_signals_at_any_instant_stop_it(tmp_path):
    """A handler that takes a lock of the thread that it interrupts stops that thread for ever.

    Each SIGHUP wakes the main thread, so that the next one meets it at another of its steps.
    """
    file = tmp_path / "pools.yaml"
    file.write_text(
        "cluster: prod\nnodes:\n"
        "- {name: web, provider: memory, instanceType: small, region: north, maxSize: 3}\n"
    )
    command = [sys.executable, "-c", BEGIN, str(GRACE_S), "serve", "--config", str(file)]
    command += ["--listen", "127.0.0.1:0", "--no-live"]
    with open(tmp_path / "log", "w") as log:  # noqa: PTH123
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT)
        try:
            line = process.stdout.readline()
            assert " on 127.0.0.1:" in line, line + (tmp_path / "log").read_text()
            for _ in range(3000):
                process.send_signal(signal.SIGHUP)
            stops(process, GRACE_S + LATE_S)
        finally:
            process.kill()
            process.wait(10)
            process.stdout.close()
    assert "stopping" in (tmp_path / "log").read_text()
