from __future__ import annotations

import dataclasses

import pytest

from externalgrpc.fleet import joins, journeys, state, verdicts, view, wishes
from externalgrpc.fleet.state import Step
from externalgrpc.model import groups
from providers import contract
from tests.fleet.scene import (
    CREATING,
    IDENTITY,
    SETTLE_S,
    Scene,
    account,
    group,
    machine,
    unjoined,
)

STOPPED = contract.InstanceState.STOPPED
BORN = 10_000.0
WHOLE_S = 600.0
GROUP = dataclasses.replace(
    group("g"), overrides=groups.AutoscalingOverrides(max_node_provision_time_s=WHOLE_S)
)
READY = journeys.NodeObservation(node_at=BORN + 100, ready_at=BORN + 120)
UNREADY = journeys.NodeObservation(node_at=BORN + 100)


class Watched(Scene):
    """A machine of the group, and somebody who judges its join at instants since its creation."""

    def __init__(self, of: groups.NodeGroup = GROUP, **limits: float) -> None:
        deadlines = groups.JoinDeadlines(**limits)
        super().__init__(
            dataclasses.replace(of, join_deadlines=deadlines),
            accounts=(account(marking=True),),
            identity=IDENTITY,
        )
        self.show(CREATING)
        self.judge(0)

    def show(self, as_state: contract.InstanceState) -> None:
        """Show it in two listings a settling time apart."""
        for _ in range(2):
            self.now += SETTLE_S
            self.listed(unjoined(1, "g-1", state=as_state, created_at=BORN))

    def judge(
        self, age_s: float, sight: journeys.NodeObservation | None = None
    ) -> state.Failure | None:
        sights = {} if sight is None else {"sky://1": sight}
        return self.judge_by(age_s, sights)

    def judge_by(
        self, age_s: float, sights: dict[str, journeys.NodeObservation], *, sure: bool = True
    ) -> state.Failure | None:
        unix_now = BORN + age_s
        self.fleet = joins.judge(self.fleet, sights, now=self.now, unix_now=unix_now, sure=sure)
        return self.member("g-1").failure

    @property
    def step(self) -> Step:
        return self.fleet.journeys["g-1"].step


def test_each_step_is_noted_once_and_when_it_was_taken() -> None:
    there = Watched()
    there.judge(1)
    assert there.step is Step.CREATED
    there.show(contract.InstanceState.RUNNING)
    there.judge(12)
    assert there.step is Step.RUNNING
    there.judge(80, journeys.NodeObservation(csr_at=BORN + 79))
    assert there.step is Step.CSR
    there.judge(90, journeys.NodeObservation(csr_at=BORN + 79, node_at=BORN + 500))
    there.judge(
        95, journeys.NodeObservation(csr_at=BORN + 79, node_at=BORN + 500, ready_at=BORN + 501)
    )
    journey = there.fleet.journeys["g-1"]
    # By our clock, though the API server's is ahead.
    assert journey.instants == (BORN, BORN + 12, BORN + 79, BORN + 90, BORN + 95)
    assert journey.watched
    there.judge(500, READY)
    assert there.fleet.journeys["g-1"] == journey


def test_a_machine_that_ran_before_we_looked_is_not_timed() -> None:
    there = Scene(GROUP, shown=(machine(1, "g-1", created_at=BORN),))
    there.fleet = joins.judge(there.fleet, {"g-1": READY}, now=there.now, unix_now=BORN + 5000)
    journey = there.fleet.journeys["g-1"]
    assert not journey.watched
    assert (journey.node_at, journey.ready_at) == (READY.node_at, READY.ready_at)


def test_nothing_changes_where_nothing_moved() -> None:
    there = Watched()
    there.judge(1)
    before = there.fleet
    there.judge(2)
    assert there.fleet is before


def test_a_journey_ends_with_its_machine() -> None:
    there = Watched()
    there.judge(1)
    there.retire(wishes.NodeRef(provider_id="sky://1", name="g-1"))
    there.fleet = joins.judge(there.fleet, {}, now=there.now, unix_now=BORN + 2)
    assert not there.fleet.journeys


@pytest.mark.parametrize(
    ("limits", "reached", "code", "words"),
    [
        (
            {"running_s": 60.0},
            Step.CREATED,
            "JoinTimeout",
            "was created, and did not run within 60",
        ),
        ({"csr_s": 60.0}, Step.RUNNING, "JoinTimeout", "ran, and did not ask for its certificate"),
        ({"node_s": 60.0}, Step.CSR, "JoinTimeout", "asked for its certificate, and did not reg"),
    ],
)
def test_every_step_has_its_deadline(limits, reached, code, words) -> None:
    there = Watched(dataclasses.replace(GROUP, join="kubeadm"), **limits)
    at_s = 10.0
    sight = journeys.NodeObservation(
        csr_at=BORN + at_s if reached >= Step.CSR else 0.0,
        node_at=BORN + at_s if reached >= Step.NODE else 0.0,
    )
    there.judge(1)
    if reached >= Step.RUNNING:
        there.show(contract.InstanceState.RUNNING)
        assert there.judge(at_s, sight) is None
    assert there.step is reached
    start_s = at_s if reached >= Step.RUNNING else 0.0
    assert there.judge(start_s + 60, sight) is None
    failure = there.judge(start_s + 61, sight)
    assert failure is not None
    assert failure.code == code
    assert words in failure.message
    assert there.member("g-1").showing is view.Showing.CREATING


def test_the_whole_way_has_one_too_and_says_how_far_it_came() -> None:
    there = Watched()
    there.show(contract.InstanceState.RUNNING)
    assert there.judge(WHOLE_S) is None
    failure = there.judge(WHOLE_S + 1)
    assert failure is not None
    assert failure.code == "JoinTimeout"
    assert "600 s: it ran, but did not" in failure.message


def test_a_raw_group_has_no_step_of_which_nobody_knows() -> None:
    there = Watched(dataclasses.replace(GROUP, join="raw"), csr_s=1.0)
    there.show(contract.InstanceState.RUNNING)
    there.judge(1)
    assert there.judge(100) is None


@pytest.mark.parametrize(("limits", "limit_s"), [({}, WHOLE_S), ({"ready_s": 60.0}, 60.0)])
def test_one_whose_node_is_never_ready_is_reported_and_not_given_up(limits, limit_s) -> None:
    there = Watched(**limits)
    there.show(contract.InstanceState.RUNNING)
    assert there.judge(100, UNREADY) is None
    assert there.judge(100 + limit_s, UNREADY) is None
    assert not there.fleet.unjoined
    there.fleet = dataclasses.replace(
        there.fleet, nodes={"g-1": state.Seen("sky://1", ready=False)}
    )
    assert there.judge(101 + limit_s, UNREADY) is None
    held = there.fleet.unjoined["g-1"]
    assert held.failure.code == joins.NEVER_READY
    assert "registered its Node, and did not become ready" in held.failure.message
    assert held.withheld == verdicts.UNPROVED
    assert there.member("g-1").showing is view.Showing.RUNNING


def test_a_node_that_was_ready_once_is_never_a_failed_join() -> None:
    there = Watched(ready_s=1.0)
    there.show(contract.InstanceState.RUNNING)
    there.judge(100, READY)
    assert there.judge(5000, UNREADY) is None
    stranger = Scene(GROUP, shown=(machine(1, "g-1", created_at=BORN),))
    was = journeys.NodeObservation(node_at=BORN + 1, was_ready_at=BORN + 2)
    stranger.fleet = joins.judge(
        stranger.fleet, {"g-1": was}, now=stranger.now, unix_now=BORN + 5000
    )
    assert stranger.member("g-1").failure is None


def test_off_before_it_was_a_node_is_a_failure_and_off_before_it_started_is_not() -> None:
    there = Watched()
    there.show(STOPPED)
    assert there.judge(5) is None
    there.show(contract.InstanceState.RUNNING)
    there.judge(10)
    there.show(STOPPED)
    failure = there.judge(90)
    assert failure is not None
    assert failure.code == "JoinFailed"
    assert "90 s after" in failure.message
    never_seen = Watched()
    never_seen.show(STOPPED)
    assert never_seen.judge(200) is not None


def test_one_that_comes_late_is_forgiven_and_one_that_was_shown_to_ca_too() -> None:
    there = Watched()
    there.show(contract.InstanceState.RUNNING)
    assert there.judge(WHOLE_S + 1) is not None
    assert view.live(there.fleet, "g") == 0
    assert there.judge(WHOLE_S + 2, UNREADY) is None
    again = Watched()
    again.show(contract.InstanceState.RUNNING)
    assert again.judge(WHOLE_S + 1) is not None
    again.register("sky://1")
    assert again.member("g-1").showing is view.Showing.RUNNING


def test_ca_s_seeing_its_node_does_not_forgive_one_that_is_never_ready() -> None:
    there = Watched(ready_s=60.0)
    there.show(contract.InstanceState.RUNNING)
    there.judge(1)
    there.judge(10, UNREADY)
    assert there.judge(71, UNREADY) is not None
    for _ in range(5):
        there.register("sky://1")
        there.judge(80, UNREADY)
        assert there.fleet.unjoined["g-1"].failure.code == joins.NEVER_READY
    assert there.fleet.strikes["g"].count == 1
    assert there.judge(90, READY) is None
    assert "g" not in there.fleet.strikes


def test_strikes_in_a_row_hold_a_group_back_and_wear_off() -> None:
    there = Watched()
    for count in range(1, joins.STRIKES + 1):
        there.fleet = dataclasses.replace(
            there.fleet, strikes={"g": state.Strikes(count, there.now)}
        )
        assert bool(joins.held_back(there.fleet, "g", there.now)) == (count == joins.STRIKES)
    assert not joins.held_back(there.fleet, "g", there.now + joins.HELD_BACK_S)
    many = {"g": state.Strikes(50, there.now)}
    there.fleet = dataclasses.replace(there.fleet, strikes=many)
    assert joins.held_back(there.fleet, "g", there.now + joins.MAX_HELD_BACK_S - 1)
    assert not joins.held_back(there.fleet, "g", there.now + joins.MAX_HELD_BACK_S)


def test_a_machine_that_ca_knows_as_a_node_is_not_judged_by_a_list_that_lacks_it() -> None:
    there = Watched()
    there.show(contract.InstanceState.RUNNING)
    there.register("sky://1")
    assert there.judge(WHOLE_S + 1) is None
    there.show(STOPPED)
    assert there.judge(WHOLE_S + 2) is None


def test_a_machine_whose_age_nobody_knows_is_not_judged() -> None:
    there = Watched()
    there.now += 1
    there.listed(machine(1, "g-1", created_at=0.0))
    assert there.judge(WHOLE_S + 1) is None


def test_one_that_never_runs_is_left_to_ca_unless_its_step_has_a_deadline() -> None:
    assert Watched().judge(WHOLE_S + 1) is None
    assert Watched(running_s=5.0).judge(6) is not None


def test_a_machine_that_is_a_node_when_we_first_see_it_is_not_timed() -> None:
    there = Scene(GROUP)
    there.listed(machine(1, "g-1", state=CREATING, created_at=BORN))
    there.fleet = joins.judge(there.fleet, {"g-1": READY}, now=there.now, unix_now=BORN + 5000)
    assert not there.fleet.journeys["g-1"].watched


def test_one_that_boots_faster_than_we_look_is_timed_all_the_same() -> None:
    there = Scene(GROUP, shown=(machine(1, "g-1", created_at=BORN),))
    there.fleet = joins.judge(there.fleet, {}, now=there.now, unix_now=BORN + 9)
    journey = there.fleet.journeys["g-1"]
    assert journey.watched
    assert journey.running_at == BORN + 9


def test_a_row_ends_with_a_machine_that_becomes_ready_and_with_no_other() -> None:
    there = Scene(GROUP, shown=(machine(1, "g-1", created_at=BORN),))
    there.fleet = joins.judge(there.fleet, {"g-1": READY}, now=1.0, unix_now=BORN + 200)
    born = BORN + 150
    for number in range(2, 2 + joins.STRIKES):
        there.now += 1
        shown = [machine(n, f"g-{n}", created_at=born) for n in range(2, number + 1)]
        there.listed(machine(1, "g-1", created_at=BORN), *shown)
        # The first machine is young, and has long been ready.
        late = born + WHOLE_S + 1
        there.fleet = joins.judge(there.fleet, {"g-1": READY}, now=there.now, unix_now=late)
    assert there.fleet.strikes["g"].count == joins.STRIKES
    assert joins.held_back(there.fleet, "g", there.now)
    sights = {"g-1": READY, "g-2": READY}
    there.fleet = joins.judge(there.fleet, sights, now=there.now, unix_now=born + WHOLE_S + 2)
    assert "g" not in there.fleet.strikes


def test_what_ca_leaves_is_overdue_after_a_while() -> None:
    there = Watched()
    there.show(contract.InstanceState.RUNNING)
    there.judge(WHOLE_S + 1)
    assert joins.overdue(there.fleet, there.now + 5, patience_s=5.0) == ()
    (late,) = joins.overdue(there.fleet, there.now + 6, patience_s=5.0)
    assert late.name == "g-1"


def test_while_we_are_not_sure_nothing_fails_and_what_failed_is_still_forgiven() -> None:
    there = Watched()
    there.show(contract.InstanceState.RUNNING)
    assert there.judge_by(WHOLE_S + 1, {}, sure=False) is None
    assert there.step is Step.RUNNING, "it is followed all the same"
    assert not there.fleet.strikes
    assert there.judge(WHOLE_S + 2) is not None
    assert there.judge_by(WHOLE_S + 3, {}, sure=False) is not None, "it is not taken back"
    assert there.judge_by(WHOLE_S + 4, {"sky://1": READY}, sure=False) is None
    assert not there.fleet.strikes


class Outage(Watched):
    """Machines that are nodes, and one more that is on its way."""

    def __init__(self, nodes: int) -> None:
        super().__init__()
        self.nodes = range(2, 2 + nodes)
        self.now += 1
        others = [machine(number, f"g-{number}", created_at=BORN) for number in self.nodes]
        self.listed(unjoined(1, "g-1", created_at=BORN), *others)
        self.judge_by(100, self.seen(lost=0))

    def seen(self, *, lost: int) -> dict[str, journeys.NodeObservation]:
        """Lose some: by turns their Nodes are not ready, and not there."""
        gone = set(list(self.nodes)[:lost])
        return {
            f"sky://{each}": UNREADY if each in gone else READY
            for each in self.nodes
            if each not in gone or each % 2
        }


@pytest.mark.parametrize(
    ("nodes", "lost", "outage"),
    [(3, 3, False), (4, 4, True), (5, 3, False), (9, 5, True), (100, 45, False), (100, 46, True)],
)
def test_when_nodes_are_lost_at_large_nobody_else_is_blamed(nodes, lost, outage) -> None:
    there = Outage(nodes)
    assert (there.judge_by(WHOLE_S + 1, there.seen(lost=lost)) is None) == outage
    assert bool(joins.outage(there.fleet, there.seen(lost=lost))) == outage
    assert there.judge_by(WHOLE_S + 2, there.seen(lost=0)) is not None


def test_machines_that_somebody_turned_off_are_no_outage() -> None:
    there = Outage(8)
    seen = there.seen(lost=6)
    assert (
        joins.outage(there.fleet, seen) == "6 of 8 machines that run and were nodes are not ready"
    )
    off = [
        machine(each, f"g-{each}", state=STOPPED if each < 8 else contract.InstanceState.RUNNING)
        for each in there.nodes
    ]
    there.now += 1
    there.listed(unjoined(1, "g-1", created_at=BORN), *off)
    assert there.judge_by(WHOLE_S + 1, seen) is not None


class Counted(dict[str, journeys.NodeObservation]):
    looks = 0

    def get(self, *key):
        self.looks += 1
        return super().get(*key)


def test_many_failures_at_once_cost_no_more_than_a_few_looks_each() -> None:
    many = dataclasses.replace(GROUP, max_size=9999)
    shown = tuple(machine(number, f"g-{number}", created_at=BORN) for number in range(2000))
    there = Scene(many, shown=shown)
    looked = Counted({f"sky://{number}": READY for number in range(1000)})
    judged = joins.judge(there.fleet, looked, now=1.0, unix_now=BORN + WHOLE_S + 1)
    assert len(judged.unjoined) == 1000
    assert looked.looks < 10 * len(shown)


@pytest.mark.parametrize(
    ("change", "held"),
    [
        ({}, True),
        ({"max_size": 99, "min_size": 1}, True),
        ({"image": "repaired"}, False),
        ({"user_data": "#!/bin/sh"}, False),
    ],
)
def test_a_group_that_was_mended_is_not_held_back_for_what_it_was(change, held) -> None:
    there = Scene(GROUP)
    row = state.Strikes(joins.STRIKES, there.now)
    there.fleet = dataclasses.replace(there.fleet, strikes={"g": row})
    there.configure(dataclasses.replace(GROUP, **change))
    assert bool(joins.held_back(there.fleet, "g", there.now)) is held
    there.configure(group("other"))
    assert not there.fleet.strikes


def test_each_further_strike_holds_a_group_back_twice_as_long() -> None:
    there = Scene(group("g"))
    for further in range(3):
        strikes = state.Strikes(joins.STRIKES + further, there.now)
        held = dataclasses.replace(there.fleet, strikes={"g": strikes})
        until = there.now + joins.HELD_BACK_S * 2**further
        assert joins.held_back(held, "g", until - 1.0)
        assert not joins.held_back(held, "g", until)
