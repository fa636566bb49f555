"""The executor and the patience with callers, without a network."""

from __future__ import annotations

import contextlib
import dataclasses
import threading

import pytest

from externalgrpc.rpc import callers, limits, sparing, workers
from tests import serving

pytestmark = pytest.mark.alone


class Call:
    def __init__(self):
        self.cancelled = 0
        self.callbacks = []

    def cancel(self):
        self.cancelled += 1

    def add_callback(self, callback):
        self.callbacks.append(callback)
        return True


class Hand:
    """A clock that is moved by hand."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    unix = monotonic


@pytest.fixture
def pool():
    made = workers.Workers(limits.Limits(served=2), lambda: None)
    yield made
    made.shutdown(cancel_futures=True)
    serving.until(lambda: made.threads() == 0)


def test_results_and_errors_come_through(pool):
    assert pool.submit(divmod, 7, 2).result(5) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        pool.submit(divmod, 1, 0).result(5)


def test_waiting_is_not_work(pool):
    go = threading.Event()

    def waits():
        with pool.away():
            go.wait(30)

    waiting = [pool.submit(waits) for _ in range(50)]
    serving.until(lambda: pool.threads() >= 50)
    assert pool.submit(lambda: "free").result(5) == "free"
    go.set()
    for each in waiting:
        each.result(5)
    serving.until(lambda: pool.threads() <= 3)


def test_work_is_bounded(pool):
    go, working, alone = threading.Event(), [], threading.Lock()

    def works(number):
        with alone, pool.away():  # at most one waits at a time, however slowly threads start
            pass
        working.append(number)
        go.wait(30)

    tasks = [pool.submit(works, number) for number in range(10)]
    serving.until(lambda: len(working) == pool.threads() > 2, 60)  # so no thread is free
    late = pool.submit(lambda: "late")
    with pytest.raises(TimeoutError):
        late.result(0.3)
    assert len(working) == pool.threads() == 3, "two at once, and one that waited meanwhile"
    go.set()
    for each in (*tasks, late):
        each.result(5)


def test_in_a_crowd_the_youngest_is_served_first(pool):
    go, seen = threading.Event(), []
    busy = [pool.submit(go.wait, 30) for _ in range(2)]
    queued = [pool.submit(seen.append, number) for number in range(10)]
    go.set()
    for each in busy + queued:
        each.result(5)
    assert seen.index(9) < seen.index(0)


def test_a_thread_that_cannot_start_makes_a_waiting_call_end(monkeypatch):
    starved = threading.Event()
    pool = workers.Workers(limits.Limits(served=2), starved.set)

    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        kept = pool.submit(lambda: "kept")
        assert starved.is_set()
    assert pool.submit(lambda: "next").result(5) == "next"
    assert kept.result(5) == "kept"
    pool.shutdown()


def test_nothing_is_taken_after_a_shutdown():
    pool = workers.Workers(limits.Limits(), lambda: None)
    assert pool.submit(lambda: 1).result(5) == 1
    pool.shutdown()
    with pytest.raises(RuntimeError):
        pool.submit(lambda: 1)
    serving.until(lambda: pool.threads() == 0)


BOUNDS = limits.Limits(receiving=2, crowd=4, parked=2, watching=2, unsent=2, unsent_bytes=100)


def receive(held, stack, count):
    calls = [Call() for _ in range(count)]
    for call in calls:
        stack.enter_context(held.receiving(call))
    return calls


def test_a_call_is_ended_once_when_its_time_is_over():
    hand = Hand()
    held = callers.Callers(BOUNDS, hand)
    with contextlib.ExitStack() as stack:
        (call,) = receive(held, stack, 1)
        hand.now += BOUNDS.patience_s - 0.1
        held.sweep()
        assert call.cancelled == 0
        hand.now += 0.2
        held.sweep()
        held.sweep()
        assert (call.cancelled, held.ended) == (1, 1)


def test_in_a_crowd_the_oldest_hurry():
    hand = Hand()
    held = callers.Callers(BOUNDS, hand)
    with contextlib.ExitStack() as stack:
        calls = receive(held, stack, 4)
        assert held.crowded.is_set()
        held.sweep()
        assert [call.cancelled for call in calls] == [0, 0, 0, 0]
        hand.now += BOUNDS.hurried_s + 0.1
        held.sweep()
        assert [call.cancelled for call in calls] == [1, 1, 0, 0]
    held.sweep()
    assert not held.crowded.is_set()


def test_when_memory_swells_the_surplus_goes_at_once(monkeypatch):
    hand, resident = Hand(), [100 * limits.MIB]
    monkeypatch.setattr(callers, "resident_bytes", lambda: resident[0])
    held = callers.Callers(BOUNDS, hand)
    with contextlib.ExitStack() as stack:
        calls = receive(held, stack, 4)
        resident[0] += BOUNDS.crowd_bytes + 1
        held.sweep()
        assert [call.cancelled for call in calls] == [1, 1, 0, 0]


def parked(held, call):
    """Ask for a place on a thread; gives the thread and what came of it."""
    outcome = []

    def run():
        try:
            with held.receiving(call):
                outcome.append("in")
        except callers.Crowded:
            outcome.append("refused")

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


def test_who_finds_no_place_is_parked_let_in_or_refused():
    hand = Hand()
    held = callers.Callers(BOUNDS, hand)
    with contextlib.ExitStack() as stack:
        receive(held, stack, 4)
        threads = [parked(held, Call()) for _ in range(2)]
        serving.until(lambda: len(held._parked) == 2)
        one_more = parked(held, Call())
        serving.until(lambda: [o for _, o in threads].count(["refused"]) == 1)
    for thread, _ in (*threads, one_more):
        thread.join(5)
    assert sorted(outcome[0] for _, outcome in (*threads, one_more)) == ["in", "in", "refused"]


def test_the_parked_are_refused_in_time_and_at_the_end():
    hand = Hand()
    held = callers.Callers(BOUNDS, hand)
    with contextlib.ExitStack() as stack:
        receive(held, stack, 4)
        thread, outcome = parked(held, Call())
        serving.until(lambda: len(held._parked) == 1)
        hand.now += BOUNDS.parked_s + 0.1
        held.sweep()
        thread.join(5)
        assert outcome == ["refused"]
        thread, outcome = parked(held, Call())
        serving.until(lambda: len(held._parked) == 1)
        held.close()
        thread.join(5)
        assert outcome == ["refused"]


@pytest.mark.parametrize(("leave", "after_s"), [(3, 0.6), (1, 1.1)])
def test_who_was_never_listened_to_is_not_refused_while_there_is_a_place(leave, after_s):
    """On a busy machine one call in a storm was refused while 36 to 150 of 512 places were free."""
    hand = Hand()
    held = callers.Callers(dataclasses.replace(BOUNDS, crowd=8, parked=4), hand)
    with contextlib.ExitStack() as stack:
        receive(held, stack, 8 - leave)
        with contextlib.ExitStack() as leaving:
            receive(held, leaving, leave)
            thread, outcome = parked(held, Call())
            serving.until(lambda: len(held._parked) == 1)
            hand.now += after_s
        held.sweep()
        thread.join(5)
        assert outcome == ["in"]


def test_watchers_and_untaken_replies_are_bounded():
    hand = Hand()
    held = callers.Callers(BOUNDS, hand)
    calls = [Call() for _ in range(3)]
    with contextlib.ExitStack() as stack:
        for call in calls:
            stack.enter_context(held.watching(call, 3600.0))
        assert [call.cancelled for call in calls] == [1, 0, 0]
    many = [Call() for _ in range(3)]
    for call in many:
        held.replying(call, 1)
    assert [call.cancelled for call in many] == [1, 0, 0]
    for call in many:
        call.callbacks[0]()
    large = [Call() for _ in range(2)]
    for call in large:
        held.replying(call, 60)
    assert [call.cancelled for call in large] == [1, 0]
    hand.now += BOUNDS.patience_s + 1
    held.sweep()
    assert [call.cancelled for call in large] == [1, 1]
    assert held._unsent_bytes == 0


def test_lines_are_counted_when_they_are_too_many():
    hand, lines = Hand(), []
    limited = sparing.Sparing(2, hand)
    for _ in range(5):
        limited.log(("a",), lines.append)
    limited.log(("b",), lines.append)
    assert lines == [0, 0, 0]
    flushed = []
    limited.flush(lambda kind, count: flushed.append((kind, count)))
    assert flushed == []
    hand.now += sparing.MINUTE_S
    limited.flush(lambda kind, count: flushed.append((kind, count)))
    assert flushed == [(("a",), 3)]
    hand.now += sparing.MINUTE_S
    for _ in range(4):
        limited.log(("a",), lines.append)
    hand.now += sparing.MINUTE_S
    limited.log(("a",), lines.append)
    assert lines == [0, 0, 0, 0, 0, 2]


def test_the_open_files_are_raised_and_counted(monkeypatch):
    seen = []
    monkeypatch.setattr(limits.resource, "getrlimit", lambda _: (1024, 500_000))
    monkeypatch.setattr(limits.resource, "setrlimit", lambda _, pair: seen.append(pair))
    limits.raise_open_files()
    assert seen == [(8192, 500_000)]
    assert ("grpc.max_allowed_incoming_connections", 512) in limits.Limits().options()
