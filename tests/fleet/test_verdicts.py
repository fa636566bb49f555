"""Showing a failed join to CA is a deletion: its proof, its caps, and when nobody is judged."""

from __future__ import annotations

import dataclasses

import pytest

from externalgrpc.fleet import joins, journeys, registering, state, verdicts
from externalgrpc.model import groups
from providers import contract
from tests.fleet.scene import IDENTITY, RUNNING, SETTLE_S, Scene, account, group, machine, unjoined

BORN = 100.0
LATE = 100_000.0
LONG_S = 600.0


class Late(Scene):
    """Machines whose time to join is over."""

    def __init__(self, *shown: contract.Instance, of=(), identity=IDENTITY, marking=True) -> None:
        super().__init__(
            *(of or (group("g", max_size=99),)),
            accounts=(account(marking=marking),),
            identity=identity,
            nodes={},
            settled=False,
        )
        for _ in range(2):
            self.now += SETTLE_S
            self.listed(*shown)

    def judge(self, sights=None, *, sure: bool = True) -> list[str]:
        """Judge; name those that CA is shown as failed."""
        self.fleet = joins.judge(self.fleet, sights or {}, now=self.now, unix_now=LATE, sure=sure)
        return [key for key, held in self.fleet.unjoined.items() if not held.withheld]

    def why(self, key: str) -> str:
        return self.fleet.unjoined[key].withheld


def many(count: int, group: str = "g", start: int = 1) -> list[contract.Instance]:
    return [
        unjoined(n, f"{group}-{n}", group=group, created_at=BORN)
        for n in range(start, start + count)
    ]


@pytest.mark.parametrize(
    "marks",
    [
        {"unjoined": False},
        {"identity": "feedc0ffee"},
        {"identity": ""},
    ],
)
def test_without_the_proof_it_is_reported_and_no_more(marks) -> None:
    there = Late(unjoined(1, "g-1", created_at=BORN, **marks))
    there.fleet = dataclasses.replace(there.fleet, quarantine={})
    assert there.judge() == []
    assert there.why("g-1") == verdicts.UNPROVED
    assert there.member("g-1").failure is None
    assert there.fleet.strikes["g"].count == 1


def test_one_listing_is_no_proof_and_two_must_be_a_settling_time_apart() -> None:
    there = Late()
    one = many(1)
    there.listed(*one)
    assert there.judge() == []
    there.now += SETTLE_S - 1
    there.listed(*one)
    assert there.judge() == []
    there.now += 1
    there.listed(*one)
    assert there.judge() == ["g-1"]


def test_a_listing_that_does_not_prove_it_begins_the_row_again() -> None:
    there = Late(*many(1))
    there.listed(machine(1, "g-1", created_at=BORN, identity=IDENTITY))
    there.now += 1
    there.listed(*many(1))
    assert there.judge() == []


def test_one_of_a_group_goes_in_ten_minutes() -> None:
    there = Late(*many(30))
    assert there.judge() == ["g-1"]
    assert there.why("g-2") == verdicts.CAPPED
    assert there.fleet.strikes["g"].count == 30, "the row is counted in full"
    there.now += LONG_S - 1
    assert there.judge() == ["g-1"]
    there.now += 2
    assert there.judge() == ["g-1", "g-2"]


def test_a_tenth_of_an_account_over_all_groups() -> None:
    groups_ = [group(name, max_size=99) for name in "ghijk"]
    shown = [each for i, name in enumerate("ghijk") for each in many(6, name, 1 + 10 * i)]
    there = Late(*shown, of=groups_)
    assert len(there.judge()) == 3
    assert len({each.group for each in there.fleet.verdicts}) == 3


def test_the_limits_are_the_operators() -> None:
    there = Late(*many(10))
    there.fleet = dataclasses.replace(
        there.fleet, limits=groups.Limits(given_up_a_group=4, given_up_share=0.5, within_s=60.0)
    )
    assert len(there.judge()) == 4
    there.now += 61
    assert len(there.judge()) == 8


def test_a_verdict_is_taken_back_when_a_node_shows_life() -> None:
    there = Late(*many(1))
    assert there.judge() == ["g-1"]
    there.fleet = registering.see_nodes(
        there.fleet,
        {"somebody": state.Seen("sky://1", ready=True)},
        now=there.now,
        unix_now=BORN + 1,
    )
    assert there.judge() == []
    assert not joins.overdue(there.fleet, there.now + 999, patience_s=0.0)


def test_what_is_overdue_is_asked_for_its_proof_again() -> None:
    there = Late(*many(1))
    there.judge()
    (late,) = joins.overdue(there.fleet, there.now + 1, patience_s=0.0)
    assert late.name == "g-1"
    there.fleet = dataclasses.replace(
        there.fleet, nodes={"g-1": state.Seen("sky://1", ready=False)}
    )
    assert not joins.overdue(there.fleet, there.now + 1, patience_s=0.0)


def test_an_order_of_this_process_is_proof_where_marks_cannot_be_changed() -> None:
    there = Late(identity="", marking=False)
    there.fleet = dataclasses.replace(there.fleet, nodes=None)
    there.sells("a")
    there.grow(1)
    (name,) = there.fleet.launches
    there.creates()
    there.ordered(name, machine(1, name, created_at=BORN))
    for _ in range(2):
        there.listed(machine(1, name, created_at=BORN), machine(2, "g-2", created_at=BORN))
        there.now += SETTLE_S
    there.listed(machine(1, name, created_at=BORN), machine(2, "g-2", created_at=BORN))
    assert there.judge() == [name]
    assert there.why("g-2") == verdicts.UNPROVED


class Sick(Late):
    """Ten nodes, and one machine that does not join."""

    def __init__(self) -> None:
        self.nodes = [machine(n, f"g-{n}", created_at=BORN, identity=IDENTITY) for n in range(10)]
        super().__init__(*self.nodes, *many(1, start=50))

    def sights(self, ready: int, *, guess: bool = False) -> dict[str, journeys.NodeObservation]:
        return {
            f"g-{n}": journeys.NodeObservation(
                name=f"g-{n}",
                provider_id=f"sky://{n}",
                node_at=BORN,
                ready_at=BORN if n < ready else 0.0,
                was_ready_at=BORN if guess else 0.0,
            )
            for n in range(10)
        }


def test_in_an_outage_that_we_saw_begin_nobody_is_judged() -> None:
    there = Sick()
    there.judge(there.sights(10), sure=False)
    assert there.judge(there.sights(3)) == []
    assert there.fleet.outage
    assert there.judge(there.sights(8)) == ["g-50"]
    assert not there.fleet.outage


def test_what_is_only_guessed_of_nodes_before_us_keeps_no_order_of_ours_from_its_verdict() -> None:
    there = Sick()
    assert there.judge(there.sights(0, guess=True)) == ["g-50"]
    assert there.fleet.outage, "but nothing is ordered in their place"


def test_a_group_that_never_had_a_node_is_a_broken_group_and_no_outage() -> None:
    there = Late(*(dataclasses.replace(each, state=RUNNING) for each in many(6)))
    assert there.judge() == ["g-1"]
    assert not there.fleet.outage
    assert joins.held_back(there.fleet, "g", there.now)
