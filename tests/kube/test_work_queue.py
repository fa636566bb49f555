from __future__ import annotations

import random
import threading
from collections.abc import Iterator

import pytest

from externalgrpc.kube import errors, work_queue
from externalgrpc.support import clock
from tests.e2e import waiting
from tests.kube import idle


@pytest.fixture
def running() -> Iterator[work_queue.WorkQueue]:
    made = work_queue.WorkQueue(time_source=clock.SystemClock(), chance=random.Random(1))
    made.start()
    yield made
    made.stop()


class Job:
    """A job that goes wrong a few times first."""

    def __init__(self, *wrong: Exception) -> None:
        self.wrong = list(wrong)
        self.runs = 0

    def __call__(self) -> None:
        self.runs += 1
        if self.wrong:
            raise self.wrong.pop(0)


@pytest.mark.parametrize("kind", [errors.Unreachable, errors.Conflict, errors.Denied])
def test_what_may_pass_is_tried_again(
    running: work_queue.WorkQueue, kind: type[errors.KubeError]
) -> None:
    job = Job(kind("not now"))
    running.run("a", job, within_s=60)
    assert idle.wait(running, 20)
    assert job.runs == 2


@pytest.mark.parametrize("wrong", [errors.Invalid("no"), errors.NotFound("no"), ValueError("oh")])
def test_what_will_not_pass_is_given_up_and_reported(
    running: work_queue.WorkQueue, wrong: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    job, next_job = Job(wrong), Job()
    running.run("a", job, within_s=60)
    running.run("b", next_job, within_s=60)
    assert idle.wait(running, 20)
    assert (job.runs, next_job.runs) == (1, 1)
    assert "job failed" in caplog.text


def test_what_is_too_old_is_given_up_and_reported(
    running: work_queue.WorkQueue, caplog: pytest.LogCaptureFixture
) -> None:
    job = Job(*[errors.Unreachable("gone")] * 100)
    running.run("a", job, within_s=1.0)
    assert idle.wait(running, 20)
    assert 1 <= job.runs <= 3
    assert "job given up" in caplog.text


def test_the_last_of_a_key_counts(running: work_queue.WorkQueue) -> None:
    began, go_on = threading.Event(), threading.Event()
    done: list[str] = []

    def first() -> None:
        began.set()
        assert go_on.wait(20)
        raise errors.Unreachable("try again")

    running.run("a", first, within_s=60)
    assert began.wait(20)
    running.run("a", lambda: done.append("second"), within_s=60)
    running.run("a", lambda: done.append("third"), within_s=60)
    go_on.set()
    assert idle.wait(running, 20)
    assert done == ["third"]


def test_one_that_waits_holds_up_no_other(running: work_queue.WorkQueue) -> None:
    slow, quick = Job(*[errors.Unreachable("gone")] * 100), Job()
    running.run("slow", slow, within_s=600)
    waiting.until(lambda: slow.runs, "tried", within_s=20)
    running.run("quick", quick, within_s=600)
    waiting.until(lambda: quick.runs, "done", within_s=20)
    assert slow.runs == 1


def test_what_is_due_is_still_done_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    made = work_queue.WorkQueue(time_source=clock.SystemClock(), chance=random.Random(1))
    jobs = [Job() for _ in range(20)]
    waits = Job(errors.Unreachable("gone"))
    for number, job in enumerate([*jobs, waits]):
        made.run(str(number), job, within_s=60)
    made.start()
    made.stop()
    assert [job.runs for job in jobs] == [1] * 20
    assert waits.runs == 1
    assert "job not done" in caplog.text
    made.stop()


def test_not_more_wait_than_fit(caplog: pytest.LogCaptureFixture) -> None:
    made = work_queue.WorkQueue(time_source=clock.SystemClock(), chance=random.Random(1))
    jobs = [Job() for _ in range(work_queue.MOST + 1)]
    for number, job in enumerate(jobs):
        made.run(str(number), job, within_s=60)
    assert caplog.text.count("job dropped") == 1
    made.run("0", jobs[0], within_s=60)
    assert caplog.text.count("job dropped") == 1
    made.start()
    assert idle.wait(made, 60)
    made.stop()
    assert sum(job.runs for job in jobs) == work_queue.MOST


def test_who_asks_again_and_again_is_not_answered_sooner(
    running: work_queue.WorkQueue, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    job = Job(*[errors.Denied("no such right")] * 1000)
    source = clock.SystemClock()
    began = source.monotonic()
    while source.monotonic() < began + 2.0:
        running.run("a", job, within_s=600)
    assert 2 <= job.runs <= 4
    assert caplog.text.count("job waits") == 1
