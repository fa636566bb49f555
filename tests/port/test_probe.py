"""Health says whether calls are answered, not whether the process lives."""

from __future__ import annotations

import contextlib
import threading

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from externalgrpc import serving
from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.rpc import probe, server, service
from externalgrpc.support import clock
from tests import serving as house
from tests.port import callers, test_held

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
def quick(monkeypatch):
    for name, seconds in (("EVERY_S", 0.1), ("DEADLINE_S", 0.2), ("SILENT_S", 0.6)):
        monkeypatch.setattr(probe, name, seconds)


class Hold:
    """Calls that are held inside their handler, as many as the server takes."""

    def __init__(self, up, monkeypatch):
        self._go = threading.Event()
        self._entered = threading.Semaphore(0)
        self._calls = []
        monkeypatch.setattr(up.plant.reconciler, "nudge", self._stay)
        self._refresh = up.stub.Refresh

    def _stay(self):
        self._entered.release()
        self._go.wait(60)

    def __enter__(self):
        for _ in range(60):
            self._calls.append(self._refresh.future(pb.RefreshRequest(), timeout=60))
            if not self._entered.acquire(timeout=1.0):
                return
        raise AssertionError("the server never has enough")

    def __exit__(self, *_):
        self._go.set()
        for call in self._calls:
            call.result()


def healthz(up):
    return serving.health(up.plant, up.server, clock.SystemClock())


@pytest.mark.parametrize("transport", ["tcp", "unix", "tls"])
def test_workers_that_are_all_held_are_unhealthy(tmp_path, quick, monkeypatch, transport):
    with test_held.listening(tmp_path, transport) as (up, _):
        stub = health_pb2_grpc.HealthStub(up.channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=service.SERVICE), timeout=90)
        assert next(watch).status == SERVING
        house.until(lambda: healthz(up) == (True, "ok"))
        with Hold(up, monkeypatch):
            house.until(lambda: not healthz(up)[0])
            assert "our own RPCs are not answered" in healthz(up)[1]
            assert "DEADLINE_EXCEEDED" in healthz(up)[1]
            assert next(watch).status == NOT_SERVING
        house.until(lambda: healthz(up) == (True, "ok"))
        assert next(watch).status == SERVING
        for name in ("", service.SERVICE):
            assert stub.Check(health_pb2.HealthCheckRequest(service=name)).status == SERVING


def test_a_heart_that_beats_is_not_enough(tmp_path, quick):
    with house.running(tmp_path) as up:
        house.until(lambda: healthz(up) == (True, "ok"))
        up.server.stop(0.0)
        house.until(lambda: not healthz(up)[0])


def test_callers_who_hold_on_make_nobody_unhealthy(tmp_path, quick):
    with test_held.listening(tmp_path, "tcp") as (up, _), contextlib.ExitStack() as stack:
        test_held.half_open(stack, up.address, 1000, 20)
        callers.calls(up.channel, 200)
        assert healthz(up) == (True, "ok")


def test_the_private_socket_is_private_and_goes(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with test_held.listening(tmp_path, "tls") as (up, _):
        (folder,) = tmp_path.glob("vps-autoscaler-*")
        assert folder.stat().st_mode & 0o777 == 0o700
        assert callers.calls(up.channel, 1).failures == []
    assert not folder.exists()


def test_without_a_folder_for_it_the_workers_are_watched(tmp_path, quick, monkeypatch, caplog):
    def refused(**_):
        raise OSError("read-only file system")

    monkeypatch.setattr(server.tempfile, "mkdtemp", refused)
    with test_held.listening(tmp_path, "tls") as (up, _):
        assert "set TMPDIR to a folder" in caplog.text
        house.until(lambda: healthz(up) == (True, "ok"))
        with Hold(up, monkeypatch):
            house.until(lambda: "no worker is free" in healthz(up)[1])
        house.until(lambda: healthz(up) == (True, "ok"))


def test_an_unknown_name_is_reported_and_remembered_nowhere(tmp_path):
    with house.running(tmp_path) as up:
        stub = health_pb2_grpc.HealthStub(up.channel)
        unknown = health_pb2.HealthCheckRequest(service="nobody")
        with pytest.raises(grpc.RpcError) as caught:
            stub.Check(unknown)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        watch = stub.Watch(unknown, timeout=10)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        watch.cancel()
        listed = stub.List(health_pb2.HealthListRequest()).statuses
        assert {name: each.status for name, each in listed.items()} == {
            "": SERVING,
            service.SERVICE: SERVING,
        }


def test_a_watch_ends_when_the_server_stops_and_too_many_are_refused(tmp_path):
    with house.running(tmp_path) as up:
        stub = health_pb2_grpc.HealthStub(up.channel)
        watches = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(16)]
        assert [next(watch).status for watch in watches] == [SERVING] * 16
        with pytest.raises(grpc.RpcError) as caught:
            next(stub.Watch(health_pb2.HealthCheckRequest()))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "use Check" in caught.value.details()
        watches.pop().cancel()
        house.until(lambda: _watched(stub))
        up.server.stop(1.0)
        assert next(watches[0]).status == NOT_SERVING


def _watched(stub):
    try:
        return next(stub.Watch(health_pb2.HealthCheckRequest())).status == SERVING
    except grpc.RpcError:
        return False


def test_a_listener_on_all_interfaces_is_reached_on_loopback():
    assert probe.reachable("0.0.0.0:8086") == "127.0.0.1:8086"
    assert probe.reachable("[::]:8086") == "localhost:8086"
    for other in ("127.0.0.1:1", "unix:/run/x.sock", "10.0.0.1:8086"):
        assert probe.reachable(other) == other
