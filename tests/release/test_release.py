"""A release is built twice to the same bytes, and its wheel runs where there is no repository.

Built of the work tree as git knows it, installed from the package index that pip is set to.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests import absent
from tests.chart import helm
from tests.release import program

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.helm,
    pytest.mark.timeout(900),
    absent.unless(helm.find(), absent.Need.HELM),
]
ROOT = program.ROOT
VERSION = program.load("version").current()
WHEEL = f"vps_autoscaler-{VERSION}-py3-none-any.whl"
CHART = f"vps-autoscaler-{VERSION}.tgz"
BILL = f"vps-autoscaler-{VERSION}.cdx.json"


def git(*argv: str) -> str:
    done = subprocess.run(["git", *argv], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def commit() -> str:
    """Return a commit of what lies here; `stash create` changes neither files nor branch."""
    identity = ("-c", "user.name=tests", "-c", "user.email=tests@localhost")
    return git(*identity, "stash", "create") or git("rev-parse", "HEAD")


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Python with what builds a release."""
    room = tmp_path_factory.mktemp("tools")
    venv.create(room, with_pip=True)
    install(room, "--require-hashes", "-r", str(ROOT / "requirements" / "release.txt"))
    return room / "bin" / "python"


def install(room: Path, *what: str) -> None:
    pip = [room / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "install", *what], check=True, cwd=room)


def build(tools: Path, commit: str, into: Path, *, umask: int, **surroundings: str) -> Path:
    program_ = ROOT / "deploy" / "release" / "build.py"
    argv = [tools, program_, "--commit", commit, "--helm", str(helm.find()), into]
    done = subprocess.run(
        argv, capture_output=True, text=True, umask=umask, env={**os.environ, **surroundings}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return into


@pytest.fixture(scope="module")
def release(tools: Path, commit: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tools, commit, tmp_path_factory.mktemp("a") / "dist", umask=0o022, TZ="UTC")


@pytest.fixture(scope="module")
def room(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel with the lock, as the image does."""
    made = tmp_path_factory.mktemp("room")
    venv.create(made, with_pip=True)
    install(made, "--require-hashes", "-r", str(ROOT / "requirements" / "run.txt"))
    install(made, "--no-index", "--no-deps", str(release / WHEEL))
    return made


def test_it_holds_five_things_and_their_sums(release: Path) -> None:
    names = {WHEEL, f"vps_autoscaler-{VERSION}.tar.gz", CHART, BILL}
    assert {each.name for each in release.iterdir()} == {*names, "SHA256SUMS"}
    lines = [line.split("  ") for line in (release / "SHA256SUMS").read_text().splitlines()]
    assert {name for _, name in lines} == names
    for digest, name in lines:
        assert hashlib.sha256((release / name).read_bytes()).hexdigest() == digest


def test_another_build_gives_the_same_bytes(
    tools: Path, commit: str, release: Path, tmp_path: Path
) -> None:
    """In another folder, time zone, language, and with another umask."""
    again = build(
        tools, commit, tmp_path / "other", umask=0o077, TZ="Asia/Tokyo", LC_ALL="C", HOME="/"
    )
    sums = [(each / "SHA256SUMS").read_text() for each in (release, again)]
    assert sums[0] == sums[1]


def test_the_wheel_holds_every_file_of_ours(release: Path, commit: str) -> None:
    ours = git("ls-tree", "-r", "--name-only", commit, "externalgrpc", "providers").splitlines()
    names = zipfile.ZipFile(release / WHEEL).namelist()
    assert sorted(each for each in names if ".dist-info/" not in each) == sorted(ours)


def test_the_sdist_builds_the_same_wheel(tools: Path, release: Path, tmp_path: Path) -> None:
    (source,) = release.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path, filter="data")
    (tree,) = tmp_path.iterdir()
    hook = "import setuptools.build_meta as b; b.build_wheel('.')"
    subprocess.run([tools, "-c", hook], cwd=tree, check=True, capture_output=True)
    theirs, ours = (zipfile.ZipFile(each) for each in (tree / WHEEL, release / WHEEL))
    assert {name: theirs.read(name) for name in theirs.namelist()} == {
        name: ours.read(name) for name in ours.namelist()
    }


def test_the_chart_renders_and_is_of_the_version(release: Path) -> None:
    done, ours = (helm.rendered("default", chart=each) for each in (release / CHART, helm.CHART))
    assert done.returncode == 0, done.stderr
    assert done.stdout == ours.stdout
    with tarfile.open(release / CHART) as archive:
        text = archive.extractfile("vps-autoscaler/Chart.yaml")
        assert text is not None
        chart = yaml.safe_load(text.read())
    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)


def test_the_bill_lists_what_is_installed_with_licences(release: Path, room: Path) -> None:
    bill = json.loads((release / BILL).read_text())
    assert bill["bomFormat"] == "CycloneDX"
    listed = {each["name"]: each for each in bill["components"]}
    assert [name for name, each in listed.items() if not each.get("licenses")] == []
    ask = "import importlib.metadata as m; print(*(d.name for d in m.distributions()), sep='\\n')"
    there = said(room, "-c", ask, of="python").split()
    assert set(there) - {"pip", "setuptools"} <= {*listed, bill["metadata"]["component"]["name"]}
    assert not re.search(r"file://|\"/\w+/", json.dumps(bill)), "no path of the machine"


def said(room: Path, *argv: str, of: str = "vps-autoscaler") -> str:
    """Run a program of the environment, far from the repository."""
    done = subprocess.run(
        [room / "bin" / of, *argv], cwd=room, env=alone(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def alone() -> dict[str, str]:
    return {key: each for key, each in os.environ.items() if not key.startswith("PYTHON")}


def test_it_runs_where_there_is_no_repository(room: Path) -> None:
    where = said(room, "-c", "import externalgrpc; print(externalgrpc.__file__)", of="python")
    assert Path(where).is_relative_to(room)
    assert "vps-autoscaler serve" in said(room, "--help")
    assert VERSION in said(room, "--version")
    assert said(room, "schema") == (ROOT / "docs" / "config.schema.json").read_text()
    assert said(room, "kubero") == (ROOT / "deploy" / "kubero" / "policies.yaml").read_text()


def test_its_scripts_and_pages_are_those_of_the_repository(room: Path) -> None:
    (installed,) = room.glob("lib/python*/site-packages/externalgrpc")
    kinds = ("bootstrap/*.sh", "kubero/*.yaml", "status/static/*")
    for kind in kinds:
        files = sorted((ROOT / "externalgrpc").glob(kind))
        assert files
        for path in files:
            there = installed / path.relative_to(ROOT / "externalgrpc")
            assert there.read_bytes() == path.read_bytes()


@contextlib.contextmanager
def serving(room: Path) -> Iterator[tuple[str, str]]:
    """Serve the memory demonstration; give the address of the port and of the metrics."""
    shutil.copy(ROOT / "examples" / "memory.yaml", room / "memory.yaml")
    listen = ("--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--no-live")
    log = room / "log"
    with log.open("w") as err:
        process = subprocess.Popen(
            [room / "bin" / "vps-autoscaler", "serve", "--config", "memory.yaml", *listen],
            cwd=room,
            env=alone(),
            stdout=subprocess.PIPE,
            stderr=err,
            text=True,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, log.read_text()
        metrics = re.search(r"metrics served address=(\S+)", log.read_text())
        assert metrics is not None
        yield line.split()[-1], metrics[1]
    finally:
        process.terminate()
        process.communicate(timeout=40)
    assert process.returncode == 0


def test_it_serves_the_memory_demonstration(room: Path) -> None:
    with serving(room) as (port, metrics):
        listed = said(room, "ls", "--address", port, "-o", "json")
        assert {"web", "batch", "gpu"} <= set(re.findall(r'"name": "(\w+)"', listed))
        with urllib.request.urlopen(f"http://{metrics}/", timeout=20) as page:
            assert b"<html" in page.read()
