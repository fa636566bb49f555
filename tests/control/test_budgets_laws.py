"""Whatever a cloud answers, nothing is frozen for long: the law at every documented rate.

A pause is an instant and takes nothing of the budget. After it one listing may pass each pace,
below the reserve and whatever others take meanwhile; where the cloud says that nothing is left,
once it can have refilled what the listing costs.
"""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from externalgrpc.control import budgets
from providers import contract
from providers.digitalocean import DigitalOceanCloud
from providers.hetzner import HetznerCloud
from providers.linode import LinodeCloud
from providers.vultr import VultrCloud


def rates() -> dict[str, contract.Rate]:
    login = contract.Login(account="a", cluster="blue", token="")
    clouds = (HetznerCloud, LinodeCloud, DigitalOceanCloud, VultrCloud)
    return {cloud.scheme: cloud.open(login).rate for cloud in clouds}


RATES = rates()
NOW = 1000.0

absurd = some.one_of(
    some.sampled_from([7.0, 0.0, -17.0, math.inf, -math.inf, math.nan, 1e12]),
    some.floats(allow_nan=True, allow_infinity=True),
)


def test_the_documented_rates() -> None:
    reported = {name: (rate.requests, rate.per_s) for name, rate in RATES.items()}
    assert reported == {
        "hcloud": (3600, 3600.0),
        "linode": (200, 60.0),
        "digitalocean": (5000, 3600.0),
        "vultr": (30, 1.0),
    }


def reported(remaining: int | None, limit: int, seen_at: float) -> contract.Budget | None:
    if remaining is None:
        return None
    return contract.Budget(limit=limit, remaining=remaining, reset_at=NOW, seen_at=seen_at)


@given(
    scheme=some.sampled_from(sorted(RATES)),
    share=some.sampled_from([1.0, 0.5, 0.1]),
    spent=some.floats(0, 1),
    remaining=some.one_of(some.sampled_from([None, 0, -5]), some.integers(1, 6000)),
    limit=some.sampled_from([1, 30, 3600, 10**6, 10**15]),
    retry_after_s=absurd,
    pages=some.integers(1, 20),
    busy=some.booleans(),
)
def test_after_a_429_a_listing_passes_soon(
    scheme: str,
    share: float,
    spent: float,
    remaining: int | None,
    limit: int,
    retry_after_s: float,
    pages: int,
    *,
    busy: bool,
) -> None:
    bucket = budgets.Bucket(RATES[scheme], share, NOW)
    bucket.take(NOW, spent * bucket.capacity, 0.0)
    bucket.correct(NOW, reported(remaining, limit, 1.0))
    bucket.pause(NOW, retry_after_s)
    pause_s = min(retry_after_s, budgets.LONGEST_PAUSE_S) if retry_after_s > 0 else 0.0
    refill_s = min(pages, bucket.capacity) / bucket.refill_per_s
    latest = NOW + max(pause_s, refill_s if remaining is not None and remaining <= 0 else 0.0)
    now = NOW
    while (wait_s := bucket.wait_s(now, pages, budgets.RESERVE)) > 1e-9:
        step_s = min(wait_s, 1.0)
        now += step_s
        if busy and now >= NOW + pause_s and bucket.wait_s(now, 1, 0.0) <= 0:
            # creates and deletes take all there is, and read each time that nothing is left
            bucket.take(now, 1, 0.0)
            bucket.correct(now, reported(0 if remaining == 0 else remaining, limit, now))
        assert now <= latest + 1e-6
    # and the next one at its pace, not when the reserve is there again
    bucket.take(now, pages, budgets.RESERVE)
    pace_s = max(budgets.TRICKLE_S, refill_s / budgets.TRICKLE)
    assert bucket.wait_s(now, pages, budgets.RESERVE) <= pace_s + 1e-6


@pytest.mark.parametrize("scheme", sorted(RATES))
def test_a_limit_that_was_raised_keeps_no_larger_reserve(scheme: str) -> None:
    """A tenth of ten times the limit would be all that we have."""
    bucket = budgets.Bucket(RATES[scheme], 1.0, NOW)
    raised = int(bucket.capacity * 10)
    bucket.correct(NOW, reported(raised, raised, 1.0))
    for _ in range(5):
        assert bucket.wait_s(NOW, 1, budgets.RESERVE) == 0
        bucket.take(NOW, 1, budgets.RESERVE)


@given(
    scheme=some.sampled_from(sorted(RATES)),
    share=some.sampled_from([1.0, 0.1]),
    refusals=some.lists(absurd, min_size=1, max_size=20),
    spent=some.floats(0, 0.9),
)
def test_a_pause_takes_no_tokens(
    scheme: str, share: float, refusals: list[float], spent: float
) -> None:
    paused, free = (budgets.Bucket(RATES[scheme], share, NOW) for _ in range(2))
    for bucket in (paused, free):
        bucket.take(NOW, spent * bucket.capacity, 0.0)
    for each in refusals:
        paused.pause(NOW, each)
    assert paused.wait_s(NOW, 1, 0.0) <= max(budgets.LONGEST_PAUSE_S, free.wait_s(NOW, 1, 0.0))
    after = NOW + budgets.LONGEST_PAUSE_S
    for cost in (1, paused.capacity / 2, paused.capacity):
        assert paused.wait_s(after, cost, 0.0) == free.wait_s(after, cost, 0.0)


@pytest.mark.parametrize("scheme", sorted(RATES))
@pytest.mark.parametrize("pages", [1, 4])
def test_reads_alone_never_eat_what_writes_need(scheme: str, pages: int) -> None:
    """An hour of reads as fast as they may, from an empty budget: half is left to writes."""
    bucket = budgets.Bucket(RATES[scheme], 1.0, NOW)
    bucket.take(NOW, bucket.capacity, 0.0)
    now, passed = NOW, 0
    while now < NOW + 3600 and bucket.wait_s(now, 1, 0.0) >= 0:
        now += max(bucket.wait_s(now, pages, budgets.RESERVE), 1e-3)
        if bucket.wait_s(now, pages + budgets.RESERVE * bucket.capacity, 0.0) <= 0:
            break  # the reserve is back
        if bucket.wait_s(now, pages, budgets.RESERVE) <= 0:
            bucket.take(now, pages, budgets.RESERVE)
            passed += pages
    else:
        raise AssertionError("the reserve never came back")
    assert passed / max(now - NOW, 1.0) <= bucket.refill_per_s * budgets.TRICKLE + pages
