from __future__ import annotations

import pytest

from externalgrpc.fleet import listing, requests, state, view
from providers import errors
from tests.fleet.scene import (
    CREATING,
    DELETING,
    RUNNING,
    SETTLE_S,
    STOPPED,
    Scene,
    account,
    group,
    machine,
    node,
)

PHASE = state.Phase


def accepted(scene: Scene, number: int = 1, receipt: str = "r") -> str:
    (name,) = scene.grow(1)
    scene.plan()
    scene.ordered(name, machine(number, name, state=CREATING, receipt=receipt))
    return name


class TestFirstListing:
    def test_what_it_shows_are_the_members(self):
        scene = Scene(settled=False)
        scene.listed(machine(1, "g-1"), machine(2, "g-2", state=CREATING))
        assert scene.names() == ["g-1", "g-2"]
        shown = [member.showing for member in view.members(scene.fleet, "g")]
        assert shown == [view.Showing.RUNNING, view.Showing.CREATING]

    def test_orders_are_held_until_a_listing_after_the_settling_time(self):
        scene = Scene(settled=False)
        scene.listed()
        scene.grow(1)
        assert scene.creates() == []
        scene.now += SETTLE_S + 30
        assert scene.creates() == []
        scene.listed(begun_at=scene.now - 31)
        assert scene.creates() == []
        scene.listed()
        assert len(scene.creates()) == 1

    def test_late_arrivals_stand_in_for_held_orders(self):
        scene = Scene(settled=False)
        scene.listed(machine(1, "g-1"))
        scene.grow(2)
        scene.now += 30
        scene.listed(machine(1, "g-1"), machine(2, "g-2"))
        assert scene.target() == 3
        scene.now += SETTLE_S
        scene.listed(machine(1, "g-1"), machine(2, "g-2"), machine(3, "g-3"))
        assert scene.names() == ["g-1", "g-2", "g-3"]
        assert scene.creates() == []

    def test_more_arrivals_than_orders_are_members_all_the_same(self):
        scene = Scene(settled=False)
        scene.listed()
        scene.grow(1)
        scene.now += 30
        scene.listed(machine(1, "g-1"), machine(2, "g-2"))
        assert scene.names() == ["g-1", "g-2"]

    def test_arrivals_of_another_group_stand_in_for_nothing(self):
        scene = Scene(group("g"), group("h"), settled=False)
        scene.listed()
        scene.grow(1, "g")
        scene.now += 30
        scene.listed(machine(1, "h-1", "h"))
        assert scene.target("g") == 1
        assert scene.target("h") == 1

    def test_after_the_settling_time_nothing_stands_in(self):
        scene = Scene()
        scene.grow(1)
        scene.listed(machine(1, "g-1"))
        assert scene.target() == 2

    def test_machines_that_another_login_showed_before_are_no_arrivals(self):
        accounts = (account("a"), account("b"))
        scene = Scene(group("g", "a"), group("h", "b"), accounts=accounts, settled=False)
        shown = (machine(1, "h-1", "h"),)
        scene.listed(*shown, account="a")
        scene.listed(account="b")
        scene.grow(1, "h")
        scene.listed(*shown, account="b")
        assert scene.target("h") == 2


class TestLaunches:
    def test_a_machine_that_runs_takes_the_place_of_its_launch(self):
        scene = Scene()
        name = accepted(scene)
        scene.listed(machine(1, name))
        assert not scene.fleet.launches
        assert scene.member(name).showing is view.Showing.RUNNING

    def test_while_it_boots_it_is_both_and_counts_once(self):
        scene = Scene()
        name = accepted(scene)
        scene.listed(machine(1, name, state=CREATING))
        assert scene.launch(name).phase is PHASE.ACCEPTED
        assert scene.launch(name).instance.receipt == "r"
        assert scene.target() == 1

    def test_a_listing_promotes_a_launch_whose_create_is_under_way(self):
        scene = Scene()
        (name,) = scene.grow(1)
        scene.plan()
        scene.listed(machine(1, name, state=CREATING))
        assert scene.launch(name).phase is PHASE.ACCEPTED
        scene.ordered(name, machine(1, name, state=CREATING, receipt="late"))
        assert scene.launch(name).instance.receipt == "late"
        assert scene.target() == 1

    @pytest.mark.parametrize(
        "answer", [errors.Unreachable("cut"), errors.OutOfStock("x"), errors.Throttled("x")]
    )
    def test_what_is_shown_is_there_whatever_the_create_says(self, answer):
        scene = Scene()
        (name,) = scene.grow(1)
        scene.plan()
        scene.listed(machine(1, name))
        scene.ordered(name, answer)
        assert scene.names() == [name]
        assert scene.creates() == []

    def test_an_accepted_launch_is_not_given_up_because_a_listing_lacks_it(self):
        scene = Scene()
        name = accepted(scene)
        scene.now += SETTLE_S
        scene.listed()
        assert scene.names() == [name]
        assert scene.launch(name).look_at > scene.now - SETTLE_S

    def test_a_listing_that_began_too_early_gives_no_reason_to_look(self):
        scene = Scene()
        (name,) = scene.grow(1)
        scene.plan()
        scene.ordered(name, errors.Unreachable("cut"))
        answered_at = scene.now
        scene.now += 100 * SETTLE_S
        scene.listed(begun_at=answered_at + SETTLE_S)
        assert scene.launch(name).look_at == float("inf")

    def test_after_the_settling_time_a_look_up_decides(self):
        scene = Scene()
        (name,) = scene.grow(1)
        scene.plan()
        scene.ordered(name, errors.Unreachable("cut"))
        scene.now += SETTLE_S + 1
        scene.listed()
        assert requests.LookUp("a", name, "", "") in scene.plan()

    def test_a_failed_launch_that_lands_is_a_machine(self):
        scene = Scene()
        (name,) = scene.grow(1)
        scene.plan()
        scene.ordered(name, errors.Unreachable("cut"))
        scene.now += 1000
        scene.plan()
        assert scene.launch(name).failure is not None
        scene.listed(machine(1, name, state=CREATING))
        assert scene.launch(name).failure is None
        scene.listed(machine(1, name))
        assert scene.member(name).failure is None

    def test_a_machine_that_went_off_while_booting_is_looked_up_at_once(self):
        scene = Scene()
        name = accepted(scene)
        scene.listed(machine(1, name, state=STOPPED))
        assert requests.LookUp("a", name, "1", "r") in scene.plan()
        scene.looked_up(name, machine(1, name, state=STOPPED))
        scene.listed(machine(1, name, state=STOPPED))
        assert requests.LookUp("a", name, "1", "r") not in scene.plan()

    def test_a_machine_that_somebody_deletes_while_it_boots_is_still_wanted(self):
        scene = Scene()
        name = accepted(scene)
        scene.listed(machine(1, name, state=DELETING))
        assert scene.names() == [name]
        assert view.whose(scene.fleet, "sky://1") == ("g", name)
        assert view.leaving(scene.fleet, "g") == ()

    def test_a_launch_whose_machine_lost_its_name_stands_for_itself(self):
        scene = Scene()
        accepted(scene)
        scene.listed(machine(1, "", state=CREATING))
        assert not scene.fleet.launches
        assert scene.names() == ["sky://1"]

    def test_a_launch_whose_machine_carries_another_group_counts_there(self):
        scene = Scene(group("g"), group("h"))
        name = accepted(scene)
        scene.listed(machine(1, name, "h", state=CREATING))
        assert not scene.fleet.launches
        assert scene.names("g") == []
        assert scene.names("h") == [name]

    def test_a_launch_that_lands_in_another_group_is_over(self):
        scene = Scene(group("g"), group("h"))
        (name,) = scene.grow(1)
        scene.plan()
        scene.listed(machine(1, name, "h", state=CREATING))
        assert not scene.fleet.launches
        assert scene.names("h") == [name]

    def test_the_receipt_of_one_machine_is_not_another_ones(self):
        scene = Scene()
        name = accepted(scene, number=2, receipt="two")
        scene.listed(
            machine(1, name, state=CREATING, created_at=5.0),
            machine(2, name, state=CREATING, created_at=6.0),
        )
        assert scene.launch(name).instance.id == "2"
        assert scene.launch(name).instance.receipt == "two"
        assert scene.target() == 2, "the other one counts too, whatever it is"


class TestMissing:
    def test_a_member_that_a_listing_lacks_stays_until_it_is_looked_up(self):
        shown = machine(1, "g-1")
        scene = Scene(shown=(shown,))
        scene.listed()
        assert scene.names() == ["g-1"]
        assert view.whose(scene.fleet, "sky://1") == ("g", "g-1")
        assert requests.LookUpMissing("a", shown) in scene.plan()

    def test_it_is_back_when_a_listing_shows_it(self):
        scene = Scene(shown=(machine(1, "g-1"),))
        scene.listed()
        scene.listed(machine(1, "g-1"))
        assert not scene.fleet.missing

    def test_it_can_be_let_go(self):
        scene = Scene(shown=(machine(1, "g-1"),))
        scene.listed()
        assert scene.retire(node(1, "g-1")) == ("g-1",)
        assert not scene.fleet.missing
        assert requests.Delete("a", "g-1", "1") in scene.plan()

    def test_a_machine_last_seen_being_deleted_is_simply_gone(self):
        scene = Scene(shown=(machine(1, "g-1"),))
        scene.listed(machine(1, "g-1", state=DELETING))
        assert scene.target() == 0
        assert [each.id for each in view.leaving(scene.fleet, "g")] == ["1"]
        scene.listed()
        assert not scene.fleet.missing
        assert not scene.fleet.gone["sky://1"].terminated

    def test_a_listing_that_began_before_it_was_found_gone_does_not_bring_it_back(self):
        scene = Scene(shown=(machine(1, "g-1"),))
        began = scene.now
        scene.now += 5
        scene.listed(begun_at=began)
        scene.plan()
        scene.missing_looked_up("sky://1", None)
        scene.listed(machine(1, "g-1"), begun_at=began + 1)
        assert scene.target() == 0
        scene.listed(machine(1, "g-1"), begun_at=scene.now)
        assert scene.target() == 1

    def test_an_orphan_that_goes_is_not_looked_for(self):
        scene = Scene(shown=(machine(1, "x-1", "x"),))
        assert [each.id for each in view.orphans(scene.fleet)] == ["1"]
        scene.listed()
        assert not scene.fleet.missing

    def test_every_listing_that_lacks_it_brings_one_look_up(self):
        scene = Scene(shown=(machine(1, "g-1"),))
        for _ in range(3):
            scene.listed()
            asked = [each for each in scene.plan() if isinstance(each, requests.LookUpMissing)]
            assert len(asked) == 1
            scene.missing_looked_up("sky://1", machine(1, "g-1"))
        assert scene.names() == ["g-1"]

    def test_a_launch_that_is_missing_is_the_launchs_own_affair(self):
        scene = Scene()
        name = accepted(scene)
        scene.listed(machine(1, name, state=CREATING))
        scene.listed()
        assert not scene.fleet.missing
        assert scene.names() == [name]


class TestSurplus:
    def double(self, **fields) -> tuple[Scene, str]:
        """Order a machine that is made twice, as on a cloud without unique names."""
        scene = Scene(**fields)
        (name,) = scene.grow(1)
        scene.plan()
        scene.ordered(name, machine(9, name, created_at=5.0))
        return scene, name

    def test_a_double_of_our_own_order_goes_when_two_listings_have_proved_it(self):
        scene, name = self.double()
        both = (machine(9, name, created_at=5.0), machine(10, name, created_at=6.0))
        scene.listed(*both)
        assert not scene.fleet.retired, "one listing is one listing"
        assert scene.target() == 2
        scene.now += SETTLE_S - 1
        scene.listed(*both)
        assert not scene.fleet.retired
        scene.now += 1
        scene.listed(*both)
        assert scene.member(name).provider_id == "sky://9"
        assert requests.Delete("a", "sky://10", "10") in scene.plan()

    def test_a_double_that_became_the_node_stays(self):
        scene, name = self.double()
        both = (machine(9, name, created_at=5.0), machine(10, name, created_at=6.0))
        scene.listed(*both)
        scene.register("sky://10")
        scene.now += 10 * SETTLE_S
        scene.listed(*both)
        assert not scene.fleet.retired
        assert scene.target() == 2

    def test_a_machine_that_was_there_before_us_is_no_double_whatever_its_label_says(self):
        scene, name = self.double(shown=(machine(1, "g-1"),), started_at=900.0)
        both = (machine(9, name, created_at=950.0), machine(1, name, created_at=5.0))
        for _ in range(4):
            scene.now += SETTLE_S
            scene.listed(*both)
        assert not scene.fleet.retired
        assert sorted(scene.names()) == sorted([name, "sky://9"])

    def test_nor_is_one_that_was_there_before_us_and_that_a_listing_shows_late(self):
        scene, name = self.double(started_at=900.0)
        both = (machine(9, name, created_at=950.0), machine(1, name, created_at=5.0))
        for _ in range(4):
            scene.now += SETTLE_S
            scene.listed(*both)
        assert not scene.fleet.retired
        assert scene.target() == 2

    @pytest.mark.parametrize("group_", ["nobodys", "h"])
    def test_a_machine_of_a_group_that_is_not_configured_is_no_double(self, group_):
        scene = Scene(group("g"), group("h"))
        (name,) = scene.grow(1)
        scene.plan()
        scene.ordered(name, machine(9, name, created_at=5.0))
        both = (machine(9, name, created_at=5.0), machine(10, name, group_, created_at=6.0))
        scene.listed(*both)
        scene.configure(group("g"))
        for _ in range(4):
            scene.now += SETTLE_S
            scene.listed(*both)
        assert not scene.fleet.retired
        assert scene.names() == [name]

    def test_machines_of_one_name_that_we_did_not_order_all_stay_and_are_shown(self):
        scene = Scene()
        shown = [machine(n, "g-1", created_at=0.0) for n in (10, 9, 11)]
        for _ in range(3):
            scene.listed(*shown)
            scene.now += SETTLE_S
        assert scene.member("g-1").provider_id == "sky://9"
        assert sorted(scene.names()) == ["g-1", "sky://10", "sky://11"]
        assert view.whose(scene.fleet, "sky://11") == ("g", "sky://11")
        assert not scene.fleet.retired

    def test_one_that_is_going_does_not_stay(self):
        scene = Scene()
        scene.listed(
            machine(1, "g-1", created_at=5.0, state=DELETING),
            machine(2, "g-1", created_at=6.0),
        )
        assert scene.names() == ["g-1"]
        assert scene.member("g-1").provider_id == "sky://2"

    def test_letting_one_go_leaves_the_other_of_its_name(self):
        scene = Scene()
        first, second = machine(1, "g-1", created_at=5.0), machine(2, "g-1", created_at=6.0)
        for gone in (1, 2):
            scene.listed(first, second)
            scene.retire(node(gone, "g-1"))
            assert scene.target() == 2 - gone
        assert {each.id for each in view.leaving(scene.fleet, "g")} == {"1", "2"}
        assert set(scene.fleet.retired) == {"g-1", "sky://2"}

    def test_letting_a_name_go_lets_its_double_go_at_once(self):
        scene, name = self.double()
        scene.listed(machine(9, name, created_at=5.0))
        scene.retire(node(9, name))
        scene.listed(machine(9, name, created_at=5.0), machine(10, name, created_at=6.0))
        assert scene.target() == 0
        assert set(scene.fleet.retired) == {name, "sky://10"}

    def test_a_machine_on_two_pages_is_one_machine(self):
        scene = Scene(settled=False)
        scene.listed()
        scene.grow(2)
        scene.now += 10
        scene.listed(machine(1, "g-1"), machine(2, "g-2"), machine(1, "g-1"))
        assert scene.names() == ["g-1", "g-2"]
        assert not scene.fleet.retired

    def test_nameless_machines_are_not_surplus(self):
        scene = Scene(shown=(machine(1, ""), machine(2, "")))
        assert scene.target() == 2


class TestOrderOfListings:
    def test_a_listing_that_began_before_the_last_one_changes_nothing(self):
        scene = Scene()
        began = scene.now
        scene.now += 10
        scene.listed(machine(1, "g-1"))
        before = scene.fleet
        scene.plan()
        scene.listed(begun_at=began)
        assert scene.names() == ["g-1"]
        assert scene.fleet.index is before.index
        assert not scene.fleet.missing

    def test_a_listing_of_an_account_that_is_no_more(self):
        scene = Scene()
        before = scene.fleet
        scene.listed(machine(1, "g-1"), account="gone")
        assert scene.fleet is before
        assert listing.not_listed(scene.fleet, "gone", "x") is before

    def test_failures_are_counted_and_forgotten(self):
        scene = Scene()
        scene.fleet = listing.not_listed(scene.fleet, "a", "503")
        scene.fleet = listing.not_listed(scene.fleet, "a", "504")
        held = scene.fleet.accounts["a"]
        assert (held.failures, held.trouble, held.listing) == (2, "504", False)
        scene.listed()
        assert scene.fleet.accounts["a"].failures == 0
        assert scene.fleet.accounts["a"].trouble == ""


@pytest.mark.parametrize("shown", [CREATING, RUNNING, STOPPED])
def test_every_state_but_deleting_counts(shown):
    scene = Scene()
    scene.listed(machine(1, "g-1", state=shown))
    assert scene.target() == 1
