"""The command line as a person runs it: real processes, real signals."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import click
import grpc
import pytest
from click.testing import CliRunner

from externalgrpc import cli
from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.pb import externalgrpc_pb2_grpc
from tests import serving

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "memory.yaml"


def run(*arguments, code=0, typed=None):
    """Run a command in this process: what a start of Python costs is paid in two tests only."""
    done = CliRunner().invoke(
        cli.cli,
        [*map(str, arguments)],
        input=typed,
        env={"COLUMNS": "160"},
        prog_name="vps-autoscaler",
    )
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.stdout + done.stderr
    return done


def run_process(*arguments, code=0, **environ):
    done = subprocess.run(
        [sys.executable, "-m", "externalgrpc", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "160", **environ},
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


@contextlib.contextmanager
def served(config, *more):
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "externalgrpc",
            "serve",
            "--config",
            str(config),
            "--listen",
            "127.0.0.1:0",
            "--no-live",
            *more,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        line = process.stdout.readline()
        assert " on 127.0.0.1:" in line, line + process.stderr.read()
        yield process, line.rsplit(" ", 1)[1].strip()
    finally:
        process.terminate()
        process.communicate(timeout=40)


def pools(path, *names):
    groups = "\n".join(
        f"- {{name: {name}, provider: memory, instanceType: small, region: north,"
        f" minSize: 0, maxSize: 3}}"
        for name in names
    )
    path.write_text(f"cluster: test\nnodes:\n{groups}\n")
    return path


def test_help_tells_the_commands():
    output = run_process("--help").stdout
    for command in ("serve", "check", "render", "ls", "demo", "offers", "purge", "schema"):
        assert command in output
        assert run(command, "--help").stdout.startswith("Usage: vps-autoscaler")


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_help_ends_with_an_example_that_can_be_typed(name):
    command = cli.cli.get_command(click.Context(cli.cli), name)
    context = click.Context(command, info_name=name, terminal_width=80)
    begins, program, typed, *words = shlex.split(command.get_help(context).splitlines()[-1])
    assert (begins, program, typed) == ("Example:", "vps-autoscaler", name)
    command.make_parser(context).parse_args(words[: words.index(">")] if ">" in words else words)


def test_serve_ls_and_a_graceful_stop():
    with served(EXAMPLE) as (process, address):
        assert "batch" in run("ls", "--address", address).stdout
        document = json.loads(run("ls", "--address", address, "-o", "json").stdout)
        assert [group["name"] for group in document["groups"]] == ["web", "batch", "gpu"]
        assert document["groups"][0]["targetSize"] == 0
        assert document["accounts"][0]["machines"] == 0
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=40)
        assert process.returncode == 0
        assert "Traceback" not in process.stderr.read()


def test_ls_without_a_server_is_one_sentence():
    done = run("ls", "--address", "127.0.0.1:1", code=1)
    assert done.stderr.startswith("Error: no answer from 127.0.0.1:1")
    assert "Traceback" not in done.stderr


def test_a_second_server_on_one_address_is_reported_so():
    with served(EXAMPLE) as (_, address):
        done = run_process("serve", "--config", EXAMPLE, "--listen", address, "--no-live", code=1)
        assert "another server" in done.stderr


def test_a_wrong_file_is_reported_mistake_by_mistake(tmp_path):
    path = tmp_path / "pools.yaml"
    path.write_text(
        "cluster: Test\nnodes:\n- {name: a, provider: memory, instanceTyp: small,"
        " region: north, minSize: 4, maxSize: 3}\n"
    )
    for command in (("check",), ("serve", "--no-live", "--listen", "127.0.0.1:0")):
        output = run_process(*command, "--config", path, code=1).stderr
        assert f"{path}:1:" in output
        assert f"{path}:3:" in output
        assert "instanceType" in output
        assert "minSize" in output
        assert "Traceback" not in output
    output = json.loads(run("check", "--config", path, "-o", "json", code=1).stdout)
    assert not output["ok"]
    assert {each["line"] for each in output["mistakes"]} == {1, 3}


def test_one_mistake_is_counted_as_one(tmp_path):
    path = tmp_path / "pools.yaml"
    for text, words in (("cluster: test\n", "1 mistake"), ("cluster: Test\n", "2 mistakes")):
        path.write_text(text)
        output = run_process("check", "--config", path, code=1).stderr
        assert f"\n{words}; nothing was started" in output


def test_check_online_asks_the_cloud():
    output = run("check", "--config", EXAMPLE, "--online").stdout
    assert "sold out" in output
    assert "nothing is wrong in what was looked at" in output
    report = json.loads(run("check", "--config", EXAMPLE, "--online", "-o", "json").stdout)
    assert report["ok"]


def test_render_masks_secrets(tmp_path):
    (tmp_path / "join.yaml").write_text(
        "#cloud-config\nruncmd: ['kubeadm join --token abcdef.0123456789abcdef @@NODE_NAME@@']\n"
    )
    path = tmp_path / "pools.yaml"
    path.write_text(
        "cluster: test\nnodes:\n- {name: a, provider: memory, instanceType: small,"
        " region: north, minSize: 0, maxSize: 3, userDataFile: join.yaml}\n"
    )
    output = run("render", "--config", path, "a").stdout
    assert "abcdef.0123456789abcdef" not in output
    assert "--token *** a-" in output
    assert "node.kubernetes.io/instance-type: small" in output
    assert (
        "abcdef.0123456789abcdef" in run("render", "--config", path, "a", "--show-secrets").stdout
    )
    assert "no group is called 'b'" in run("render", "--config", path, "b", code=1).stderr


def test_offers_are_cheapest_first():
    found = json.loads(
        run("offers", "--config", EXAMPLE, "--cpu", "4", "-o", "json", "--limit", "0").stdout
    )
    prices = [float(each["pricePerHour"]) for each in found]
    assert prices == sorted(prices)
    assert all(each["cpuMillis"] >= 4000 for each in found)
    assert all(each["inStock"] for each in found)


def test_purge_deletes_only_what_carries_the_mark(tmp_path):
    path = tmp_path / "pools.yaml"
    state = tmp_path / "cloud.json"
    path.write_text(
        f"cluster: test\naccounts:\n- {{name: ram, provider: memory,"
        f" options: {{stateFile: {state}, bootTimeS: 0, createLatencyS: 0}}}}\n"
        "nodes:\n- {name: a, account: ram, instanceType: small, region: north,"
        " minSize: 1, maxSize: 3}\n"
    )
    assert "no machine carries the mark" in run("purge", "--config", path, "--yes").stdout
    with served(path) as (_, address):
        grown = serving_grow(address, "a", 2)
        serving.until(lambda: grown() == 2)
    assert "2 machines would be deleted" in run("purge", "--config", path, "--dry-run").stdout
    other = tmp_path / "other.yaml"
    other.write_text(path.read_text().replace("cluster: test", "cluster: else"))
    assert "no machine carries" in run("purge", "--config", other, "--yes").stdout
    run("purge", "--config", path, typed="n\n", code=1)
    assert "[2/2]" in run("purge", "--config", path, "--yes").stdout
    assert "no machine carries" in run("purge", "--config", path, "--yes").stdout


def serving_grow(address, group, delta):
    channel = grpc.insecure_channel(address)
    stub = externalgrpc_pb2_grpc.CloudProviderStub(channel)
    stub.NodeGroupIncreaseSize(pb.NodeGroupIncreaseSizeRequest(id=group, delta=delta))

    def running():
        shown = stub.NodeGroupNodes(pb.NodeGroupNodesRequest(id=group)).instances
        return sum(each.status.instanceState == 1 for each in shown)

    return running


def groups_of(address):
    document = json.loads(run("ls", "--address", address, "-o", "json").stdout)
    return [group["name"] for group in document["groups"]]


def test_sighup_reloads_and_a_bad_file_leaves_the_last_good_one(tmp_path):
    path = pools(tmp_path / "pools.yaml", "one")
    with served(path) as (process, address):
        pools(path, "one", "two")
        process.send_signal(signal.SIGHUP)
        serving.until(lambda: groups_of(address) == ["one", "two"])
        path.write_text("nodes: [")
        process.send_signal(signal.SIGHUP)
        lines = iter(process.stderr.readline, "")
        assert any("the last good one stays" in line for line in lines)
        assert groups_of(address) == ["one", "two"]


def test_another_cluster_in_the_file_is_refused_loudly_and_counted(tmp_path):
    path = pools(tmp_path / "pools.yaml", "one")
    with served(path, "--metrics", "127.0.0.1:0") as (process, address):
        lines = iter(process.stderr.readline, "")
        metrics = next(line for line in lines if "metrics served" in line)
        path.write_text(path.read_text().replace("cluster: test", "cluster: other"))
        process.send_signal(signal.SIGHUP)
        result = next(line for line in lines if "configuration not reloaded" in line)
        assert " error " in result
        assert "cluster test, the file says other" in result
        shown = json.loads(run("ls", "--address", address, "-o", "json").stdout)
        assert shown["cluster"] == "test"
        where = metrics.split("address=")[1].split()[0].strip('"')
        with urllib.request.urlopen(f"http://{where}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        assert 'vps_autoscaler_reloads_total{outcome="refused"} 1.0' in text
        pools(path, "one", "two")
        process.send_signal(signal.SIGHUP)
        serving.until(lambda: groups_of(address) == ["one", "two"])


def test_a_swapped_symlink_is_noticed_by_itself(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, names in ((first, ["one"]), (second, ["one", "two"])):
        folder.mkdir()
        pools(folder / "pools.yaml", *names)
    link = tmp_path / "data"
    link.symlink_to(first)
    with served(link / "pools.yaml") as (_, address):
        fresh = tmp_path / "fresh"
        fresh.symlink_to(second)
        fresh.rename(link)
        serving.until(lambda: groups_of(address) == ["one", "two"], timeout_s=30)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_either_signal_stops_with_exit_code_zero(number):
    with served(EXAMPLE) as (process, _):
        process.send_signal(number)
        assert process.wait(timeout=40) == 0


@pytest.mark.parametrize("command", ["check", "offers", "schema"])
def test_what_cannot_be_written_ends_in_a_sentence(command):
    arguments = [command] if command == "schema" else [command, "--config", str(EXAMPLE)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "externalgrpc", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            cwd=ROOT,
        )
    assert done.returncode == 1
    assert done.stderr == "Error: what it has to say cannot be written: No space left on device\n"


@pytest.mark.parametrize("full", [True, False])
def test_a_server_that_nobody_listens_to_serves(tmp_path, full):
    config, log = pools(tmp_path / "pools.yaml", "one"), tmp_path / "log"
    closed, end = os.pipe()
    os.close(closed)
    sink = os.open("/dev/full", os.O_WRONLY) if full else end
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [*(sys.executable, "-m", "externalgrpc", "serve", "--config", str(config)),
             "--listen", f"unix:{tmp_path}/s"],
            stdout=sink,
            stderr=errors,
            cwd=ROOT,
        )  # fmt: skip
    try:
        serving.until(lambda: "served without it" in log.read_text(), timeout_s=40)
        assert groups_of(f"unix:{tmp_path}/s") == ["one"]
        process.terminate()
        assert process.wait(timeout=40) == 0
        assert "Traceback" not in log.read_text()
    finally:
        process.kill()
        process.wait()
        for each in {sink, end}:
            os.close(each)


def test_a_terminal_without_a_width_is_no_reason_to_say_nothing():
    done = run_process("check", "--config", EXAMPLE, COLUMNS="0")
    assert "cluster demo: nothing is wrong" in done.stdout
