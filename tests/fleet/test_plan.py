from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable

import pytest

from externalgrpc.fleet import listing, plan, requests, state
from externalgrpc.model import groups
from providers import errors
from tests.fleet.scene import (
    CREATING,
    SETTLE_S,
    Scene,
    account,
    group,
    machine,
    node,
    placeholder,
)


def kinds(scene: Scene) -> list[type]:
    return [type(each) for each in scene.plan()]


class TestListings:
    def test_everything_is_read_at_the_start(self):
        scene = Scene(settled=False)
        scene.fleet = dataclasses.replace(scene.fleet, accounts={"a": account()})
        assert kinds(scene) == [requests.ListInstances, requests.ReadCatalogue]
        assert kinds(scene) == []

    def test_a_steady_fleet_is_listed_rarely(self):
        scene = Scene()
        scene.plan()
        scene.listed()
        scene.plan()
        assert scene.wake_at == scene.now + 35

    @pytest.mark.parametrize(
        "stir",
        [
            lambda scene: scene.grow(1),
            lambda scene: scene.retire(node(1, "g-1")),
            lambda scene: scene.listed(machine(1, "g-1", state=CREATING)),
            lambda scene: scene.listed(),
        ],
    )
    def test_a_busy_fleet_is_listed_often(self, stir: Callable[[Scene], object]):
        scene = Scene(shown=(machine(1, "g-1"),))
        scene.plan()
        scene.listed(machine(1, "g-1"))
        stir(scene)
        scene.plan()
        scene.now += 3
        assert requests.ListInstances in kinds(scene)

    def test_large_fleets_are_listed_at_the_pace_that_the_budget_affords(self):
        shown = tuple(machine(n, f"g-{n}") for n in range(1000))
        scene = Scene(accounts=(account(rate_per_s=1.0),), shown=shown)
        steady = plan.listing_interval_s(scene.fleet, scene.fleet.accounts["a"])
        assert steady == plan.MAX_STEADY_S
        scene.retire(node(1, "g-1"))
        busy = plan.listing_interval_s(scene.fleet, scene.fleet.accounts["a"])
        assert busy == pytest.approx(20 / plan.BUSY_SHARE)

    def test_failures_slow_it_down(self):
        scene = Scene()
        waits = []
        for _ in range(6):
            scene.fleet = listing.not_listed(scene.fleet, "a", "503")
            waits.append(plan.listing_interval_s(scene.fleet, scene.fleet.accounts["a"]))
        assert waits == [5, 10, 20, 40, 60, 60]

    def test_a_machine_that_cannot_be_deleted_does_not_hurry_us_for_ever(self):
        scene = Scene(shown=(machine(1, "g-1"),))
        scene.retire(node(1, "g-1"))
        for _ in range(plan.HURRIED_DELETIONS + 1):
            assert plan.busy(scene.fleet, "a")
            scene.plan()
            scene.deleted("g-1", errors.BadCredentials("read only"))
            scene.now += 61
        assert not plan.busy(scene.fleet, "a")

    def test_a_failed_launch_is_no_reason_to_hurry(self):
        scene = Scene()
        (name,) = scene.grow(1)
        scene.plan()
        scene.ordered(name, errors.BadOrder("image"))
        assert not plan.busy(scene.fleet, "a")

    def test_one_account_does_not_hurry_another(self):
        scene = Scene(group("g", "a"), group("h", "b"), accounts=(account("a"), account("b")))
        scene.grow(1, "h")
        assert plan.busy(scene.fleet, "b")
        assert not plan.busy(scene.fleet, "a")

    def test_where_nothing_is_due_the_same_fleet_comes_back(self):
        scene = Scene()
        scene.plan()
        before = scene.fleet
        assert scene.plan() == ()
        assert scene.fleet is before


class TestHolding:
    def test_no_more_creates_than_hands(self):
        scene = Scene()
        names = scene.grow(6)
        assert len(scene.creates()) == 4
        scene.ordered(names[0], machine(1, names[0]))
        assert len(scene.creates()) == 1

    def test_no_catalogue_no_order(self):
        scene = Scene()
        held = dataclasses.replace(scene.fleet.accounts["a"], catalogue=None)
        scene.fleet = dataclasses.replace(scene.fleet, accounts={"a": held})
        scene.grow(1)
        assert scene.creates() == []

    def test_what_was_not_ordered_in_time_fails(self):
        patience = groups.AutoscalingOverrides(max_node_provision_time_s=60.0)
        scene = Scene(group(overrides=patience), settled=False)
        scene.listed()
        (name,) = scene.grow(1)
        scene.plan()
        scene.now += 60
        scene.plan()
        failure = scene.launch(name).failure
        assert failure.code == "CloudUnreachable"
        assert failure.error_class is state.ErrorClass.OTHER
        assert "60 s" in failure.message

    def test_the_deadline_of_a_launch_that_waits_for_a_hand_is_kept(self):
        scene = Scene(accounts=(account(hands=1),))
        _first, second = scene.grow(2)
        born = scene.now
        scene.plan()
        scene.listed()
        scene.now = born + 900
        scene.plan()
        assert scene.launch(second).failure is not None

    def test_launches_of_a_blocked_group_fail_with_the_reason(self):
        scene = Scene(settled=False)
        scene.listed()
        (name,) = scene.grow(1)
        scene.configure(group(), blocked={"g": "no way to join"})
        scene.plan()
        assert scene.launch(name).failure.message == "no way to join"

    def test_launches_follow_their_group_to_another_account(self):
        scene = Scene(group("g", "a"), accounts=(account("a"), account("b")))
        (name,) = scene.grow(1)
        scene.configure(group("g", "b"))
        assert [(r.account, r.name) for r in scene.creates()] == [("b", name)]

    def test_a_launch_that_was_sent_once_is_not_ordered_at_a_second_account(self):
        scene = Scene(group("g", "a"), accounts=(account("a"), account("b")))
        (name,) = scene.grow(1)
        scene.plan()
        scene.configure(group("g", "b"))
        scene.ordered(name, errors.Throttled("slow down"))
        scene.now += 60
        assert scene.creates() == []
        assert "moved to account b" in scene.launch(name).failure.message

    def test_a_throttled_launch_of_a_group_that_left_is_withdrawn(self):
        scene = Scene(shown=(machine(1, "g-1"),))
        (name,) = scene.grow(1)
        scene.plan()
        scene.configure()
        scene.ordered(name, errors.Throttled("slow down"))
        scene.now += 60
        assert scene.creates() == []
        assert scene.names() == ["g-1"]
        scene.listed(machine(1, "g-1"), machine(2, name))
        assert scene.names() == ["g-1"]


class TestWaking:
    def test_the_earliest_instant_counts(self):
        scene = Scene()
        (name,) = scene.grow(1)
        scene.plan()
        scene.ordered(name, machine(1, name, state=CREATING))
        scene.plan()
        scene.listed()
        scene.plan()
        assert scene.wake_at == scene.now + 3

    def test_nothing_at_all(self):
        planned = plan.plan(state.Fleet(), 0.0)
        assert planned.requests == ()
        assert planned.wake_at == math.inf


def test_five_thousand_launches_in_seconds():
    """Growth stays linear: no event may cost more than a few milliseconds at this size.

    Of this thread's own time: what else the machine is busy with does not count.
    """
    count = 5000
    scene = Scene(group(max_size=count), accounts=(account(hands=40),))
    began = time.thread_time()
    scene.grow(count)
    number = 0
    while sent := scene.creates():
        for request in sent:
            number += 1
            scene.ordered(request.name, machine(number, request.name, state=CREATING))
    shown = [
        dataclasses.replace(launch.instance, state=machine(1).state)
        for launch in scene.fleet.launches.values()
    ]
    scene.now += SETTLE_S + 1
    scene.listed(*shown)
    for each in shown:
        scene.register(each.provider_id)
        scene.target()
    assert scene.target() == count
    assert not scene.fleet.launches
    assert time.thread_time() - began < 20.0


def test_a_lone_placeholder_is_found_among_thousands_held():
    scene = Scene(group(max_size=5000))
    names = scene.grow(5000)
    began = time.thread_time()
    for name in names[:200]:
        scene.retire(placeholder(name))
    assert scene.target() == 4800
    assert time.thread_time() - began < 5.0
