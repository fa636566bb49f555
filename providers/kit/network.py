"""Connect, send and receive before one deadline, whatever the peer does.

A timeout that each read begins anew is none: a peer that sends a byte a second holds a thread for
ever, and so does one with many addresses, or a name server that does not answer. So whoever asks
says once when the whole must be over (:meth:`Network.within`), and every step is given what is
left of that.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpcore

from providers.kit import noanswer

NoAnswerError = noanswer.NoAnswerError


class Network(httpcore.NetworkBackend):
    """Sockets that keep to the deadline of the thread that uses them.

    ``connect_s`` bounds finding the address and connecting within it, in seconds.
    """

    def __init__(self, connect_s: float) -> None:
        self._connect_s = connect_s
        self._here = threading.local()
        self._names = Names()

    @contextlib.contextmanager
    def within(self, seconds: float, fence: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Let this thread's exchange end within so many seconds.

        ``fence`` is called right before bytes of a request go to the peer; what it raises stops
        them. Connecting has taken its time by then.
        """
        self._here.fence = fence
        self._here.whole_s = seconds
        self._here.ends = time.monotonic() + seconds
        self._here.heard = False
        try:
            yield
        finally:
            self._here.ends = -1.0

    def fence(self) -> None:
        """Raise what forbids this thread's request to be sent."""
        getattr(self._here, "fence", lambda: None)()

    def left_s(self, too_late: str) -> float:
        """Return what is left; raises NoAnswerError when nothing is."""
        left = float(getattr(self._here, "ends", -1.0)) - time.monotonic()
        if left <= 0:
            raise self.late(too_late)
        return left

    def late(self, too_late: str) -> NoAnswerError:
        """Make the error for an exchange whose time is over."""
        if getattr(self._here, "heard", False):
            too_late = f"no whole answer within {self._here.whole_s:g} s"
        return NoAnswerError(too_late)

    def heard(self) -> None:
        """Note that the answer has begun."""
        self._here.heard = True

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002  (the deadline takes its place)
        local_address: str | None = None,  # noqa: ARG002  (never asked for)
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that answers; raises NoAnswerError."""
        ends = time.monotonic() + min(self._connect_s, self.left_s("no connection in time"))
        addresses = self._names.addresses(host, port, self._connect_s)
        why: OSError | None = None
        for number, (family, address) in enumerate(addresses):
            # A share of the time for each: one that is silent must not hide one that answers.
            patience_s = (ends - time.monotonic()) / (len(addresses) - number)
            if patience_s <= 0:
                break
            peer = socket.socket(family, socket.SOCK_STREAM)
            try:
                peer.settimeout(patience_s)
                peer.connect(address)
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for option in socket_options or ():
                    peer.setsockopt(*option)
            except OSError as error:
                peer.close()
                why = error
                continue
            return Stream(peer, self)
        if why is None or isinstance(why, TimeoutError):
            raise NoAnswerError("no connection in time") from why
        raise NoAnswerError(f"no connection: {why}") from why


class Stream(httpcore.NetworkStream):
    """A connected socket whose every step keeps to the deadline."""

    def __init__(self, peer: socket.socket, network: Network) -> None:
        self._peer = peer
        self._network = network
        self.ending = b""
        """The last bytes that were received."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        """Receive what there is; raises NoAnswerError when it is too late, or ReadError."""
        try:
            self._peer.settimeout(self._network.left_s("no answer in time"))
            received = self._peer.recv(max_bytes)
        except TimeoutError as error:
            raise self._network.late("no answer in time") from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error
        self._network.heard()
        self.ending = received[-8:] or self.ending
        return received

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        """Send all of it; raises NoAnswerError when it is too late, or WriteError."""
        unsent = memoryview(buffer)
        late = "the request could not be sent in time"
        try:
            while unsent:
                self._network.fence()
                self._peer.settimeout(self._network.left_s(late))
                unsent = unsent[self._peer.send(unsent) :]
        except TimeoutError as error:
            raise self._network.late(late) from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        """Hang up; may be called twice."""
        self._peer.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        """Shake hands; raises NoAnswerError."""
        if isinstance(self._peer, ssl.SSLSocket):
            self.close()
            raise NoAnswerError("a proxy that is itself spoken to over TLS is not supported")
        late = "no connection in time"
        try:
            self._peer.settimeout(self._network.left_s(late))
            # One call that Python itself bounds as a whole, however many reads it takes.
            peer = ssl_context.wrap_socket(self._peer, server_hostname=server_hostname)
        except TimeoutError as error:
            self.close()
            raise self._network.late(late) from error
        except OSError as error:
            self.close()
            raise NoAnswerError(f"no connection: {error}") from error
        return Stream(peer, self._network)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401  (as the library has it)
        """Return what the pool asks for: whether an idle connection has something to say."""
        if info == "is_readable":
            return self._readable()
        if info == "socket":
            return self._peer
        return None

    def _readable(self) -> bool:
        """Return whether something came, or the connection is closed: then it is not used again."""
        if self._peer.fileno() < 0:
            return True
        watch = selectors.DefaultSelector()
        with watch:
            watch.register(self._peer, selectors.EVENT_READ)
            return bool(watch.select(0))


class Names:
    """Find addresses in bounded time, though the system's own resolver has no bound.

    Who asks for the same name meanwhile waits for the same answer, so that a resolver that hangs
    holds one thread and no more.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._asked: dict[tuple[str, int], _Question] = {}

    def addresses(
        self, host: str, port: int, patience_s: float
    ) -> list[tuple[socket.AddressFamily, Any]]:
        """Return a name's addresses in the system's order; raises NoAnswerError."""
        key = (host, port)
        with self._guard:
            asked = self._asked.get(key)
            if asked is None:
                asked = self._asked[key] = _Question()
                thread = threading.Thread(
                    target=self._resolve, args=(key, asked), name="names", daemon=True
                )
                thread.start()
        if not asked.answered.wait(patience_s):
            raise NoAnswerError(f"no connection in time: nobody resolves the name {host}")
        if asked.why is not None:
            raise NoAnswerError(f"no connection: {host}: {asked.why}") from asked.why
        return asked.found

    def _resolve(self, key: tuple[str, int], asked: _Question) -> None:
        try:
            rows = socket.getaddrinfo(*key, type=socket.SOCK_STREAM)
            asked.found = [(family, address) for family, _, _, _, address in rows]
        except (OSError, ValueError, OverflowError) as error:
            asked.why = error
        finally:
            with self._guard:
                self._asked.pop(key, None)
            asked.answered.set()


class _Question:
    def __init__(self) -> None:
        self.answered = threading.Event()
        self.found: list[tuple[socket.AddressFamily, Any]] = []
        self.why: Exception | None = None
