"""``vps-autoscaler try``, as a process of its own: through a server, and without one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from prometheus_client import generate_latest

from externalgrpc.diagnosis import reasons
from externalgrpc.fleet import trials
from externalgrpc.pb import fleet_pb2, fleet_pb2_grpc
from externalgrpc.trial import controller
from providers import contract, memory
from tests import serving
from tests.test_cli import ROOT
from tests.trial.test_trial import joined, machine, server

IDENTITY = "c0ffee0123"
POOLS = """
cluster: prod
accounts:
- {name: ram, provider: memory, options: {bootTimeS: 0, createLatencyS: 0, listLatencyS: 0}}
nodes:
- {name: workers, account: ram, instanceType: medium, region: east, maxSize: 3}
"""
NOWHERE = "127.0.0.1:9"


def started(*words: str, **more: object) -> subprocess.Popen[str]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160"}
    environ.pop("VPS_AUTOSCALER_ADDRESS", None)
    return subprocess.Popen(
        [sys.executable, "-m", "externalgrpc", "try", *words],
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


@contextlib.contextmanager
def trying(*words: str):
    process = started(*words)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ended(process, within_s=60.0):
    out, err = process.communicate(timeout=within_s)
    assert "Traceback" not in err
    return process.returncode, out, err


def said(*words: str):
    with trying(*words) as process:
        return ended(process)


def test_through_a_server_to_a_ready_node_and_back(tmp_path):
    with (
        server(tmp_path) as (up, cluster, _),
        trying("alpha", "--address", up.address, "--yes", "-o", "json") as process,
    ):
        template = up.plant.describer.template_node(
            up.plant.reconciler.fleet,
            trials.shadow(up.plant.reconciler.fleet.groups["alpha"]),
        )
        made = joined(up, cluster, labels=promised(template))
        code, out, err = ended(process)
        assert code == 0, err
        report = json.loads(out)
        assert report["ready"]
        assert report["machine"]["name"] == made.node_name
        assert [step["name"] for step in report["steps"]][-1] == "nothing left"
        assert report["left"] == []
        assert report["machine"].keys() == {"name", "providerID", "instanceType", "region"}
        assert len(report["proofs"]) == 4
        assert "EUR an hour" in err
        for step in ("order accepted", "machine running", "node ready", "machine gone"):
            assert step in err
        assert not up.cloud.servers()


def promised(template: bytes) -> dict[str, str]:
    from externalgrpc.pb import k8s_core_v1_pb2 as core  # noqa: PLC0415 - one reader

    return dict(core.Node.FromString(template).metadata.labels)


def test_a_template_that_promises_what_the_node_is_not_is_exit_code_3(tmp_path, monkeypatch):
    with (
        server(tmp_path) as (up, cluster, _),
        trying("alpha", "--address", up.address, "--yes") as process,
    ):
        joined(up, cluster, labels={}, taints=())
        code, out, err = ended(process, 90.0)
        assert code == 3, err
        assert "template and Node differ" in out
        assert not up.cloud.servers()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_deletes_what_was_ordered(tmp_path, number):
    with (
        server(tmp_path) as (up, _cluster, _),
        trying("alpha", "--address", up.address, "--yes") as process,
    ):
        for line in iter(process.stderr.readline, ""):
            if "order accepted" in line:
                break
        process.send_signal(number)
        code, _out, err = ended(process)
        assert code == 1
        assert "interrupted; nothing is left" in err
        assert not up.cloud.servers()


def test_a_client_that_is_killed_leaves_it_to_the_server(tmp_path, monkeypatch):
    monkeypatch.setattr(controller, "LEASE_S", 1.0)
    with (
        server(tmp_path) as (up, _cluster, _),
        trying("alpha", "--address", up.address, "--yes") as process,
    ):
        serving.until(lambda: machine(up) is not None)
        process.kill()
        serving.until(lambda: not up.cloud.servers(), 30.0)


def leave(up, *, identity=IDENTITY, group="vps-trial-alpha", name="vps-trial-alpha-bbbbbb"):
    """Make a machine as a trial of a process that was killed would have left it."""
    login = contract.Login(account="else", cluster="test", token="")
    cloud = memory.MemoryCloud(login, cloud=up.cloud)
    made = cloud.create(
        contract.Order(
            node_name=name,
            cluster="test",
            group=group,
            identity=identity,
            machine_type=next(each for each in cloud.machine_types() if each.name == "small"),
            location="north",
            image="",
            user_data="",
        )
    )
    serving.until(lambda: made.provider_id in up.plant.reconciler.fleet.index.by_provider_id)
    return made


def test_what_a_killed_server_left_is_shown_refused_and_cleaned(tmp_path):
    with server(tmp_path) as (up, _cluster, _):
        left = leave(up)
        code, _out, err = said("alpha", "--address", up.address, "--yes")
        assert code == 1
        assert f"left by a trial: {left.provider_id}" in err
        assert "try --clean" in err
        assert len(up.cloud.servers()) == 1
        (shown,) = up.show().machines
        assert (shown.phase, shown.provider_id) == ("trial", left.provider_id)
        cost = generate_latest(up.plant.metrics.registry).decode()
        assert "vps_autoscaler_orphans 0.0" in cost
        paid = next(each for each in cost.splitlines() if "cost" in each and 'group=""' in each)
        assert float(paid.rpartition(" ")[2]) > 0
        code, _out, err = said("--clean", "--address", up.address)
        assert code == 1
        assert "add --yes" in err
        assert len(up.cloud.servers()) == 1
        code, _out, err = said("--clean", "--address", up.address, "--yes")
        assert code == 0, err
        assert f"gone: {left.provider_id}" in err
        assert not up.cloud.servers()
        code, out, _err = said("--clean", "--address", up.address, "--yes")
        assert (code, out) == (0, "no trial has left anything\n")


@pytest.mark.parametrize("identity", ["", "ffffffffff"])
def test_what_is_not_proved_to_be_ours_is_left_with_the_line_against_it(tmp_path, identity):
    with server(tmp_path) as (up, _cluster, _):
        left = leave(up, identity=identity)
        code, _out, err = said("--clean", "--address", up.address, "--yes")
        assert code == 1
        assert f"purge --config FILE --machine {left.provider_id}" in err
        assert len(up.cloud.servers()) == 1


def test_what_lists_and_what_deletes_say_the_same_of_a_name_that_no_trial_minted(tmp_path):
    """A group's machine whose label somebody edited: every listing says what --clean will say."""
    with server(tmp_path) as (up, _cluster, _):
        left = leave(up, name="alpha-bbbbbb")
        (shown,) = up.show().machines
        assert "alpha-bbbbbb was minted for no trial" in shown.doubt_message
        by_hand = f"purge --config FILE --machine {left.provider_id}"
        (why,) = reasons.explain(up.show(), left.provider_id)
        assert "minted for no trial" in why.what
        assert by_hand in why.cure
        assert "--clean" not in why.cure
        code, _out, err = said("--clean", "--address", up.address)
        assert code == 1
        assert "--yes" not in err, "there is nothing to be asked about"
        assert "(ours)" not in err
        assert "minted for no trial" in err
        assert by_hand in err
        code, _out, err = said("alpha", "--address", up.address, "--yes")
        assert code == 1
        assert by_hand in err
        assert len(up.cloud.servers()) == 1


def test_a_leftover_whose_node_has_no_taint_is_somebodys_working_node(tmp_path):
    with server(tmp_path) as (up, cluster, _):
        left = leave(up)
        cluster.join(left)
        serving.until(lambda: up.plant.reconciler.fleet.nodes)
        code, _out, err = said("--clean", "--address", up.address, "--yes")
        assert code == 1
        assert "working node" in err
        assert len(up.cloud.servers()) == 1


def test_the_node_of_a_leftover_goes_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr(controller, "REMOVE_S", 0.1)
    with server(tmp_path) as (up, cluster, _):
        left = leave(up)
        from tests.trial.test_trial import TAINT  # noqa: PLC0415 - one reader

        cluster.join(left, taints=(TAINT,))
        serving.until(lambda: up.plant.reconciler.fleet.nodes)
        code, _out, err = said("--clean", "--address", up.address, "--yes")
        assert code == 0, err
        serving.until(lambda: not cluster.nodes)


def test_it_asks_and_takes_no_silence_for_a_yes(tmp_path):
    with server(tmp_path) as (up, _cluster, _):
        code, _out, err = said("alpha", "--address", up.address)
        assert code == 1
        assert "add --yes" in err
        assert not up.cloud.servers()


def test_an_unknown_group_and_a_server_that_only_looks_are_refused(tmp_path):
    with server(tmp_path) as (up, _cluster, _):
        code, _out, err = said("nope", "--address", up.address, "--yes")
        assert (code, "its groups are: alpha" in err) == (1, True)
    with serving.running(tmp_path, dry_run=True) as up:
        code, _out, err = said("alpha", "--address", up.address, "--yes")
        assert (code, "--dry-run" in err) == (1, True)


RAW = """
cluster: test
nodes:
- {name: alpha, provider: memory, instanceType: small, region: north, maxSize: 2}
"""


def test_a_group_whose_nodes_cannot_be_tainted_takes_a_word_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(memory.MemoryCloud, "joins_by_itself", False)
    (tmp_path / "user-data").write_text("#cloud-config\n{}\n")
    text = RAW.replace("maxSize: 2", "maxSize: 2, userDataFile: user-data")
    with serving.running(tmp_path, text) as up:
        code, _out, err = said("alpha", "--address", up.address, "--yes")
        assert code == 1
        assert "--no-taint" in err
        assert "@@TAINTS@@" in err
        assert not up.cloud.servers()
        code, out, err = said("alpha", "--address", up.address, "--yes", "--no-taint")
        assert code == 0, err
        assert "nobody sees whether the machine became a node" in " ".join(out.split())
        assert not up.cloud.servers()


def test_raw_user_data_that_uses_the_taints_is_tainted(tmp_path, monkeypatch):
    monkeypatch.setattr(memory.MemoryCloud, "joins_by_itself", False)
    (tmp_path / "user-data").write_text("#!/bin/sh\nkubelet --register-with-taints=@@TAINTS@@\n")
    text = RAW.replace("maxSize: 2", "maxSize: 2, userDataFile: user-data")
    with serving.running(tmp_path, text) as up:
        stub = fleet_pb2_grpc.FleetStub(up.channel)
        assert up.show().groups[0].untaintable == ""
        stub.StartTrial(fleet_pb2.StartTrialRequest(group="alpha"))
        serving.until(up.cloud.servers)
        (ordered,) = up.cloud.servers()
        assert "vps-autoscaler/trial=alpha:NoSchedule" in ordered.user_data


def test_without_a_server_it_orders_from_here_and_says_so(tmp_path):
    path = tmp_path / "pools.yaml"
    path.write_text(POOLS)
    environ = ("--config", str(path))
    code, _out, err = said("workers", *environ, "--address", NOWHERE, "--yes")
    assert code == 1, "an address that was named is meant"
    code, _out, err = said("workers", "--yes")
    if code:
        assert "--config orders from here" in err
    code, out, err = said("workers", *environ, "--yes", "-o", "json")
    assert code == 0, err
    assert "ordered from here" in err
    report = json.loads(out)
    assert (report["ready"], report["watched"], report["left"]) == (True, False, [])
    code, _out, err = said("nope", *environ, "--yes")
    assert code == 1
    assert "there are: workers" in err


def test_a_cloud_that_is_dead_is_said_soon(tmp_path, monkeypatch):
    monkeypatch.setenv("HCLOUD_TOKEN", "a" * 64)
    path = tmp_path / "pools.yaml"
    path.write_text(
        "cluster: prod\naccounts:\n"
        "- {name: h, provider: hetzner, endpoint: 'http://127.0.0.1:9'}\nnodes:\n"
        "- {name: workers, account: h, instanceType: cx23, region: fsn1, maxSize: 3, join: image}\n"
    )
    began = time.monotonic()
    code, _out, err = said("workers", "--config", str(path), "--yes", "--no-taint")
    assert code == 1
    assert "account h could not be listed, nothing was ordered: " in err
    assert time.monotonic() - began < 20, "it was 30 s, and went on"


def test_ctrl_c_without_a_server_deletes_too(tmp_path):
    state = tmp_path / "cloud.json"
    path = tmp_path / "pools.yaml"
    path.write_text(POOLS.replace("bootTimeS: 0", f"stateFile: {state}, bootTimeS: 3600"))
    with trying("workers", "--config", str(path), "--yes") as process:
        for line in iter(process.stderr.readline, ""):
            if "order accepted" in line:
                break
        process.send_signal(signal.SIGINT)
        code, _out, err = ended(process)
    assert code == 1
    assert "interrupted; nothing is left" in err
    assert "vps-trial-workers" not in json.dumps(json.loads(state.read_text()).get("servers"))
