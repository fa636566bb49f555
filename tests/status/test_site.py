"""Who may look at the status page, and what is sent to him."""

from __future__ import annotations

import contextlib
import http.client
import re
import threading
import time
import urllib.error
import urllib.request
from importlib import resources

import pytest

from externalgrpc.control import metrics_server
from externalgrpc.status import site
from tests import serving
from tests.control import test_httpd as crowds
from tests.control.test_streams import LISTEN, until_said
from tests.status import seen

PATHS = ("/", "/status.json", "/status.css", "/status.js", "/draw.js", "/status.svg", "/events")
HERE = LISTEN.replace(b"Host: a", b"Host: localhost")
EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing is bound to it
ON, OFF = "statusPage: true\n", "statusPage: false\n"


@contextlib.contextmanager
def server(folder, text=serving.TWO_POOLS, **fields):
    """Serve the page on a port, as ``serve --metrics`` does."""
    with seen.looking(folder, text, **fields) as page:
        http_server = metrics_server.MetricsServer(
            "127.0.0.1", 0, page.up.plant.metrics, lambda: (True, "ok"), page.site.answer
        )
        http_server.start()
        page.site._publish = http_server.publish
        try:
            yield page, http_server
        finally:
            http_server.stop()


@pytest.mark.parametrize(
    ("listens_on", "said", "on"),
    [
        ("127.0.0.1", "", True),
        ("::1", "", True),
        ("localhost", "", True),
        (EVERYWHERE, "", False),
        ("", "", False),
        ("10.0.0.7", "", False),
        ("metrics.example", "", False),
        (EVERYWHERE, ON, True),
        ("127.0.0.1", OFF, False),
    ],
)
def test_it_is_on_for_loopback_or_where_the_file_says_so(tmp_path, listens_on, said, on):
    with seen.looking(tmp_path, said + serving.TWO_POOLS, listens_on=listens_on) as page:
        assert [page.ask(path) is not None for path in PATHS] == [on] * len(PATHS)
        assert page.ask("/metrics") is None
        assert page.ask("/../site.py") is None


def test_the_switch_is_taken_while_the_server_runs(tmp_path):
    with seen.looking(tmp_path) as page:
        assert page.ask("/") is not None
        page.up.plant.apply(serving.loaded(tmp_path, OFF + serving.TWO_POOLS)[0])
        assert page.ask("/") is None
        page.site.watcher.look()
        assert not page.site.watcher.past.standing


@pytest.mark.parametrize(
    ("host", "may"),
    [
        ("localhost:9090", True),
        ("127.0.0.1:9090", True),
        ("127.0.0.1", True),
        ("[::1]:9090", True),
        ("[::1]", True),
        ("LOCALHOST", True),
        ("", True),
        ("evil.example:9090", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example:9090", False),
        ("10.0.0.7:9090", False),
        ("[::2]:9090", False),
        ("localhost:9090@evil.example", False),
    ],
)
def test_on_loopback_no_web_page_reads_it_by_a_name_of_its_own(tmp_path, host, may):
    with seen.looking(tmp_path) as page:
        for path in ("/", "/status.json", "/events"):
            assert page.ask(path, host).status == ("200 OK" if may else "403 Forbidden")
    with seen.looking(tmp_path, ON + serving.TWO_POOLS, listens_on=EVERYWHERE) as page:
        assert page.ask("/status.json", host).status == "200 OK"


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_is_fenced(tmp_path, path):
    with seen.looking(tmp_path) as page:
        headers = page.ask(path).headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


FILES = {
    each.name: each.read_text()
    for each in resources.files("externalgrpc.status").joinpath("static").iterdir()
}


def test_the_files_ask_nobody_else_and_write_no_markup():
    assert set(FILES) == {
        *("index.html", "status.css", "status.js", "draw.js", "way.js", "parts.js", "status.svg")
    }
    for name, text in FILES.items():
        found = re.findall(r"https?://[^\s\"']+", text)
        assert found == (["http://www.w3.org/2000/svg"] if name == "status.svg" else []), name
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            'setAttribute("style',
            'setAttribute("href',
            ".href",
            ".src",
        ):
            assert word not in text, f"{word} in {name}"
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|style=", FILES["index.html"])


def test_it_is_served_beside_metrics_and_health(tmp_path):
    with server(tmp_path) as (_, up):
        for path in ("/", "/status.json", "/metrics", "/healthz"):
            assert crowds.asked_in(up.port, path) < 5
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"http://127.0.0.1:{up.port}/admin", timeout=5)
        assert caught.value.code == 404
        link = http.client.HTTPConnection("127.0.0.1", up.port, timeout=5)
        link.request("POST", "/status.json", body=b"{}")
        assert link.getresponse().status == 405


def test_a_change_is_said_to_who_listens(tmp_path):
    with server(tmp_path) as (page, up), crowds.knock(up.port, said=HERE) as one:
        head = until_said(one, b"\r\n\r\n")
        assert b"text/event-stream" in head
        page.up.plant.reconciler.grow("alpha", 1, cover=False)
        until_said(one, b"event: changed\ndata: \n\n")
        serving.until(lambda: page.status()["machines"])


def test_many_who_ask_at_once_are_given_one_json(tmp_path, monkeypatch):
    made = threading.Semaphore(0)
    real = site.Site.status

    def slow(self):
        made.release()
        time.sleep(0.3)  # the making itself
        return real(self)

    monkeypatch.setattr(site.Site, "status", slow)
    with seen.looking(tmp_path) as page:
        page.site.watcher.stop()
        threads = [threading.Thread(target=page.ask, args=("/status.json",)) for _ in range(12)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(20)
        count = 0
        while made.acquire(blocking=False):
            count += 1
        assert count == 1


def test_what_changed_while_the_json_was_made_is_in_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(site, "FRESH_S", 1000.0)
    with seen.looking(tmp_path) as page:
        page.site.watcher.stop()
        before = page.status()
        page.up.plant.reconciler.grow("alpha", 1, cover=False)
        assert page.status()["now"] == before["now"], "nobody saw a change: the same one does"
        page.site.watcher.look()
        serving.until(lambda: page.group("alpha")["targetSize"] == 1)


def test_a_state_that_cannot_be_shown_does_not_end_the_watch(tmp_path, monkeypatch):
    with seen.looking(tmp_path) as page:
        watch = page.site.watcher
        broken = threading.Event()

        def fails(*_args, **_named):
            broken.set()
            raise ValueError("boom")

        with monkeypatch.context() as patched:
            patched.setattr("externalgrpc.fleet.history.record", fails)
            page.up.plant.reconciler.grow("alpha", 1, cover=False)
            assert broken.wait(10)
        serving.until(lambda: watch.past.standing)


def test_a_json_that_is_long_in_the_making_is_made_seldom(tmp_path, monkeypatch):
    made = []
    real = site.Site.status

    def slow(self):
        made.append(None)
        time.sleep(0.2)  # the making itself
        return real(self)

    monkeypatch.setattr(site.Site, "status", slow)
    with seen.looking(tmp_path) as page:
        page.site.watcher.stop()
        began = time.monotonic()
        while time.monotonic() - began < 2.0:
            page.site._changed()
            page.ask("/status.json")
        assert len(made) <= 3
