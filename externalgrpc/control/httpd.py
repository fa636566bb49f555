"""Serve small pages over plain HTTP to whoever connects, friend or not: metrics and health.

One thread looks after all connections and a few more make the pages. A request has a few seconds
to be there and its answer a few more to be taken, counted from the start and not from the last
byte, so a client that drips or idles costs one of :data:`MOST_CONNECTIONS` places for as long and
no thread at all; where places run out, the oldest connection goes. One answer a connection: there
is no keep-alive to hold anything with. Requests have no body and at most :data:`LONGEST_HEAD`.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import selectors
import socket
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterable
from concurrent import futures
from typing import Any, Final

from externalgrpc.support import clock, logs

MOST_CONNECTIONS: Final = 128
LONGEST_HEAD: Final = 16 * 1024
READ_S: Final = 5.0
WRITE_S: Final = 15.0
"""A scrape of a large fleet over a slow line fits; Prometheus gives up after ten seconds."""

_MAKERS: Final = 4
_LOG: Final = logs.Log("httpd")

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""A WSGI application, as far as a page needs one."""


@dataclasses.dataclass(slots=True, eq=False)
class _Peer:
    """A connection: what it sent, then what it is owed; ``ends_at`` is when it is hung up on."""

    socket: socket.socket
    ends_at: float
    received: bytearray = dataclasses.field(default_factory=bytearray)
    owed: memoryview | None = None
    making: bool = False


class Server:
    """Serve an application on ``host:port``; port 0 takes a free one. Raises OSError."""

    def __init__(
        self,
        host: str,
        port: int,
        app: App,
        *,
        read_s: float = READ_S,
        write_s: float = WRITE_S,
        name: str = "httpd",
        time_source: clock.Clock | None = None,
    ) -> None:
        self._app = app
        self._clock = time_source or clock.SystemClock()
        self._read_s, self._write_s = read_s, write_s
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=128)
        self._listener.settimeout(0.0)
        self.port: int = self._listener.getsockname()[1]
        self._peers: dict[_Peer, None] = {}  # in the order in which they came
        self._made: collections.deque[tuple[_Peer, bytes]] = collections.deque()
        self._bell, self._ring = socket.socketpair()
        for each in (self._bell, self._ring):
            each.settimeout(0.0)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._pool = futures.ThreadPoolExecutor(_MAKERS, thread_name_prefix=f"{name}-page")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    def start(self) -> None:
        """Serve on a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Hang up on everybody and stop; waits for no page that is being made."""
        self._stopping.set()
        self._wake()
        if self._thread.ident is not None:
            self._thread.join()
        self._pool.shutdown(wait=False, cancel_futures=True)
        for each in (self._listener, self._bell, self._ring):
            each.close()
        self._selector.close()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
            except Exception:  # noqa: BLE001 - it must outlive whatever a stranger sends
                _LOG.exception("a connection was not served")
                self._stopping.wait(0.1)
        for peer in tuple(self._peers):
            self._hang_up(peer)

    def _turn(self) -> None:
        first = min((peer.ends_at for peer in self._peers), default=None)
        wait_s = None if first is None else max(0.0, first - self._clock.monotonic())
        for key, _ in self._selector.select(wait_s):
            if key.fileobj is self._listener:
                self._accept()
            elif key.fileobj is self._bell:
                with contextlib.suppress(BlockingIOError):
                    self._bell.recv(4096)
            else:
                self._carry_on(key.data)
        while self._made:
            self._answer(*self._made.popleft())
        now = self._clock.monotonic()
        for peer in [each for each in self._peers if each.ends_at <= now]:
            self._hang_up(peer)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError:
            # Out of descriptors, most likely: a place must become free before the next one.
            if self._peers:
                self._make_room()
            else:
                self._stopping.wait(0.1)
            return
        connection.settimeout(0.0)
        if len(self._peers) >= MOST_CONNECTIONS:
            self._make_room()
        peer = _Peer(connection, self._clock.monotonic() + self._read_s)
        self._peers[peer] = None
        self._selector.register(connection, selectors.EVENT_READ, peer)

    def _make_room(self) -> None:
        """Hang up on who has kept us waiting for the longest; who asked comes last."""
        waiting = (each for each in self._peers if not each.making and each.owed is None)
        self._hang_up(next(waiting, next(iter(self._peers))))

    def _carry_on(self, peer: _Peer) -> None:
        if peer not in self._peers:  # it was hung up on within this turn
            return
        try:
            if peer.owed is not None:
                peer.owed = peer.owed[peer.socket.send(peer.owed) :]
                if not peer.owed:
                    self._hang_up(peer)
            else:
                self._hear(peer, peer.socket.recv(LONGEST_HEAD))
        except BlockingIOError:
            pass
        except OSError:
            self._hang_up(peer)

    def _hear(self, peer: _Peer, data: bytes) -> None:
        peer.received += data
        head, end, _ = bytes(peer.received).replace(b"\r\n", b"\n").partition(b"\n\n")
        if end and len(head) <= LONGEST_HEAD:
            # Nothing more is read: what else it says finds no ear.
            self._selector.unregister(peer.socket)
            peer.making, peer.ends_at = True, self._clock.monotonic() + self._write_s
            self._pool.submit(self._make, peer, head)
        elif len(peer.received) > LONGEST_HEAD:
            self._selector.unregister(peer.socket)
            self._answer(peer, _page("431 Request Header Fields Too Large", [], b""))
        elif not data:
            self._hang_up(peer)

    def _make(self, peer: _Peer, head: bytes) -> None:
        """Make a page, on a thread that may wait."""
        if peer not in self._peers:  # it did not wait itself
            return
        try:
            page = _run(self._app, head)
        except Exception:  # noqa: BLE001 - the page is ours, the connection must not hang on its mistakes
            _LOG.exception("a page was not made")
            page = _page("500 Internal Server Error", [], b"")
        self._made.append((peer, page))
        self._wake()

    def _answer(self, peer: _Peer, page: bytes) -> None:
        if peer in self._peers:
            peer.making, peer.owed = False, memoryview(page)
            self._selector.register(peer.socket, selectors.EVENT_WRITE, peer)

    def _hang_up(self, peer: _Peer) -> None:
        del self._peers[peer]
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(peer.socket)
        with contextlib.suppress(OSError):
            # What was sent and not read would turn the end of our answer into a reset.
            peer.socket.shutdown(socket.SHUT_WR)
            peer.socket.recv(LONGEST_HEAD)
        peer.socket.close()

    def _wake(self) -> None:
        # A full socket rings by itself.
        with contextlib.suppress(BlockingIOError, OSError):
            self._ring.send(b"\0")


def _run(app: App, head: bytes) -> bytes:
    """Ask an application for the page that a request's head names."""
    line, *rest = head.decode("latin-1").split("\n")
    match line.split():
        case ["GET" | "HEAD" as method, target, version] if version.startswith("HTTP/1."):
            path, _, query = target.partition("?")
        case [_, _, version] if version.startswith("HTTP/1."):
            return _page("405 Method Not Allowed", [("Allow", "GET, HEAD")], b"")
        case _:
            return _page("400 Bad Request", [], b"")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": urllib.parse.unquote(path, "latin-1"),
        "QUERY_STRING": query,
        "wsgi.errors": sys.stderr,
    }
    for each in rest:
        name, _, value = each.partition(":")
        environ[f"HTTP_{name.strip().upper().replace('-', '_')}"] = value.strip()
    parts: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> None:
        parts.append((status, headers))

    body = b"".join(app(environ, start_response))
    status, headers = parts[-1]
    return _page(status, headers, b"" if method == "HEAD" else body, length=len(body))


def _page(
    status: str, headers: Iterable[tuple[str, str]], body: bytes, *, length: int | None = None
) -> bytes:
    if not body and length is None:
        headers, body = [*headers, ("Content-Type", "text/plain")], f"{status}\n".encode()
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
    lines += [f"Content-Length: {len(body) if length is None else length}", "Connection: close"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
