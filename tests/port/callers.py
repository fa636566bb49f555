"""Honest callers, whose calls must pass whatever the others do."""

from __future__ import annotations

import dataclasses
import threading
import time

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

    def __str__(self) -> str:
        return (
            f"{len(self.seconds)} calls, p50 {self.share_ms(0.5):.1f} ms, p95"
            f" {self.share_ms(0.95):.1f} ms, max {self.share_ms(1):.1f} ms,"
            f" failed {len(self.failures)} {self.failures[:2]}"
        )


def calls(channel: grpc.Channel, count: int, *, pause_s: float = 0.005) -> Taken:
    """Call one after the other."""
    call, taken, pause = channel.unary_unary(METHOD, None, None), Taken(), threading.Event()
    for _ in range(count):
        began = time.perf_counter()
        try:
            call(REQUEST, timeout=5)
        except grpc.RpcError as error:
            taken.failures.append(str(error))
        taken.seconds.append(time.perf_counter() - began)
        pause.wait(pause_s)
    return taken


class Steady:
    """Calls from a thread for as long as the context lasts."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.taken = Taken()

    def _run(self) -> None:
        while not self._stop.is_set():
            some = calls(self._channel, 5, pause_s=0.002)
            self.taken.seconds += some.seconds
            self.taken.failures += some.failures

    def __enter__(self) -> Taken:
        self._thread.start()
        return self.taken

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
