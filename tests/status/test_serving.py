"""A server process with its page, as a person starts it: who is answered, and how it stops."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import time

from tests import serving, test_cli
from tests.control import test_httpd as crowds
from tests.control.test_streams import until_said
from tests.test_cli import EXAMPLE

HERE = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextlib.contextmanager
def up(config, *more):
    """Give the process, the address of its RPCs, and the port of its metrics and page."""
    with test_cli.served(config, "--metrics", "127.0.0.1:0", *more) as (process, address):
        line = next(each for each in iter(process.stderr.readline, "") if "metrics served" in each)
        yield process, address, int(line.partition("address=")[2].split()[0].rpartition(":")[2])


def get(port, path):
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(link):
        link.request("GET", path)
        answer = link.getresponse()
        return answer.status, answer.read()


def test_it_is_there_on_loopback_and_follows_what_happens():
    with up(EXAMPLE) as (_, address, port):
        assert get(port, "/")[0] == 200
        shown = json.loads(get(port, "/status.json")[1])
        assert [each["name"] for each in shown["groups"]] == ["web", "batch", "gpu"]
        assert shown["cluster"] == "demo"
        grown = test_cli.serving_grow(address, "web", 1)
        serving.until(lambda: grown() == 1, 30)

        def steps():
            machines = json.loads(get(port, "/status.json")[1])["machines"]
            return [each["step"] for each in machines[0]["way"]]

        serving.until(lambda: steps() == ["asked", "ordered", "created", "running"])


def test_the_file_switches_it_off_while_it_runs(tmp_path):
    path = tmp_path / "pools.yaml"
    path.write_text(EXAMPLE.read_text())
    with up(path) as (process, _, port):
        assert get(port, "/")[0] == 200
        path.write_text(f"statusPage: false\n{EXAMPLE.read_text()}")
        process.send_signal(signal.SIGHUP)
        serving.until(lambda: get(port, "/")[0] == 404)
        assert get(port, "/status.json")[0] == 404
        assert get(port, "/metrics")[0] == 200


def test_who_listens_does_not_keep_it_from_stopping():
    with up(EXAMPLE) as (process, _, port), contextlib.ExitStack() as stack:
        ones = [stack.enter_context(crowds.knock(port, said=HERE)) for _ in range(8)]
        for one in ones:
            until_said(one, b"\r\n\r\n")
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=40) == 0
        assert time.monotonic() - began < 15
        for one in ones:
            crowds.all_of(one)
        assert "Traceback" not in process.stderr.read()
