"""What is paused orders nothing, and deletes nothing that CA did not ask for."""

from __future__ import annotations

import dataclasses

import pytest

from externalgrpc import fleet as fleets
from externalgrpc.control import cloud_calls
from externalgrpc.fleet import (
    finishing,
    journeys,
    notnow,
    pausing,
    plan,
    requests,
    retired,
    state,
    tidying,
    verdicts,
    view,
)
from externalgrpc.model import groups
from providers import contract, errors
from tests.fleet.scene import (
    CREATING,
    IDENTITY,
    SETTLE_S,
    Scene,
    account,
    group,
    machine,
    node,
    unjoined,
)

KINDS = ("group", "account", "file", "annotation")


def pause(scene: Scene, kind: str, *, on: bool = True) -> None:
    """Pause one thing, or have it go on."""
    if kind == "annotation":
        scene.fleet = fleets.annotated(scene.fleet, "somebody said so" if on else "")
        return
    if kind == "file":
        scene.fleet = dataclasses.replace(scene.fleet, paused=on)
    if kind == "account":
        scene.accounts = tuple(
            dataclasses.replace(each, paused=on and each.name == "a") for each in scene.accounts
        )
    configured = [
        dataclasses.replace(each, paused=on and kind == "group" and each.name == "g")
        for each in scene.fleet.groups.values()
    ]
    scene.configure(*configured)


def deletions(scene: Scene) -> list[str]:
    return [each.key for each in scene.plan() if isinstance(each, requests.Delete)]


@pytest.mark.parametrize("kind", KINDS)
class TestOrders:
    def test_nothing_is_ordered_and_ca_is_shown_no_room(self, kind):
        scene = Scene(group(min_size=2), shown=(machine(1, "g-1"),))
        pause(scene, kind)
        said = notnow.why(scene.fleet, "g")
        assert said is not None
        assert said.code == "Paused"
        assert notnow.bounds(scene.fleet, "g") == (1, 1)
        scene.grow(1)
        assert scene.creates() == []
        (failed,) = scene.fleet.launches.values()
        assert failed.failure.code == "Paused"
        assert failed.failure.error_class is state.ErrorClass.OUT_OF_RESOURCES
        pause(scene, kind, on=False)
        assert notnow.why(scene.fleet, "g") is None
        assert notnow.bounds(scene.fleet, "g") == (2, 10)

    def test_a_create_that_waits_for_its_turn_is_not_sent(self, kind):
        scene = Scene()
        scene.grow(1)
        (create,) = scene.creates()
        call = cloud_calls.of(create)
        assert call.not_wanted(scene.fleet) == ""
        pause(scene, kind)
        assert "said so" in call.not_wanted(scene.fleet) or "paused: true" in call.not_wanted(
            scene.fleet
        )
        scene.ordered(create.name, errors.Throttled("not sent: paused"))
        scene.plan()
        assert scene.launch(create.name).failure.code == "Paused"

    def test_what_ca_asks_for_and_what_is_owed_goes_on(self, kind):
        scene = Scene(shown=(machine(1, "g-1"), machine(2, "g-2")))
        scene.retire(node(1, "g-1"))
        pause(scene, kind)
        assert deletions(scene) == ["g-1"]
        scene.deleted("g-1", errors.Unreachable("503"))
        scene.now += 3600
        scene.retire(node(2, "g-2"))
        assert sorted(deletions(scene)) == ["g-1", "g-2"]
        owed = next(iter(scene.fleet.retired))
        call = cloud_calls.of(requests.Delete("a", owed, "1"))
        assert call.not_wanted(scene.fleet) == ""


class TestOwnWord:
    """The rows of docs/what-is-deleted.md that are on our own word."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_an_order_that_failed_after_it_was_accepted_keeps_its_machine(self, kind):
        scene = Scene()
        (name,) = scene.grow(1)
        scene.creates()
        scene.ordered(name, machine(1, name, state=CREATING))
        scene.now += 100
        pause(scene, kind)
        scene.looked_up(name, errors.OutOfStock("sold out after all"))
        assert name in scene.fleet.retired
        assert deletions(scene) == []
        assert not plan.busy(scene.fleet, "a"), "what waits does not hurry the listings"
        assert not plan.plan(scene.fleet, scene.now + 1).requests
        call = cloud_calls.of(requests.Delete("a", name, "1"))
        assert call.not_wanted(scene.fleet)
        pause(scene, kind, on=False)
        assert deletions(scene) == [name]

    def test_ca_may_ask_for_it_after_all(self):
        scene = Scene()
        (name,) = scene.grow(1)
        scene.creates()
        scene.ordered(name, machine(1, name, state=CREATING))
        pause(scene, "group")
        scene.looked_up(name, errors.OutOfStock("sold out after all"))
        scene.retire(node(1, fake=True))
        assert deletions(scene) == [name]

    def test_the_second_machine_of_an_order_waits_unless_ca_deleted_the_name(self):
        scene = Scene(identity=IDENTITY, nodes={}, started_at=1.0)
        (name,) = scene.grow(1)
        scene.creates()
        scene.ordered(name, unjoined(1, name, created_at=scene.now))
        both = (unjoined(1, name, created_at=scene.now), unjoined(2, name, created_at=scene.now))
        scene.listed(*both)
        pause(scene, "group")
        scene.now += SETTLE_S + 1
        scene.listed(*both)
        assert scene.fleet.retired["sky://2"].own
        assert deletions(scene) == []
        pause(scene, "group", on=False)
        assert deletions(scene) == ["sky://2"]

    def test_the_double_of_a_name_that_ca_deleted_goes(self):
        scene = Scene(identity=IDENTITY, nodes={}, started_at=1.0)
        (name,) = scene.grow(1)
        scene.creates()
        scene.ordered(name, unjoined(1, name, created_at=scene.now))
        pause(scene, "group")
        scene.fleet, _ = fleets.retire(
            scene.fleet, "g", [node(1, fake=True)], now=scene.now, unix_now=scene.now
        )
        scene.listed(
            unjoined(1, name, created_at=scene.now), unjoined(2, name, created_at=scene.now)
        )
        assert sorted(deletions(scene)) == [name, "sky://2"]

    def test_a_name_that_was_let_go_keeps_whose_word_it_was(self):
        scene = Scene(shown=(machine(1, "g-1"), machine(2, "g-2")))
        ours = [view.find(scene.fleet, "g", "g-1")]
        scene.fleet = retired.terminated(scene.fleet, ours, now=scene.now, own=True)
        scene.retire(node(2, "g-2"))
        scene.plan()
        scene.deleted("g-1")
        scene.deleted("g-2")
        for _ in range(2):
            scene.now += SETTLE_S + 1
            scene.listed()
        pause(scene, "group")
        scene.now += 1
        scene.listed(machine(1, "g-1"), machine(2, "g-2"))
        assert deletions(scene) == ["g-2"], "CA asked for that one"

    def test_what_is_unfinished_is_neither_finished_nor_given_up_and_gets_its_time_anew(self):
        half = unjoined(1, "g-1", state=contract.InstanceState.UNFINISHED)
        scene = Scene(
            accounts=(account(finishing=True, marking=True),),
            shown=(half,),
            identity=IDENTITY,
            nodes={},
        )
        assert finishing.wants(scene.fleet, "sky://1") is not None
        pause(scene, "group")
        assert finishing.wants(scene.fleet, "sky://1") is None
        scene.now += 10_000
        scene.listed(half)
        assert scene.fleet.finishes["sky://1"].failure is None
        assert not scene.fleet.unjoined
        pause(scene, "group", on=False)
        scene.now += 1
        scene.listed(half)
        assert scene.fleet.finishes["sky://1"].failure is None
        assert finishing.wants(scene.fleet, "sky://1") is not None

    def test_what_machines_left_behind_stays(self):
        scene = Scene(accounts=(account(tidying=True),), shown=(machine(1, "g-1"),))
        scene.fleet = tidying.gone(scene.fleet, "a", frozenset({("g", "g-0")}))
        pause(scene, "group")
        assert not [each for each in scene.plan() if isinstance(each, requests.Tidy)]
        pause(scene, "group", on=False)
        assert [each for each in scene.plan() if isinstance(each, requests.Tidy)]


@pytest.mark.parametrize("kind", KINDS)
def test_no_failed_join_is_shown_nor_given_up_while_paused(kind):
    shown = tuple(unjoined(n, f"g-{n}", created_at=1000.0) for n in range(20))
    ready = {
        f"g-{n}": journeys.NodeObservation(
            name=f"g-{n}", provider_id=f"sky://{n}", node_at=1001.0, ready_at=1001.0
        )
        for n in range(1, 20)
    }
    scene = Scene(
        group(max_size=30),
        accounts=(account(marking=True),),
        shown=shown,
        identity=IDENTITY,
        nodes={name: state.Seen(each.provider_id, ready=True) for name, each in ready.items()},
    )

    def judge() -> None:
        scene.fleet = fleets.judge_joins(scene.fleet, ready, now=scene.now, unix_now=scene.now)

    def failed() -> list[str]:
        return [each.name for each in view.members(scene.fleet, "g") if each.failure is not None]

    scene.now += 2000
    judge()
    assert failed() == ["g-0"], "it is one to be given up"
    late = scene.now + 500
    assert fleets.overdue(scene.fleet, late, patience_s=120.0)
    between = dataclasses.replace(scene.fleet, paused=True)
    assert not fleets.overdue(between, late, patience_s=120.0), "paused since it was judged"
    pause(scene, kind)
    assert failed() == [], "nor is it shown any longer"
    assert scene.fleet.unjoined["g-0"].withheld == verdicts.PAUSED
    judge()
    scene.now += 2000
    judge()
    assert failed() == []
    assert not fleets.overdue(scene.fleet, scene.now, patience_s=120.0)
    pause(scene, kind, on=False)
    judge()
    assert failed() == ["g-0"]


class TestUnread:
    """While nobody knows what the annotation says."""

    def test_orders_are_held_and_nothing_goes_on_our_own_word(self):
        scene = Scene()
        scene.fleet = fleets.annotated(scene.fleet, None)
        (name,) = scene.grow(1)
        assert scene.creates() == []
        assert scene.launch(name).phase is state.Phase.HELD, "held, not refused"
        assert notnow.why(scene.fleet, "g") is None
        scene.fleet = fleets.annotated(scene.fleet, "")
        assert [each.name for each in scene.creates()] == [name]

    def test_and_a_deletion_of_our_own_waits(self):
        scene = Scene(shown=(machine(1, "g-1"),))
        ours = [view.find(scene.fleet, "g", "g-1")]
        scene.fleet = retired.terminated(scene.fleet, ours, now=scene.now, own=True)
        scene.fleet = fleets.annotated(scene.fleet, None)
        assert deletions(scene) == []
        scene.fleet = fleets.annotated(scene.fleet, "")
        assert deletions(scene) == ["g-1"]


def test_others_go_on():
    scene = Scene(
        group("g"), group("h"), group("k", account="b"), accounts=(account("a"), account("b"))
    )
    pause(scene, "group")
    assert [notnow.why(scene.fleet, each) is None for each in "ghk"] == [False, True, True]
    pause(scene, "account")
    assert [notnow.why(scene.fleet, each) is None for each in "ghk"] == [False, False, True]
    scene.grow(1, "k")
    assert len(scene.creates()) == 1


def test_a_group_that_moved_stands_still_if_either_account_is_paused():
    accounts = (account("a"), account("b"))
    scene = Scene(group("g", account="b"), accounts=accounts, shown=(machine(1, "g-1"),))
    ours = [view.find(scene.fleet, "g", "g-1")]
    scene.fleet = retired.terminated(scene.fleet, ours, now=scene.now, own=True)
    assert scene.fleet.retired["g-1"].account == "a"
    for paused in ("a", "b"):
        scene.accounts = tuple(
            dataclasses.replace(each, paused=each.name == paused) for each in accounts
        )
        scene.configure(group("g", account="b"))
        assert deletions(scene) == [], paused


def test_a_group_that_departs_leaves_its_pause_behind():
    scene = Scene(group("g", paused=True), group("h"), shown=(machine(1, "g-1"),))
    scene.configure(group("h"))
    assert scene.fleet.groups["g"].departed
    assert not scene.fleet.groups["g"].paused


def test_a_pause_costs_no_group_its_row_of_failures():
    scene = Scene()
    scene.fleet = dataclasses.replace(scene.fleet, strikes={"g": state.Strikes(2, scene.now)})
    pause(scene, "group")
    assert scene.fleet.strikes["g"].count == 2
    scene.configure(group(cap=groups.SpendCap()))
    assert scene.fleet.strikes["g"].count == 2


def test_a_pause_of_a_vpsnode_names_the_object():
    scene = Scene(group("g", paused=True, vps_node=True), group("h", paused=True))
    assert pausing.of_group(scene.fleet, "g") == "spec.paused of VPSNode g"
    assert pausing.of_group(scene.fleet, "h") == "paused: true of group h"
    said = notnow.why(scene.fleet, "g")
    assert said == ("Paused", "spec.paused of VPSNode g")
