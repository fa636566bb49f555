"""How often a status may be written."""

from __future__ import annotations

from externalgrpc.vpsnodes import pace

PACE = pace.Pace(object_s=5.0, a_minute=60.0, burst=3)


def test_one_object_rests_between_two_writes():
    budget = pace.Budget(PACE)
    assert budget.may("a", 100.0)
    budget.wrote("a", 100.0, counts=True)
    assert not budget.may("a", 104.9)
    assert budget.may("b", 100.0)
    assert budget.may("a", 105.0)


def test_in_an_hour_of_always_wanting_no_more_than_the_pace():
    budget, written, now = pace.Budget(PACE), 0, 0.0
    while now < 3600.0:
        for number in range(100):
            if budget.may(str(number), now):
                budget.wrote(str(number), now, counts=True)
                written += 1
        now += 0.25
    assert 3590 <= written <= 3600 + PACE.burst


def test_a_rest_earns_a_burst_and_no_more():
    budget = pace.Budget(PACE)
    for number in range(3):
        budget.wrote(str(number), 0.0, counts=True)
    assert not budget.may("x", 0.5)
    assert budget.may("x", 1.0)
    late = 1e6
    for number in range(3):
        assert budget.may(f"y{number}", late)
        budget.wrote(f"y{number}", late, counts=True)
    assert not budget.may("z", late)


def test_a_first_answer_takes_nothing_from_the_others():
    budget = pace.Budget(PACE)
    for number in range(100):
        budget.wrote(str(number), 0.0, counts=False)
    assert budget.may("x", 0.0)
    assert not budget.may("7", 1.0)


def test_what_is_gone_is_forgotten():
    budget = pace.Budget(PACE)
    budget.wrote("a", 100.0, counts=True)
    budget.forget({"b"})
    assert budget.last("a") == float("-inf")
