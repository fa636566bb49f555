"""Say what one vendor's fake must give the engine: its words, limits and headers.

:class:`Vendor` is the half of a fake that a cloud's file fills in;
:class:`providers.fakes.engine.Fake` is the half that is the same everywhere.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, TypeVar

from providers.fakes import wire
from providers.fakes.limits import Limiter
from providers.fakes.wire import Reply

T = TypeVar("T")


def route(method: str, template: str) -> Callable[[T], T]:
    """Mark a method as the answer to ``method template`` below the prefix; first match wins."""

    def mark(function: T) -> T:
        function._routes = (*getattr(function, "_routes", ()), (method, template))  # type: ignore[attr-defined]
        return function

    return mark


def control(name: str) -> Callable[[T], T]:
    """Mark a method as what ``POST /_control/<name>`` calls with the parsed body."""

    def mark(function: T) -> T:
        function._control = name  # type: ignore[attr-defined]
        return function

    return mark


def page(items: Sequence[T], number: int, size: int) -> tuple[Sequence[T], int]:
    """Cut page ``number`` (from 1) of ``size``; give it and the number of pages (at least 1)."""
    pages = max(1, -(-len(items) // size))
    return items[(number - 1) * size : number * size], pages


class Vendor(abc.ABC):
    """What is the vendor's own; :meth:`error` must be given, the rest has a common answer."""

    prefix: ClassVar[str] = ""
    token: str

    @abc.abstractmethod
    def error(self, status: int, code: str, message: str) -> Reply:
        """Return an error in the vendor's own body."""

    def authorised(self, request: wire.Request) -> bool:
        """Return whether the token is right."""
        return request.header("Authorization") == f"Bearer {self.token}"

    def unauthorised(self, request: wire.Request) -> Reply:
        """Say that the token is wrong."""
        return self.error(401, "unauthorized", "unable to authenticate")

    def malformed(self) -> Reply:
        """Say that the body is no JSON."""
        return self.error(400, "json_error", "malformed JSON")

    def limits(self, request: wire.Request) -> Sequence[Limiter]:
        """Return the limits this request counts against; the headers show the first."""
        return ()

    def rate_headers(self, limiter: Limiter, now: float) -> Mapping[str, str]:
        """Return the vendor's rate limit headers, which go on every reply."""
        return {}

    def throttled(self, limiter: Limiter, now: float) -> Reply:
        """Say that there were too many requests; the rate headers are added by the engine."""
        return self.error(429, "rate_limit_exceeded", "rate limit exceeded")

    def reply_headers(self) -> Mapping[str, str]:
        """Return the headers that the vendor puts on every reply (a request id, ...)."""
        return {}

    def settle(self) -> None:  # noqa: B027  (a cloud whose state never moves has none)
        """Bring the state up to now; called under the lock before anything reads it."""

    def state(self) -> object:
        """Show the state in JSON for ``GET /_control/state``."""
        return {}
