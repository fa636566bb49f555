"""How long requests, sentences and log lines may be."""

from __future__ import annotations

import logging

import grpc
import pytest

from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.rpc import service
from externalgrpc.support import brief, logs
from tests import serving

MIB = 1024 * 1024


@pytest.fixture
def house(tmp_path):
    with serving.running(tmp_path) as up:
        yield up


def test_a_thousand_nodes_fit_into_one_deletion(house):
    nodes = [
        pb.ExternalGrpcNode(
            providerID=f"memory://{10_000_000 + number}",
            name=f"alpha-{number:06d}",
            labels={f"example.com/label-{each}": "v" * 40 for each in range(20)},
            annotations={f"example.com/annotation-{each}": "v" * 220 for each in range(10)},
        )
        for number in range(1000)
    ]
    request = pb.NodeGroupDeleteNodesRequest(id="alpha", nodes=nodes)
    assert 3.5 * MIB < request.ByteSize() < 4 * MIB
    with pytest.raises(grpc.RpcError) as caught:
        house.stub.NodeGroupDeleteNodes(request, timeout=10)
    # Understood, all of it: none of them is ours.
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "not machines of this group: alpha-000000" in caught.value.details()
    assert caught.value.details().endswith("alpha-000999")
    assert len(caught.value.details()) <= brief.DETAILS


def test_what_is_longer_is_refused_by_its_length(house):
    call = house.channel.unary_unary(f"/{service.SERVICE}/NodeGroups", None, None)
    with pytest.raises(grpc.RpcError) as caught:
        call(bytes(4 * MIB + 1), timeout=10)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("letter", ["x", "\u00fc", "\U0001f300", "\n", "%"])
def test_a_long_id_reaches_neither_the_caller_nor_the_log_in_full(house, caplog, letter):
    name = letter * 200_000
    for call in (
        lambda: house.stub.NodeGroupTargetSize(pb.NodeGroupTargetSizeRequest(id=name)),
        lambda: house.stub.NodeGroupIncreaseSize(pb.NodeGroupIncreaseSizeRequest(id=name, delta=1)),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            call()
        # A sentence of more than some KB reaches clients as another error.
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert len(caught.value.details().encode()) <= brief.DETAILS
        assert "bytes)" in caught.value.details()
    for record in caplog.records:
        for write in (logs.KeyValueFormatter(), logs.JSONFormatter()):
            assert len(write.format(record)) < 8 * brief.LOGGED


def test_a_short_text_is_left_alone_and_a_long_one_keeps_both_ends():
    assert brief.brief("no node group 'x'") == "no node group 'x'"
    short = brief.brief("start" + "x" * 5000 + "end", 100)
    assert len(short) <= 100
    assert short.startswith("startx")
    assert short.endswith("xend")
    assert "5,008 bytes" in short
    assert brief.brief("\ud800") == "\ud800", "to escape it is plaintext's affair"
    assert brief.brief("\ud800" * 5000, 100).encode()


@pytest.mark.parametrize("value", ["v" * 100_000, ["n" * 100] * 1000, ValueError("e" * 100_000)])
def test_a_long_value_is_short_in_a_log(value):
    record = logging.makeLogRecord({"msg": "m", "fields": {"value": value}})
    assert len(logs.KeyValueFormatter().format(record)) < 2 * brief.LOGGED
    if not isinstance(value, list):
        assert len(logs.JSONFormatter().format(record)) < 2 * brief.LOGGED
