"""The threads that serve calls: as many as work is done at once, and one for each call that waits.

grpcio's synchronous server hands a call to a worker when its headers are there and waits for the
message inside the worker: sixteen callers that never send one would hold sixteen workers for ever.
So a worker says when it waits for its caller, and does not count while it does: the pool grows
instead. Who may wait, and for how long, is :mod:`externalgrpc.rpc.callers`' to say.
"""

from __future__ import annotations

import collections
import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any, TypeVar

from externalgrpc.rpc.limits import Limits
from externalgrpc.support import logs

_LOG = logs.Log("workers")
T = TypeVar("T")


class Workers(futures.Executor):
    """An executor for ``grpc.server``, whose every task begins by waiting for its caller.

    Work done at once is bounded by ``served`` and those that waited at the same time.
    ``starved`` is called when the system refuses a thread, and should make a waiting call end.
    """

    def __init__(self, limits: Limits, starved: Callable[[], None]) -> None:
        self._limits = limits
        self._starved = starved
        self._most = limits.served + 2 * limits.parked
        self._lock = threading.Lock()
        self._tasks: collections.deque[Callable[[], None]] = collections.deque()
        self._wakes: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._threads = 0
        self._idle = 0
        self._away = 0
        self._closed = False

    def submit(
        self,
        fn: Callable[..., T],
        /,
        *args: Any,  # noqa: ANN401 - Executor's own
        **kwargs: Any,  # noqa: ANN401
    ) -> futures.Future[T]:
        """Run a function on a worker; raises RuntimeError after a shutdown."""
        future: futures.Future[T] = futures.Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - the future carries it
                future.set_exception(error)
            else:
                future.set_result(result)

        with self._lock:
            if self._closed:
                raise RuntimeError("the workers have been shut down")
            self._tasks.append(run)
            first = self._threads == 0 and self._take_thread()
        self._wakes.put("work")
        if first:
            self._start_thread()
        return future

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Say that this worker does nothing but wait for its caller, for as long as this lasts."""
        with self._lock:
            self._away += 1
            grow = self._take_thread()
        try:
            if grow:
                self._start_thread()
            yield
        finally:
            with self._lock:
                self._away -= 1

    def threads(self) -> int:
        """Count the threads."""
        return self._threads

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - Executor's own
        """Take no more work. Threads end after theirs; they are daemons and hold no exit up."""
        with self._lock:
            self._closed = True
            if cancel_futures:
                self._tasks.clear()
            threads = self._threads
        for _ in range(threads):
            self._wakes.put("end")

    def _take_thread(self) -> bool:
        """Count one more thread when one is needed; the caller holds the lock.

        One is kept free: a start takes long enough that grpc's own thread, which hands all calls
        in, should not wait for it. So the worker that goes away starts its successor.
        """
        working = self._threads - self._away
        enough = self._idle > len(self._tasks)
        if enough or self._closed or working >= self._limits.served or self._threads >= self._most:
            return False
        self._threads += 1
        return True

    def _start_thread(self) -> None:
        try:
            threading.Thread(target=self._work, name="rpc", daemon=True).start()
        except RuntimeError as error:
            with self._lock:
                self._threads -= 1
            _LOG.error("no thread for a call", threads=self._threads, reason=str(error))
            self._starved()

    def _work(self) -> None:
        while True:
            with self._lock:
                if self._idle >= self._limits.served and not self._tasks:
                    self._threads -= 1
                    return
                self._idle += 1
            wake = self._wakes.get()
            with self._lock:
                self._idle -= 1
                task = self._next_task()
                if task is None and wake == "end":
                    self._threads -= 1
                    return
            if task is not None:
                task()
            del task  # an idle worker holds no call

    def _next_task(self) -> Callable[[], None] | None:
        """Take the oldest call; in a crowd the youngest: the old ones' callers have given up."""
        if not self._tasks:
            return None
        crowded = len(self._tasks) > self._limits.served
        return self._tasks.pop() if crowded else self._tasks.popleft()
