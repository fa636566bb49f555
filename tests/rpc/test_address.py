"""Addresses and TLS files as people write them: what is wrong is said before gRPC guesses."""

from __future__ import annotations

import ipaddress
import socket

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st

from externalgrpc.rpc import address, client, server
from tests import certificates, serving
from tests.test_cli import EXAMPLE, served
from tests.test_cli import run_process as run

WRONG = {
    "127.0.0.1": "write 127.0.0.1:8086",
    "8086": "write 127.0.0.1:8086",
    "127.0.0.1:99999": "no number from",
    "127.0.0.1:-1": "no number from",
    "127.0.0.1:http": "no number from",
    "127.0.0.1:\uff18\uff10": "no number from",
    "127.0.0.1:": "names no port",
    "::1": r"write \[::1\]:8086",
    "::1:8086": r"write \[::1\]:8086",
    "[::1]": r"write \[::1\]:8086",
    "[::1:8086": "no closing bracket",
    "[127.0.0.1]:80": "no IPv6 address",
    "256.1.1.1:80": "no IPv4 address",
    "127.1:80": "no IPv4 address",
    "a b:80": "neither a host's name",
    "http://127.0.0.1:8086": "without a scheme",
    "dns:///server:8086": "without a scheme",
    "/run/ca.sock": "write unix:/run/ca.sock",
    "unix:": "names no socket",
    "unix://run/ca.sock": "write unix:/run/ca.sock",
    f"unix:/{'x' * 120}": "too long for a socket",
    "": "missing",
}


@pytest.mark.parametrize("text", WRONG)
@pytest.mark.parametrize("listening", [True, False])
def test_what_is_wrong_is_said(text, listening):
    with pytest.raises(address.BadAddress, match=WRONG[text]):
        address.read(text, listening=listening)


@pytest.mark.parametrize(
    ("text", "read", "here"),
    [
        ("127.0.0.1:8086", "127.0.0.1:8086", True),
        ("127.9.9.9:08086", "127.9.9.9:8086", True),
        ("localhost:1", "localhost:1", True),
        ("[::1]:65535", "[::1]:65535", True),
        ("unix:///run/ca.sock", "unix:/run/ca.sock", True),
        ("unix:ca.sock", "unix:ca.sock", True),
        ("unix-abstract:ca", "unix-abstract:ca", True),
        ("[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:1", True),
        ("[::ffff:10.0.0.1]:1", "[::ffff:10.0.0.1]:1", False),
        ("0.0.0.0:8086", "0.0.0.0:8086", False),
        ("vps-autoscaler.kube-system.svc:8086", "vps-autoscaler.kube-system.svc:8086", False),
    ],
)
def test_what_is_right_is_read(text, read, here):
    found = address.read(text)
    assert str(found) == read
    assert found.stays_here is here
    assert address.read(read) == found


def test_everywhere_and_a_free_port_are_for_listening_only():
    assert str(address.read(":0", listening=True)) == "[::]:0"
    assert not address.read(":8086", listening=True).stays_here
    for text, result in ((":8086", "no host"), ("127.0.0.1:0", "for listening only")):
        with pytest.raises(address.BadAddress, match=result):
            address.read(text)


@settings(deadline=None)
@given(st.text(max_size=40) | st.from_regex(r"[a-z0-9.:\[\]/+-]{0,20}", fullmatch=True))
def test_whatever_is_taken_is_bounded_and_reads_the_same_again(text):
    try:
        found = address.read(text, listening=True)
    except address.BadAddress as error:
        assert str(error)
        return
    assert 0 <= found.port <= 65535
    assert address.read(str(found), listening=True) == found or not found.host
    if ":" in found.host:
        ipaddress.IPv6Address(found.host)


@pytest.mark.parametrize("text", ["127.0.0.1", "127.0.0.1:99999", "::1:8086", "http://a:1"])
def test_commands_say_so_before_anything_is_done(text):
    for option in ("--listen", "--metrics"):
        done = run("serve", "--config", EXAMPLE, "--no-live", option, text, code=2)
        assert f"Invalid value for '{option}': '{text}'" in done.stderr.replace("\n", " ")
    for words in (("ls",), ("doctor", "--config", EXAMPLE)):
        assert f"'--address': '{text}'" in run(*words, "--address", text, code=2).stderr
    done = run("serve", "--config", EXAMPLE, "--no-live", code=2, VPS_AUTOSCALER_LISTEN=text)
    assert f"'{text}'" in done.stderr
    done = run("serve", "--config", EXAMPLE, "--metrics", "unix:/x", code=2)
    assert "is a socket" in done.stderr


def test_who_builds_a_server_or_a_client_is_reported_likewise(tmp_path):
    with pytest.raises(server.CannotListen, match="names no port"):
        listen(tmp_path, server.Listening(address="127.0.0.1"))
    with pytest.raises(client.CannotReach, match="no number from 1"):
        client.Connection(address="127.0.0.1:99999").open()


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("192.0.2.1:0", "none of this machine's"),
        ("no-such-host.invalid:0", "leads nowhere"),
        ("unix:/no/such/folder/ca.sock", "no folder /no/such/folder"),
    ],
)
def test_the_reason_is_found_when_grpc_gives_none(tmp_path, where, value):
    with pytest.raises(server.CannotListen, match=value) as error:
        listen(tmp_path, server.Listening(address=where))
    assert "another server" not in str(error.value)


def test_another_program_on_the_port_is_named_as_one(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        where = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(server.CannotListen, match="another server is serving there"):
            listen(tmp_path, server.Listening(address=where))


def listen(folder, listening):
    with serving.running(folder, listening=listening):
        pass


def files(folder):
    authority = certificates.Authority(folder, "ca")
    authority.issue("server", ips=("127.0.0.1",))
    authority.issue("other", ips=("127.0.0.1",))
    key = serialization.load_pem_private_key((folder / "server.key").read_bytes(), None)
    (folder / "locked.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
    )
    for what, stem in (("CERTIFICATE", "torn.pem"), ("PRIVATE KEY", "torn.key")):
        (folder / stem).write_text(f"-----BEGIN {what}-----\nAAAA\n-----END {what}-----\n")


WRONG_PAIRS = {
    "is not the key of": ("server.pem", "other.key", "ca.pem"),
    "is encrypted": ("server.pem", "locked.key", "ca.pem"),
    "holds no private key that can be read": ("server.pem", "torn.key", "ca.pem"),
    "certificate file .*torn.pem holds no certificate": ("torn.pem", "server.key", "ca.pem"),
    "holds no PEM (client )?key": ("server.pem", "server.pem", "ca.pem"),
    "CA file .*torn.pem holds no certificate": ("server.pem", "server.key", "torn.pem"),
}


@pytest.mark.parametrize("value", WRONG_PAIRS)
def test_wrong_tls_files_are_named_at_both_ends(tmp_path, value):
    files(tmp_path)
    certificate, key, ca = (tmp_path / each for each in WRONG_PAIRS[value])
    tls = server.TLS(certificate=certificate, key=key, client_ca=ca)
    with pytest.raises(server.CannotListen, match=value) as error:
        listen(tmp_path, server.Listening(address="127.0.0.1:0", tls=tls))
    assert "another server" not in str(error.value)
    with pytest.raises(client.CannotReach, match=value):
        client.Connection(address="127.0.0.1:1", ca=ca, certificate=certificate, key=key).open()


def test_a_wrong_pair_is_no_rotation(tmp_path):
    files(tmp_path)
    tls = server.TLS(certificate=tmp_path / "server.pem", key=tmp_path / "server.key")
    trusted = grpc.ssl_channel_credentials((tmp_path / "ca.pem").read_bytes())

    def opened(where):
        return grpc.secure_channel(where, trusted)

    with serving.running(
        tmp_path,
        listening=server.Listening(address="127.0.0.1:0", tls=tls),
        open_channel=opened,
    ) as up:
        (tmp_path / "server.key").write_bytes((tmp_path / "other.key").read_bytes())
        with opened(up.address) as again:
            assert client.show(again, up.address).cluster == "test"


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (("--cert", "server.pem", "--key", "server.key"), "--ca is missing"),
        (("--server-name", "somebody"), "--ca is missing"),
        (("--ca", "ca.pem", "--cert", "server.pem"), "go together"),
        (("--ca", "ca.pem", "--key", "server.key"), "go together"),
    ],
)
def test_half_of_tls_is_no_plain_text(tmp_path, words, value):
    files(tmp_path)
    full = [str(tmp_path / each) if each.endswith((".pem", ".key")) else each for each in words]
    assert value in run("ls", "--address", "127.0.0.1:1", *full, code=1).stderr


PROXY = {"http_proxy": "http://192.0.2.1:9", "https_proxy": "http://192.0.2.1:9"}


def test_a_proxy_of_the_environment_is_not_asked_for_our_own_server(tmp_path):
    with served(EXAMPLE) as (_, where):
        for environ in (PROXY, {"grpc_proxy": "http://192.0.2.1:9"}):
            assert "batch" in run("ls", "--address", where, **environ, no_proxy="").stdout
            done = run("doctor", "--config", EXAMPLE, "--address", where, **environ, no_proxy="")
            assert "the running server" in done.stdout.partition("not looked at")[0]


def test_a_proxy_is_not_asked_over_tls_either(tmp_path, monkeypatch):
    for name, value in PROXY.items():
        monkeypatch.setenv(name, value)
    files(tmp_path)
    tls = server.TLS(
        certificate=tmp_path / "server.pem",
        key=tmp_path / "server.key",
        client_ca=tmp_path / "ca.pem",
    )

    def opened(where):
        return client.Connection(
            address=where,
            ca=tmp_path / "ca.pem",
            certificate=tmp_path / "other.pem",
            key=tmp_path / "other.key",
        ).open()

    with serving.running(
        tmp_path,
        listening=server.Listening(address="127.0.0.1:0", tls=tls),
        open_channel=opened,
    ) as up:
        assert up.show().cluster == "test"
