"""Honest callers, whose calls must pass whatever the others do."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import grpc

from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.rpc import service

METHOD = f"/{service.SERVICE}/NodeGroupTargetSize"
REQUEST = pb.NodeGroupTargetSizeRequest(id="alpha").SerializeToString()


@dataclasses.dataclass
class Taken:
    """What calls took, in seconds, and what those said that failed."""

    seconds: list[float] = dataclasses.field(default_factory=list)
    failures: list[str] = dataclasses.field(default_factory=list)

    def share_ms(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000

    def add(self, more: Taken) -> None:
        self.seconds += more.seconds
        self.failures += more.failures

    def __str__(self) -> str:
        return (
            f"{len(self.seconds)} calls, p50 {self.share_ms(0.5):.1f} ms, p95"
            f" {self.share_ms(0.95):.1f} ms, max {self.share_ms(1):.1f} ms,"
            f" failed {len(self.failures)} {self.failures[:2]}"
        )


def calls(channel: grpc.Channel, count: int, *, pause_s: float = 0.005) -> Taken:
    """Call one after the other; three that fail say it all, each may take five seconds."""
    call, taken, pause = channel.unary_unary(METHOD, None, None), Taken(), threading.Event()
    for _ in range(count):
        began = time.perf_counter()
        try:
            call(REQUEST, timeout=5)
        except grpc.RpcError as error:
            taken.failures.append(str(error))
            if len(taken.failures) == 3:
                break
        taken.seconds.append(time.perf_counter() - began)
        pause.wait(pause_s)
    return taken


def in_turns(
    channel: grpc.Channel, count: int, held: Callable[[], AbstractContextManager[object]]
) -> tuple[Taken, Taken]:
    """Call alone and beside those who hold on, by turns; return the seconds of both."""
    alone, beside = calls(channel, count), Taken()
    for _ in range(3):
        with held():
            beside.add(calls(channel, count))
        alone.add(calls(channel, count))
    return alone, beside


class Steady:
    """Calls from a thread for as long as the context lasts."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.taken = Taken()

    def _run(self) -> None:
        while not self._stop.is_set():
            self.taken.add(calls(self._channel, 5, pause_s=0.002))

    def __enter__(self) -> Taken:
        self._thread.start()
        return self.taken

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
