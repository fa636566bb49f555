"""Whoever serves plain text off loopback hears of it once, and not with every call."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import grpc
import pytest

from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.pb import externalgrpc_pb2_grpc
from externalgrpc.rpc import address, client
from tests import serving
from tests.port import process

WARNING = "plain text off loopback"
ELSEWHERE = (
    "from externalgrpc.rpc import address; address.Address.stays_here = False;"
    "from externalgrpc import cli; cli.main()"
)
"""The program that takes every address for one that others reach: tests listen on loopback only."""


def calls(where: str) -> None:
    with grpc.insecure_channel(where, options=[address.DIRECT]) as channel:
        stub = externalgrpc_pb2_grpc.CloudProviderStub(channel)
        for _ in range(3):
            stub.Refresh(pb.RefreshRequest())
            stub.NodeGroups(pb.NodeGroupsRequest())
            stub.NodeGroupTargetSize(pb.NodeGroupTargetSizeRequest(id="alpha"))
            client.show(channel, where)
            with pytest.raises(grpc.RpcError):
                stub.NodeGroupTargetSize(pb.NodeGroupTargetSizeRequest(id="nothing"))
        stub.NodeGroupIncreaseSize(pb.NodeGroupIncreaseSizeRequest(id="alpha", delta=1))


@pytest.mark.parametrize("more", [(), ("--metrics", "127.0.0.1:0"), ("--workers-only",)])
def test_it_is_said_once_in_the_life_of_a_server(tmp_path: Path, more: tuple[str, ...]) -> None:
    with process.served(tmp_path, program=("-c", ELSEWHERE), more=more) as up:
        for _ in range(2):  # two callers
            calls(up.address)
        config = tmp_path / "pools.yaml"
        config.write_text(config.read_text().replace("maxSize: 5", "maxSize: 6"))
        os.kill(up.pid, signal.SIGHUP)
        serving.until(lambda: up.logged("configuration reloaded"))
        calls(up.address)
    assert len(up.logged(WARNING)) == 1, up.log.read_text()
    assert "--tls-client-ca" in up.logged(WARNING)[0]


@pytest.mark.parametrize(
    "listen", ["127.0.0.1:0", "LOCALHOST:0", "[::ffff:127.0.0.1]:0", "unix:{}/s.sock"]
)
def test_nothing_is_said_where_only_this_machine_calls(tmp_path: Path, listen: str) -> None:
    with process.served(tmp_path, listen=listen.format(tmp_path)) as up:
        calls(up.address)
    assert up.logged(WARNING) == []
