"""What is no request: refused in a sentence, logged once a minute, and nothing of it stays."""

from __future__ import annotations

import collections
import os
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.rpc import calls, fleet_service, health, reflection, service
from tests import serving
from tests.port import frames, process

BROKEN = b"\x0a\xff\xff\xff\xff\x0fxx"
"""A field that says it is 4 GiB long."""

RPCS = [
    *(
        f"/{service.SERVICE}/{each.name}"
        for each in pb.DESCRIPTOR.services_by_name["CloudProvider"].methods
    ),
    f"/{fleet_service.SERVICE}/Show",
    f"/{health.SERVICE}/Check",
    f"/{health.SERVICE}/List",
]
STREAMS = [f"/{health.SERVICE}/Watch", f"/{reflection.SERVICE}/ServerReflectionInfo"]
ROUNDS = int(os.environ.get("MALFORMED", "1500"))
"""MALFORMED=100000 is the figure of the law; CI takes fewer."""


@pytest.fixture
def house(tmp_path):
    with serving.running(tmp_path) as up:
        yield up


def refusal(channel, method, data):
    if method in STREAMS:
        call = channel.stream_stream(method, None, None)
        with pytest.raises(grpc.RpcError) as caught:
            list(call(iter([data]), timeout=10))
    else:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(method, None, None)(data, timeout=10)
    return caught.value


@pytest.mark.parametrize("method", RPCS + STREAMS)
def test_a_malformed_request_is_refused_in_a_sentence(house, method, caplog, capfd):
    for _ in range(3):
        mistakes = refusal(house.channel, method, BROKEN)
        assert mistakes.code() is grpc.StatusCode.INVALID_ARGUMENT, mistakes
        assert "the request's 8 bytes are no " in mistakes.details()
        assert method.rpartition("/")[2] in mistakes.details()
    lines = [record for record in caplog.records if record.getMessage() == "malformed request"]
    assert len(lines) == 1, "one line a minute"
    assert lines[0].fields["caller"].startswith("ipv4:127.0.0.1:")
    assert not any(record.exc_info for record in caplog.records)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("method", RPCS)
def test_a_call_without_a_request_is_refused(house, method):
    with frames.Connection(house.address) as caller:
        stream = caller.stream()
        caller.send(frames.headers(stream, method), frames.data(stream, b"", end=True))
        seen = b""
        while (got := caller.read()) and got[0] != frames.RST_STREAM:
            seen += got[3]
            if got[0] == frames.HEADERS and got[1] & frames.END_STREAM:
                break
    assert b"the call ended before its request came" in seen


def test_a_compressed_request_is_not_unpacked(house):
    method = f"/{service.SERVICE}/NodeGroups"
    with pytest.raises(grpc.RpcError) as caught:
        house.channel.unary_unary(method, None, None)(
            bytes(1_000_000), compression=grpc.Compression.Gzip, timeout=10
        )
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("method", [RPCS[-2], *STREAMS])
def test_health_and_reflection_take_no_long_names(house, method):
    request = health_pb2.HealthCheckRequest(service="x" * calls.SMALL_BYTES)
    mistakes = refusal(house.channel, method, request.SerializeToString())
    assert mistakes.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert f"{calls.SMALL_BYTES:,}" in mistakes.details()


def test_a_good_request_is_answered_after_a_bad_one_on_the_same_connection(house):
    refusal(house.channel, RPCS[0], BROKEN)
    assert len(house.stub.NodeGroups(pb.NodeGroupsRequest()).nodeGroups) == 2


def test_what_reflection_does_not_find_is_reported(house):
    stub = reflection_pb2_grpc.ServerReflectionStub(house.channel)
    asked = [
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="no.such.Thing"),
        reflection_pb2.ServerReflectionRequest(file_by_filename="../../etc/passwd"),
        reflection_pb2.ServerReflectionRequest(all_extension_numbers_of_type="x"),
        reflection_pb2.ServerReflectionRequest(
            file_containing_extension=reflection_pb2.ExtensionRequest(
                containing_type=f"{service.SERVICE}", extension_number=-1
            )
        ),
        reflection_pb2.ServerReflectionRequest(),
    ]
    answers = list(stub.ServerReflectionInfo(iter(asked), timeout=10))
    assert [answer.HasField("error_response") for answer in answers] == [True] * len(asked)


def test_memory_does_not_grow_with_malformed_requests(tmp_path):
    methods = [RPCS[1], RPCS[-3], RPCS[-2], *STREAMS]
    with process.served(tmp_path) as up, grpc.insecure_channel(up.address) as channel:

        def flood(count):
            codes = collections.Counter()
            for number in range(count):
                codes[refusal(channel, methods[number % len(methods)], BROKEN).code()] += 1
            return codes

        began = time.monotonic()
        flood(500)  # warms all that is made once
        before = up.rss_kib()
        codes = flood(ROUNDS)
        grown = up.rss_kib() - before
        assert codes == {grpc.StatusCode.INVALID_ARGUMENT: ROUNDS}
        print(f"{ROUNDS} malformed requests: {before} KiB, {grown:+} KiB")  # noqa: T201
        # 19 KiB each before; the slack is the allocator's.
        assert grown < 2048 + ROUNDS * 0.2
        assert len(up.logged("malformed request")) <= 1 + (time.monotonic() - began) / 60
        assert not up.logged("Traceback")


@pytest.mark.parametrize(
    ("name", "value"), [("grpc-timeout", "x"), ("grpc-encoding", "zzz"), ("te", "zz")]
)
def test_odd_headers_write_no_line_each(tmp_path, monkeypatch, name, value):
    monkeypatch.setenv("GRPC_VERBOSITY", "ERROR")  # as a developer's environment may have it
    with process.served(tmp_path) as up:
        for _ in range(5):
            caller = frames.Connection(up.address)
            streams = [caller.stream() for _ in range(20)]
            for each in streams:
                caller.send(frames.headers(each, RPCS[0], extra={name: value}))
            answered = set()
            while len(answered) < len(streams) and (got := caller.read()) is not None:
                if got[0] in (frames.HEADERS, frames.RST_STREAM):
                    answered.add(got[2])
            caller.socket.close()
        with grpc.insecure_channel(up.address) as channel:
            assert channel.unary_unary(RPCS[0], None, None)(b"", timeout=10)
        lines = up.log.read_text().splitlines()
    assert len(lines) <= 3, lines[:5]
    assert all(each.startswith("20") for each in lines), lines[:5]
