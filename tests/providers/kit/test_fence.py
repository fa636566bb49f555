"""Nothing that changes something leaves for a cloud while the login says that it may not."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from providers import contract
from providers.kit import exchange


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    found: list[str] = []

    class Service(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            found.append(self.command)
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_POST = do_DELETE = do_PUT = _answer  # noqa: N815 - as the library names them

        def log_message(self, *_args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_what_changes_something_is_not_sent(asked: tuple[str, list[str]], method: str) -> None:
    url, found = asked
    login = contract.Login(account="a", cluster="c", token="t0ken", may_send=lambda: "not ours")
    line = exchange.Line(login, hands=1, endpoint=url)
    with pytest.raises(exchange.NoAnswerError, match="not sent: not ours"):
        line.exchange(method, f"{url}/servers", {}, b"{}")
    assert line.exchange("GET", f"{url}/servers", {}).status == 200
    assert found == ["GET"]
    line.close()


def test_it_is_asked_in_the_instant_of_each_request(asked: tuple[str, list[str]]) -> None:
    """The second of two requests of one order is stopped, when it was lost meanwhile."""
    url, found = asked
    why = [""]
    login = contract.Login(account="a", cluster="c", token="t0ken", may_send=lambda: why[0])
    line = exchange.Line(login, hands=1, endpoint=url)
    assert line.exchange("POST", f"{url}/servers", {}, b"{}").status == 200
    why[0] = "the Lease is held by another"
    with pytest.raises(exchange.NoAnswerError, match="held by another"):
        line.exchange("POST", f"{url}/servers/1/boot", {}, b"{}")
    why[0] = ""
    assert line.exchange("DELETE", f"{url}/servers/1", {}).status == 200
    assert found == ["POST", "DELETE"]
    line.close()
