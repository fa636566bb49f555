"""A whole server that stands by: what it answers, what it refuses, and what it leaves alone."""

from __future__ import annotations

import pytest
from click import testing

from externalgrpc import cli
from externalgrpc.control import metrics_server
from externalgrpc.fleet import view
from externalgrpc.kube import nodes
from externalgrpc.model import fleet_errors
from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.rpc import error_codes, service
from tests import serving
from tests.diagnosis import cluster as diagnosed
from tests.joining import test_registrar as joining
from tests.kube import apiserver

WHY = "the Lease is held by pod-2"


@pytest.fixture
def up(tmp_path):
    cluster = joining.Cluster()
    with serving.running(
        tmp_path, joining.POOL, connect=cluster.connect, joining=joining.BY_HAND
    ) as running:
        running.cluster = cluster
        yield running


def running_machines(up, count):
    up.plant.reconciler.grow("alpha", count, cover=False)
    serving.until(lambda: view.live(up.plant.reconciler.fleet, "alpha") == count)
    serving.until(
        lambda: [each.state.value for each in joining.machines(up).values()] == ["running"] * count
    )
    return list(joining.machines(up).values())


def test_it_refuses_what_changes_something_and_answers_the_rest(up) -> None:
    why = [WHY]
    asked = service.CloudProvider(up.plant.reconciler, up.plant.describer, refuses=lambda: why[0])
    for call in (
        lambda: asked.Refresh(pb.RefreshRequest()),
        lambda: asked.NodeGroupIncreaseSize(pb.NodeGroupIncreaseSizeRequest(id="alpha", delta=1)),
        lambda: asked.NodeGroupDeleteNodes(pb.NodeGroupDeleteNodesRequest(id="alpha")),
        lambda: asked.NodeGroupDecreaseTargetSize(
            pb.NodeGroupDecreaseTargetSizeRequest(id="alpha", delta=-1)
        ),
    ):
        with pytest.raises(fleet_errors.StandsBy, match="stands by: the Lease is held by pod-2"):
            call()
    assert error_codes.code_of(fleet_errors.StandsBy("x")).name == "UNAVAILABLE"
    assert asked.NodeGroups(pb.NodeGroupsRequest()) is not None
    assert asked.NodeGroupTargetSize(pb.NodeGroupTargetSizeRequest(id="alpha")) == b""
    assert asked.NodeGroupNodes(pb.NodeGroupNodesRequest(id="alpha")) is not None
    why[0] = ""
    asked.Refresh(pb.RefreshRequest())
    assert up.plant.reconciler.fleet.launches == {}


def test_it_revokes_names_judges_and_removes_nothing(up) -> None:
    first, second = running_machines(up, 2)
    up.plant.reconciler.stand_by(WHY)
    up.cluster.join(first)
    up.cluster.join(second, provider_id="")
    gone = nodes.Node(name="alpha-gone00", uid="u", provider_id="memory://999", ready=False)
    up.cluster.nodes[gone.name] = gone
    up.plant.registrar.sweep()
    assert not up.cluster.revoked
    assert not up.cluster.reported
    assert up.cluster.nodes[second.node_name].provider_id == ""
    assert gone.name in up.cluster.nodes
    assert up.plant.reconciler.fleet.nodes, "and sees them all the same"
    up.plant.reconciler.take_over()
    up.plant.registrar.sweep()
    assert first.node_name in up.cluster.revoked
    assert up.cluster.nodes[second.node_name].provider_id == second.provider_id


def test_the_page_and_the_metric_say_so(up) -> None:
    leads = [True]
    up.plant.metrics.watch_leader(lambda: leads[0])
    registry = up.plant.metrics.registry
    assert registry.get_sample_value("vps_autoscaler_leader") == 1.0
    leads[0] = False
    assert registry.get_sample_value("vps_autoscaler_leader") == 0.0
    up.plant.reconciler.stand_by(WHY)
    assert up.show().orders_held == f"this server stands by: {WHY}"


def test_the_metric_never_says_that_a_server_acts_which_has_not_read_the_lease(
    tmp_path, monkeypatch
) -> None:
    """Not even in the moment in which its port is open and nothing else is."""
    asked = []

    def opens(_host, _port, metrics, *_) -> None:
        asked.append(metrics.registry.get_sample_value("vps_autoscaler_leader"))
        raise OSError("that is all")

    monkeypatch.setattr(metrics_server, "MetricsServer", opens)
    server = apiserver.FakeServer()
    path = tmp_path / "pools.yaml"
    path.write_text(serving.TWO_POOLS + f"kubernetes: {{kubeconfig: {tmp_path / 'kubeconfig'}}}\n")
    diagnosed.kubeconfig(server, tmp_path)
    words = ["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--no-live"]
    testing.CliRunner().invoke(
        cli.cli, ["serve", "--config", str(path), *words, "--leader-elect", "own"]
    )
    assert asked == [0.0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--leader-elect-resource-name", "x"], "needs --leader-elect"),
        (["--leader-elect-service", "x"], "needs --leader-elect"),
        (
            ["--leader-elect", "own", "--leader-elect-service", "x"],
            "--leader-elect-endpoint: '' is no IP:PORT",
        ),
        (["--leader-elect", "theirs"], "follow"),
        (["--leader-elect", "own"], "this is no pod of a cluster"),
    ],
)
def test_flags_that_cannot_be_meant(tmp_path, words: list[str], said: str) -> None:
    path = tmp_path / "pools.yaml"
    path.write_text(serving.TWO_POOLS)
    done = testing.CliRunner().invoke(
        cli.cli, ["serve", "--config", str(path), "--listen", "127.0.0.1:0", "--no-live", *words]
    )
    assert done.exit_code != 0
    assert said in done.output
