"""How a group's room is shows in ls and in the metrics, and a server starts it only when asked."""

from __future__ import annotations

import io
import types

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from rich.console import Console

from externalgrpc.commands import tables
from externalgrpc.headroom import gauges
from externalgrpc.headroom.status import Reason, Status
from externalgrpc.kube import events, reflector
from externalgrpc.support import clock
from tests import serving
from tests.headroom import stage

POOL = """
cluster: test
kubernetes: {}
nodes:
- {name: alpha, provider: memory, instanceType: small, region: north, minSize: 0, maxSize: 9,
   join: image, labels: {pool: alpha}%s}
"""
FINE = Status(
    reason=Reason.ON_TARGET,
    message="all is well",
    balloons=3,
    balloon_millis=500,
    used_millis=1900,
    requested_millis=500,
    target_percent=70,
)
BLIND = Status(reason=Reason.NO_METRICS, message="nobody measures", balloons=3)


class Cluster:
    """A cluster of no Nodes, whose API server holds what is applied."""

    home = events.Regarding(kind="ConfigMap", name="pools", namespace=stage.NAMESPACE)
    skew_s = 0.0

    def __init__(self) -> None:
        self.api = stage.Api()
        self.api.watch = self._nothing
        self.started = False

    def _nothing(self, *_args):
        raise stage.errors.Unreachable("no watch here")

    def connect(self, _config, _parts, _listeners):
        return self

    @property
    def node_list(self):
        return reflector.Listing(items={}, complete=True, heard_at=clock.SystemClock().monotonic())

    def identity(self):
        return "c0ffee0123"

    def kubelet_config(self):
        return None

    def start(self):
        self.started = True

    def stop(self, within_s=10.0):
        pass


def drawn(shown, *, wide: bool) -> str:
    out = io.StringIO()
    Console(file=out, width=200).print(tables.fleet(shown, wide=wide))
    return out.getvalue()


@pytest.mark.parametrize("asks", ["", ", headroom: {nodes: 2}"])
def test_a_server_keeps_room_only_where_a_group_asks(tmp_path, asks):
    cluster = Cluster()
    with serving.running(tmp_path, POOL % asks, connect=cluster.connect) as up:
        path = f"{stage.BUFFERS}/vps-headroom-alpha"
        if not asks:
            assert up.plant.headroom is None
            assert not up.show().groups[0].HasField("headroom")
            assert cluster.api.asked == 0
            return
        serving.until(lambda: path in cluster.api.items)
        assert cluster.api.items[path]["spec"]["replicas"] == 2
        serving.until(up.plant.rooms)
        text = generate_latest(up.plant.metrics.registry).decode()
        assert 'vps_autoscaler_balloons{by="CapacityBuffer",group="alpha"} 2.0' in text


def test_a_dry_run_keeps_none(tmp_path):
    cluster = Cluster()
    asks = POOL % ", headroom: {nodes: 2}"
    with serving.running(tmp_path, asks, connect=cluster.connect, dry_run=True) as up:
        assert up.plant.headroom is None
        assert cluster.api.writes == []


def test_ls_says_what_stands_in_the_way_and_with_wide_how_it_is(tmp_path):
    with serving.running(tmp_path) as up:
        for status, narrow, wide in ((FINE, False, True), (BLIND, True, True)):
            up.plant.headroom = types.SimpleNamespace(
                statuses={"alpha": status}, stop=lambda _within_s: None
            )
            shown = up.show()
            assert shown.groups[0].headroom.balloons == 3
            assert (status.message in drawn(shown, wide=False)) is narrow
            assert (status.message in drawn(shown, wide=True)) is wide
        assert shown.groups[0].headroom.used_cpu_millis == -1
        assert tables.as_dict(shown)["groups"][0]["headroom"]["reason"] == "NoMetrics"


def test_every_reason_is_one_of_a_condition():
    for reason in Reason:
        assert Status(reason=reason).condition in {"True", "False", "Unknown"}
        assert reason.value.isidentifier()


def test_the_gauges_say_what_is_kept_and_why():
    registry = CollectorRegistry()
    registry.register(gauges.Rooms(lambda: {"web": FINE, "blind": BLIND}))
    text = generate_latest(registry).decode()
    for line in (
        'vps_autoscaler_balloons{by="CapacityBuffer",group="web"} 3.0',
        'vps_autoscaler_headroom_cpu_cores{group="web",which="used"} 1.9',
        'vps_autoscaler_headroom_cpu_cores{group="web",which="kept"} 1.5',
        'vps_autoscaler_headroom_state{group="blind",reason="NoMetrics"} 1.0',
    ):
        assert line in text
    assert 'group="blind",which="used"' not in text
