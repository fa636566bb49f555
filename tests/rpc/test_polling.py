"""Calls are answered in grpc's polling thread where nothing blocks, and by workers otherwise."""

from __future__ import annotations

import contextlib
import logging

import grpc
import pytest
from grpc import _server

from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.rpc import limits, polling, server, service
from tests import serving
from tests.port import frames

PATIENCE_S = 20.0


@pytest.fixture
def house(tmp_path):
    with serving.running(tmp_path) as up:
        up.stub.NodeGroupIncreaseSize(pb.NodeGroupIncreaseSizeRequest(id="alpha", delta=2))
        serving.until(lambda: len(running(up)) == 2)
        yield up


@pytest.fixture
def handed_on(house, monkeypatch):
    """What the workers were given."""
    tasks = []
    pool = house.server._workers
    submit = pool.submit
    monkeypatch.setattr(pool, "submit", lambda *args: tasks.append(args) or submit(*args))
    return tasks


def running(up):
    return [each for each in up.show().machines if each.phase == "running"]


def for_node(up, number=0, **fields):
    """Ask for the group of a machine's Node."""
    machine = running(up)[number]
    node = pb.ExternalGrpcNode(providerID=machine.provider_id, name=machine.name, **fields)
    return pb.NodeGroupForNodeRequest(node=node).SerializeToString()


def target(group="alpha"):
    return pb.NodeGroupTargetSizeRequest(id=group).SerializeToString()


def options(group="alpha", **overrides):
    defaults = pb.NodeGroupAutoscalingOptions(**overrides)
    asked = pb.NodeGroupAutoscalingOptionsRequest(id=group, defaults=defaults)
    return asked.SerializeToString()


def call(up, rpc):
    return up.channel.unary_unary(f"/{service.SERVICE}/{rpc}", None, None)


def answer(up, rpc, data):
    """Give reply or status, and its words."""
    try:
        return call(up, rpc)(data, timeout=PATIENCE_S)
    except grpc.RpcError as error:
        return error.code(), error.details()


def test_what_never_blocks_needs_no_worker(house, handed_on):
    call(house, "NodeGroupForNode")(for_node(house))  # the first time the Node is news
    handed_on.clear()
    known = for_node(house)
    handed_on.clear()  # for_node asks for the machines
    for rpc, data in (
        ("NodeGroupForNode", known),
        ("NodeGroupTargetSize", target()),
        ("NodeGroupGetOptions", options()),
    ):
        assert answer(house, rpc, data) == call(house, rpc)(data)
    assert handed_on == []
    call(house, "NodeGroups")(b"")
    assert len(handed_on) == 1


def test_a_long_message_is_read_by_a_worker(house, handed_on):
    call(house, "NodeGroupForNode")(for_node(house))
    long = for_node(house, labels={"long": "x" * polling.LARGEST_BYTES})
    handed_on.clear()
    call(house, "NodeGroupForNode")(long)
    assert len(handed_on) == 1


def test_a_reply_is_held_until_it_is_taken(house, monkeypatch):
    held = []
    replying = house.server._callers.replying
    monkeypatch.setattr(
        house.server._callers, "replying", lambda *args: held.append(args[1]) or replying(*args)
    )
    assert [len(answer(house, "NodeGroupTargetSize", target()))] == held
    serving.until(lambda: not house.server._callers._unsent)


def test_workers_answer_the_same(house, handed_on):
    broken = b"\xff\xff\xff"
    asked = [
        ("NodeGroupForNode", for_node(house)),
        ("NodeGroupForNode", for_node(house, labels={"long": "x" * polling.LARGEST_BYTES})),
        ("NodeGroupForNode", pb.NodeGroupForNodeRequest().SerializeToString()),
        ("NodeGroupForNode", broken),
        ("NodeGroupTargetSize", target()),
        ("NodeGroupTargetSize", target("nobody's")),
        ("NodeGroupTargetSize", broken),
        ("NodeGroupGetOptions", options()),
        ("NodeGroupGetOptions", options("nobody's")),
        ("NodeGroupGetOptions", options(scaleDownUtilizationThreshold=0.7)),
    ]
    house.plant.ticker.stop()
    polled = [answer(house, *each) for each in asked]
    house.server._polling.on = False
    handed_on.clear()
    assert [answer(house, *each) for each in asked] == polled
    assert len(handed_on) == len(asked)
    assert {each[0] for each in polled if isinstance(each, tuple)} == {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
    }


def test_who_waits_for_the_lock_or_a_worker_delays_nobody(house):
    known = for_node(house, 1)
    call(house, "NodeGroupForNode")(known)
    news = for_node(house, 0)
    most = limits.Limits().served
    house.plant.ticker.stop()
    with contextlib.ExitStack() as stack:
        stack.enter_context(house.plant.reconciler._lock)
        waiting = [
            call(house, "NodeGroupForNode").future(news, timeout=PATIENCE_S)
            for _ in range(most + 40)
        ]
        # Those for whom there is no worker keep their places: each holds a message.
        serving.until(lambda: house.server._workers.threads() >= most)
        serving.until(lambda: house.server._callers.listening() >= most)
        for rpc, data in (
            ("NodeGroupForNode", known),
            ("NodeGroupTargetSize", target()),
            ("NodeGroupGetOptions", options()),
        ):
            assert isinstance(answer(house, rpc, data), bytes)
        assert not any(each.done() for each in waiting)
    assert {each.result() for each in waiting} == {answer(house, "NodeGroupForNode", known)}
    serving.until(lambda: house.server._callers.listening() == 0)


@pytest.mark.parametrize("ending", ["reset", "hung up", "half closed"])
def test_a_place_is_given_back_however_a_call_ends(house, handed_on, ending):
    with frames.Connection(house.address) as caller:
        stream = caller.stream()
        caller.send(frames.headers(stream, f"/{service.SERVICE}/NodeGroupTargetSize"))
        serving.until(lambda: house.server._callers.listening() == 1)
        assert handed_on == []
        if ending == "reset":
            caller.send(frames.reset(stream))
        elif ending == "half closed":
            caller.send(frames.data(stream, b"", end=True))
        else:
            caller.close()
        serving.until(lambda: house.server._callers.listening() == 0)
        serving.until(lambda: house.server._server._state.active_rpc_count == 0)
    assert isinstance(answer(house, "NodeGroupTargetSize", target()), bytes)


def test_a_surprise_costs_one_call_and_leaves_the_rest_to_the_workers(
    house, handed_on, monkeypatch, caplog
):
    def surprises(*_told):
        raise RuntimeError("grpc has changed")

    with monkeypatch.context() as changed, caplog.at_level(logging.ERROR):
        changed.setattr(_server, "_status", surprises)
        assert answer(house, "NodeGroupTargetSize", target())[0] is grpc.StatusCode.CANCELLED
    assert "call not answered" in caplog.text
    assert not house.server.polls
    assert isinstance(answer(house, "NodeGroupTargetSize", target()), bytes)
    assert len(handed_on) == 1


def test_the_switch_leaves_everything_to_the_workers(tmp_path):
    listening = server.Listening(address="127.0.0.1:0", polling=False)
    with serving.running(tmp_path, listening=listening) as up:
        assert isinstance(answer(up, "NodeGroupTargetSize", target()), bytes)
        assert not up.server.polls


def test_the_installed_grpcio_is_as_we_know_it():
    assert polling.doubts() == ""


@pytest.mark.parametrize("version", ["1.84.9", "1.86.0", "1.9999.1", "2.0.0"])
def test_another_grpcio_is_not_taken_apart(monkeypatch, version):
    monkeypatch.setattr(grpc, "__version__", version)
    assert "has not been tested" in polling.doubts()


@pytest.mark.parametrize("name", ["_status", "_receive_message", "_unary_response_in_pool"])
def test_a_changed_grpcio_is_not_taken_apart(monkeypatch, name):
    monkeypatch.setattr(_server, name, lambda one, other: None)
    assert f"grpc._server.{name} takes" in polling.doubts()


def test_a_grpcio_that_answers_otherwise_is_not_taken_apart(monkeypatch):
    status = _server._status

    def changed(rpc_event, state, serialized_response):
        status(rpc_event, state, (serialized_response or b"") + b"!")

    monkeypatch.setattr(_server, "_status", changed)
    assert "calls of our own were answered" in polling.doubts()


def test_a_server_that_cannot_poll_says_so_and_serves(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(grpc, "__version__", "1.9999.1")
    with caplog.at_level(logging.WARNING):
        listening = server.Listening(address="127.0.0.1:0")
        with serving.running(tmp_path, listening=listening, polls=False) as up:
            serving.until(lambda: "all calls are answered on workers" in caplog.text)
            assert isinstance(answer(up, "NodeGroupTargetSize", target()), bytes)
            assert not up.server.polls
