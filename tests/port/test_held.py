"""Callers who hold on: half-open streams, slow senders, slow readers, connections for ever.

Against real sockets; where memory or threads are the point, against a server process.
"""

from __future__ import annotations

import contextlib
import ssl
import struct

import grpc
import pytest

from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.rpc import health, limits, reflection, server, service
from tests import certificates, serving
from tests.port import callers, frames, process

pytestmark = pytest.mark.alone

PATH = f"/{service.SERVICE}/NodeGroupForNode"
LAW_MS = 50.0
TIMES = 3.0
"""On a busy machine calls are slow by themselves: so much slower than alone they may be."""


def soon_ms(alone):
    """Say how soon nine of ten calls must be answered: ``alone`` was taken in the same run."""
    return max(LAW_MS, TIMES * alone.share_ms(0.9))


def tls(folder):
    """Give a listening with mutual TLS, and how a grpc client and a raw one open it."""
    authority = certificates.Authority(folder, "ca")
    authority.issue("server", dns=("localhost",), ips=("127.0.0.1",))
    authority.issue("client", dns=("autoscaler",))
    files = server.TLS(
        certificate=folder / "server.pem", key=folder / "server.key", client_ca=folder / "ca.pem"
    )
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.load_cert_chain(folder / "client.pem", folder / "client.key")
    context.set_alpn_protocols(["h2"])

    def open_channel(address):
        credentials = grpc.ssl_channel_credentials(
            (folder / "ca.pem").read_bytes(),
            (folder / "client.key").read_bytes(),
            (folder / "client.pem").read_bytes(),
        )
        return grpc.secure_channel(address, credentials)

    return server.Listening(address="127.0.0.1:0", tls=files), open_channel, context


@contextlib.contextmanager
def listening(folder, transport, bounds=None):
    """Run a server on a transport; gives it and what a raw connection needs."""
    where, opened, context = server.Listening(address="127.0.0.1:0"), grpc.insecure_channel, None
    if transport == "unix":
        where = server.Listening(address=f"unix:{folder}/ca.sock")
    elif transport == "tls":
        where, opened, context = tls(folder)
    with serving.running(folder, listening=where, open_channel=opened, bounds=bounds) as up:
        yield up, context


def half_open(stack, address, streams, connections, context=None):
    """Open streams that never send a message, spread over connections."""
    opened = []
    for _ in range(connections):
        caller = stack.enter_context(frames.Connection(address, tls=context))
        caller.half_open(PATH, streams // connections)
        opened.append(caller)
    return opened


@pytest.mark.parametrize("transport", ["tcp", "unix", "tls"])
def test_sixteen_half_open_streams_stop_nobody(tmp_path, transport):
    @contextlib.contextmanager
    def held():
        with contextlib.ExitStack() as stack:
            yield half_open(stack, up.address, 16, 1, context)

    with listening(tmp_path, transport) as (up, context):
        callers.calls(up.channel, 20)
        alone, taken = callers.in_turns(up.channel, 40, held)
        print(f"{transport} alone: {alone}\n{transport} beside them: {taken}")  # noqa: T201
        assert not taken.failures
        assert taken.share_ms(0.9) < soon_ms(alone)


@pytest.mark.parametrize("connections", [1, 100, 1000])
def test_a_thousand_half_open_streams_stop_nobody(tmp_path, connections):
    with process.served(tmp_path) as up, grpc.insecure_channel(up.address) as channel:
        callers.calls(channel, 20)
        alone = callers.calls(channel, 100)
        before = up.rss_kib()
        with contextlib.ExitStack() as stack:
            with callers.Steady(channel) as storm:
                half_open(stack, up.address, 1000, connections)
            taken = callers.calls(channel, 200)
            with grpc.insecure_channel(
                up.address, options=[("grpc.use_local_subchannel_pool", 1)]
            ) as late:
                fresh = callers.calls(late, 50)
            grown = (up.rss_kib() - before) / 1024
            print(f"while they come: {storm}\nthen: {taken}\na new caller: {fresh}")  # noqa: T201
            print(f"{grown:+.0f} MiB, {up.threads()} threads")  # noqa: T201
            assert not storm.failures
            assert not taken.failures
            assert not fresh.failures
            assert grown < 96
        serving.until(lambda: up.threads() < 60)
        serving.until(lambda: up.files() < 30)
        alone.add(callers.calls(channel, 100))
        print(f"alone, before and after: {alone}")  # noqa: T201
        assert taken.share_ms(0.9) < soon_ms(alone)
        assert fresh.share_ms(0.9) < soon_ms(alone)


def test_no_caller_may_wait_for_long(tmp_path):
    bounds = limits.Limits(patience_s=0.3)
    with listening(tmp_path, "tcp", bounds) as (up, _), contextlib.ExitStack() as stack:
        caller = half_open(stack, up.address, 4, 1)[0]
        slow = caller.stream()
        caller.send(frames.headers(slow, PATH), frames.data(slow, frames.message(b"x" * 100)[:50]))
        ended = set()
        while len(ended) < 5:
            got = caller.read()
            assert got is not None
            if got[0] == frames.RST_STREAM or got[1] & frames.END_STREAM:
                ended.add(got[2])
        assert callers.calls(up.channel, 3).failures == []


def test_in_a_crowd_the_slow_are_ended_soon_and_their_memory_is_bounded(tmp_path):
    """Slow senders at their worst: all but the last byte of 4 MB on as many streams as they get."""
    with process.served(tmp_path) as up, grpc.insecure_channel(up.address) as channel:
        callers.calls(channel, 20)
        before = up.rss_kib()
        most = 0
        with contextlib.ExitStack() as stack:
            for _ in range(8):
                caller = stack.enter_context(frames.Connection(up.address))
                streams = [caller.stream() for _ in range(32)]
                for stream in streams:
                    caller.send(
                        frames.headers(stream, PATH),
                        frames.data(stream, b"\0" + struct.pack(">I", 4_000_000)),
                    )
                caller.push(streams, 3_999_990)
                most = max(most, up.rss_kib() - before)
            taken = callers.calls(channel, 50)
        print(f"slow senders: {most / 1024:+.0f} MiB, {taken}")  # noqa: T201
        assert not taken.failures
        assert most / 1024 < 400


def test_replies_that_nobody_reads_do_not_pile_up(tmp_path):
    bounds = limits.Limits(unsent=20, patience_s=1.0)
    with listening(tmp_path, "tcp", bounds) as (up, _):
        zero = {frames.INITIAL_WINDOW_SIZE: 0}
        with frames.Connection(up.address, values=zero) as caller:
            for _ in range(30):
                stream = caller.stream()
                caller.send(
                    frames.headers(stream, f"/{service.SERVICE}/NodeGroups"),
                    frames.data(stream, frames.message(b""), end=True),
                )
            ended = set()
            while len(ended) < 30:
                got = caller.read()
                assert got is not None
                if got[0] == frames.RST_STREAM or (
                    got[0] == frames.HEADERS and got[1] & frames.END_STREAM
                ):
                    ended.add(got[2])
        assert callers.calls(up.channel, 3).failures == []


@pytest.mark.parametrize(
    "method", [f"/{health.SERVICE}/Watch", f"/{reflection.SERVICE}/ServerReflectionInfo"]
)
def test_streams_that_are_left_open_hold_no_worker(tmp_path, method):
    @contextlib.contextmanager
    def held():
        with contextlib.ExitStack() as stack:
            for _ in range(2):
                caller = stack.enter_context(frames.Connection(up.address))
                for _ in range(20):
                    stream = caller.stream()
                    message = frames.message(b"" if "Watch" in method else b"\x3a\x00")
                    caller.send(frames.headers(stream, method), frames.data(stream, message))
            yield

    with listening(tmp_path, "tcp") as (up, _):
        alone, taken = callers.in_turns(up.channel, 40, held)
        assert not taken.failures
        assert taken.share_ms(0.9) < soon_ms(alone)


@pytest.mark.parametrize("transport", ["tcp", "unix", "tls"])
def test_a_connection_that_grows_old_is_ended_and_no_honest_call_fails(tmp_path, transport):
    bounds = limits.Limits(connection_age_s=0.5, connection_grace_s=0.5, patience_s=60)
    with listening(tmp_path, transport, bounds) as (up, context), contextlib.ExitStack() as stack:
        idle = half_open(stack, up.address, 4, 1, context)[0]
        taken = callers.calls(up.channel, 1000, pause_s=0.002)
        print(transport, taken)  # noqa: T201
        assert taken.failures == []
        seen = []
        while got := idle.read():
            seen.append(got[0])
        assert frames.GOAWAY in seen, "asked to leave, then cut"


def test_connections_are_counted(tmp_path):
    bounds = limits.Limits(connections=5)
    with listening(tmp_path, "tcp", bounds) as (up, _), contextlib.ExitStack() as stack:
        assert callers.calls(up.channel, 1).failures == []
        for _ in range(20):
            with contextlib.suppress(OSError):
                stack.enter_context(frames.Connection(up.address))
        assert callers.calls(up.channel, 20).failures == []


def test_many_calls_at_once_are_all_answered(tmp_path):
    with listening(tmp_path, "tcp") as (up, _):
        call = up.channel.unary_unary(f"/{service.SERVICE}/NodeGroups", None, None)
        answers = [call.future(b"", timeout=20) for _ in range(200)]
        for answer in answers:
            assert len(pb.NodeGroupsResponse.FromString(answer.result()).nodeGroups) == 2
