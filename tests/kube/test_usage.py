"""How much CPU nodes use: what is read, what is too old, and what is said where nothing is."""

from __future__ import annotations

import contextlib
import datetime
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from externalgrpc.kube import usage
from externalgrpc.support import clock
from tests.kube import apiserver


def item(name: str, cpu: Any, *, age_s: float = 10.0) -> dict[str, Any]:
    at = datetime.datetime.fromtimestamp(clock.SystemClock().unix() - age_s, datetime.UTC)
    return {
        "metadata": {"name": name},
        "timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "window": "15s",
        "usage": {"cpu": cpu, "memory": "1Gi"},
    }


def metrics(server: apiserver.FakeServer, tmp_path: Path, *items: Any) -> usage.MetricsServer:
    server.put(usage.METRICS_PATH, {"items": list(items)})
    return usage.MetricsServer(server.api(tmp_path))


def test_metrics_are_read_by_node(server: apiserver.FakeServer, tmp_path: Path) -> None:
    source = metrics(server, tmp_path, item("a", "1234567890n"), item("b", "2"), item("c", "0"))
    found = source.read()
    assert {name: each.cpu_millis for name, each in found.items()} == {"a": 1235, "b": 2000, "c": 0}


def test_what_makes_no_sense_or_is_old_is_left_out(
    server: apiserver.FakeServer, tmp_path: Path
) -> None:
    odd = [
        None,
        {},
        item("x", "many"),
        item("y", None),
        item("z", "-1"),
        {**item("w", "1"), "timestamp": 7},
    ]
    source = metrics(server, tmp_path, item("a", "1"), item("old", "1", age_s=600), *odd)
    assert set(source.read()) == {"a"}


def test_all_that_is_old_is_a_sentence(server: apiserver.FakeServer, tmp_path: Path) -> None:
    source = metrics(server, tmp_path, item("a", "1", age_s=600))
    with pytest.raises(usage.NoUsage, match=r"what metrics\.k8s\.io says of nodes is 6\d\d s old"):
        source.read()


def test_no_nodes_at_all_is_a_sentence(server: apiserver.FakeServer, tmp_path: Path) -> None:
    with pytest.raises(usage.NoUsage, match=r"says nothing of any node"):
        metrics(server, tmp_path).read()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "install metrics-server, or name a Prometheus in kubernetes.prometheus"),
        (403, "kubectl apply -f deploy/headroom.yaml"),
        (503, "does not answer"),
    ],
)
def test_what_the_api_server_says_against_it_has_a_cure(
    server: apiserver.FakeServer, tmp_path: Path, status: int, words: str
) -> None:
    server.fail("GET", status)
    with pytest.raises(usage.NoUsage, match=words):
        metrics(server, tmp_path, item("a", "1")).read()


@contextlib.contextmanager
def answering(answer: Any, status: int = 200) -> Iterator[tuple[str, list[str]]]:
    """Serve one answer on loopback; give the address and what was asked."""
    asked: list[str] = []
    text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Stay quiet."""

        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    running = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}", asked
    finally:
        running.shutdown()
        running.server_close()
        thread.join()


def vector(*pairs: tuple[dict[str, str], Any]) -> dict[str, Any]:
    result = [{"metric": metric, "value": value} for metric, value in pairs]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def prometheus(address: str) -> usage.Prometheus:
    return usage.Prometheus(address, 'sum by (node) (x{a="b"})', time_source=clock.SystemClock())


def test_a_prometheus_is_asked_for_one_number_a_node() -> None:
    odd = (
        ({"node": "nan"}, [0, "NaN"]),
        ({"node": "less"}, [0, "-1"]),
        ({}, [0, "1"]),
        ({"node": "none"}, None),
    )
    answer = vector(({"node": "a"}, [1.5, "0.7501"]), ({"node": "b"}, [1.5, "2"]), *odd)
    with answering(answer) as (address, asked):
        found = prometheus(address + "/").read()
    assert {name: each.cpu_millis for name, each in found.items()} == {"a": 751, "b": 2000}
    assert asked == ["/api/v1/query?query=sum+by+%28node%29+%28x%7Ba%3D%22b%22%7D%29"]


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        ({"status": "error", "error": "parse error at 3"}, 400, "parse error at 3"),
        (vector(), 200, "says nothing of any node"),
        (vector(({"instance": "a"}, [0, "1"])), 200, "answers without the label node"),
        (b"<html>", 200, r"is no Prometheus \(HTTP 200\)"),
        (b"[]", 502, r"is no Prometheus \(HTTP 502\)"),
        ({"status": "success", "data": None}, 200, "does not take the query"),
    ],
)
def test_what_a_prometheus_says_against_it_is_a_sentence(
    answer: Any, status: int, words: str
) -> None:
    with (
        answering(answer, status) as (address, _),
        pytest.raises(usage.NoUsage, match=words),
    ):
        prometheus(address).read()


def test_a_prometheus_that_is_not_there_is_a_sentence() -> None:
    with answering({}) as (address, _):
        pass
    with pytest.raises(usage.NoUsage, match="does not answer"):
        prometheus(address).read()
