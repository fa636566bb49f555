"""A day with balloons and a day without: what the page and its picture claim."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.headroom import day, plot

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def without() -> list[day.Moment]:
    return day.day(balloons=False)


@pytest.fixture(scope="module")
def with_balloons() -> list[day.Moment]:
    return day.day(balloons=True)


def test_the_load_starves_without_and_not_with(
    without: list[day.Moment], with_balloons: list[day.Moment]
) -> None:
    assert 760 < day.starved_minutes(without) < 780
    assert 840 < day.minutes_above(without, 80) < 845
    assert day.minutes_above(with_balloons, 80) < 3
    assert round(day.machine_hours(without)) == 35
    assert round(day.machine_hours(with_balloons)) == 72
    assert round(day.waiting_minutes(without)) == 9
    assert day.starved_minutes(with_balloons) < 5
    assert sum(each.waiting for each in with_balloons) == 0, "room was there before any pod waited"


def test_the_use_stays_near_the_target(with_balloons: list[day.Moment]) -> None:
    hot = [each for each in with_balloons if each.percent > day.TARGET_PERCENT + 10]
    assert len(hot) * day.ROUND_S < 10 * 60


def test_what_it_costs_is_far_from_keeping_the_most(with_balloons: list[day.Moment]) -> None:
    most = max(each.machines for each in with_balloons)
    assert day.machine_hours(with_balloons) < 0.6 * 24 * most


def test_nothing_flaps(with_balloons: list[day.Moment]) -> None:
    """Three waves of load, with noise: each goes up once and comes down once, or little more."""
    machines = [each.machines for each in with_balloons]
    turns = [b - a for a, b in itertools.pairwise(machines) if a != b]
    reversals = sum((a > 0) is not (b > 0) for a, b in itertools.pairwise(turns))
    assert reversals <= 6
    assert day.changes(with_balloons, "balloons") < 60


@pytest.mark.parametrize("seed", range(5))
def test_other_days_are_like_it(seed: int) -> None:
    moments = day.day(balloons=True, seed=seed)
    assert day.starved_minutes(moments) < 5
    assert max(each.machines for each in moments) <= 8


def test_the_picture_is_what_the_code_draws() -> None:
    drawn = (ROOT / "docs" / "target-cpu.svg").read_text()
    assert drawn == plot.svg(), "run: make plots"
