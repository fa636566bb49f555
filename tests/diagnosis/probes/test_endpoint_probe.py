"""Knock at API servers that are there, wrongly named, not trusted, silent, or not there at all."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from externalgrpc.diagnosis.probes import endpoint_probe, expiry_probe
from tests import certificates


@contextlib.contextmanager
def listening(context: ssl.SSLContext | None) -> Iterator[int]:
    """Shake hands with whoever comes (or, without a context, hang up at once)."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            with plain, contextlib.suppress(OSError):
                if context is not None:
                    with context.wrap_socket(plain, server_side=True) as secure:
                        secure.recv(1)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.fixture
def authority(tmp_path: Path) -> certificates.Authority:
    return certificates.Authority(tmp_path, "ca")


def server(of: certificates.Authority, **names: tuple[str, ...]) -> ssl.SSLContext:
    of.issue("api", **names)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(of.folder / "api.pem", of.folder / "api.key")
    return context


def test_a_door_that_opens(authority: certificates.Authority) -> None:
    pem = authority.path.read_text()
    with listening(server(authority, dns=("localhost",), ips=("127.0.0.1",))) as port:
        for host in ("127.0.0.1", "localhost"):
            answer = endpoint_probe.probe_endpoint(f"https://{host}:{port}", pem)
            assert not answer.trouble
            assert not answer.untrusted
            assert "127.0.0.1" in answer.addresses
            assert answer.names == ("localhost", "127.0.0.1")
    (end,) = expiry_probe.of_authority((authority.folder / "api.pem").read_text())
    assert answer.ends_at == end.ends_at


def test_a_certificate_for_other_names(authority: certificates.Authority) -> None:
    pem = authority.path.read_text()
    with listening(server(authority, dns=("kubernetes",), ips=("10.0.0.2",))) as port:
        for host, word in (("127.0.0.1", "IP address mismatch"), ("localhost", "Hostname mis")):
            answer = endpoint_probe.probe_endpoint(f"https://{host}:{port}", pem)
            assert word in answer.trouble
            assert answer.untrusted
            assert answer.names == ("kubernetes", "10.0.0.2")


def test_a_certificate_of_another_authority(
    authority: certificates.Authority, tmp_path: Path
) -> None:
    (tmp_path / "b").mkdir()
    other = certificates.Authority(tmp_path / "b", "other")
    with listening(server(authority, ips=("127.0.0.1",))) as port:
        answer = endpoint_probe.probe_endpoint(f"https://127.0.0.1:{port}", other.path.read_text())
    assert answer.untrusted
    assert "unable to get local issuer" in answer.trouble
    assert answer.names == ()


def test_nobody_home(authority: certificates.Authority) -> None:
    pem = authority.path.read_text()
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    answer = endpoint_probe.probe_endpoint(f"https://127.0.0.1:{port}", pem)
    assert answer.trouble == "the connection was refused"
    assert answer.addresses == ("127.0.0.1",)
    assert not answer.untrusted
    with listening(None) as port:
        answer = endpoint_probe.probe_endpoint(f"https://127.0.0.1:{port}", pem)
    assert answer.trouble
    assert not answer.untrusted


def test_one_that_says_nothing_is_waited_for_a_little(authority: certificates.Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        answer = endpoint_probe.probe_endpoint(
            f"https://127.0.0.1:{port}", authority.path.read_text(), timeout_s=0.05
        )
    assert "no answer in time" in answer.trouble


@pytest.mark.parametrize(
    ("endpoint", "word"),
    [
        ("https://nowhere.invalid:6443", "its name is not known"),
        ("https://[::1", "it is no address"),
        ("https://h:99999999", "it is no address"),
    ],
)
def test_addresses_that_are_none(endpoint: str, word: str) -> None:
    assert endpoint_probe.probe_endpoint(endpoint, "").trouble == word


def test_a_ca_that_is_none(authority: certificates.Authority) -> None:
    with listening(server(authority, ips=("127.0.0.1",))) as port:
        assert endpoint_probe.probe_endpoint(f"https://127.0.0.1:{port}", "nonsense").trouble
