"""Stand in for a Service: an address of loopback that leads to one server, or to nobody."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable, Mapping


class Service:
    """A port of loopback; each connection goes where ``leads_to`` says when it is made.

    ``where`` are the ports of the servers, by the address of their pods. A connection whose server
    ends is closed; without an endpoint it is refused by closing it. ``cut`` cuts the wire.
    """

    def __init__(self, leads_to: Callable[[], str], where: Mapping[str, int]) -> None:
        self._leads_to = leads_to
        self._where = where
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self.cut = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop; connections end."""
        self._over.set()
        self._thread.join(10.0)
        self._listening.close()

    def _run(self) -> None:
        self._listening.settimeout(0.2)
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                client, _ = self._listening.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError, KeyError):
            if self.cut.is_set():
                return
            port = self._where[self._leads_to()]
            with socket.create_connection(("127.0.0.1", port)) as server:
                self._both_ways(client, server)

    def _both_ways(self, client: socket.socket, server: socket.socket) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            while not self._over.is_set() and not self.cut.is_set():
                for key, _ in ready.select(0.2):
                    data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                    if not data:
                        return
                    key.data.sendall(data)
