"""The image itself, run by the engine that built it: version, demo, server, a stranger's grpcurl.

``IMAGE`` names it (make image-test builds and names one); without it nothing here runs.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from externalgrpc.rpc import client
from tests import absent
from tests.release import program

ROOT = program.ROOT
IMAGE = os.environ.get("IMAGE", "")
CONFIG = "/etc/vps-autoscaler/config.yaml"
VOLUME = f"--volume={ROOT / 'examples' / 'memory.yaml'}:{CONFIG}:ro"
WHO = "import os, sys; sys.exit(os.getuid() != 65532 or os.access(sys.prefix, os.W_OK))"
SERVICE = "clusterautoscaler.cloudprovider.v1.externalgrpc.CloudProvider"

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(600),
    absent.unless(IMAGE, absent.Need.IMAGE),
]


@pytest.fixture(scope="module")
def inside() -> Iterator[list[str]]:
    """Give what runs a program of the image as the image's user; it shares our loopback."""
    engine = program.load("image").find()
    assert engine, "an image is named, and no engine is here to run it with"
    if engine == "docker":
        yield ["docker", "run", "--rm", "--read-only", "--network=host", VOLUME, "--entrypoint"]
        return
    made = subprocess.run(
        [engine, "from", "--pull-never", IMAGE], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
    try:
        yield [engine, "run", "--network=host", VOLUME, made, "--"]
    finally:
        subprocess.run([engine, "rm", made], check=True, stdout=subprocess.DEVNULL)


def words(inside: list[str], what: str, *more: str) -> list[str]:
    """Spell a command in the image; docker wants its name between program and arguments."""
    return [*inside, what, *([IMAGE] if inside[0] == "docker" else []), *more]


def run(inside: list[str], *more: str, what: str = "vps-autoscaler") -> str:
    done = subprocess.run(words(inside, what, *more), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextlib.contextmanager
def serving(inside: list[str]) -> Iterator[str]:
    """Run the server on ports that are free; give its address."""
    ports = ("--listen=127.0.0.1:0", "--metrics=127.0.0.1:0")
    process = subprocess.Popen(
        words(inside, "vps-autoscaler", "serve", f"--config={CONFIG}", *ports),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    log = ""
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if line:
            yield line.split()[-1]
    finally:
        # buildah hands no signal on: all of its session hear it.
        os.killpg(process.pid, signal.SIGTERM)
        _, log = process.communicate(timeout=60)
    assert line, log
    assert "Traceback" not in log


def grpcurl() -> str:
    build = ROOT / "tests" / "e2e" / "tools" / "build"
    argv = [sys.executable, str(build), "grpcurl"]
    folder = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    return str(Path(folder) / "grpcurl")


def test_it_is_of_our_version_and_runs_as_nobody(inside: list[str]) -> None:
    assert program.load("version").current() in run(inside, "--version")
    run(inside, "-c", WHO, what="python")


def test_its_demo_comes_to_its_end(inside: list[str]) -> None:
    *_, last = run(inside, "demo", f"--config={CONFIG}").splitlines()
    assert re.search(r"(\d+) machines started, \1 joined, .*\1 are gone", last)


def test_its_server_answers_a_stranger_and_its_own_command(inside: list[str]) -> None:
    with serving(inside) as address:
        asks = [grpcurl(), "-plaintext"]
        listed = subprocess.run(
            [*asks, address, f"{SERVICE}/NodeGroups"], capture_output=True, text=True, timeout=60
        )
        assert listed.returncode == 0, listed.stderr
        groups = {each["id"] for each in json.loads(listed.stdout)["nodeGroups"]}
        assert {"web", "batch", "gpu"} <= groups
        more = ["-d", '{"id": "web", "delta": 1}', address, f"{SERVICE}/NodeGroupIncreaseSize"]
        subprocess.run([*asks, *more], check=True, timeout=60)
        assert '"web"' in run(inside, "ls", "--address", address, "-o", "json")
        with client.Connection(address=address).open() as channel:
            targets = {each.id: each.target for each in client.show(channel, address).groups}
        assert targets["web"] == 1
