"""A relative path in the file is relative to the file, whoever runs where, for every command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from externalgrpc import config
from externalgrpc.config import schema
from externalgrpc.model import installed_clouds

POOLS = """
cluster: prod
kubernetes: {kubeconfig: kube/config}
accounts:
- {name: ram, provider: memory, tokenFile: secrets/token,
   options: {stateFile: state/cloud.json, bootTimeS: 0, createLatencyS: 0}}
nodes:
- {name: web, account: ram, instanceType: small, region: north, image: debian-13, maxSize: 1,
   userDataFile: data/join.sh}
"""
KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "c",
    "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "u", "user": {"token": "t0ken"}}],
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
}
PLACES = ("kube/config", "secrets/token", "data/join.sh")
COMMANDS = {
    "check": ("check", "--online"),
    "render": ("render", "web"),
    "doctor": ("doctor",),
    "purge": ("purge", "--dry-run"),
    "offers": ("offers",),
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Make a folder with the configuration and all that it names; another one is where we work."""
    place = tmp_path / "there"
    for name in (*PLACES, "state/cloud.json"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
    (place / "pools.yaml").write_text(POOLS)
    (place / "kube/config").write_text(yaml.safe_dump(KUBECONFIG))
    (place / "secrets/token").write_text("t0ken\n")
    (place / "data/join.sh").write_text("#!/bin/sh\n")
    (tmp_path / "elsewhere").mkdir()
    return place


def run(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command from another folder, with a path to the file that is relative to that."""
    given = [sys.executable, "-m", "externalgrpc", *words, "--config", "../there/pools.yaml"]
    root = Path(__file__).parents[2]
    return subprocess.run(
        given,
        cwd=home.parent / "elsewhere",
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root), "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_what_the_file_names_is_found_from_anywhere(home: Path, command: str) -> None:
    done = run(home, *COMMANDS[command])
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    assert not any(word in said for word in ("not there", "no such", "No such", "cannot be used"))
    assert list((home.parent / "elsewhere").iterdir()) == []


def test_a_server_finds_it_too(home: Path) -> None:
    words = ("serve", "--dry-run", "--listen", f"unix:{home}/s", "--metrics", "")
    given = [sys.executable, "-m", "externalgrpc", *words, "--config", "../there/pools.yaml"]
    (home / "kube/config").write_text("clusters: nothing of use")
    done = subprocess.run(
        given,
        cwd=home.parent / "elsewhere",
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    # It ends by itself, since the kubeconfig that it found is none.
    assert done.returncode == 1
    assert "kubeconfig ../there/kube/config" in " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize("command", ["check", "doctor"])
def test_a_kubeconfig_that_is_not_there_is_named_by_its_whole_place(
    home: Path, command: str
) -> None:
    (home / "kube/config").unlink()
    (home.parent / "elsewhere/kube").mkdir()
    (home.parent / "elsewhere/kube/config").write_text(yaml.safe_dump(KUBECONFIG))
    done = run(home, *COMMANDS[command])
    assert "there/kube/config" in "".join((done.stdout + done.stderr).split())


def test_every_path_is_relative_to_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home.parent / "elsewhere")
    loaded = config.load(
        home / "pools.yaml", cluster="", environ={}, clouds=installed_clouds.installed()
    )
    assert loaded.kubernetes is not None
    assert loaded.kubernetes.kubeconfig == str(home / "kube/config")
    settings = loaded.accounts["ram"].settings
    assert settings.state_file == str(home / "state/cloud.json")  # type: ignore[union-attr]
    assert loaded.accounts["ram"].token == "t0ken"
    assert loaded.groups[0].user_data == "#!/bin/sh\n"


def test_no_path_of_the_file_is_forgotten_here() -> None:
    """A new key that names a file comes into this test."""
    found: set[str] = set()

    def look(at: object) -> None:
        if isinstance(at, dict):
            found.update(
                key
                for key in at.get("properties", {})
                if key.lower().endswith(("file", "path", "kubeconfig", "dir", "directory"))
            )
            for each in at.values():
                look(each)
        elif isinstance(at, list):
            for each in at:
                look(each)

    look(schema.generate(installed_clouds.installed()))
    assert found == {"kubeconfig", "tokenFile", "userDataFile", "stateFile"}
