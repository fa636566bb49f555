"""The autoscaler reaches the server over a socket and over mutual TLS."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from externalgrpc.rpc import client
from tests.e2e import certificates
from tests.e2e.server import TLS, pool
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture
def socket() -> Iterator[str]:
    """Name a socket; its path is short, as the operating system demands."""
    with tempfile.TemporaryDirectory(prefix="e2e-") as folder:
        yield f"unix:{folder}/server.sock"


@pytest.fixture
def tls(tmp_path: Path) -> TLS:
    """Make certificates for both sides."""
    authority = certificates.Authority(tmp_path / "tls")
    return TLS(
        authority=authority.certificate, server=authority.server(), client=authority.client()
    )


def grows(scene: World) -> None:
    scene.autoscale()
    scene.want("web", 1)
    scene.scheduled()
    scene.rests(created=1, web=1)
    scene.note("at rest")


def test_over_a_unix_socket(scene: World, socket: str) -> None:
    scene.build()
    scene.serve(pool("web"), listen=socket)
    grows(scene)


def test_over_mutual_tls(scene: World, tls: TLS) -> None:
    scene.build()
    scene.serve(pool("web"), tls=tls)
    nameless = client.Connection(address=scene.server.address, ca=tls.authority)
    with nameless.open() as channel, pytest.raises(client.CannotReach):
        client.show(channel, scene.server.address)
    grows(scene)


def test_over_mutual_tls_on_a_unix_socket(scene: World, tls: TLS, socket: str) -> None:
    scene.build()
    scene.serve(pool("web"), tls=tls, listen=socket)
    grows(scene)
