"""Run an account's requests on threads: one lists, one reads what is sold, several write.

Jobs block; the reconciler never waits for one, it is called back. Reads leave a reserve of the
budget to creates and deletes, and pass below it slowly: a server that cannot see helps nobody.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from externalgrpc.control import budgets
from externalgrpc.support import clock, logs
from providers import contract, errors

T = TypeVar("T")
U = TypeVar("U")

_LOG = logs.Log("lane")


ASIDE = frozenset({"catalogue"})
"""Reads that say nothing of machines: a listing need not wait for them, nor they for it."""

_RECHECK_S = 5.0
"""Budgets are looked at again after this long: the clock they run by may be a simulated one."""


class Lane(Protocol):
    """What the reconciler asks of a lane; tests hand in one that needs no threads.

    ``done`` is called exactly once for every job, also when the job was never run.
    """

    def read(
        self,
        operation: str,
        job: Callable[[], T],
        done: Callable[[T | errors.CloudError], None],
        cost: int = 1,
    ) -> None:
        """Run a job that only looks; ``cost`` is the number of requests it is expected to take."""
        ...

    def write(
        self,
        operation: str,
        job: Callable[[], T],
        done: Callable[[T | errors.CloudError], None],
        cost: int = 1,
    ) -> None:
        """Run a job that makes or deletes something; it is begun with the budget for all of it."""
        ...

    def close(self, timeout_s: float) -> bool:
        """Take no more jobs, await the writes under way; return whether all came to an end."""
        ...


class ThreadLane:
    """A lane on real threads, started when first needed.

    One sees machines (listings and look-ups, one after another), one reads what the cloud sells,
    ``hands`` write.
    """

    def __init__(
        self,
        account: str,
        provider: contract.Provider,
        *,
        share: float,
        time_source: clock.Clock,
        observe: Callable[[str, str, float], None] | None = None,
    ) -> None:
        self.account = account
        self.provider = provider
        self._clock = time_source
        self._observe = observe
        self._free = threading.Condition()
        now = time_source.monotonic()
        self._bucket = budgets.Bucket(provider.rate, share, now)
        self._creates = (
            budgets.Window(provider.create_rate, share)
            if provider.create_rate is not None
            else None
        )
        self._reads: dict[str, queue.SimpleQueue[Callable[[], None] | None]] = {}
        self._writes: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._hands: list[threading.Thread] = []
        self._busy_writes = 0
        self._closed = False

    def read(
        self,
        operation: str,
        job: Callable[[], T],
        done: Callable[[T | errors.CloudError], None],
        cost: int = 1,
    ) -> None:
        """Queue a job for the eye, or for the reader; ``done`` is called on its thread."""
        whose = "reader" if operation in ASIDE else "eye"
        with self._free:
            if not self._closed:
                if whose not in self._reads:
                    self._reads[whose] = queue.SimpleQueue()
                    self._start(self._reads[whose], whose)
                self._reads[whose].put(
                    lambda: self._run(operation, job, done, cost, budgets.RESERVE)
                )
                return
        done(self._stopping(operation))

    def write(
        self,
        operation: str,
        job: Callable[[], T],
        done: Callable[[T | errors.CloudError], None],
        cost: int = 1,
    ) -> None:
        """Queue a job for a hand; ``done`` is called on its thread."""

        def run() -> None:
            try:
                self._run(operation, job, done, cost, 0.0)
            finally:
                with self._free:
                    self._busy_writes -= 1
                    self._free.notify_all()

        with self._free:
            if not self._closed:
                self._busy_writes += 1
                if len(self._hands) < min(self.provider.hands, self._busy_writes):
                    self._hands.append(self._start(self._writes, f"hand-{len(self._hands) + 1}"))
                self._writes.put(run)
                return
        done(self._stopping(operation))

    def close(self, timeout_s: float) -> bool:
        """Take no more jobs; wait up to ``timeout_s`` seconds for the writes under way.

        What was queued and not sent comes back as Throttled, but for deletes: they are still
        sent. May be called again, to wait longer.
        """
        deadline = time.monotonic() + timeout_s
        with self._free:
            if not self._closed:
                self._closed = True
                for reads in self._reads.values():
                    reads.put(None)
                for _ in self._hands:
                    self._writes.put(None)
            self._free.notify_all()
            while self._busy_writes and (left_s := deadline - time.monotonic()) > 0:
                self._free.wait(left_s)
            return self._busy_writes == 0

    def _start(
        self, jobs: queue.SimpleQueue[Callable[[], None] | None], what: str
    ) -> threading.Thread:
        def work() -> None:
            while (job := jobs.get()) is not None:
                try:
                    job()
                except Exception:  # noqa: BLE001 - one answer is lost, the lane must not be
                    _LOG.exception("answer not taken", account=self.account)

        thread = threading.Thread(target=work, name=f"{self.account}-{what}", daemon=True)
        thread.start()
        return thread

    def _run(
        self,
        operation: str,
        job: Callable[[], T],
        done: Callable[[T | errors.CloudError], None],
        cost: int,
        reserve: float,
    ) -> None:
        if not self._await_budget(operation, cost, reserve):
            done(self._stopping(operation))
            return
        began = self._clock.monotonic()
        answer: T | errors.CloudError
        try:
            answer = job()
        except errors.CloudError as error:
            error.account = error.account or self.account
            error.operation = error.operation or operation
            answer = error
        except Exception as error:  # noqa: BLE001 - a cloud's code may fail in any way; we stay up
            _LOG.exception("cloud code failed", account=self.account, operation=operation)
            answer = errors.Unreachable(
                f"unexpected {type(error).__name__} in the cloud's code",
                account=self.account,
                operation=operation,
            )
        try:
            self._note(operation, answer, began)
        except Exception:  # noqa: BLE001 - the answer matters more than its bookkeeping
            _LOG.exception("budget not noted", account=self.account, operation=operation)
        done(answer)

    def _note(self, operation: str, answer: object, began: float) -> None:
        """Measure a request, and take what its answer says about the budget."""
        now = self._clock.monotonic()
        if self._observe is not None:
            failed = isinstance(answer, errors.CloudError)
            self._observe(operation, type(answer).__name__ if failed else "ok", now - began)
        budget = self.provider.budget()
        with self._free:
            self._bucket.correct(now, budget)
            if isinstance(answer, errors.Throttled):
                self._give_way(operation, answer, now, budget)

    def _give_way(
        self,
        operation: str,
        refusal: errors.Throttled,
        now: float,
        budget: contract.Budget | None,
    ) -> None:
        """Send less for a while, unless it was one machine that was busy and not the account."""
        if operation == "create" and self._creates is not None:
            # Somebody else makes machines in this account too.
            self._creates.pause(now, refusal.retry_after_s or 1.0)
            return
        spent = budget is not None and budget.remaining <= 0
        # Only a deletion meets a busy machine; what else is refused while there is budget left
        # has met a shorter limit than the budget shows (DigitalOcean's by the minute).
        account = refusal.retry_after_s is not None and (budget is None or operation != "delete")
        if spent or account:
            self._bucket.pause(now, refusal.retry_after_s or 1.0)

    def _await_budget(self, operation: str, cost: int, reserve: float) -> bool:
        """Wait for the budget to allow a request; False when the lane closes first."""
        with self._free:
            warned = False
            while not self._closed or operation == "delete":
                now = self._clock.monotonic()
                wait_s = self._bucket.wait_s(now, cost, reserve)
                if operation == "create" and self._creates is not None:
                    wait_s = max(wait_s, self._creates.wait_s(now))
                if wait_s <= 0:
                    self._bucket.take(now, cost, reserve)
                    if operation == "create" and self._creates is not None:
                        self._creates.take(now)
                    return True
                if wait_s > 1 and not warned:
                    warned = True
                    _LOG.warning(
                        "budget spent", account=self.account, operation=operation, wait_s=wait_s
                    )
                self._free.wait(min(wait_s, _RECHECK_S))
            return False

    def _stopping(self, operation: str) -> errors.Throttled:
        return errors.Throttled(
            "not sent: this connection is being closed",
            account=self.account,
            operation=operation,
        )


def side_by_side(first: Callable[[], T], second: Callable[[], U]) -> tuple[T, U]:
    """Ask two questions at once; raises what the first raised, or else the second."""
    answers: list[U] = []
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            answers.append(second())
        except BaseException as error:  # noqa: BLE001 - raised below, where it is waited for
            failures.append(error)

    beside = threading.Thread(target=ask, name=f"{threading.current_thread().name}-2", daemon=True)
    beside.start()
    try:
        answer = first()
    finally:
        beside.join()
    if failures:
        raise failures[0]
    return answer, answers[0]
