"""Serve small pages over plain HTTP to whoever connects, friend or not: metrics and health.

One thread looks after all connections and a few more make the pages. A request has a few seconds
to be there and its answer a few more to be taken, counted from the start and not from the last
byte, so a client that drips or idles costs one of :data:`MOST_CONNECTIONS` places for as long and
no thread at all; where places run out, the oldest connection goes. One answer a connection: there
is no keep-alive to hold anything with. Requests have no body and at most :data:`LONGEST_HEAD`.

A page may stay open as a stream of events (:data:`http_pages.STREAM`), and takes no thread either:
at most :data:`MOST_STREAMS` of them, in places of their own, so that no flood of requests ends them
and they keep no scrape waiting. What :meth:`Server.publish` says goes to each of them.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import math
import selectors
import socket
import threading
from concurrent import futures
from typing import Final

from externalgrpc.control import http_pages
from externalgrpc.support import clock, logs

MOST_CONNECTIONS: Final = 128
LONGEST_HEAD: Final = 16 * 1024
READ_S: Final = 5.0
WRITE_S: Final = 15.0
"""A scrape of a large fleet over a slow line fits; Prometheus gives up after ten seconds."""

MOST_STREAMS: Final = 16
"""Streams of events that are open at once; who comes later is refused with 503, and may poll."""

HEARTBEAT_S: Final = 15.0
"""A stream is written to so often, so that whoever left without a word is found out."""

STREAM_S: Final = 600.0
"""A stream ends after this long; who still listens connects again by itself."""

_HEARTBEAT: Final = b":\n\n"
_MAKERS: Final = 4
_LOG: Final = logs.Log("httpd")


@dataclasses.dataclass(slots=True, eq=False)
class _Peer:
    """A connection: what it sent, then what it is owed; ``ends_at`` is when it is hung up on.

    A stream is ``streaming``: what it is owed grows by what is published, and it lives on when it
    has that. ``stalled_at`` is when it was last given something that it did not take at once.
    """

    socket: socket.socket
    ends_at: float
    received: bytearray = dataclasses.field(default_factory=bytearray)
    owed: memoryview | None = None
    making: bool = False
    streaming: bool = False
    stalled_at: float = math.inf


class Server:
    """Serve an application on ``host:port``; port 0 takes a free one. Raises OSError."""

    def __init__(
        self,
        host: str,
        port: int,
        app: http_pages.App,
        *,
        read_s: float = READ_S,
        write_s: float = WRITE_S,
        heartbeat_s: float = HEARTBEAT_S,
        stream_s: float = STREAM_S,
        name: str = "httpd",
        time_source: clock.Clock | None = None,
    ) -> None:
        self._app = app
        self._clock = time_source or clock.SystemClock()
        self._read_s, self._write_s = read_s, write_s
        self._heartbeat_s, self._stream_s = heartbeat_s, stream_s
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=128)
        self._listener.settimeout(0.0)
        self.port: int = self._listener.getsockname()[1]
        self._peers: dict[_Peer, None] = {}  # in the order in which they came
        self._streams: dict[_Peer, None] = {}
        self._beats_at = math.inf
        self._made: collections.deque[tuple[_Peer, http_pages.Page]] = collections.deque()
        self._news: collections.deque[bytes] = collections.deque()
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

    def publish(self, event: bytes) -> None:
        """Send an event to every stream; from any thread, without waiting for anybody.

        A stream that has not taken the event before this one is not sent it: events say that
        something changed, and one of them says it as well as two.
        """
        self._news.append(event)
        self._wake()

    def streams(self) -> int:
        """Count the streams that are open."""
        return len(self._streams)

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
        for peer in (*self._peers, *self._streams):
            self._hang_up(peer)

    def _turn(self) -> None:
        first = min((self._ends_at(peer) for peer in self._connections()), default=math.inf)
        first = min(first, self._beats_at if self._streams else math.inf)
        wait_s = None if math.isinf(first) else max(0.0, first - self._clock.monotonic())
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
        while self._news:
            self._tell_streams(self._news.popleft(), now)
        if self._beats_at <= now:
            self._tell_streams(_HEARTBEAT, now)
            self._beats_at = now + self._heartbeat_s
        for peer in [each for each in self._connections() if self._ends_at(each) <= now]:
            self._hang_up(peer)

    def _connections(self) -> tuple[_Peer, ...]:
        return (*self._peers, *self._streams)

    def _ends_at(self, peer: _Peer) -> float:
        return min(peer.ends_at, peer.stalled_at + self._write_s)

    def _tell_streams(self, event: bytes, now: float) -> None:
        for peer in self._streams:
            if not peer.owed:
                peer.owed, peer.stalled_at = memoryview(event), now
                self._selector.modify(
                    peer.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, peer
                )

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
        if peer.streaming:
            if peer in self._streams:
                self._carry_on_streaming(peer)
            return
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

    def _carry_on_streaming(self, peer: _Peer) -> None:
        """Give a stream what it is owed, and find out whether somebody still listens."""
        try:
            if peer.owed:
                peer.owed = peer.owed[peer.socket.send(peer.owed) :]
                if not peer.owed:
                    peer.stalled_at = math.inf
                    self._selector.modify(peer.socket, selectors.EVENT_READ, peer)
            else:
                # Whoever listens to events says nothing: it has left, or is none.
                peer.socket.recv(1)
                self._hang_up(peer)
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
            self._answer(
                peer,
                http_pages.Page(http_pages.page("431 Request Header Fields Too Large", [], b"")),
            )
        elif not data:
            self._hang_up(peer)

    def _make(self, peer: _Peer, head: bytes) -> None:
        """Make a page, on a thread that may wait."""
        if peer not in self._peers:  # it did not wait itself
            return
        try:
            page = http_pages.run(self._app, head)
        except Exception:  # noqa: BLE001 - the page is ours, the connection must not hang on its mistakes
            _LOG.exception("a page was not made")
            page = http_pages.Page(http_pages.page("500 Internal Server Error", [], b""))
        self._made.append((peer, page))
        self._wake()

    def _answer(self, peer: _Peer, page: http_pages.Page) -> None:
        if peer not in self._peers:
            return
        if page.stays_open and len(self._streams) >= MOST_STREAMS:
            page = http_pages.Page(
                http_pages.page("503 Service Unavailable", [("Retry-After", "60")], b"")
            )
        peer.making, peer.owed = False, memoryview(page.content)
        events = selectors.EVENT_WRITE
        if page.stays_open:
            now = self._clock.monotonic()
            del self._peers[peer]
            if not self._streams:
                self._beats_at = now + self._heartbeat_s
            self._streams[peer] = None
            peer.streaming, peer.stalled_at = True, now
            peer.ends_at = now + self._stream_s
            events |= selectors.EVENT_READ
        self._selector.register(peer.socket, events, peer)

    def _hang_up(self, peer: _Peer) -> None:
        del (self._streams if peer.streaming else self._peers)[peer]
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
