"""Listening: plain, unix sockets, mTLS with rotation, health, reflection, a second start."""

from __future__ import annotations

import socket

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.pb import externalgrpc_pb2_grpc
from externalgrpc.rpc import pem, server, service
from externalgrpc.support import clock
from tests import certificates, serving


def groups(channel):
    stub = externalgrpc_pb2_grpc.CloudProviderStub(channel)
    reply = stub.NodeGroups(pb.NodeGroupsRequest(), timeout=5, wait_for_ready=True)
    return [group.id for group in reply.nodeGroups]


def test_a_unix_socket_serves_and_outlives_a_killed_server(tmp_path):
    path = tmp_path / "ca.sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    listening = server.Listening(address=f"unix:{path}")
    with serving.running(tmp_path, listening=listening) as up:
        assert groups(up.channel) == ["alpha", "beta"]


def test_a_file_that_is_no_socket_is_left_alone(tmp_path):
    path = tmp_path / "ca.sock"
    path.write_text("precious")
    listening = server.Listening(address=f"unix:{path}")
    with (
        pytest.raises(server.CannotListen, match="not a socket"),
        serving.running(tmp_path, listening=listening),
    ):
        pass
    assert path.read_text() == "precious"


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_second_start_is_refused_in_words(tmp_path, kind):
    address = f"unix:{tmp_path}/ca.sock" if kind == "unix" else "127.0.0.1:0"
    with (
        serving.running(tmp_path, listening=server.Listening(address=address)) as up,
        pytest.raises(server.CannotListen, match="another server"),
        serving.running(tmp_path, listening=server.Listening(address=up.address)),
    ):
        pass


def tls_channel(folder, *, ca="ca", client="client"):
    def open_channel(address):
        credentials = grpc.ssl_channel_credentials(
            (folder / f"{ca}.pem").read_bytes(),
            (folder / f"{client}.key").read_bytes() if client else None,
            (folder / f"{client}.pem").read_bytes() if client else None,
        )
        return grpc.secure_channel(address, credentials)

    return open_channel


def mutual(folder):
    authority = certificates.Authority(folder, "ca")
    authority.issue("server", ips=("127.0.0.1",))
    authority.issue("client", dns=("autoscaler",))
    tls = server.TLS(
        certificate=folder / "server.pem", key=folder / "server.key", client_ca=folder / "ca.pem"
    )
    return authority, server.Listening(address="127.0.0.1:0", tls=tls)


def test_mutual_tls_lets_in_only_who_shows_a_certificate(tmp_path):
    _, listening = mutual(tmp_path)
    opened = tls_channel(tmp_path)
    with serving.running(tmp_path, listening=listening, open_channel=opened) as up:
        assert groups(up.channel) == ["alpha", "beta"]
        with tls_channel(tmp_path, client="")(up.address) as nobody:
            stub = externalgrpc_pb2_grpc.CloudProviderStub(nobody)
            with pytest.raises(grpc.RpcError):
                stub.NodeGroups(pb.NodeGroupsRequest(), timeout=5)


def ends_at(folder, stem):
    (end,) = pem.ends_at((folder / f"{stem}.pem").read_bytes())
    return end


def test_certificates_are_read_again_when_they_change(tmp_path):
    _, listening = mutual(tmp_path)
    opened = tls_channel(tmp_path)
    with serving.running(tmp_path, listening=listening, open_channel=opened) as up:
        assert groups(up.channel) == ["alpha", "beta"]
        first = {"server": ends_at(tmp_path, "server"), "client-ca": ends_at(tmp_path, "ca")}
        assert up.server.certificate_ends == first
        serving.until(lambda: clock.SystemClock().unix() + 86_400 > first["server"] + 1)
        new = certificates.Authority(tmp_path, "new-ca")
        new.issue("server", ips=("127.0.0.1",))
        new.issue("new-client", dns=("autoscaler",))
        (tmp_path / "ca.pem").write_bytes((tmp_path / "new-ca.pem").read_bytes())
        with tls_channel(tmp_path, ca="new-ca", client="new-client")(up.address) as rotated:
            assert groups(rotated) == ["alpha", "beta"]
        assert up.server.certificate_ends["server"] == ends_at(tmp_path, "server") > first["server"]


def test_a_bundle_ends_with_its_last_and_a_chain_with_its_first(tmp_path):
    """Certificates of a day each, made a second apart at least."""
    _, listening = mutual(tmp_path)
    soon = ends_at(tmp_path, "server")
    serving.until(lambda: clock.SystemClock().unix() + 86_400 > soon + 1)
    certificates.Authority(tmp_path, "later")
    later = ends_at(tmp_path, "later")
    for stem in "server", "ca":
        with (tmp_path / f"{stem}.pem").open("ab") as file:
            file.write((tmp_path / "later.pem").read_bytes())
    with serving.running(tmp_path, listening=listening, open_channel=tls_channel(tmp_path)) as up:
        assert up.server.certificate_ends == {"server": soon, "client-ca": later}


def test_what_holds_no_certificate_has_no_end():
    assert pem.ends_at(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n") == ()


def test_without_tls_nothing_ends(tmp_path):
    with serving.running(tmp_path) as up:
        assert up.server.certificate_ends == {}


def test_a_torn_rotation_keeps_the_old_certificate(tmp_path):
    _, listening = mutual(tmp_path)
    opened = tls_channel(tmp_path)
    with serving.running(tmp_path, listening=listening, open_channel=opened) as up:
        ca = (tmp_path / "ca.pem").read_bytes()
        (tmp_path / "server.pem").write_text("half a certifi")
        (tmp_path / "ca.pem").write_bytes(ca)
        with tls_channel(tmp_path)(up.address) as again:
            assert groups(again) == ["alpha", "beta"]


def test_a_missing_certificate_is_reported_at_start(tmp_path):
    tls = server.TLS(certificate=tmp_path / "no.pem", key=tmp_path / "no.key")
    listening = server.Listening(address="127.0.0.1:0", tls=tls)
    with (
        pytest.raises(server.CannotListen, match=r"no\.key"),
        serving.running(tmp_path, listening=listening),
    ):
        pass


def test_health_is_served(tmp_path):
    with serving.running(tmp_path) as up:
        stub = health_pb2_grpc.HealthStub(up.channel)
        for name in ("", service.SERVICE):
            reply = stub.Check(health_pb2.HealthCheckRequest(service=name))
            assert reply.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("on", [True, False])
def test_reflection_can_be_switched(tmp_path, on):
    listening = server.Listening(address="127.0.0.1:0", reflection=on)
    with serving.running(tmp_path, listening=listening) as up:
        stub = reflection_pb2_grpc.ServerReflectionStub(up.channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        try:
            reply = next(iter(stub.ServerReflectionInfo(iter([request]))))
        except grpc.RpcError as error:
            assert not on
            assert error.code() is grpc.StatusCode.UNIMPLEMENTED
        else:
            assert on
            names = {each.name for each in reply.list_services_response.service}
            assert service.SERVICE in names
