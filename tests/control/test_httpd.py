"""Whoever connects to the metrics port and idles, drips or floods costs nobody else an answer."""

from __future__ import annotations

import contextlib
import gzip
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from externalgrpc.control import httpd, metrics, metrics_server
from tests import serving
from tests.test_cli import EXAMPLE, ROOT

LARGE = 32 << 20
HALF = b"GET /metrics HTTP/1.1\r\nHost: a\r\nX-Slow: "


@contextlib.contextmanager
def up(app=None, **settings):
    pages = {"/": b"fine\n", "/large": b"x" * LARGE}

    def answer(environ, start_response):
        if environ["PATH_INFO"] == "/boom":
            raise ValueError("boom")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [pages[environ["PATH_INFO"]]]

    server = httpd.Server("127.0.0.1", 0, app or answer, **settings)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def knock(port, *, said=b""):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as one:
        one.sendall(said)
        yield one


@contextlib.contextmanager
def crowd(port, number, said=b""):
    """Let so many connect, say something, and never go by themselves."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    with contextlib.ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(number):
            with contextlib.suppress(ConnectionError):  # it may be hung up on already
                stack.enter_context(knock(port, said=said))
        yield


def all_of(one):
    """Read to the end of a connection."""
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := one.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


def ask(port, said=b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"):
    with knock(port, said=said) as one:
        return all_of(one)


def asked_in(port, path="/"):
    """Tell how long a page takes, in seconds, for somebody in good faith."""
    began = time.monotonic()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        assert answer.status == 200
        answer.read()
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"200 OK"),
        (b"GET / HTTP/1.0\n\n", b"200 OK"),
        (b"GET /?a=b HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", b"200 OK"),
        (b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n", b"405 Method Not Allowed"),
        (b"\r\n\r\n", b"400 Bad Request"),
        (b"GET / SPDY\r\n\r\n", b"400 Bad Request"),
        (b"\x16\x03\x01\x02\x00\n\n", b"400 Bad Request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"400 Bad Request"),
        (b"GET /boom HTTP/1.1\r\n\r\n", b"500 Internal Server Error"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * httpd.LONGEST_HEAD, b"431 Request Header"),
    ],
)
def test_whatever_is_said_gets_one_answer_and_the_end(said, status):
    with up() as server:
        response = ask(server.port, said)
        assert response.startswith(b"HTTP/1.1 " + status)
        assert response.count(b"HTTP/1.1 ") == 1
        assert b"Connection: close" in response
        assert asked_in(server.port) < 5


def test_a_head_without_its_page():
    with up() as server:
        response = ask(server.port, b"HEAD / HTTP/1.1\r\n\r\n")
    assert response.endswith(b"Content-Length: 5\r\nConnection: close\r\n\r\n")


def test_a_large_page_arrives_whole():
    with up() as server:
        assert ask(server.port, b"GET /large HTTP/1.1\r\n\r\n").endswith(b"x" * LARGE)


@pytest.mark.parametrize("said", [b"", b"G", HALF, b"GET / HTTP/1.1\r\n"], ids=len)
def test_who_never_asks_is_hung_up_on(said):
    with up(read_s=0.5) as server, knock(server.port, said=said) as one:
        began = time.monotonic()
        assert all_of(one) == b""
        assert 0.3 < time.monotonic() - began < 5


def test_who_drips_gets_no_more_time_than_others():
    with up(read_s=1.0) as server, knock(server.port, said=HALF) as one:
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < 10:
                one.sendall(b"a")
                time.sleep(0.05)  # the drip itself
        assert time.monotonic() - began < 5


def test_who_does_not_take_the_answer_is_hung_up_on():
    with up(write_s=0.5) as server, knock(server.port, said=b"GET /large HTTP/1.1\r\n\r\n") as one:
        serving.until(lambda: server._peers)
        serving.until(lambda: not server._peers)
        assert len(all_of(one)) < LARGE


@pytest.mark.alone
@pytest.mark.parametrize("said", [b"", HALF, b"GET /large HTTP/1.1\r\n\r\n"], ids=len)
def test_a_thousand_of_them_keep_nobody_waiting(said):
    before = threading.active_count()
    with up() as server, crowd(server.port, 1000, said):
        took = sorted(asked_in(server.port) for _ in range(20))
        assert took[10] < 0.5
        assert len(server._peers) <= httpd.MOST_CONNECTIONS
        assert threading.active_count() - before <= 1 + 4


def test_a_page_that_is_slow_to_make_holds_no_other():
    go, begun = threading.Event(), threading.Semaphore(0)

    def app(environ, start_response):
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/slow":
            begun.release()
            go.wait(20)
        return [b"done"]

    with up(app, write_s=30) as server, contextlib.ExitStack() as stack:
        slow = [
            stack.enter_context(knock(server.port, said=b"GET /slow HTTP/1.1\r\n\r\n"))
            for _ in range(3)
        ]
        for _ in slow:
            assert begun.acquire(timeout=10)
        assert asked_in(server.port) < 5
        go.set()
        assert all(all_of(each).endswith(b"done") for each in slow)


def test_it_stops_at_once_whoever_is_connected():
    with up() as server, knock(server.port, said=HALF) as one:
        serving.until(lambda: server._peers)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 2
        assert all_of(one) == b""
        server.stop = lambda: None


def test_metrics_come_compressed_and_chosen_as_before():
    counted = metrics.Metrics()
    counted.count("reloads", {"outcome": "taken"})
    http = metrics_server.MetricsServer("127.0.0.1", 0, counted, lambda: (True, "ok"))
    http.start()
    try:
        name = "vps_autoscaler_reloads_total"
        response = ask(
            http.port,
            f"GET /metrics?name[]={name} HTTP/1.1\r\nAccept-Encoding: gzip\r\n\r\n".encode(),
        )
        head, _, body = response.partition(b"\r\n\r\n")
        assert b"Content-Encoding: gzip" in head
        page = gzip.decompress(body).decode()
        assert "vps_autoscaler_reloads" in page
        assert "process_open_fds" not in page
    finally:
        http.stop()


def threads_of(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(next(each for each in text.splitlines() if each.startswith("Threads:")).split()[1])


def test_a_real_server_under_a_thousand_half_requests():
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    argv = ["--config", str(EXAMPLE), "--listen", "127.0.0.1:0", "--no-live"]
    process = subprocess.Popen(
        [sys.executable, "-m", "externalgrpc", "serve", *argv, "--metrics", f"127.0.0.1:{port}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    )
    try:
        assert process.stdout.readline()
        calm = threads_of(process.pid)
        with crowd(port, 1000, HALF):
            took = sorted(
                asked_in(port, path) for path in ("/healthz", "/metrics") for _ in "12345"
            )
            assert took[5] < 1.0
            assert threads_of(process.pid) <= calm + 5
            assert len(list(Path(f"/proc/{process.pid}/fd").iterdir())) < 400
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=40) == 0
    finally:
        process.kill()
        process.communicate()
