"""The Dockerfile, step by step, where there is no container engine: built, and run as it says.

Its own words are taken: RUN, COPY, ENV, USER, ENTRYPOINT and CMD. The base is this machine, the
image's folders lie below a scratch one, and the root file system is read-only while it runs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.pb import externalgrpc_pb2_grpc
from externalgrpc.rpc import client
from tests import absent
from tests.release import program

ROOT = program.ROOT
CONFIG = "/etc/vps-autoscaler/config.yaml"
PROBE = ("unshare", "--mount", "sh", "-c", "mount -o remount,bind,ro /")
PYTHONS = ("/usr/bin/python3", "/usr/local/bin/python3")


def locks() -> bool:
    """Return whether a process can be given a read-only root, and another user, here."""
    if shutil.which("setpriv") is None or shutil.which("unshare") is None:
        return False
    return os.geteuid() == 0 and not subprocess.call(PROBE, stderr=subprocess.DEVNULL)


def base() -> str:
    """Return a Python that every user may run, with venv; empty for none."""
    for each in PYTHONS:
        ask = [each, "-c", "import ensurepip, sys; assert sys.version_info >= (3, 11)"]
        if Path(each).exists() and not subprocess.call(ask, stderr=subprocess.DEVNULL):
            return each
    return ""


pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(900),
    absent.unless(locks(), absent.Need.LOCKED),
    absent.unless(base(), absent.Need.SYSTEM_PYTHON),
]


@dataclasses.dataclass
class Image:
    """What the last stage says, and where the folders of all stages lie."""

    folder: Path
    env: dict[str, str] = dataclasses.field(default_factory=dict)
    user: str = ""
    entrypoint: list[str] = dataclasses.field(default_factory=list)
    cmd: list[str] = dataclasses.field(default_factory=list)

    def moved(self, text: str) -> str:
        """Let the image's folders be below ours."""
        return re.sub(r"(?<![\w/.])/(opt|src|etc)\b", rf"{self.folder}/\1", text)

    def environ(self) -> dict[str, str]:
        """Return the environment of a step, nothing of this process's in it."""
        here = {"PATH": f"{self.folder}/base:/usr/bin:/bin", "HOME": "/nonexistent"}
        for key, text in self.env.items():
            here[key] = self.moved(text).replace("$PATH", here["PATH"])
        return here

    def locked(self) -> list[str]:
        """Give what runs a program as the image's user, on a root that nobody can write to."""
        uid, gid = self.user.split(":")
        assert int(uid) > 0
        assert int(gid) > 0
        who = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs"]
        script = 'mount -o remount,bind,ro / && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", script, "sh", *who]


def instructions() -> Iterator[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    for line in text.splitlines():
        if line and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            yield word, rest.strip()


def built(folder: Path) -> Image:  # noqa: PLR0912 - one for each instruction
    """Follow the Dockerfile; a step that it does not know fails the test."""
    image = Image(folder)
    (folder / "base").mkdir()
    python = folder / "base" / "python"
    python.write_text(f'#!/bin/sh\nexec {base()} "$@"\n')
    python.chmod(0o755)
    work = folder
    settings = ("PIP_", "HTTP", "http")
    pip = {key: each for key, each in os.environ.items() if key.startswith(settings)}
    for word, rest in instructions():
        match word:
            case "ARG":
                continue
            case "FROM":
                image.env, image.user = {}, ""
            case "WORKDIR":
                work = Path(image.moved(rest))
                work.mkdir(parents=True)
            case "ENV":
                image.env |= dict(each.split("=", 1) for each in shlex.split(rest))
            case "RUN":
                environ = {**pip, **image.environ()}
                done = subprocess.run(
                    ["sh", "-c", image.moved(rest)],
                    cwd=work,
                    env=environ,
                    capture_output=True,
                    text=True,
                )
                assert done.returncode == 0, rest + done.stdout + done.stderr
            case "COPY" if rest.startswith("--from=build"):
                _, of, to = rest.split()
                assert of == to, "it lies where it was built: its scripts name that place"
            case "COPY":
                *what, to = rest.split()
                for each in what:
                    copied(ROOT / each, work / to / Path(each).name if to == "./" else work / to)
            case "USER":
                image.user = rest
            case "ENTRYPOINT":
                image.entrypoint = json.loads(rest)
            case "CMD":
                image.cmd = json.loads(rest)
            case _:
                pytest.fail(f"the Dockerfile has a step that is not followed here: {word}")
    return image


def copied(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, to)


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    folder = Path(tempfile.mkdtemp(prefix="image-"))
    try:
        folder.chmod(0o755)
        made = built(folder)
        config = Path(made.moved(CONFIG))
        config.parent.mkdir(parents=True)
        shutil.copy(ROOT / "examples" / "memory.yaml", config)
        yield made
    finally:
        shutil.rmtree(folder)


def run(image: Image, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the image with these words in place of its command."""
    return subprocess.run(
        [*image.locked(), *image.entrypoint, *words],
        cwd=image.folder,
        env=image.environ(),
        capture_output=True,
        text=True,
        timeout=100,
    )


@contextlib.contextmanager
def serving(image: Image) -> Iterator[tuple[str, int]]:
    """Run the image's own command, at ports that are free; give its address and its pid."""
    words = [re.sub(r":\d+$", ":0", image.moved(each)) for each in image.cmd]
    process = subprocess.Popen(
        [*image.locked(), *image.entrypoint, *words],
        cwd=image.folder,
        env=image.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    log = ""
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if line:
            yield line.split()[-1], process.pid
    finally:
        process.terminate()
        _, log = process.communicate(timeout=40)
    assert process.returncode == 0, log
    assert "Traceback" not in log


def test_it_holds_what_the_lock_says_and_nothing_to_install_more_with(image: Image) -> None:
    ask = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    python = image.folder / "opt" / "vps-autoscaler" / "bin" / "python"
    done = subprocess.run([python, "-c", ask], capture_output=True, text=True, cwd="/", check=True)
    locked = (ROOT / "requirements" / "run.txt").read_text()
    wanted = set(re.findall(r"^([a-z0-9_.-]+)==", locked, re.MULTILINE | re.IGNORECASE))
    there = {re.sub(r"[-_.]+", "-", each).lower() for each in done.stdout.split()}
    assert {"pip", "setuptools"}.isdisjoint(there)
    assert "vps-autoscaler" in there
    assert there <= {*(re.sub(r"[-_.]+", "-", each).lower() for each in wanted), "vps-autoscaler"}


def test_its_command_serves_the_memory_example_as_nobody_on_a_root_that_is_read_only(
    image: Image,
) -> None:
    with serving(image) as (address, pid):
        status = Path(f"/proc/{pid}/status").read_text()
        assert re.search(r"^Uid:\s+65532\s+65532", status, re.MULTILINE)
        assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
        mounts = Path(f"/proc/{pid}/mounts").read_text().splitlines()
        (root,) = (each.split() for each in mounts if each.split()[1] == "/")
        assert "ro" in root[3].split(",")
        with grpc.insecure_channel(address) as channel:
            stub = externalgrpc_pb2_grpc.CloudProviderStub(channel)
            groups = stub.NodeGroups(pb.NodeGroupsRequest(), timeout=10).nodeGroups
            assert {"web", "batch", "gpu"} <= {each.id for each in groups}
            stub.NodeGroupIncreaseSize(
                pb.NodeGroupIncreaseSizeRequest(id="web", delta=1), timeout=10
            )
            assert {each.id: each.target for each in client.show(channel, address).groups}["web"]
        listed = run(image, "ls", "--address", address, "-o", "json")
        assert listed.returncode == 0, listed.stderr
        assert '"web"' in listed.stdout


def test_its_entry_point_takes_other_words(image: Image) -> None:
    version = run(image, "--version")
    assert version.returncode == 0, version.stderr
    assert program.load("version").current() in version.stdout
    checked = run(image, "check", "--config", image.moved(CONFIG))
    assert checked.returncode == 0, checked.stdout + checked.stderr
