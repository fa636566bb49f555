"""gRPC health checking (grpc.health.v1): whether calls are answered, as the probe last found.

Our own and not grpcio-health-checking's servicer: that one keeps every name that was ever watched.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from externalgrpc.model import fleet_errors
from externalgrpc.rpc import calls

SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
WATCHERS = 16
"""Watches at once; each holds a thread. One more is refused."""

_Response = health_pb2.HealthCheckResponse


class UnknownService(fleet_errors.UnknownGroup):
    """No service of that name is served."""


class TooManyWatchers(fleet_errors.NotReady):
    """So many watch our health that one more would cost too much."""


class Health:
    """Hold one status for a fixed set of names; the server's own name is empty."""

    def __init__(self, names: tuple[str, ...], made: calls.Calls) -> None:
        self._names = names
        self._calls = made
        self._changed = threading.Condition()
        self._status: Any = _Response.NOT_SERVING
        self._ended = False
        self._watchers = 0

    def set(self, *, serving: bool) -> None:
        """Set the status for all who ask and watch; nothing changes after :meth:`end`."""
        with self._changed:
            if not self._ended:
                self._status = _Response.SERVING if serving else _Response.NOT_SERVING
                self._changed.notify_all()

    def end(self) -> None:
        """Set "not serving" for good, and end the watches."""
        with self._changed:
            self._status = _Response.NOT_SERVING
            self._ended = True
            self._changed.notify_all()

    def register(self, server: grpc.Server) -> None:
        """Add the service to a server."""
        most = calls.SMALL_BYTES
        request = health_pb2.HealthCheckRequest
        handlers = {
            "Check": self._calls.unary("Check", request, self._check, most_bytes=most),
            "List": self._calls.unary(
                "List", health_pb2.HealthListRequest, self._list, most_bytes=most
            ),
            "Watch": self._calls.stream("Watch", request, self._watch),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))

    def _check(self, request: Any) -> Any:  # noqa: ANN401 - the package has no types
        if request.service not in self._names:
            raise UnknownService(f"no service {request.service!r} is served here")
        return _Response(status=self._status)

    def _list(self, _request: Any) -> Any:  # noqa: ANN401 - as above
        reply = health_pb2.HealthListResponse()
        for name in self._names:
            reply.statuses[name].status = self._status
        return reply

    def _watch(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        """Send the status now and at every change, until the caller leaves or we end."""
        request = next(requests, None)
        if request is None:
            return
        with self._changed:
            if self._watchers >= WATCHERS:
                raise TooManyWatchers(f"{WATCHERS} callers watch our health already: use Check")
            self._watchers += 1
        try:
            sent = None
            while context.add_callback(self._wake):
                status = self._next(context, sent, known=request.service in self._names)
                if status is None:
                    return
                yield _Response(status=status)
                sent = status
        finally:
            with self._changed:
                self._watchers -= 1

    def _next(self, context: grpc.ServicerContext, sent: Any, *, known: bool) -> Any:  # noqa: ANN401
        """Wait for a status that was not sent yet; None at the end."""
        with self._calls.watching(context, math.inf), self._changed:
            while context.is_active():
                status = self._status if known else _Response.SERVICE_UNKNOWN
                if status != sent:
                    return status
                if self._ended:
                    return None
                self._changed.wait()
        return None

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
