"""The example at the end of every ``--help`` is typed into a shell, as it stands there, and works.

The cloud is the one in memory, and port 8086 is another one that is free.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys

import click
import pytest
import yaml

from externalgrpc import cli
from providers.memory import datacenter
from tests import serving
from tests.diagnosis import cluster
from tests.test_cli import ROOT

POOLS = """
cluster: prod
accounts:
- {name: ram, provider: memory, options: {bootTimeS: 0, createLatencyS: 0, listLatencyS: 0}}
nodes:
- {name: workers, account: ram, instanceType: medium, region: east, maxSize: 3}
"""
VALUES = "kubero: {operator: {nodeSelector: {pool: web}}}\n"
AUTOSCALER = """
kind: Deployment
metadata: {name: cluster-autoscaler, namespace: kube-system}
spec:
  template:
    spec:
      containers:
      - command: [./cluster-autoscaler, --cloud-provider=hetzner, "--nodes=0:2:cx23:fsn1:web"]
        env: [{name: HCLOUD_CLOUD_INIT, value: IyEvYmluL3NoCg==}]
"""
PORT = "127.0.0.1:8086"
WELL = {"doctor": (0, 3)}
"""Exit codes of what works; 3 is doctor's for nothing found, and something it could not look at."""


def example(name: str) -> str:
    command = cli.cli.get_command(click.Context(cli.cli), name)
    assert command is not None
    context = click.Context(command, info_name=name, terminal_width=80)
    return command.get_help(context).splitlines()[-1].strip().removeprefix("Example: ")


@pytest.fixture
def place(tmp_path):
    """Give a folder with what the examples name, and an environment that has the program."""
    (tmp_path / "pools.yaml").write_text(POOLS)
    (tmp_path / "values.yaml").write_text(VALUES)
    (tmp_path / "autoscaler.yaml").write_text(AUTOSCALER)
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "memory.yaml").write_text(POOLS)
    program = tmp_path / "bin" / "vps-autoscaler"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m externalgrpc "$@"\n')
    program.chmod(0o755)
    environ = {
        **os.environ,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "160",
    }
    return tmp_path, environ


def typed(place, line: str, **more: object) -> subprocess.Popen:
    folder, environ = place
    return subprocess.Popen(
        ["bash", "-c", line],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **more,
    )


@contextlib.contextmanager
def until_said(place, line: str, words: str):
    """Type a line that goes on, await words of it, and end it as Ctrl-C does."""
    process = typed(place, line)
    try:
        said = []
        for each in iter(process.stdout.readline, ""):
            said.append(each)
            if words in each:
                break
        else:
            pytest.fail("".join(said) + process.stderr.read())
        yield each
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=40)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def finished(place, name: str, line: str) -> str:
    process = typed(place, line)
    out, err = process.communicate(timeout=60)
    assert process.returncode in WELL.get(name, (0,)), out + err
    assert "Traceback" not in err
    return out


@pytest.mark.parametrize(
    "name", sorted(cli.COMMANDS.keys() - {"serve", "demo", "ls", "why", "doctor", "adopt"})
)
def test_an_example_that_needs_no_server(place, name):
    line = example(name)
    out = finished(place, name, line)
    if ">" in line:
        made = place[0] / line.rpartition(">")[2].strip()
        assert all(yaml.safe_load_all(made.read_text()))  # JSON is YAML too
    else:
        assert out


@pytest.mark.parametrize("name", ["ls", "why", "doctor"])
def test_an_example_that_asks_a_server(place, tmp_path, name):
    with serving.running(tmp_path, POOLS) as up:
        place[1]["VPS_AUTOSCALER_ADDRESS"] = up.address
        out = finished(place, name, example(name).replace(PORT, up.address))
    assert "workers" in out or "looked at" in out


def test_an_example_that_asks_the_cluster(place, tmp_path):
    path, state = place[0] / "pools.yaml", tmp_path / "cloud.json"
    made = datacenter.Datacenter(datacenter.Options(state_file=str(state)))
    number = made.add(name="old-1", machine_type="medium", location="east")
    made.edit(number, labels={"pool": "old"})
    with cluster.running() as server:
        cluster.put_nodes(server, cluster.node("old-1", provider_id=f"memory://{number}"))
        way = cluster.kubeconfig(server, tmp_path)
        text = POOLS.replace("bootTimeS: 0", f"stateFile: {state}, bootTimeS: 0")
        path.write_text(f"{text}kubernetes: {{kubeconfig: {way}}}\n")
        out = finished(place, "adopt", example("adopt"))
    assert "adopt as node old-1" in out
    assert "1 machines would be adopted for group workers" in out


def test_the_example_of_serve(place):
    line = example("serve")
    assert PORT in line
    line = line.replace(PORT, "127.0.0.1:0")
    with until_said(place, line, "cluster prod: 1 groups on 127.0.0.1:") as said:
        address = said.rpartition(" ")[2].strip()
        assert "workers" in finished(place, "ls", f"vps-autoscaler ls --address {address}")


def test_the_example_of_demo_up_to_its_first_node(place):
    with until_said(place, example("demo"), " joined the cluster"):
        pass


def test_the_first_page_of_help_names_lines_that_can_be_typed():
    shown = cli.cli.get_help(click.Context(cli.cli, terminal_width=100))
    lines = [line.strip() for line in shown.splitlines() if line.startswith("    vps-autoscaler")]
    lines += [line.strip() for line in shown.splitlines() if line.startswith("  vps-autoscaler")]
    assert len(lines) >= 5
    for line in lines:
        _, name, *words = shlex.split(line.partition("   ")[0].partition(" | ")[0])
        command = cli.cli.get_command(click.Context(cli.cli), name)
        command.make_parser(click.Context(command)).parse_args(words)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("vps-autoscaler ", {"serve", "ls", "doctor"}),
        ("vps-autoscaler ls --wa", {"--watch"}),
        ("vps-autoscaler ls --output ", {"table", "json"}),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes(place, words, offered, shell):
    typed_words = words.split(" ")
    environ = {
        "_VPS_AUTOSCALER_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": typed_words[-1] if shell == "fish" else str(len(typed_words) - 1),
    }
    place[1].update(environ)
    out = finished(place, "", "vps-autoscaler")
    assert offered <= set(re.split(r"[,\t\n]", out))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_the_docs_say_sets_completion_up(place, shell):
    page = (ROOT / "docs" / "operating.md").read_text()
    line = f"_VPS_AUTOSCALER_COMPLETE={shell}_source vps-autoscaler"
    assert line in page
    assert "_VPS_AUTOSCALER_COMPLETE" in finished(place, "", line)
