"""Serve the status page on the metrics port: three files of ours, one JSON, one stream of events.

Nobody is asked who he is: whoever reaches the port may look, and nothing here changes anything. So
it is off where the port is reached from elsewhere, unless the file says ``statusPage: true``; and
where the file does not say so, it answers only who calls it by loopback's own names, so that no
web page in a browser on this machine reads it through a name of its own (DNS rebinding).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from externalgrpc.control import http_pages, reconciler
from externalgrpc.rpc import address, describe
from externalgrpc.status import known, watcher
from externalgrpc.support import clock, plaintext
from providers import masking

if TYPE_CHECKING:
    from externalgrpc.status import shape

FRESH_S: Final = 1.0
"""The JSON is made at most so often while nothing changes, however many ask for it."""

REST: Final = 5.0
"""After it was made nothing is for so many times as long: a large one takes a fifth of a core."""

_HEADERS: Final = (
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)

_PORT: Final = re.compile(r":[0-9]*\Z", re.ASCII)

_KINDS: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

StartResponse = Callable[..., Any]


def _files() -> dict[str, tuple[str, bytes]]:
    """Read the page's files: kind and content by path."""
    found = {
        f"/{each.name}": (_KINDS[each.name[each.name.rindex(".") :]], each.read_bytes())
        for each in resources.files(__package__).joinpath("static").iterdir()
    }
    return {**found, "/": found["/index.html"]}


class _Made(NamedTuple):
    """The JSON as it was made after so many changes, at an instant and until another."""

    began_at: float
    at: float
    changes: int
    content: bytes


class Site:
    """Answer for the page, where it is on.

    ``listens_on`` is the host that the port is bound to. ``started_at`` is Unix time.
    """

    def __init__(
        self,
        plant: reconciler.Reconciler,
        describer: describe.Describer,
        time_source: clock.Clock,
        *,
        listens_on: str,
        version: str,
        dry_run: bool = False,
    ) -> None:
        self._reconciler = plant
        self._describer = describer
        self._clock = time_source
        self._version = version
        self._dry_run = dry_run
        self._on_loopback = address.Address(host=listens_on).stays_here
        self._started_at = time_source.unix()
        self._files = _files()
        self._making = threading.Lock()
        self._made = _Made(0.0, 0.0, -1, b"")
        self._changes = 0
        self._publish: Callable[[bytes], None] = lambda _event: None
        self.watcher = watcher.Watcher(
            lambda: self._reconciler.fleet, self.is_on, self._changed, time_source
        )

    def start(self, publish: Callable[[bytes], None]) -> None:
        """Begin to watch; ``publish`` sends an event to everybody who looks."""
        self._publish = publish
        self.watcher.start()

    def stop(self) -> None:
        """Stop watching."""
        self.watcher.stop()

    def is_on(self) -> bool:
        """Return whether the page is served, by the configuration in force."""
        said = self._describer.config.status_page
        return self._on_loopback if said is None else said

    def answer(
        self, environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes] | None:
        """Answer what is the page's; None for what is not, and where it is off."""
        path = environ.get("PATH_INFO", "")
        if not self.is_on() or path not in (*self._files, "/status.json", "/events"):
            return None
        if not self._may_ask(environ.get("HTTP_HOST", "")):
            start_response("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
            return [
                b"The status page answers here by the names of loopback only: localhost, "
                b"127.0.0.1, [::1]. statusPage: true in the configuration takes every name.\n"
            ]
        if path == "/events":
            start_response("200 OK", [("Content-Type", "text/event-stream"), *_HEADERS])
            return http_pages.STREAM
        if path == "/status.json":
            start_response("200 OK", [("Content-Type", "application/json"), *_HEADERS])
            return [self._json()]
        kind, content = self._files[path]
        start_response("200 OK", [("Content-Type", kind), *_HEADERS])
        return [content]

    def status(self) -> shape.Status:
        """Put together what is known now; hostile words are escaped in it already."""
        # Its shape takes a tenth of a start to make, and is wanted when somebody looks.
        from externalgrpc.status import document  # noqa: PLC0415

        budgets = {
            name: budget
            for name, runtime in self._reconciler.runtimes().items()
            if (budget := runtime.provider.budget()) is not None
        }
        fleet = self._reconciler.fleet
        what = known.Known(
            fleet=fleet,
            past=self.watcher.past,
            prices=self._describer.prices(fleet),
            budgets=budgets,
            now=self._clock.monotonic(),
            unix_now=self._clock.unix(),
            started_at=self._started_at,
            version=self._version,
            dry_run=self._dry_run,
            watches_nodes=self._describer.config.kubernetes is not None,
        )
        return plaintext.every(document.build(what))

    def _may_ask(self, host: str) -> bool:
        """Return whether a request calls us by a name that nobody else can give to us."""
        if self._describer.config.status_page or not host:
            return True
        return address.Address(host=_PORT.sub("", host).strip("[]")).stays_here

    def _json(self) -> bytes:
        """Return the JSON; while it is made, others get the last one rather than wait."""
        if self._is_fresh() or not self._making.acquire(blocking=not self._made.content):
            return self._made.content
        try:
            if not self._is_fresh():
                from externalgrpc.status import shape  # noqa: PLC0415 - see status()

                began_at, changes = self._clock.monotonic(), self._changes
                content = masking.masked(shape.as_json(self.status()).decode()).encode()
                self._made = _Made(began_at, self._clock.monotonic(), changes, content)
            return self._made.content
        finally:
            self._making.release()

    def _is_fresh(self) -> bool:
        made = self._made
        if not made.content:
            return False
        age_s = self._clock.monotonic() - made.at
        unchanged = made.changes == self._changes and age_s < FRESH_S
        return unchanged or age_s < REST * (made.at - made.began_at)

    def _changed(self) -> None:
        self._changes += 1
        self._publish(b"event: changed\ndata: \n\n")
