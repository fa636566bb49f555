"""How a number of balloons follows what is wanted: in bounds, in steps, and quiet at rest."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from externalgrpc.headroom import pacing

PACE = pacing.Pace()
ROUND_S = 15.0

WANTED = st.one_of(st.none(), st.integers(0, 60))
HISTORIES = st.lists(st.tuples(WANTED, st.booleans()), min_size=1, max_size=200)


def run(
    readings: Iterable[tuple[int | None, bool]],
    *,
    level: pacing.Level | None = None,
    most: int = 40,
    step: int = 4,
    begins: float = 0.0,
) -> list[pacing.Level]:
    """Take readings, one a round; give the level after each."""
    level = level or pacing.Level()
    found = []
    for number, (wanted, complete) in enumerate(readings):
        reading = pacing.Reading(at=begins + number * ROUND_S, wanted=wanted, complete=complete)
        level = pacing.after(level, reading, most=most, step=step, pace=PACE)
        found.append(level)
    return found


def numbers(levels: Iterable[pacing.Level]) -> list[int]:
    return [each.balloons for each in levels]


@given(history=HISTORIES, most=st.integers(0, 50), step=st.integers(1, 10))
def test_it_is_bounded_and_rises_in_steps(
    history: list[tuple[int | None, bool]], most: int, step: int
) -> None:
    found = [0, *numbers(run(history, most=most, step=step))]
    rises = [number for number, (a, b) in enumerate(itertools.pairwise(found)) if b > a]
    assert all(0 <= each <= most for each in found)
    assert all(found[number + 1] - found[number] <= step for number in rises)
    assert all((b - a) * ROUND_S >= PACE.step_s for a, b in itertools.pairwise(rises))


@given(history=HISTORIES, rest=st.integers(0, 60))
def test_it_comes_to_rest_at_what_is_wanted_and_stays_there(
    history: list[tuple[int | None, bool]], rest: int
) -> None:
    most, step = 40, 4
    before = run(history, most=most, step=step)
    # Ten steps of four are enough for all there is; then the longest window.
    rounds = int((10 * PACE.step_s + PACE.hold_s) / ROUND_S) + 2
    begins = len(history) * ROUND_S
    quiet = run(
        [(rest, True)] * (2 * rounds), level=before[-1], most=most, step=step, begins=begins
    )
    assert set(numbers(quiet)[rounds:]) == {min(rest, most)}


@given(
    base=st.integers(0, 30),
    noise=st.lists(st.integers(0, 1), min_size=10, max_size=200),
)
def test_a_use_that_wavers_about_a_balloons_size_moves_nothing(base: int, noise: list[int]) -> None:
    """One balloon more is kept for as long as it was wanted within the window."""
    settled = pacing.Level(
        balloons=base + 1, readings=(pacing.Reading(at=-ROUND_S, wanted=base + 1),), known_at=0.0
    )
    padded = [each for bit in noise for each in (bit, 1)]  # the higher one comes again in time
    found = numbers(run([(base + bit, True) for bit in padded], level=settled))
    assert set(found) == {base + 1}


@given(history=st.lists(WANTED, min_size=1, max_size=40), start=st.integers(0, 40))
def test_what_is_seen_in_part_lowers_nothing_until_it_is_let_go(
    history: list[int | None], start: int
) -> None:
    level = pacing.resumed(start, now=0.0)
    found = [start, *numbers(run(((each, False) for each in history), level=level))]
    held = int(PACE.hold_s / ROUND_S)
    kept = found[: held + 1]
    assert kept == sorted(kept), "partial readings may only raise"


@given(start=st.integers(1, 40))
def test_blind_it_holds_and_then_lets_go(start: int) -> None:
    level = pacing.resumed(start, now=0.0)
    held = int(PACE.hold_s / ROUND_S)
    found = numbers(run([(None, False)] * (held + 2), level=level))
    assert found == [start] * held + [0, 0]


def test_a_spike_of_one_reading_orders_nothing() -> None:
    assert set(numbers(run([(0, True), (0, True), (30, True), (0, True), (0, True)]))) == {0}


def test_it_rises_after_half_a_minute_and_falls_after_five() -> None:
    up = numbers(run([(3, True)] * 4))
    assert up == [0, 0, 3, 3]
    down = run([(3, True)] * 4 + [(1, True)] * 30)
    first = next(number for number, each in enumerate(down) if number > 3 and each.balloons == 1)
    assert (first - 3) * ROUND_S >= PACE.lower_after_s
    assert (first - 5) * ROUND_S <= PACE.lower_after_s


def test_a_new_process_goes_on_from_what_it_finds() -> None:
    level = pacing.resumed(7, now=0.0)
    found = numbers(run([(0, True)] * 30, level=level))
    assert found[:20] == [7] * 20
    assert found[-1] == 0


def test_a_smaller_group_lowers_it_at_once() -> None:
    level = pacing.resumed(7, now=0.0)
    assert numbers(run([(9, True)], level=level, most=5)) == [5]
    assert numbers(run([(None, False)], level=level, most=5)) == [5]
