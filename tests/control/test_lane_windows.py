"""What a lane lets through where a cloud counts in windows, and what it does when refused."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable

import pytest

from externalgrpc.control import budgets, lane
from externalgrpc.support import clock
from providers import contract, errors
from tests import serving


@pytest.mark.parametrize("opened_at", [0.0, 0.3, 7.0, 14.9])
def test_no_window_of_the_cloud_holds_more_than_its_limit(opened_at):
    window = budgets.Window(contract.Rate(requests=20, per_s=15.0), 1.0)
    now, sent = 0.0, []
    while len(sent) < 100:
        now += window.wait_s(now)
        window.take(now)
        sent.append(now)
        now += 0.1
    assert sent[-1] < 60 * 1.10
    for start in range(10):
        begins = opened_at + start * 15.0
        assert sum(begins <= each < begins + 15.0 for each in sent) <= 20


def test_a_share_of_a_window_is_kept_to_and_never_nothing():
    half = budgets.Window(contract.Rate(requests=20, per_s=15.0), 0.5)
    least = budgets.Window(contract.Rate(requests=20, per_s=15.0), 0.01)
    for _ in range(10):
        assert half.wait_s(0.0) == 0
        half.take(0.0)
    assert half.wait_s(1.0) == pytest.approx(14.3)
    assert least.wait_s(0.0) == 0


HOURLY = contract.Rate(requests=3600, per_s=3600.0)


@dataclasses.dataclass
class Cloud:
    """As much of a provider as a lane looks at."""

    create_rate: contract.Rate | None
    reported: contract.Budget | None
    rate: contract.Rate = HOURLY
    hands: int = 2

    def budget(self) -> contract.Budget | None:
        return self.reported


PLENTY = contract.Budget(limit=3600, remaining=3000, reset_at=0.0, seen_at=1.0)
CREATES = contract.Rate(requests=20, per_s=15.0)


def refuse() -> None:
    raise errors.Throttled("slow down", retry_after_s=3600.0)


@pytest.mark.parametrize(
    ("create_rate", "value", "refused", "held", "passing"),
    [
        # the limit of creates holds up creates, and nothing else
        (CREATES, PLENTY, "create", "create", "delete"),
        # a limit that the budget does not show holds up all
        (None, PLENTY, "create", "instances", ""),
        (None, None, "create", "create", ""),
        # a machine that is busy holds up nothing
        (None, PLENTY, "delete", "", "create"),
    ],
)
def test_a_refusal_holds_up_what_it_is_about(create_rate, value, refused, held, passing):
    cloud = Cloud(create_rate, value)
    lanes = lane.ThreadLane("a", cloud, share=1.0, time_source=clock.SystemClock())
    answers: list[object] = []
    ran: list[str] = []

    def send(operation: str, job: Callable[[], None]) -> None:
        put = lanes.read if operation == "instances" else lanes.write
        put(operation, job, answers.append)

    send(refused, refuse)
    serving.until(lambda: answers)
    if passing:
        send(passing, lambda: ran.append(passing))
        serving.until(lambda: ran == [passing])
    if held:
        send(held, lambda: ran.append(held))
        waits = threading.Event()
        assert not waits.wait(0.2)
        assert held not in ran
    lanes.close(0.0)
    serving.until(lambda: len(answers) == 1 + bool(passing) + bool(held))
    assert held not in ran or not held
