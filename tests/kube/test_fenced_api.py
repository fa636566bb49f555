"""Who may not write asks the API server for nothing but what it looks at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import urllib3

from externalgrpc.kube import api, connection, errors, fenced_pool, work_queue
from externalgrpc.support import clock
from tests.kube import apiserver

PATH = "/api/v1/namespaces/ours/configmaps/pools"

WRITES: dict[str, Callable[[api.Api], object]] = {
    "post": lambda of: of.post(PATH, {}),
    "put": lambda of: of.put(PATH, {}),
    "patch": lambda of: of.patch(PATH, {}),
    "apply": lambda of: of.apply(PATH, {}, manager="m"),
    "delete": lambda of: of.delete(PATH),
}


@pytest.mark.parametrize("what", WRITES)
def test_it_is_not_sent(server: apiserver.FakeServer, tmp_path: Path, what: str) -> None:
    server.link(tmp_path)
    (kubeconfig,) = tmp_path.glob("*")
    fenced = connection.connect(
        kubeconfig=str(kubeconfig),
        time_source=clock.SystemClock(),
        may_write=lambda: "another leads",
    ).api
    server.put(PATH, {"metadata": {}})
    with pytest.raises(errors.NotLeading, match="not sent: another leads"):
        WRITES[what](fenced)
    fenced.get(PATH)
    assert server.asked == [f"GET {PATH}"]


def test_what_opens_a_connection_again_is_no_write(server: apiserver.FakeServer) -> None:
    """One that was closed after a write asks its proxy for another, for a read perhaps."""
    asked: list[str] = []
    pool = urllib3.ProxyManager(server.url)
    fenced_pool.fence(pool, lambda: asked.append("") or "")
    with pool.connection_from_url("https://api.invalid") as of:
        line = of._get_conn()
        line._method = "PATCH"  # what it sent last
        line.set_tunnel("api.invalid", 443)
        with pytest.raises(OSError, match="Tunnel"):
            line.connect()
    assert asked == []


def test_what_waits_in_the_background_is_tried_again_when_it_may_be() -> None:
    assert errors.NotLeading in work_queue._TRANSIENT


@pytest.mark.parametrize("what", WRITES)
def test_it_is_asked_once_more_when_bytes_go_out(
    server: apiserver.FakeServer, tmp_path: Path, what: str
) -> None:
    """To open a connection takes time, in which the Lease may be lost; an open one asks too."""
    answers = [""]
    server.link(tmp_path)
    (kubeconfig,) = tmp_path.glob("*")
    fenced = connection.connect(
        kubeconfig=str(kubeconfig),
        time_source=clock.SystemClock(),
        may_write=lambda: answers.pop() if answers else "another leads",
    ).api
    server.put(PATH, {"metadata": {}})
    with pytest.raises(errors.NotLeading, match=r"configmaps/pools: not sent: another leads"):
        WRITES[what](fenced)
    fenced.get(PATH)
    answers[:] = [""]
    with pytest.raises(errors.NotLeading, match="not sent: another leads"):
        WRITES[what](fenced)
    fenced.get(PATH)
    assert server.asked == [f"GET {PATH}"] * 2
    answers[:] = [""] * 10
    fenced.patch(PATH, {})
    assert server.asked[-1] == f"PATCH {PATH}"
