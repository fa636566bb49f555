"""One version, wherever it stands; and what makes an image says what it lacks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.release import program

VERSION = program.load("version")


def test_it_is_the_same_everywhere() -> None:
    assert VERSION.said() == {name: {VERSION.current()} for name in VERSION.PLACES}


def test_a_new_one_is_written_everywhere(tmp_path: Path) -> None:
    for name in VERSION.PLACES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(program.ROOT / name, tmp_path / name)
    VERSION.write("12.3.4", tmp_path)
    assert VERSION.said(tmp_path) == {name: {"12.3.4"} for name in VERSION.PLACES}


@pytest.mark.parametrize("version", ["", "v1.0.0", "1.0", "1.0.0-rc1", "1.0.0rc1", "1.0.0\n"])
def test_what_is_no_version_is_refused(version: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="three numbers"):
        VERSION.write(version, tmp_path)


def image(tmp_path: Path, **engines: str) -> subprocess.CompletedProcess[str]:
    """Run image.py where git and these engines are; they are scripts, which see LOG."""
    (tmp_path / "git").symlink_to(str(shutil.which("git")))
    for name, script in engines.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    return subprocess.run(
        [sys.executable, program.FOLDER / "image.py"],
        env={**os.environ, "PATH": str(tmp_path), "LOG": str(tmp_path / "log"), "BASE": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )


RECORD = 'echo "$0" "$@" >>"$LOG"'


def test_without_an_engine_it_says_what_to_install(tmp_path: Path) -> None:
    done = image(tmp_path)
    assert done.returncode == 1
    assert "apt-get install buildah" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_docker_without_its_daemon_is_no_engine(tmp_path: Path) -> None:
    done = image(tmp_path, docker="exit 1")
    assert done.returncode == 1
    assert "start Docker" in done.stderr


@pytest.mark.parametrize(
    ("engines", "words"),
    [
        ({"buildah": RECORD, "docker": "exit 1"}, "buildah bud --timestamp "),
        ({"docker": RECORD}, "docker build --label "),
    ],
)
def test_an_engine_is_given_the_commits_time(
    tmp_path: Path, engines: dict[str, str], words: str
) -> None:
    done = image(tmp_path, **engines)
    assert done.returncode == 0, done.stderr
    called = (tmp_path / "log").read_text()
    assert words in called
    assert "--build-arg SOURCE_DATE_EPOCH=1" in called
    assert f"--tag vps-autoscaler:{VERSION.current()} ." in called


def test_an_engine_that_fails_fails_it(tmp_path: Path) -> None:
    done = image(tmp_path, buildah="exit 3")
    assert done.returncode == 1
    assert "buildah could not build" in done.stderr
