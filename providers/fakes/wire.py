"""Speak HTTP/1.1 on loopback: what a fake cloud hears, what it says, and the socket between.

Knows nothing of clouds. A :class:`Listener` hands each :class:`Request` to one function and sends
the :class:`Reply` that comes back, or does to the connection what a :class:`Cut` says.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import http.server
import json
import socket
import threading
import urllib.parse
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar

POLL_S = 0.02


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it came in; header names are lower-case, ``path`` is decoded.

    ``params`` holds what the route's template names, ``peer`` is the caller's address.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b""
    params: Mapping[str, str] = dataclasses.field(default_factory=dict)
    peer: str = ""

    def header(self, name: str) -> str:
        """Return a header by any spelling of its name, "" when it is absent."""
        return self.headers.get(name.lower(), "")

    def one(self, name: str, default: str = "") -> str:
        """Return the first value of a query parameter."""
        return next((value for key, value in self.query if key == name), default)

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a query parameter."""
        return tuple(value for key, value in self.query if key == name)

    def json(self) -> Any:
        """Parse the body; raises MalformedError when it is no JSON, gives None when it is empty."""
        try:
            return json.loads(self.body) if self.body else None
        except ValueError as error:
            raise MalformedError(str(error)) from error


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer; ``body`` is bytes sent as they are, None for none, or what JSON can say."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    content_type: str = "application/json"

    def payload(self) -> bytes:
        """Return the bytes on the wire."""
        if self.body is None:
            return b""
        if isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body).encode()

    def json(self) -> Any:
        """Return the body as a client would parse it, None when there is none."""
        payload = self.payload()
        return json.loads(payload) if payload else None

    def frozen(self) -> Reply:
        """Return the same reply with its body as bytes, safe from later changes of state."""
        return self if self.body is None else dataclasses.replace(self, body=self.payload())

    def with_headers(self, extra: Mapping[str, str]) -> Reply:
        """Return the same reply with more headers; its own win."""
        return dataclasses.replace(self, headers={**extra, **self.headers})


class MalformedError(ValueError):
    """Raised when a request's body is no JSON."""


class RefusalError(Exception):
    """Raised by a route to answer with a vendor's error and do nothing."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{reply.status} {reply.body}")
        self.reply = reply


class Cut(enum.Enum):
    """What happens to the connection instead of a whole answer."""

    SILENT = "silent"  # closed without a byte of an answer
    MIDWAY = "midway"  # the length promises the whole body, half of it comes


Answer = tuple[Reply, "Cut | None"]


class _Server(http.server.ThreadingHTTPServer):
    """Count connections, so that stopping to listen also ends those that are open."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], answer: Callable[[Request], Answer]) -> None:
        self.answer = answer
        self.faults: list[BaseException] = []
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(address, _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End every open connection."""
        with self._guard:
            connections = tuple(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore callers that went away; anything else is a bug of the fake and is kept."""
        import sys  # noqa: PLC0415  (only reached when something broke)

        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, (OSError, ValueError)):
            self.faults.append(error)


class _Connection(http.server.BaseHTTPRequestHandler):
    """Read requests off one connection until it ends."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server
    reasons: ClassVar[Mapping[int, str]] = {status.value: status.phrase for status in HTTPStatus}

    def _serve(self) -> None:
        split = urllib.parse.urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(
            method=self.command,
            path=urllib.parse.unquote(split.path),
            query=tuple(urllib.parse.parse_qsl(split.query, keep_blank_values=True)),
            headers={key.lower(): value for key, value in self.headers.items()},
            body=self.rfile.read(length) if length else b"",
            peer=str(self.client_address[0]),
        )
        reply, cut = self.server.answer(request)
        if cut is Cut.SILENT:
            self._drop()
            return
        payload = reply.payload()
        self.send_response(reply.status, self.reasons.get(reply.status, "Unknown"))
        if payload:
            self.send_header("Content-Type", reply.content_type)
        for key, value in reply.headers.items():
            self.send_header(key, value)
        if reply.status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if cut is Cut.MIDWAY:
            self.wfile.write(payload[: len(payload) // 2])
            self.wfile.flush()
            self._drop()
            return
        self.wfile.write(payload)
        self.wfile.flush()

    def _drop(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _serve  # noqa: N815  (the library's names)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the library's name)
        """Say nothing: the fake keeps a log of its own."""


class Listener:
    """A listening socket that can stop to listen and come back at the same address."""

    def __init__(self, answer: Callable[[Request], Answer], host: str, port: int) -> None:
        self._answer = answer
        self._host = host
        self._port = port
        self._server: _Server | None = None
        self._faults: list[BaseException] = []

    @property
    def url(self) -> str:
        """Return the address; its port is 0 before the first start when any would do."""
        return f"http://{self._host}:{self._port}"

    @property
    def faults(self) -> tuple[BaseException, ...]:
        """Return what broke inside the fake itself."""
        return (*self._faults, *(self._server.faults if self._server else ()))

    def start(self) -> None:
        """Listen; harmless twice."""
        if self._server is not None:
            return
        self._server = _Server((self._host, self._port), self._answer)
        self._port = self._server.server_address[1]
        threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": POLL_S},
            name=f"fake-{self._port}",
            daemon=True,
        ).start()

    def stop(self) -> None:
        """Refuse connections and end those that are open; harmless twice."""
        server, self._server = self._server, None
        if server is None:
            return
        server.shutdown()
        server.server_close()
        server.hang_up()
        self._faults.extend(server.faults)
