"""``-o json`` of every command: camelCase, and the words of the configuration file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from externalgrpc import cli
from externalgrpc.pb import externalgrpc_pb2 as pb
from tests import serving
from tests.diagnosis import cluster as kube
from tests.diagnosis.pods.test_command import DAEMONS, SHOP, STATUS, pod, status

POOLS = """
cluster: test
accounts:
- {name: ram, provider: memory, options: {bootTimeS: 0, createLatencyS: 0, listLatencyS: 0,
   deleteLatencyS: 0, deleteTimeS: 0}}
nodes:
- {name: alpha, account: ram, instanceType: small, region: north, maxSize: 3, labels: {a_b: c},
   userDataFile: own.sh}
"""
WRONG = POOLS.replace("instanceType", "instance_type")
OFFERED = "--config pools.yaml"
LINES = {
    "check": {
        f"{OFFERED}": "groups[].minSize groups[].findings[].severity",
        f"{OFFERED} --online": "groups[].candidates[].pricePerHour accounts[].instanceTypes",
        "--config wrong.yaml": "mistakes[].column",
    },
    "render": {f"alpha {OFFERED}": "userData node.apiVersion"},
    "offers": {OFFERED: "[].pricePerHour [].publicIPv4"},
    "ls": {"": "groups[].targetSize machines[].instanceType accounts[].machines"},
    "doctor": {f"{OFFERED} --kubeconfig kubeconfig": "findings[].severity notLookedAt[].because"},
    "why": {
        "alpha": "[].severity [].subject",
        "group/alpha": "[].cure",
        "shop/web-0": "pod.nodeName groups[].misfits[].code autoscaler.scaleUp "
        "events[].ageSeconds findings[].what",
    },
    "try": {f"alpha {OFFERED} --yes": "machine.providerID steps[].tookSeconds"},
}
"""Of every command with -o: what is typed, and keys that must come, so that the way is walked."""
FREE = {"labels", "capacity", "allocatable", "requests"}
"""What users and Kubernetes name themselves."""
OTHER_WORDS = {"location", "locations", "machineType", "min", "max", "target", "id"}
"""What the configuration calls region, instanceType, minSize, maxSize, name."""


def paths(given: object, here: str = "") -> Iterator[str]:
    """Yield the path of every key, as ``groups[].name``."""
    if isinstance(given, dict):
        for key, value in given.items():
            path = f"{here}.{key}".lstrip(".")
            yield path
            if key not in FREE or not all(isinstance(each, str | int) for each in value.values()):
                yield from paths(value, path)
    elif isinstance(given, list):
        for each in given:
            yield from paths(each, f"{here}[]")


def has_output(name: str) -> bool:
    command = cli.cli.get_command(click.Context(cli.cli), name)
    assert command is not None
    return any("-o" in each.opts for each in command.params)


def test_every_command_with_json_is_here() -> None:
    assert {name for name in cli.COMMANDS if has_output(name)} == LINES.keys()


@pytest.fixture
def place(tmp_path, monkeypatch) -> Iterator[dict[str, str]]:
    """Give the environment of a shell: a folder with files, a server, and a cluster."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pools.yaml").write_text(POOLS)
    (tmp_path / "own.sh").write_text("#!/bin/sh\n")
    (tmp_path / "wrong.yaml").write_text(WRONG)
    with kube.running() as api, serving.running(tmp_path, POOLS) as up:
        api.put(DAEMONS, {"items": []})
        happened = {"reason": "FailedScheduling", "message": "no", "source": {"component": "s"}}
        about = {"involvedObject": {"kind": "Pod", "name": "web-0", "uid": "u-1"}}
        api.put(f"{SHOP}/events", {"items": [{**happened, **about}]})
        api.put(f"{SHOP}/pods/web-0", pod("64"))
        api.put(STATUS, status(alpha="NoActivity"))
        serving.until(lambda: up.show().groups[0].why.code == "NotAsked")
        up.stub.NodeGroupIncreaseSize(pb.NodeGroupIncreaseSizeRequest(id="alpha", delta=1))
        serving.until(lambda: up.show().machines)
        kubeconfig = kube.kubeconfig(api, tmp_path)
        yield {"address": up.address, "KUBECONFIG": str(kubeconfig), "HOME": str(tmp_path)}


def said(place: dict[str, str], name: str, line: str) -> Any:
    where = {} if name == "try" else {"VPS_AUTOSCALER_ADDRESS": place["address"]}
    environ = {**place, "VPS_AUTOSCALER_ADDRESS": None, **where}
    words = [name, *line.split(), "-o", "json"]
    done = CliRunner().invoke(cli.cli, words, env=environ, catch_exceptions=False)
    assert done.exit_code in (0, 1, 3), done.output
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("name", "line"), [(name, line) for name, lines in LINES.items() for line in lines]
)
def test_its_keys_are_camel_case_and_the_files_own(
    place: dict[str, str], name: str, line: str
) -> None:
    found = set(paths(said(place, name, line)))
    assert set(LINES[name][line].split()) <= found, sorted(found)
    keys = {re.sub(r"(\[\])+$", "", each.rpartition(".")[2]) for each in found}
    assert not keys & OTHER_WORDS
    assert [key for key in keys if not re.fullmatch(r"[a-z]+([A-Z0-9][A-Za-z0-9]*)?", key)] == []


def test_what_no_command_prints_is_noticed(tmp_path: Path) -> None:
    bad = {"groups": [{"min_size": 1, "candidates": [{"location": "x"}]}], "labels": {"a_b": "c"}}
    assert sorted(paths(bad)) == [
        *("groups", "groups[].candidates", "groups[].candidates[].location", "groups[].min_size"),
        "labels",
    ]
