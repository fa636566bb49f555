from __future__ import annotations

import dataclasses

import pytest

from externalgrpc.control import cloud_calls
from externalgrpc.fleet import catalogue, joins, listing, requests, state, view, wishes
from externalgrpc.model import fleet_errors, groups
from providers import errors
from tests.fleet.scene import (
    CREATING,
    DELETING,
    LARGE,
    NORTH,
    SETTLE_S,
    SMALL,
    Scene,
    account,
    group,
    machine,
    node,
    placeholder,
)


class TestGroups:
    def test_a_group_that_is_gone_and_empty_is_forgotten(self):
        scene = Scene(group("g"), group("h"))
        scene.configure(group("g"))
        assert set(scene.fleet.groups) == {"g"}
        with pytest.raises(fleet_errors.UnknownGroup):
            scene.grow(1, "h")

    def test_one_with_machines_stays_until_it_is_empty(self):
        scene = Scene(group("g", min_size=1), shown=(machine(1, "g-1"),))
        scene.configure()
        held = scene.fleet.groups["g"]
        assert held.departed
        assert held.min_size == 0
        assert [each.name for each in view.served(scene.fleet)] == ["g"]
        scene.retire(node(1, "g-1"))
        assert view.whose(scene.fleet, "sky://1") is None
        scene.plan()
        scene.deleted("g-1")
        scene.listed(machine(1, "g-1"))
        assert "g" in scene.fleet.groups
        scene.now += SETTLE_S + 1
        scene.listed()
        assert scene.target() == 0

    def test_what_was_not_sent_is_withdrawn_and_what_was_stays(self):
        scene = Scene(accounts=(account(hands=1),))
        sent, held = scene.grow(2)
        scene.plan()
        scene.configure()
        assert scene.names() == [sent]
        assert held not in scene.fleet.launches

    def test_a_group_that_comes_back_is_as_it_was(self):
        scene = Scene(shown=(machine(1, "g-1"),))
        scene.configure()
        scene.configure(group(max_size=7))
        assert not scene.fleet.groups["g"].departed
        assert scene.fleet.groups["g"].max_size == 7
        assert len(scene.grow(1)) == 1

    def test_covers_go_with_their_group(self):
        scene = Scene(group("g"), group("h"))
        scene.grow(1, "h")
        scene.fleet = wishes.autoscaler_started(scene.fleet, unix_now=scene.now)
        scene.configure(group("g"))
        assert set(scene.fleet.pending_at_start) == {"g"}

    def test_the_same_again_changes_nothing(self):
        scene = Scene(group("g"), group("h"), shown=(machine(1, "g-1"),))
        scene.grow(2, "h")
        before = scene.fleet
        scene.configure(group("g"), group("h"))
        assert scene.fleet == before


class TestAccounts:
    def two(self, *shown):
        accounts = (account("a"), account("b"))
        return Scene(group("g", "a"), group("h", "b"), accounts=accounts, shown=shown)

    def test_one_that_nothing_hangs_on_is_forgotten(self):
        scene = self.two()
        scene.configure(group("g", "a"), accounts=(account("a"),))
        assert set(scene.fleet.accounts) == {"a"}
        before = scene.fleet
        scene.listed(account="b")
        scene.fleet = listing.not_listed(scene.fleet, "b", "x")
        scene.fleet = catalogue.read(scene.fleet, "b", (SMALL,), (), now=1.0)
        scene.fleet = catalogue.not_read(scene.fleet, "b", "x", now=1.0)
        assert scene.fleet is before

    def test_one_with_machines_is_listed_until_they_are_gone(self):
        scene = self.two(machine(1, "g-1"))
        scene.configure(group("h", "b"), accounts=(account("b"),))
        assert scene.fleet.accounts["a"].departed
        scene.now += 40
        assert requests.ListInstances("a") in scene.plan()
        scene.retire(node(1, "g-1"))
        scene.plan()
        scene.deleted("g-1")
        for _ in range(2):
            scene.now += SETTLE_S + 1
            scene.listed(account="a")
        assert set(scene.fleet.accounts) == {"b"}
        assert set(scene.fleet.groups) == {"h"}

    def test_one_with_machines_that_the_cloud_shows_leaving_is_listed_until_they_are_gone(self):
        scene = self.two(machine(1, "g-1"))
        scene.configure(group("g", "b"), group("h", "b"), accounts=(account("b"),))
        scene.now += 10
        scene.listed(machine(1, "g-1", state=DELETING), account="a")
        assert "a" in scene.fleet.accounts
        assert view.leaving(scene.fleet, "g")
        scene.now += 10
        scene.listed(account="a")
        assert set(scene.fleet.accounts) == {"b"}

    def test_one_with_a_create_under_way_waits_for_it(self):
        scene = self.two()
        (name,) = scene.grow(1, "g")
        scene.plan()
        scene.configure(group("h", "b"), accounts=(account("b"),))
        scene.retire(placeholder(name), group="g")
        assert "a" in scene.fleet.accounts
        scene.ordered(name, machine(5, name, state=CREATING))
        assert requests.Delete("a", name, "5") in scene.plan()

    def test_one_that_comes_back_goes_on(self):
        scene = self.two(machine(1, "g-1"))
        scene.configure(group("h", "b"), accounts=(account("b"),))
        scene.configure(group("g", "a"), group("h", "b"))
        assert not scene.fleet.accounts["a"].departed
        assert scene.names() == ["g-1"]

    def test_new_constants_are_taken_and_knowledge_is_kept(self):
        scene = self.two(machine(1, "g-1"))
        scene.accounts = (account("a", hands=9, settle_s=5.0, rate_per_s=3.0), account("b"))
        scene.configure(group("g", "a"), group("h", "b"))
        held = scene.fleet.accounts["a"]
        assert (held.hands, held.settle_s, held.rate_per_s) == (9, 5.0, 3.0)
        assert held.snapshot is not None
        assert held.settled

    def test_one_that_belongs_to_another_cloud_now_starts_anew(self):
        scene = Scene(shown=(machine(1, "g-1"), machine(2, "g-2"), machine(3, "g-3")))
        held, sent = scene.grow(2)
        scene.fleet = dataclasses.replace(
            scene.fleet, accounts={"a": account(hands=1, **_seen(scene))}
        )
        scene.plan()
        scene.retire(node(1, "g-1"))
        scene.listed(machine(1, "g-1"), machine(3, "g-3"))
        scene.accounts = (account("a", provider="other", scheme="other"),)
        scene.configure(group())
        assert not scene.fleet.retired
        assert not scene.fleet.missing
        assert scene.names() in ([sent], [held])
        assert view.members(scene.fleet, "g")[0].provider_id.startswith("other://launching/")


class TestCatalogue:
    def test_types_that_are_no_longer_sold_keep_their_shape(self):
        scene = Scene()
        scene.fleet = catalogue.read(scene.fleet, "a", (LARGE,), (), now=scene.now)
        held = scene.fleet.accounts["a"].catalogue
        assert set(held.machine_types) == {"small", "large"}
        assert not held.offers

    def test_an_offer_of_an_unknown_type_is_passed_over(self):
        scene = Scene()
        offers = scene.fleet.accounts["a"].catalogue.offers.values()
        fresh = Scene(settled=False)
        fresh.fleet = dataclasses.replace(fresh.fleet, accounts={"a": account()})
        fresh.fleet = catalogue.read(fresh.fleet, "a", (LARGE,), offers, now=1.0)
        assert not fresh.fleet.accounts["a"].catalogue.offers

    def test_it_is_read_again_after_an_hour(self):
        scene = Scene()
        scene.plan()
        scene.sells()
        scene.now += 3599
        assert requests.ReadCatalogue("a") not in scene.plan()
        scene.now += 1
        assert requests.ReadCatalogue("a") in scene.plan()

    def test_a_failure_is_tried_again_ever_more_slowly_and_what_was_known_stays(self):
        scene = Scene()
        waits = []
        for _ in range(10):
            scene.fleet = catalogue.not_read(scene.fleet, "a", "503", now=scene.now)
            waits.append(scene.fleet.accounts["a"].catalogue_at - scene.now)
        assert waits[:4] == [15, 30, 60, 120]
        assert waits[-1] == 3600
        assert NORTH in scene.fleet.accounts["a"].catalogue.offers
        scene.sells()
        assert scene.fleet.accounts["a"].catalogue_failures == 0


def test_an_answer_for_a_machine_type_that_left_while_it_was_ordered():
    scene = Scene()
    (name,) = scene.grow(1)
    scene.plan()
    scene.fleet = catalogue.read(scene.fleet, "a", (LARGE,), (), now=scene.now)
    scene.ordered(name, errors.Throttled("slow down"))
    scene.now += 10
    assert scene.creates() == []
    assert scene.launch(name).failure.code == "BadOrder"


def _seen(scene: Scene) -> dict:
    held = scene.fleet.accounts["a"]
    return {"snapshot": held.snapshot, "catalogue": held.catalogue, "settled": True}


@pytest.mark.parametrize(
    "change",
    [
        {"repair_after_s": 600.0},
        {"target_cpu": 50},
        {"surge": 1},
        {"headroom": groups.Headroom(machines=1)},
    ],
)
def test_what_makes_no_other_machines_forgets_no_failed_joins(change) -> None:
    there = Scene()
    strikes = {"g": state.Strikes(3, there.now)}
    there.fleet = dataclasses.replace(there.fleet, strikes=strikes)
    there.configure(group(**change))
    assert joins.held_back(there.fleet, "g", there.now)


def test_an_order_that_waits_for_its_turn_is_not_sent_once_its_group_is_gone() -> None:
    scene = Scene(group("g"), group("h"))
    scene.grow(1)
    (create,) = scene.creates()
    waiting = cloud_calls.of(create)
    assert waiting.not_wanted(scene.fleet) == ""
    scene.configure(group("h"))
    assert waiting.not_wanted(scene.fleet) == "its group is no longer configured"
    scene.ordered(create.name, errors.Throttled("not sent"))
    scene.plan()
    assert scene.target() == 0
