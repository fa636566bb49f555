"""Repair: a machine whose Node is not ready for long is deleted, where its group asks for it."""

from __future__ import annotations

import dataclasses

import pytest

from externalgrpc.fleet import (
    history,
    registering,
    repair,
    requests,
    sparing,
    state,
    succession,
    verdicts,
    view,
)
from externalgrpc.model import groups
from providers import errors
from tests.fleet.scene import (
    CREATING,
    DELETING,
    IDENTITY,
    SETTLE_S,
    STOPPED,
    Scene,
    account,
    group,
    machine,
    node,
)

AFTER_S = 900.0
LONG_S = 600.0
MANY = 12


class Ill(Scene):
    """Twelve nodes, of which some are not ready; time moves by sweeps of five seconds."""

    def __init__(self, count: int = MANY, *, of: tuple[groups.NodeGroup, ...] = (), **fields):
        of = of or (group(max_size=99, **{"repair_after_s": AFTER_S, **fields}),)
        self.shown = [
            machine(number, f"{each.name}-{number}", each.name, identity=IDENTITY, created_at=1.0)
            for place, each in enumerate(of)
            for number in range(100 * place + 1, 100 * place + 1 + count // len(of))
        ]
        self.seen = {
            each.node_name: state.Seen(each.provider_id, ready=True) for each in self.shown
        }
        super().__init__(
            *of,
            accounts=(account(marking=True),),
            identity=IDENTITY,
            nodes={},
            shown=tuple(self.shown),
        )
        self.sweep()

    def turn(self, *names: str, ready: bool = False, at: float | None = None, **fields) -> None:
        """Have Nodes become unready, or ready."""
        since = 0.0 if ready else self.now if at is None else at
        for name in names:
            self.seen[name] = self.seen[name]._replace(ready=ready, unready_since=since, **fields)

    def lose(self, *names: str) -> None:
        for name in names:
            del self.seen[name]

    def sweep(self, *, sure: bool = True) -> None:
        self.fleet = registering.see_nodes(
            self.fleet, dict(self.seen), now=self.now, unix_now=self.now
        )
        self.fleet = repair.judge(self.fleet, now=self.now, unix_now=self.now, sure=sure)

    def pass_(self, seconds: float, *, sure: bool = True) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + 5.0)
            self.sweep(sure=sure)

    @property
    def going(self) -> list[str]:
        return sorted(self.fleet.retired)

    def why(self, number: int) -> str:
        return self.fleet.unready[f"sky://{number}"].withheld

    def deletes(self) -> list[str]:
        return [each.key for each in self.plan() if isinstance(each, requests.Delete)]


def test_a_node_that_is_not_ready_for_longer_than_its_group_says_is_let_go() -> None:
    there = Ill(min_size=MANY)
    there.turn("g-1")
    there.pass_(AFTER_S)
    assert there.going == []
    assert there.why(1) == verdicts.NOT_YET
    there.pass_(5.0)
    assert there.going == ["g-1"], "at min size too"
    held = there.fleet.retired["g-1"]
    assert (held.own, held.repair, held.drained) == (True, True, False)
    assert there.target() == MANY - 1, "the target is lowered as by DeleteNodes"
    assert view.whose(there.fleet, "sky://1") is None
    assert there.deletes() == ["g-1"]


def test_it_never_happens_where_nobody_asked_for_it() -> None:
    there = Ill(repair_after_s=None)
    there.turn("g-1")
    there.pass_(10 * AFTER_S)
    assert there.going == []
    assert not there.fleet.unready


def test_a_group_that_is_configured_no_more_asks_for_nothing() -> None:
    there = Ill()
    there.configure(group("h"))
    assert there.fleet.groups["g"].departed
    there.turn("g-1")
    there.pass_(2 * AFTER_S)
    assert there.going == []


def test_only_what_this_process_saw_counts_however_long_the_node_says() -> None:
    there = Ill()
    there.turn("g-1", at=1.0)
    there.pass_(AFTER_S)
    assert there.going == []
    restarted = dataclasses.replace(there.fleet, unready={})
    there.fleet = restarted
    there.pass_(AFTER_S)
    assert there.going == [], "after a restart it waits anew"
    there.pass_(10.0)
    assert there.going == ["g-1"]


def test_a_condition_of_the_future_waits_for_it() -> None:
    """A clock that is ahead makes the time longer, never shorter."""
    there = Ill()
    there.turn("g-1", at=there.now + 300.0)
    there.pass_(AFTER_S + 290.0)
    assert there.going == []
    there.pass_(20.0)
    assert there.going == ["g-1"]


def test_each_change_of_the_condition_begins_the_time_anew() -> None:
    there = Ill()
    there.turn("g-1")
    there.pass_(AFTER_S - 10.0)
    there.turn("g-1")
    there.pass_(AFTER_S)
    assert there.going == []
    there.turn("g-1", ready=True)
    there.pass_(5.0)
    there.turn("g-1")
    there.pass_(AFTER_S)
    assert there.going == []


def test_a_gap_in_sight_begins_the_time_anew() -> None:
    there = Ill()
    there.turn("g-1")
    there.pass_(AFTER_S - 10.0)
    there.sweep(sure=False)
    there.pass_(AFTER_S)
    assert there.going == []
    there.fleet = registering.lose_sight_of_nodes(there.fleet)
    there.fleet = repair.judge(there.fleet, now=there.now + 99, unix_now=there.now + 99)
    assert not there.fleet.unready
    assert there.going == []


def test_a_node_without_a_ready_condition_says_nothing() -> None:
    there = Ill()
    there.turn("g-1", at=0.0)
    there.pass_(2 * AFTER_S)
    assert there.going == []


@pytest.mark.parametrize("stands", [STOPPED, CREATING, DELETING])
def test_a_stopped_machine_is_repaired_and_one_that_the_cloud_works_on_is_not(stands) -> None:
    there = Ill()
    there.listed(dataclasses.replace(there.shown[0], state=stands), *there.shown[1:])
    there.turn("g-1")
    there.pass_(AFTER_S + 10.0)
    assert there.going == (["g-1"] if stands is STOPPED else [])


def test_what_a_listing_lacks_is_not_deleted() -> None:
    there = Ill()
    there.listed(*there.shown[1:])
    there.turn("g-1")
    there.pass_(AFTER_S + 10.0)
    assert there.going == []


def test_one_of_a_group_goes_in_ten_minutes() -> None:
    there = Ill()
    there.turn("g-1", "g-2", "g-3")
    there.pass_(AFTER_S + 5.0)
    assert there.going == ["g-1"]
    assert there.why(2) == verdicts.CAPPED
    there.pass_(LONG_S - 10.0)
    assert there.going == ["g-1"]
    there.pass_(20.0)
    assert there.going == ["g-1", "g-2"]


def test_a_tenth_of_an_account_over_all_groups() -> None:
    of = tuple(group(name, repair_after_s=AFTER_S, max_size=99) for name in "ghijk")
    there = Ill(25, of=of)
    there.turn("g-1", "h-101", "i-201", "j-301", "k-401")
    there.pass_(AFTER_S + 5.0)
    assert len(there.going) == 2


def test_failed_joins_and_repairs_have_one_limit() -> None:
    there = Ill()
    there.turn("g-1")
    there.pass_(AFTER_S - 5.0)
    verdict = state.Verdict(there.now, "g", "a")
    there.fleet = dataclasses.replace(there.fleet, verdicts=(verdict,))
    there.pass_(20.0)
    assert there.going == []
    assert there.why(1) == verdicts.CAPPED


def test_in_an_outage_nothing_is_repaired() -> None:
    there = Ill()
    there.turn(*(f"g-{number}" for number in range(1, 7)))
    there.pass_(AFTER_S + 10.0)
    assert there.going == []
    assert there.why(1) == verdicts.OUTAGE
    there.turn("g-6", ready=True)
    there.pass_(5.0)
    assert there.going == ["g-1"]


def test_an_outage_of_one_account_is_one() -> None:
    there = Ill(20)
    four = [machine(n, f"b-{n}", "b", identity=IDENTITY) for n in range(201, 205)]
    there.accounts = (there.accounts[0], account("b", marking=True))
    there.configure(there.fleet.groups["g"], group("b", "b", repair_after_s=AFTER_S))
    there.listed(*four, account="b")
    there.seen |= {each.node_name: state.Seen(each.provider_id, ready=True) for each in four}
    there.sweep()
    there.turn(*(each.node_name for each in four))
    there.pass_(AFTER_S + 10.0)
    assert there.why(201) == verdicts.OUTAGE


@pytest.mark.parametrize("by", ["outage", "vanished"])
def test_an_outage_that_others_saw_counts(by) -> None:
    there = Ill()
    there.turn("g-1")
    there.pass_(AFTER_S - 5.0)
    if by == "outage":
        there.fleet = dataclasses.replace(there.fleet, outage="7 of 12 machines are not ready")
    else:
        there.listed(*there.shown[:6])
    there.pass_(20.0)
    assert there.going == []
    assert there.why(1) == verdicts.OUTAGE


def test_a_node_that_claims_another_machine_brings_nobody_to_be_deleted() -> None:
    there = Ill()
    there.lose("g-1")
    there.seen["g-2"] = state.Seen("sky://1", ready=False, unready_since=there.now)
    there.pass_(AFTER_S + 10.0)
    assert there.going == []


def test_a_node_of_another_name_brings_a_young_machine_of_ours_not_to_be_deleted() -> None:
    """It is in no quarantine: it was ordered by this process, and its own Node may still come."""
    there = Ill()
    there.lose("g-1")
    there.fleet = dataclasses.replace(there.fleet, minted={"g-1": "sky://1"})
    young = dataclasses.replace(there.shown[0], created_at=there.now + AFTER_S)
    there.listed(young, *there.shown[1:])
    there.seen["liar"] = state.Seen("sky://1", ready=False, unready_since=there.now)
    there.pass_(AFTER_S - 5.0)
    assert "sky://1" not in there.fleet.quarantine
    there.pass_(20.0)
    assert there.going == []
    assert "sky://1" not in there.fleet.unready


def test_two_nodes_that_claim_one_machine_bring_it_not_to_be_deleted() -> None:
    there = Ill()
    there.turn("g-1")
    there.seen["liar"] = state.Seen("sky://1", ready=False, unready_since=there.now)
    there.pass_(AFTER_S + 10.0)
    assert there.going == []


def test_what_is_in_quarantine_is_not_repaired() -> None:
    there = Ill()
    foreign = dataclasses.replace(there.shown[0], identity="fedcba9876")
    there.listed(foreign, *there.shown[1:])
    assert "sky://1" in there.fleet.quarantine
    there.turn("g-1")
    there.pass_(AFTER_S + 10.0)
    assert there.going == []


def test_an_absent_node_counts_only_while_its_siblings_are_ready() -> None:
    there = Ill()
    there.lose("g-1")
    there.turn("g-2")
    there.pass_(AFTER_S)
    there.turn("g-2")
    there.pass_(10.0)
    assert there.going == []
    assert there.why(1) == repair.SIBLINGS
    there.turn("g-2", ready=True)
    there.pass_(5.0)
    assert there.going == ["g-1"]


def test_machines_whose_nodes_were_lost_before_we_started_are_siblings_that_are_not_ready() -> None:
    there = Ill()
    there.fleet = dataclasses.replace(
        there.fleet,
        registered={k: v for k, v in there.fleet.registered.items() if k != "sky://2"},
    )
    there.lose("g-1", "g-2")
    there.pass_(AFTER_S + 10.0)
    assert there.why(1) == repair.SIBLINGS


def test_machines_whose_nodes_were_lost_before_we_started_count_towards_an_outage() -> None:
    there = Ill()
    five = [f"g-{number}" for number in range(2, 7)]
    there.lose(*five)
    there.fleet = dataclasses.replace(
        there.fleet,
        registered={k: v for k, v in there.fleet.registered.items() if v not in five},
    )
    there.turn("g-1")
    there.pass_(AFTER_S + 10.0)
    assert there.why(1) == verdicts.OUTAGE


def test_a_node_that_has_no_providerid_yet_is_not_absent() -> None:
    """It was made anew, and is not given its machine's id yet."""
    there = Ill()
    there.seen["g-1"] = state.Seen("", ready=False, unready_since=there.now)
    there.pass_(2 * AFTER_S)
    assert there.going == []
    assert "sky://1" not in there.fleet.unready


def test_an_absent_node_without_siblings_stays() -> None:
    there = Ill(1)
    there.lose("g-1")
    there.pass_(2 * AFTER_S)
    assert there.going == []


def test_a_node_that_this_process_never_saw_is_not_absent() -> None:
    there = Ill()
    there.fleet = dataclasses.replace(
        there.fleet,
        registered={k: v for k, v in there.fleet.registered.items() if k != "sky://1"},
    )
    there.lose("g-1")
    there.pass_(2 * AFTER_S)
    assert there.going == []


def test_what_was_adopted_is_not_replaced_by_another_machine() -> None:
    there = Ill()
    there.shown[0] = dataclasses.replace(there.shown[0], adopted=True)
    there.listed(*there.shown)
    there.turn("g-1", "g-2")
    there.pass_(2 * AFTER_S)
    assert there.going == ["g-2"]


@pytest.mark.parametrize("lost", [False, True])
def test_what_a_person_said_to_leave_alone_is_left_alone(lost) -> None:
    there = Ill()
    there.turn("g-1", left_alone=True)
    there.pass_(5.0)
    if lost:
        there.lose("g-1")
    there.pass_(2 * AFTER_S)
    assert there.going == []
    if not lost:
        there.turn("g-1", left_alone=False)
        there.pass_(AFTER_S + 10.0)
        assert there.going == ["g-1"], "from when it is not any more"


@pytest.mark.parametrize("what", ["group", "file", "annotation", "unread"])
def test_while_paused_nothing_is_repaired(what) -> None:
    there = Ill(paused=what == "group")
    there.turn("g-1")
    said = {"annotation": "somebody said so", "unread": None}.get(what, "")
    there.fleet = dataclasses.replace(there.fleet, paused=what == "file", annotation=said)
    there.pass_(AFTER_S + 10.0)
    assert there.going == []
    assert there.why(1) == verdicts.PAUSED


@pytest.mark.parametrize("then", ["ready", "alone", "off"])
def test_a_deletion_that_was_not_sent_is_withdrawn_when_anything_speaks_for_the_machine(
    then,
) -> None:
    there = Ill()
    there.turn("g-1")
    there.pass_(AFTER_S + 5.0)
    assert there.deletes() == ["g-1"]
    there.deleted("g-1", errors.Unreachable("503"))
    if then == "off":
        there.configure(group(max_size=99))
    else:
        there.turn("g-1", ready=then == "ready", left_alone=then == "alone")
        there.sweep()
    assert sparing.is_spared(there.fleet, "g-1")
    there.now += SETTLE_S
    assert there.deletes() == []
    assert there.target() == MANY, "it counts again"


@pytest.mark.parametrize("then", ["outage", "unseen"])
def test_while_nobody_can_tell_how_its_node_is_the_deletion_waits(then) -> None:
    there = Ill()
    there.turn("g-1")
    there.pass_(AFTER_S + 5.0)
    if then == "outage":
        there.fleet = dataclasses.replace(there.fleet, outage="all are lost")
    else:
        there.fleet = registering.lose_sight_of_nodes(there.fleet)
    assert there.deletes() == []
    assert there.target() == MANY - 1
    there.fleet = dataclasses.replace(there.fleet, outage="", nodes_stale=False)
    assert there.deletes() == ["g-1"]


def test_what_goes_on_being_ill_goes() -> None:
    there = Ill()
    there.turn("g-1")
    there.pass_(AFTER_S + 5.0)
    for _ in range(3):
        assert there.deletes() == ["g-1"]
        there.deleted("g-1", errors.Unreachable("503"))
        there.pass_(SETTLE_S)
        there.listed(*there.shown)


def gone(there: Ill) -> None:
    there.deletes()
    there.deleted("g-1")
    for _ in range(2):
        there.pass_(SETTLE_S + 1)
        there.listed(*there.shown[1:])
    assert not there.fleet.retired


@pytest.mark.parametrize("well", [False, True])
def test_a_repaired_machine_that_is_shown_again_goes_again_unless_it_is_well(well) -> None:
    there = Ill()
    there.turn("g-1")
    there.pass_(AFTER_S + 5.0)
    gone(there)
    there.turn("g-1", ready=well)
    there.sweep()
    there.listed(*there.shown)
    assert there.deletes() == ([] if well else ["g-1"])
    assert there.target() == (MANY if well else MANY - 1)


def test_what_ca_drained_meanwhile_goes_whatever_its_node_says_then() -> None:
    there = Ill()
    there.turn("g-1")
    there.pass_(AFTER_S + 5.0)
    assert there.retire(node(1, "g-1")) == ()
    there.turn("g-1", ready=True)
    there.sweep()
    assert there.deletes() == ["g-1"]


def test_people_are_told_how_it_is_and_the_autoscaler_is_shown_no_error() -> None:
    there = Ill()
    there.turn("g-1")
    there.lose("g-2")
    there.pass_(420.0)
    said = repair.trouble(there.fleet, "sky://1", there.now)
    assert said is not None
    assert said.code == "NodeUnready"
    assert said.message == (
        "its Node is not ready, seen so for 7 min; its machine is deleted after 15 min"
    )
    there.pass_(AFTER_S)
    absent = repair.trouble(there.fleet, "sky://2", there.now)
    assert absent is not None
    assert absent.code == "NodeAbsent"
    assert absent.message.endswith("it is not repaired: " + verdicts.CAPPED)
    assert repair.trouble(there.fleet, "sky://3", there.now) is None
    assert all(each.failure is None for each in view.members(there.fleet, "g"))


def test_it_happens_under_peoples_eyes() -> None:
    there = Ill()
    there.turn("g-1")
    there.pass_(AFTER_S)
    before = there.fleet
    there.pass_(5.0)
    past = history.record(history.History(), before, there.fleet, now=there.now, unix_now=there.now)
    assert [each.text for each in past.happenings if each.weight is history.Weight.WARNING] == [
        "g-1 is let go: its Node is not ready for longer than repair allows"
    ]


def test_the_same_value_comes_back_where_nothing_changed() -> None:
    there = Ill()
    there.turn("g-1")
    there.sweep()
    assert repair.judge(there.fleet, now=there.now + 1, unix_now=there.now + 1) is there.fleet
    none = Ill(repair_after_s=None)
    assert repair.judge(none.fleet, now=none.now, unix_now=none.now) is none.fleet


def test_what_was_to_be_left_alone_before_anybody_asked_for_repair_is_left_alone() -> None:
    there = Ill(repair_after_s=None)
    there.turn("g-1", left_alone=True)
    there.sweep()
    there.lose("g-1")
    there.sweep()
    there.configure(group(max_size=99, repair_after_s=AFTER_S))
    there.pass_(AFTER_S + 30.0)
    assert there.going == []


def test_a_listing_that_lacks_a_machine_does_not_forget_that_it_is_left_alone() -> None:
    there = Ill()
    there.turn("g-1", left_alone=True)
    there.sweep()
    there.lose("g-1")
    there.pass_(60.0)
    there.listed(*there.shown[1:])
    there.sweep()
    there.plan()
    there.missing_looked_up("sky://1", there.shown[0])
    there.now += 5.0
    there.listed(*there.shown)
    there.sweep()
    assert there.fleet.registered["sky://1"] == "g-1"
    there.pass_(AFTER_S + 30.0)
    assert there.going == []


def test_who_takes_over_leaves_alone_what_was_left_alone() -> None:
    there = Ill()
    there.turn("g-1", left_alone=True)
    there.sweep()
    there.lose("g-1")
    there.sweep()
    there.fleet = succession.take_over(there.fleet, now=there.now, unix_now=there.now)
    for _ in range(2):
        there.now += SETTLE_S + 1
        there.listed(*there.shown)
    there.pass_(AFTER_S + 30.0)
    assert there.going == []
