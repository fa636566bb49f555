"""Every configuration that loads ends every command with exit code 0 or with a sentence.

Nobody answers: neither the cloud, nor a cluster, nor a server. Each command has its lines here, and
one that is new has to be given some.
"""

from __future__ import annotations

import itertools
import json
import re
import signal
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from externalgrpc import cli
from externalgrpc.bootstrap import joining
from externalgrpc.control import reconciler
from tests.test_nobody_asked import ENVIRON, NOBODY, REAL

NOBODY_HERE = "127.0.0.1:1"
LINES = {
    "serve": ("--no-live --listen unix:no-folder/s", "--no-live --dry-run --leader-elect own"),
    "check": ("", "-o json", "--online", "--online -o json"),
    "render": ("pool", "pool -o json", "pool --show-secrets", "another"),
    "offers": ("", "-o json", "--cpu 4 --memory 8Gi --no-ipv4"),
    "doctor": ("", "-o json", "--online", "--kubeconfig none", "--kubeconfig ~nobody-here/x"),
    "purge": ("--dry-run", "--yes", "--yes --identity c0ffee0123", "--yes --machine 1"),
    "adopt": (
        "pool -n --label a --kubeconfig ~nobody-here/x",
        "pool --undo --yes",
        "pool --server 1 --yes",
        "another -n",
    ),
    "try": ("pool --yes", "pool --yes --no-taint -o json", "--clean --yes", "another --yes"),
    "demo": ("",),
}
"""What is typed behind --config, for every command that takes one."""
SILENT = {
    "ls": (f"--address {NOBODY_HERE}", f"--address {NOBODY_HERE} --wide -o json"),
    "why": (
        f"pool --address {NOBODY_HERE}",
        f"pod/pool --address {NOBODY_HERE} -o json",
        "pool -n default --kubeconfig none",
        "pool -n default --kubeconfig ~nobody-here/x",
    ),
    "try": (f"pool --yes --address {NOBODY_HERE}", "pool"),
    "convert": (
        *("--cluster test none.yaml", "--cluster test pools.yaml", "--cluster test own.sh"),
        "--cluster test --from-deployment a/b --kubeconfig ~nobody-here/x",
    ),
    "kubero": ("--values none.yaml", "--values pools.yaml", "--values own.sh"),
}
"""What is typed where no configuration is loaded."""
NONE = {"schema"}
"""Reads nothing and asks nobody."""
RENDERING = {"check", "render"}
NO_CLUSTER = "raw, no cluster"
JOINS = (*joining.METHODS, "raw", NO_CLUSTER)
MORE = {
    "hetzner": "networks: [nodes], placementGroup: spread",
    "linode": "networks: [nodes/inner], options: {privateIp: true}",
    "digitalocean": "networks: [nodes], publicIPv4: true",
    "vultr": "networks: [nodes], firewalls: [wall]",
    "memory": "labels: {tier: web}",
}
WELL = {("memory", join, "demo") for join in JOINS} | {("memory", NO_CLUSTER, "try")}
"""What goes well, and takes its time; tested in bootstrap/test_identity.py and test_try.py."""
CASES = [each for each in itertools.product((*REAL, "memory"), JOINS, LINES) if each not in WELL]


def written(folder: Path, cloud: str, join: str, more: str = "") -> None:
    (folder / "own.sh").write_text("#!/bin/sh\necho @@NODE_NAME@@\n")
    endpoint = "" if cloud == "memory" else f", endpoint: '{NOBODY}'"
    joins = f"join: {join}" if join in joining.METHODS else "userDataFile: own.sh"
    kubernetes = "" if join == NO_CLUSTER else "kubernetes: {}\n"
    region = "north" if cloud == "memory" else "here"
    (folder / "pools.yaml").write_text(
        f"cluster: test\n{kubernetes}accounts: [{{name: a, provider: {cloud}{endpoint}}}]\n"
        f"nodes:\n- {{name: pool, account: a, instanceType: small, region: {region}, maxSize: 3, "
        f"image: debian-13, {joins}{more and f', {more}'}}}\n"
    )


def ended(folder: Path, *words: str) -> Result:
    """Type a line where nobody answers; it ends with code 0 or with a sentence."""
    environ = {**ENVIRON, "HOME": str(folder), "KUBECONFIG": None, "VPS_AUTOSCALER_ADDRESS": None}
    done = CliRunner().invoke(
        cli.cli, words, env=environ, prog_name="vps-autoscaler", catch_exceptions=False
    )
    assert "Traceback" not in done.output
    if done.exit_code:
        assert done.exit_code in (1, 3), done.output
        report = bool(re.match("cluster test: ", done.stdout.strip().rpartition("\n")[2]))
        if "json" in words and not done.stderr:
            report = bool(json.loads(done.stdout))
        last = done.stderr.strip().rpartition("\n")[2]
        assert report or re.fullmatch(r"Error: .{20,}", last), done.output
    return done


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Give a folder to type in, and restore what ``serve`` does to its process."""
    monkeypatch.chdir(tmp_path)
    waits = reconciler.Reconciler.await_first_listings
    monkeypatch.setattr(
        reconciler.Reconciler, "await_first_listings", lambda self, _seconds: waits(self, 0.1)
    )
    signals = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT, HUP)}
    yield tmp_path
    for each, handler in signals.items():
        signal.signal(each, handler)


HUP = signal.SIGHUP


def takes_a_configuration(name: str) -> bool:
    command = cli.cli.get_command(click.Context(cli.cli), name)
    assert command is not None
    return any("--config" in each.opts for each in command.params)


def test_every_command_has_its_lines() -> None:
    assert {name for name in cli.COMMANDS if takes_a_configuration(name)} == LINES.keys()
    assert cli.COMMANDS.keys() == LINES.keys() | SILENT.keys() | NONE


@pytest.mark.parametrize(("cloud", "join", "name"), CASES)
def test_a_configuration_that_loads_ends_in_a_sentence(
    place: Path, cloud: str, join: str, name: str
) -> None:
    for more in {"", MORE[cloud]} if name in RENDERING else {MORE[cloud]}:
        written(place, cloud, join, more)
        for line in LINES[name]:
            done = ended(place, name, "--config", "pools.yaml", *line.split())
            assert name != "check" or "--online" in line or done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("name", "line"), [(name, each) for name in SILENT for each in SILENT[name]]
)
def test_a_command_without_a_configuration_ends_in_a_sentence(
    place: Path, name: str, line: str
) -> None:
    written(place, "hetzner", "kubeadm")
    assert ended(place, name, *line.split()).exit_code == 1
