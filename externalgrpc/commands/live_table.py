"""Show a running server in a terminal: a table that changes, with the log above it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import IO

from rich.console import Console, RenderableType
from rich.live import Live

from externalgrpc.commands import tables, terminal
from externalgrpc.pb import fleet_pb2
from externalgrpc.rpc import fleet_service
from externalgrpc.support import plaintext


class Screen:
    """A terminal that a live table and the log share."""

    def __init__(self) -> None:
        self._console = terminal.console()

    def log_stream(self) -> IO[str]:
        """Return the stream whose lines appear above the table."""
        return _Above(self._console)

    @contextlib.contextmanager
    def showing(self, fleet_view: fleet_service.Show) -> Iterator[None]:
        """Show the fleet twice a second, for as long as the context lasts."""

        def draw() -> RenderableType:
            return tables.fleet(fleet_view.Show(fleet_pb2.ShowRequest()))

        with Live(get_renderable=draw, console=self._console, refresh_per_second=2):
            yield


class _Above(io.StringIO):
    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def write(self, text: str) -> int:
        """Print."""
        if text.strip():
            self._console.print(plaintext.block(text.rstrip("\n")), soft_wrap=True)
        return len(text)
