"""Call ourselves, as a caller would, and remember when we last answered.

A process that lives may still answer nobody: its workers may be held, or grpc's own thread may
hang. Only a call that goes all the way, socket, polling, worker and handler, shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent import futures

import grpc

from externalgrpc.rpc import address
from externalgrpc.rpc.workers import Workers
from externalgrpc.support import clock

EVERY_S = 5.0
DEADLINE_S = 5.0
SILENT_S = 30.0
"""Unanswered for so long is unhealthy: six probes have failed then."""

Ask = Callable[[float], str]
"""Call once, with a deadline in seconds: "" when it was answered, else the reason."""


class Probe:
    """When a call of our own was answered last."""

    def __init__(self, ask: Ask, time_source: clock.Clock) -> None:
        self._ask = ask
        self._clock = time_source
        self._answered_at = time_source.monotonic()
        self._reason = ""

    def look(self) -> bool:
        """Call once, within the deadline; says whether we count as answering."""
        self._reason = self._ask(DEADLINE_S)
        if not self._reason:
            self._answered_at = self._clock.monotonic()
        return self.answering()[0]

    def answering(self) -> tuple[bool, str]:
        """Return whether our calls are answered, and if not, since when and why."""
        silent_s = self._clock.monotonic() - self._answered_at
        if silent_s < SILENT_S:
            return True, "ok"
        return False, f"our own RPCs are not answered for {silent_s:.0f} s ({self._reason})"


def over_channel(channel: grpc.Channel, method: str) -> Ask:
    """Ask as a caller does, with an empty request."""
    call = channel.unary_unary(method, None, None)

    def ask(deadline_s: float) -> str:
        try:
            call(b"", timeout=deadline_s)
        except grpc.RpcError as error:
            code = error.code() if isinstance(error, grpc.Call) else None
            return code.name if code is not None else "no answer"
        except ValueError:
            return "the channel is closed"
        return ""

    return ask


def over_workers(workers: Workers) -> Ask:
    """Ask only whether a worker is free: all that can be asked without an address to call."""

    def ask(deadline_s: float) -> str:
        try:
            workers.submit(lambda: None).result(deadline_s)
        except futures.TimeoutError:
            return "no worker is free"
        except RuntimeError as error:
            return str(error)
        return ""

    return ask


def open_channel(where: str) -> grpc.Channel:
    """Open a channel to ourselves, past any proxy and shared with nobody."""
    return grpc.insecure_channel(
        where, options=[address.DIRECT, ("grpc.use_local_subchannel_pool", 1)]
    )


def reachable(bound: str) -> str:
    """Return the address under which we reach a listener: one on all interfaces is on loopback."""
    for everywhere, loopback in (("0.0.0.0:", "127.0.0.1:"), ("[::]:", "localhost:")):
        if bound.startswith(everywhere):
            return loopback + bound.removeprefix(everywhere)
    return bound
