from __future__ import annotations

import math

import pytest

from externalgrpc.fleet import state, stock
from externalgrpc.model import groups
from providers import errors
from tests.fleet.scene import NORTH, SOUTH, Scene, account, group, machine, placeholder

LARGE_NORTH = groups.Candidate("large", "north")


class TestFailure:
    @pytest.mark.parametrize(
        ("error", "error_class", "code"),
        [
            (errors.OutOfStock("m"), 1, "OutOfStock"),
            (errors.NoCapacity("m"), 1, "OutOfStock"),
            (errors.QuotaExceeded("m"), 1, "QuotaExceeded"),
            (errors.BadCredentials("m"), 99, "BadCredentials"),
            (errors.BadOrder("m"), 99, "BadOrder"),
            (errors.Refused("m"), 99, "BadOrder"),
            (errors.CloudError("m"), 99, "CloudError"),
        ],
    )
    def test_every_error_has_a_class_and_a_code(self, error, error_class, code):
        failure = stock.failure_of(error)
        assert (failure.error_class, failure.code, failure.message) == (error_class, code, "m")


class TestPatience:
    def test_it_doubles_up_to_a_minute(self):
        waits = [stock.retry_wait_s(errors.Unreachable("x"), n) for n in range(9)]
        assert waits == [5, 5, 10, 20, 40, 60, 60, 60, 60]
        assert stock.retry_wait_s(errors.Unreachable("x"), 10_000) == 60

    @pytest.mark.parametrize(
        ("value", "waited"), [(7.0, 7.0), (0.0, 1.0), (-5.0, 1.0), (1e9, 3600.0), (None, 5.0)]
    )
    def test_a_reported_time_is_believed_within_reason(self, value, waited):
        assert stock.retry_wait_s(errors.Throttled("x", retry_after_s=value), 1) == waited

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_nonsense_is_not(self, value):
        assert stock.retry_wait_s(errors.Throttled("x", retry_after_s=value), 1) == 5.0


class TestChoice:
    def test_candidates_are_tried_in_order(self):
        scene = Scene()
        (name,) = scene.grow(1)
        assert scene.creates()[0].candidate == NORTH
        scene.ordered(name, errors.OutOfStock("none in north"))
        assert scene.creates()[0].candidate == SOUTH
        scene.ordered(name, errors.OutOfStock("none in south"))
        assert scene.creates() == []
        failure = scene.launch(name).failure
        assert failure is not None
        assert failure.error_class is state.ErrorClass.OUT_OF_RESOURCES
        assert "north: none in north" in failure.message
        assert "south: none in south" in failure.message

    def test_what_was_sold_out_goes_last_for_every_group_of_the_account(self):
        scene = Scene(group("g"), group("h"))
        (name,) = scene.grow(1, "g")
        scene.plan()
        scene.ordered(name, errors.OutOfStock("none"))
        scene.now += 10
        scene.grow(1, "h")
        chosen = {request.group.name: request.candidate for request in scene.creates()}
        assert chosen["h"] == SOUTH

    def test_another_account_learns_nothing(self):
        accounts = (account("a"), account("b"))
        scene = Scene(group("g", "a"), group("h", "b"), accounts=accounts)
        (name,) = scene.grow(1, "g")
        scene.plan()
        scene.ordered(name, errors.OutOfStock("none"))
        scene.grow(1, "h")
        chosen = {request.group.name: request.candidate for request in scene.creates()}
        assert chosen["h"] == NORTH

    def test_the_memory_decays(self):
        scene = Scene()
        (name,) = scene.grow(1)
        scene.plan()
        scene.ordered(name, errors.OutOfStock("none"))
        scene.plan()
        scene.now += stock.SOLD_OUT_S
        scene.listed()
        (later,) = scene.grow(1)
        assert [r.candidate for r in scene.creates() if r.name == later] == [NORTH]

    def test_a_sold_out_candidate_is_tried_when_there_is_no_other(self):
        scene = Scene(group(candidates=(NORTH,)))
        (name,) = scene.grow(1)
        scene.plan()
        scene.ordered(name, errors.OutOfStock("none"))
        scene.plan()
        assert scene.launch(name).failure is not None
        scene.now += 1
        scene.grow(3)
        assert len(scene.creates()) == 1, "one probe at a time"

    def test_launches_that_waited_learn_from_the_first(self):
        scene = Scene(accounts=(account(hands=1),))
        first, second = scene.grow(2)
        assert [r.name for r in scene.creates()] == [first]
        scene.now += 1
        scene.ordered(first, errors.OutOfStock("none"))
        assert [(r.name, r.candidate) for r in scene.creates()] == [(first, SOUTH)]
        scene.ordered(first, machine(1, first))
        assert [(r.name, r.candidate) for r in scene.creates()] == [(second, SOUTH)]

    def test_a_launch_born_with_the_refusal_still_tries(self):
        scene = Scene(group(candidates=(NORTH,)))
        (first,) = scene.grow(1)
        scene.plan()
        scene.ordered(first, errors.OutOfStock("none"))
        (second,) = scene.grow(1)
        assert [r.name for r in scene.creates()] == [second]

    def test_a_bad_order_fails_and_puts_its_candidate_last(self):
        scene = Scene()
        (name,) = scene.grow(1)
        scene.plan()
        scene.ordered(name, errors.BadOrder("type not in this location"))
        assert scene.launch(name).failure.code == "BadOrder"
        assert scene.launch(name).failure.error_class == 99
        scene.now += 10
        scene.grow(1)
        assert scene.creates()[0].candidate == SOUTH

    def test_what_is_not_sold_is_not_ordered(self):
        scene = Scene(group(candidates=(LARGE_NORTH, NORTH)))
        scene.grow(1)
        assert scene.creates()[0].candidate == NORTH

    def test_a_group_whose_last_type_leaves_the_catalogue_fails_as_a_bad_order(self):
        scene = Scene(accounts=(account(hands=1),))
        first, second = scene.grow(2)
        scene.plan()
        scene.sells("a", LARGE_NORTH)
        scene.ordered(first, machine(1, first))
        scene.plan()
        assert scene.launch(second).failure.code == "BadOrder"
        assert "not sold here" in scene.launch(second).failure.message


FOUR = tuple(
    groups.Candidate(kind, place) for kind in ("small", "large") for place in ("north", "south")
)


def four(*others, hands: int) -> Scene:
    """Return a group that may order two types in two places."""
    scene = Scene(group("g", candidates=FOUR), *others, accounts=(account(hands=hands),))
    scene.sells("a", *FOUR)
    return scene


def over(scope: errors.Scope) -> errors.QuotaExceeded:
    return errors.QuotaExceeded(f"no more of this {scope.value}", scope=scope)


class TestAQuotaOfItsOwnScope:
    """The next candidate is tried; CA hears of a quota when there is none left."""

    @pytest.mark.parametrize(
        ("scope", "left"),
        [
            (errors.Scope.MACHINE_TYPE, ["large north", "large south"]),
            (errors.Scope.LOCATION, ["large south", "small south"]),
        ],
    )
    def test_others_are_tried(self, scope, left):
        scene = four(hands=1)
        (name,) = scene.grow(1)
        tried = []
        first = scene.creates()
        scene.now += 1
        scene.ordered(first[0].name, over(scope))
        while (sent := scene.creates()) and len(tried) < 9:
            tried.append(sent[0].candidate)
            scene.ordered(name, errors.OutOfStock("gone"))
        assert sorted(f"{each.machine_type} {each.location}" for each in tried) == left
        assert scene.launch(name).failure.code == "OutOfStock"

    @pytest.mark.parametrize("scope", [errors.Scope.MACHINE_TYPE, errors.Scope.LOCATION])
    def test_when_all_are_over_it_is_a_quota(self, scope):
        scene = four(hands=1)
        (name,) = scene.grow(1)
        for _ in range(9):
            scene.now += 1
            for sent in scene.creates():
                scene.ordered(sent.name, over(scope))
        failure = scene.launch(name).failure
        assert (failure.code, failure.error_class) == ("QuotaExceeded", 1)
        assert failure.message.count(f"no more of this {scope.value}") == 4

    def test_it_is_remembered_for_all_groups_of_the_account_and_for_no_other_type(self):
        scene = four(group("h", candidates=FOUR), hands=2)
        (name,) = scene.grow(1)
        scene.ordered(scene.creates()[0].name, over(errors.Scope.MACHINE_TYPE))
        assert scene.creates()[0].candidate.machine_type == "large"
        scene.now += 1
        scene.grow(1, "h")
        (other,) = scene.creates()
        assert other.candidate.machine_type == "large", "the small ones are behind for a while"
        assert scene.launch(name).failure is None

    def test_an_accepted_order_that_meets_it_tries_the_next(self):
        scene = four(hands=1)
        (name,) = scene.grow(1)
        scene.plan()
        scene.ordered(name, machine(1, name, receipt="r"))
        scene.looked_up(name, over(errors.Scope.MACHINE_TYPE))
        (sent,) = scene.creates()
        assert sent.candidate.machine_type == "large"


class TestTheWholeAccount:
    @pytest.mark.parametrize(
        ("no", "code", "error_class"),
        [
            (errors.QuotaExceeded("10 servers"), "QuotaExceeded", 1),
            (errors.BadCredentials("expired"), "BadCredentials", 99),
        ],
    )
    def test_one_no_fails_all_that_wait(self, no, code, error_class):
        scene = Scene(group("g", max_size=9), group("h"))
        names = scene.grow(6, "g") + scene.grow(2, "h")
        sent = [request.name for request in scene.creates()]
        assert len(sent) == 4
        scene.now += 1
        scene.ordered(sent[0], no)
        assert scene.creates() == []
        failed = [name for name in names if scene.launch(name).failure is not None]
        assert set(failed) == set(names) - set(sent[1:])
        assert {scene.launch(name).failure.code for name in failed} == {code}
        assert {scene.launch(name).failure.error_class for name in failed} == {error_class}

    def test_later_launches_try_again(self):
        scene = Scene()
        (name,) = scene.grow(1)
        scene.plan()
        scene.ordered(name, errors.QuotaExceeded("10 servers"))
        scene.retire(placeholder(name))
        scene.now += 1
        (later,) = scene.grow(1)
        assert [request.name for request in scene.creates()] == [later]

    def test_the_last_no_counts(self):
        scene = Scene(accounts=(account(hands=2),))
        first, second, third = scene.grow(3)
        scene.plan()
        scene.now += 1
        scene.ordered(first, errors.BadCredentials("expired"))
        scene.now += 1
        scene.ordered(second, errors.QuotaExceeded("10 servers"))
        scene.plan()
        assert scene.launch(third).failure.code == "QuotaExceeded"
