from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest

from externalgrpc.control import lane
from providers import contract, errors

PATIENCE_S = 10.0
QUICK = contract.Rate(requests=1000, per_s=1.0)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def unix(self) -> float:
        return self.now


class Cloud:
    """As much of a provider as a lane looks at."""

    def __init__(
        self,
        *,
        hands: int = 2,
        rate: contract.Rate = QUICK,
        create_rate: contract.Rate | None = None,
        reported: contract.Budget | Exception | None = None,
    ) -> None:
        self.hands = hands
        self.rate = rate
        self.create_rate = create_rate
        self.reported = reported

    def budget(self) -> contract.Budget | None:
        if isinstance(self.reported, Exception):
            raise self.reported
        return self.reported


class Answers:
    """Collect what a lane calls back with, and let tests await it."""

    def __init__(self) -> None:
        self.all: list[object] = []
        self._come = threading.Condition()

    def __call__(self, answer: object) -> None:
        with self._come:
            self.all.append(answer)
            self._come.notify_all()

    def await_count(self, count: int) -> list[object]:
        with self._come:
            came = self._come.wait_for(lambda: len(self.all) >= count, PATIENCE_S)
        assert came, f"{len(self.all)} answers of {count}: {self.all}"
        return self.all


class Gate:
    """A job that says when it began and ends when it is let."""

    def __init__(self, answer: object = "done") -> None:
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self._answer = answer

    def __call__(self) -> object:
        self.begun.set()
        assert self.may_end.wait(PATIENCE_S)
        return self._answer


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def open_lane(clock):
    lanes: list[lane.ThreadLane] = []

    def make(cloud: Cloud | None = None, **settings) -> lane.ThreadLane:
        made = lane.ThreadLane("acc", cloud or Cloud(), share=1.0, time_source=clock, **settings)
        lanes.append(made)
        return made

    yield make
    for each in lanes:
        each.close(0.0)


def raising(error: Exception) -> Callable[[], object]:
    def job() -> object:
        raise error

    return job


def budget(remaining: int, *, limit: int = 100, seen_at: float = 1.0) -> contract.Budget:
    return contract.Budget(limit=limit, remaining=remaining, reset_at=0.0, seen_at=seen_at)


class TestJobs:
    def test_the_answer_comes_back_once(self, open_lane):
        answers = Answers()
        it = open_lane()
        it.read("instances", lambda: "seen", answers)
        it.write("create", lambda: "made", answers)
        it.write("delete", lambda: None, answers)
        assert set(answers.await_count(3)) == {"seen", "made", None}
        assert it.close(PATIENCE_S)
        assert len(answers.all) == 3

    def test_one_eye_reads_one_thing_at_a_time(self, open_lane):
        it, answers = open_lane(), Answers()
        first, second = Gate("first"), Gate("second")
        it.read("instances", first, answers)
        it.read("look_up", second, answers)
        assert first.begun.wait(PATIENCE_S)
        assert not second.begun.is_set()
        second.may_end.set()
        first.may_end.set()
        assert answers.await_count(2) == ["first", "second"]

    def test_as_many_writes_as_there_are_hands(self, open_lane):
        it, answers = open_lane(Cloud(hands=2)), Answers()
        gates = [Gate(n) for n in range(3)]
        for gate in gates:
            it.write("create", gate, answers)
        assert gates[0].begun.wait(PATIENCE_S)
        assert gates[1].begun.wait(PATIENCE_S)
        assert not gates[2].begun.is_set()
        gates[2].may_end.set()
        gates[0].may_end.set()
        answers.await_count(2)
        gates[1].may_end.set()
        assert sorted(answers.await_count(3)) == [0, 1, 2]

    def test_writes_do_not_wait_for_the_eye(self, open_lane):
        it, answers = open_lane(), Answers()
        looking = Gate()
        it.read("instances", looking, answers)
        assert looking.begun.wait(PATIENCE_S)
        it.write("create", lambda: "made", answers)
        assert answers.await_count(1) == ["made"]
        looking.may_end.set()
        answers.await_count(2)

    def test_an_error_of_the_cloud_says_whose_and_of_what(self, open_lane):
        answers = Answers()
        open_lane().write("create", raising(errors.OutOfStock("none left")), answers)
        (error,) = answers.await_count(1)
        assert isinstance(error, errors.OutOfStock)
        assert (error.account, error.operation) == ("acc", "create")

    def test_what_the_cloud_said_itself_is_kept(self, open_lane):
        answers = Answers()
        problem = errors.OutOfStock("none left", account="theirs", operation="POST /servers")
        open_lane().write("create", raising(problem), answers)
        (error,) = answers.await_count(1)
        assert (error.account, error.operation) == ("theirs", "POST /servers")

    def test_any_other_failure_means_that_nobody_knows(self, open_lane, caplog):
        answers = Answers()
        with caplog.at_level(logging.ERROR, logger="vps_autoscaler.lane"):
            open_lane().write("create", raising(KeyError("id")), answers)
            (error,) = answers.await_count(1)
        assert isinstance(error, errors.Unreachable)
        assert "KeyError" in error.message
        assert any(record.exc_info for record in caplog.records)

    @pytest.mark.parametrize("operation", ["read", "write"])
    def test_a_callback_that_fails_does_not_stop_the_lane(self, open_lane, operation, caplog):
        it, answers = open_lane(Cloud(hands=1)), Answers()

        def fails(_answer: object) -> None:
            raise RuntimeError("a mistake of ours")

        with caplog.at_level(logging.ERROR, logger="vps_autoscaler.lane"):
            getattr(it, operation)("instances", lambda: 1, fails)
            getattr(it, operation)("instances", lambda: 2, answers)
            assert answers.await_count(1) == [2]
        assert "answer not taken" in caplog.text
        assert it.close(PATIENCE_S)

    def test_bookkeeping_that_fails_costs_no_answer(self, open_lane, caplog):
        def observe(_operation: str, _outcome: str, _seconds: float) -> None:
            raise RuntimeError("metrics are broken")

        answers = Answers()
        with caplog.at_level(logging.ERROR, logger="vps_autoscaler.lane"):
            open_lane(Cloud(reported=RuntimeError("no header"))).read("look_up", lambda: 1, answers)
            open_lane(observe=observe).read("look_up", lambda: 2, answers)
            assert sorted(answers.await_count(2)) == [1, 2]

    def test_every_request_is_measured(self, open_lane, clock):
        seen: list[tuple[str, str, float]] = []
        answers = Answers()
        it = open_lane(observe=lambda *value: seen.append(value))

        def takes_a_while() -> str:
            clock.now += 1.5
            return "done"

        it.read("instances", takes_a_while, answers)
        answers.await_count(1)
        it.read("look_up", raising(errors.Unreachable("503")), answers)
        answers.await_count(2)
        assert seen == [("instances", "ok", 1.5), ("look_up", "Unreachable", 0.0)]


class TestBudget:
    def test_reads_wait_at_the_reserve_and_writes_go_on(self, open_lane, clock):
        cloud = Cloud(rate=contract.Rate(requests=100, per_s=0.1))
        it, answers = open_lane(cloud), Answers()
        it.read("instances", lambda: "large", answers, cost=91)
        answers.await_count(1)
        it.read("look_up", lambda: "waits", answers)
        it.write("create", lambda: "goes", answers)
        assert answers.await_count(2) == ["large", "goes"]
        clock.now += 0.05
        assert answers.await_count(3)[-1] == "waits"

    def test_a_create_of_three_requests_waits_for_three(self, open_lane, clock):
        """Begun with one request left, it would make a part of a machine and meet the limit."""
        cloud = Cloud(rate=contract.Rate(requests=10, per_s=0.01))
        made, answers = open_lane(cloud), Answers()
        for _ in range(3):
            made.write("create", lambda: "made", answers, cost=3)
        answers.await_count(3)
        made.write("create", lambda: "late", answers, cost=3)
        made.write("delete", lambda: "next", answers)
        assert answers.await_count(4)[-1] == "next", "for one request there is room"
        clock.now += 0.005
        assert answers.await_count(5)[-1] == "late"

    def test_creates_keep_to_their_own_limit_and_deletes_do_not(self, open_lane, clock):
        cloud = Cloud(hands=2, create_rate=contract.Rate(requests=1, per_s=0.01))
        it, answers = open_lane(cloud), Answers()
        it.write("create", lambda: "first", answers)
        answers.await_count(1)
        it.write("create", lambda: "second", answers)
        it.write("delete", lambda: "gone", answers)
        assert answers.await_count(2) == ["first", "gone"]
        clock.now += 0.02
        assert answers.await_count(3)[-1] == "second"

    def refused(self, it: lane.ThreadLane, operation: str, retry_after_s: float | None) -> None:
        answers = Answers()
        refusal = errors.Throttled("slow down", retry_after_s=retry_after_s)
        it.write(operation, raising(refusal), answers)
        answers.await_count(1)

    @pytest.mark.parametrize(
        ("value", "operation", "retry_after_s", "pauses"),
        [
            (None, "create", 0.03, True),
            (None, "create", None, False),
            (budget(0), "create", None, True),
            (budget(50), "delete", 0.03, False),
            (budget(50), "delete", None, False),
        ],
    )
    def test_throttled_pauses_the_account_and_a_busy_machine_does_not(
        self, open_lane, clock, value, operation, retry_after_s, pauses
    ):
        it = open_lane(Cloud(reported=value, rate=contract.Rate(requests=100, per_s=1.0)))
        self.refused(it, operation, retry_after_s)
        answers = Answers()
        it.read("look_up", lambda: "next", answers)
        if pauses:
            write = Answers()
            it.write("delete", lambda: "delete", write)
            assert not answers.all
            assert not write.all
            clock.now += 2.0
            write.await_count(1)
        assert answers.await_count(1) == ["next"]

    def test_a_listing_follows_a_refused_create_at_once(self, open_lane, clock):
        """A 429 with seven seconds held listings for 367 at 3600 an hour: the reserve's time."""
        it = open_lane(Cloud(rate=contract.Rate(requests=3600, per_s=3600.0)))
        self.refused(it, "create", 0.05)
        answers = Answers()
        it.read("instances", lambda: "listed", answers)
        clock.now += 0.05
        assert answers.await_count(1) == ["listed"]


class TestClose:
    def test_what_is_under_way_is_awaited(self, open_lane):
        it, answers, gate = open_lane(), Answers(), Gate("made")
        it.write("create", gate, answers)
        assert gate.begun.wait(PATIENCE_S)
        assert not it.close(0.0)
        gate.may_end.set()
        assert it.close(PATIENCE_S)
        assert answers.all == ["made"]

    def test_queued_creates_come_back_unsent_and_queued_deletes_are_sent(self, open_lane):
        it, answers, gate = open_lane(Cloud(hands=1)), Answers(), Gate("first")
        sent: list[str] = []
        it.write("create", gate, answers)
        it.write("create", lambda: sent.append("create"), answers)
        it.write("delete", lambda: sent.append("delete"), answers)
        assert gate.begun.wait(PATIENCE_S)
        it.close(0.0)
        gate.may_end.set()
        assert it.close(PATIENCE_S)
        assert sent == ["delete"]
        first, unsent, deleted = answers.all
        assert first == "first"
        assert isinstance(unsent, errors.Throttled)
        assert deleted is None

    def test_queued_reads_come_back_unsent(self, open_lane):
        it, answers, gate = open_lane(), Answers(), Gate("first")
        it.read("instances", gate, answers)
        it.read("look_up", lambda: "second", answers)
        assert gate.begun.wait(PATIENCE_S)
        it.close(0.0)
        gate.may_end.set()
        first, second = answers.await_count(2)
        assert first == "first"
        assert isinstance(second, errors.Throttled)

    def test_what_comes_after_the_close_is_answered_at_once(self, open_lane):
        it, answers = open_lane(), Answers()
        it.close(0.0)
        it.read("instances", lambda: "never", answers)
        it.write("create", lambda: "never", answers)
        it.write("delete", lambda: "never", answers)
        assert [type(answer) for answer in answers.all] == [errors.Throttled] * 3

    def test_a_create_that_waits_for_the_budget_is_dropped_and_a_delete_is_not(
        self, open_lane, clock
    ):
        slow = contract.Rate(requests=1, per_s=0.2)
        it, answers = open_lane(Cloud(hands=2, rate=slow)), Answers()
        it.write("delete", lambda: "first", answers)
        answers.await_count(1)
        it.write("create", lambda: "create", answers)
        it.write("delete", lambda: "delete", answers)
        it.close(0.0)
        dropped = answers.await_count(2)[-1]
        assert isinstance(dropped, errors.Throttled)
        clock.now += 1.0
        assert answers.await_count(3)[-1] == "delete"
        assert it.close(PATIENCE_S)

    def test_twice_and_without_a_job(self, open_lane):
        it = open_lane()
        assert it.close(0.0)
        assert it.close(0.0)

    def test_its_threads_end(self, open_lane):
        it, answers = open_lane(), Answers()
        it.read("instances", lambda: 1, answers)
        it.write("create", lambda: 2, answers)
        answers.await_count(2)
        threads = [each for each in threading.enumerate() if each.name.startswith("acc-")]
        assert len(threads) == 2
        it.close(0.0)
        for thread in threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
