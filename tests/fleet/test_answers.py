from __future__ import annotations

import dataclasses

import pytest

from externalgrpc.fleet import answers, landing, listing, requests, state, view
from providers import contract, errors
from tests.fleet.scene import (
    CREATING,
    DELETING,
    NORTH,
    SETTLE_S,
    SOUTH,
    Scene,
    machine,
    node,
    placeholder,
)

PHASE = state.Phase


def sent(*shown: contract.Instance) -> tuple[Scene, str]:
    scene = Scene(shown=shown)
    (name,) = scene.grow(1)
    scene.plan()
    return scene, name


def accepted(receipt: str = "r") -> tuple[Scene, str]:
    scene, name = sent()
    scene.ordered(name, machine(1, name, state=CREATING, receipt=receipt))
    return scene, name


def unsure(*shown: contract.Instance) -> tuple[Scene, str]:
    scene, name = sent(*shown)
    scene.ordered(name, errors.Unreachable("cut"))
    return scene, name


def looked_up(scene: Scene) -> list[str]:
    """Plan, and name the machines that are to be looked up."""
    names = {requests.LookUp: lambda each: each.name}
    names[requests.LookUpMissing] = lambda each: each.instance.node_name
    return [names[type(each)](each) for each in scene.plan() if type(each) in names]


class TestOrdered:
    def test_taken(self):
        scene, name = accepted()
        launch = scene.launch(name)
        assert launch.phase is PHASE.ACCEPTED
        assert scene.member(name).provider_id == "sky://1"
        assert scene.member(name).showing is view.Showing.CREATING

    def test_throttled_waits_as_long_as_it_was_reported(self):
        scene, name = sent()
        scene.ordered(name, errors.Throttled("slow down", retry_after_s=17))
        assert scene.creates() == []
        scene.now += 16
        assert scene.creates() == []
        scene.now += 1
        assert [request.name for request in scene.creates()] == [name]

    def test_nobody_knows_is_neither_success_nor_failure(self):
        scene, name = unsure()
        assert scene.launch(name).phase is PHASE.UNSURE
        assert scene.member(name).failure is None
        scene.now += 200
        assert scene.creates() == []

    @pytest.mark.parametrize("error", [errors.BadOrder("image"), errors.BadCredentials("token")])
    def test_refused_fails_at_once(self, error):
        scene, name = sent()
        scene.ordered(name, error)
        failure = scene.member(name).failure
        assert failure is not None
        assert failure.error_class is state.ErrorClass.OTHER
        assert scene.target() == 1

    def test_an_answer_to_nothing(self):
        scene = Scene()
        before = scene.fleet
        scene.ordered("g-nobody", machine(1, "g-nobody"))
        assert scene.fleet is before

    def test_an_answer_about_another_machine_than_the_one_shown(self):
        scene, name = sent()
        scene.listed(machine(1, name, state=CREATING))
        before = scene.fleet
        scene.ordered(name, machine(2, name, state=CREATING, receipt="two"))
        assert scene.fleet is before


class TestLookedUp:
    def test_an_unsure_launch_that_is_nowhere_is_sent_again(self):
        scene, name = unsure()
        scene.now += SETTLE_S + 1
        scene.listed()
        scene.plan()
        scene.looked_up(name, None)
        assert scene.launch(name).phase is PHASE.HELD
        assert scene.creates() == []
        scene.now += 5
        assert [request.name for request in scene.creates()] == [name]

    def test_an_unsure_launch_is_not_sent_again_while_listings_lack_what_they_showed(self):
        """Seed 1355: for a moment an API showed an empty project; the name was sent twice."""
        scene, name = unsure(machine(1, "g-1"))
        scene.now += SETTLE_S + 1
        scene.listed()
        assert looked_up(scene) == ["g-1"]
        scene.missing_looked_up("sky://1", None)
        scene.now += SETTLE_S
        scene.listed()
        assert looked_up(scene) == []
        scene.now += 1
        scene.listed()
        assert looked_up(scene) == [name], "a settling time after what it lacked, it is believed"
        scene.looked_up(name, None)
        assert scene.launch(name).phase is PHASE.HELD

    def test_one_machine_more_is_made_for_an_answer_that_was_lost_and_goes_when_it_is_shown(self):
        """What nothing could show: an empty project for longer than a settling time."""
        scene, name = unsure()
        for _ in range(2):
            scene.now += SETTLE_S + 1
            scene.listed()
        scene.plan()
        scene.looked_up(name, None)
        scene.now += 5
        assert [request.name for request in scene.creates()] == [name]
        first = machine(1, name, created_at=1061.0, state=CREATING)
        second = machine(2, name, created_at=scene.now, state=CREATING)
        scene.ordered(name, second)
        for _ in range(2):
            scene.now += SETTLE_S + 1
            scene.listed(first, second)
            assert scene.creates() == []
        assert set(scene.fleet.retired) == {"sky://1"}
        assert scene.names() == [name]

    def test_nor_on_a_look_up_that_was_under_way_when_the_listing_came(self):
        scene, name = unsure(machine(1, "g-1"))
        scene.now += SETTLE_S + 1
        scene.listed(machine(1, "g-1"))
        assert looked_up(scene) == [name]
        scene.listed()
        scene.looked_up(name, None)
        assert scene.launch(name).phase is PHASE.UNSURE

    def test_what_we_delete_ourselves_may_be_lacking(self):
        scene, name = unsure(machine(1, "g-1"), machine(2, "g-2", state=DELETING))
        scene.register("sky://1")
        scene.retire(node(1, "g-1"))
        scene.now += SETTLE_S + 1
        scene.listed()
        assert looked_up(scene) == [name]

    @pytest.mark.parametrize("failed", [False, True])
    def test_a_look_up_that_names_another_machine_says_nothing_for_a_settling_time(self, failed):
        """Seed 1355: all machines had one name; the order's own was found, and not known by it."""
        scene, name = unsure()
        if failed:
            scene.now += 1000
            scene.plan()
            assert scene.launch(name).phase is PHASE.FAILED
        scene.now += SETTLE_S + 1
        other = machine(1, "g-other", state=CREATING)
        scene.listed(other)
        assert looked_up(scene) == [name]
        scene.looked_up(name, other)
        scene.now += SETTLE_S
        scene.listed(other)
        scene.looked_up(name, None)
        assert scene.launch(name).may_land
        scene.now += 1
        scene.listed(other)
        assert looked_up(scene) == [name]
        scene.looked_up(name, None)
        assert not scene.launch(name).may_land

    def test_an_unsure_launch_that_is_found_is_accepted(self):
        scene, name = unsure()
        scene.now += SETTLE_S + 1
        scene.listed()
        scene.plan()
        scene.looked_up(name, machine(1, name, state=CREATING))
        assert scene.launch(name).phase is PHASE.ACCEPTED
        assert scene.target() == 1

    def test_a_look_up_that_fails_is_repeated_and_nothing_is_sent(self):
        scene, name = unsure()
        scene.now += SETTLE_S + 1
        scene.listed()
        scene.plan()
        scene.looked_up(name, errors.Unreachable("503"))
        assert scene.launch(name).phase is PHASE.UNSURE
        scene.now += 5
        assert requests.LookUp("a", name, "", "") in scene.plan()

    def test_an_unsure_launch_fails_when_its_time_is_over_and_may_still_land(self):
        scene, name = unsure()
        scene.fleet = listing.not_listed(scene.fleet, "a", "503")
        scene.now = 1061.0 + 900
        scene.plan()
        failure = scene.member(name).failure
        assert failure is not None
        assert (failure.code, failure.error_class) == ("CloudUnreachable", 99)
        assert "503" in failure.message
        scene.retire(placeholder(name))
        assert scene.fleet.retired[name].deletion is state.Deletion.AWAITED

    def test_a_failed_launch_that_is_found_lives(self):
        scene, name = unsure()
        scene.now += 1000
        scene.plan()
        assert scene.launch(name).phase is PHASE.FAILED
        scene.looked_up(name, machine(1, name, state=CREATING))
        assert scene.launch(name).phase is PHASE.ACCEPTED
        assert scene.member(name).failure is None

    def test_a_failed_launch_that_is_nowhere_can_no_longer_land(self):
        scene, name = unsure()
        scene.now += 1000
        scene.plan()
        scene.listed()
        scene.plan()
        scene.looked_up(name, None)
        assert not scene.launch(name).may_land
        scene.retire(placeholder(name))
        assert not scene.fleet.retired

    def test_an_accepted_launch_is_looked_up_from_time_to_time(self):
        scene, name = accepted()
        scene.now += landing.FATE_AFTER_S
        assert requests.LookUp("a", name, "1", "r") in scene.plan()
        scene.looked_up(name, machine(1, name, state=CREATING))
        assert requests.LookUp("a", name, "1", "r") not in scene.plan()
        scene.now += landing.FATE_AFTER_S
        assert requests.LookUp("a", name, "1", "r") in scene.plan()

    def test_a_look_up_alone_does_not_end_an_accepted_launch(self):
        scene, name = accepted()
        scene.now += landing.FATE_AFTER_S
        scene.plan()
        scene.looked_up(name, None)
        assert scene.names() == [name]
        scene.now += SETTLE_S + 1
        scene.listed()
        scene.plan()
        scene.looked_up(name, None)
        assert scene.target() == 1
        assert scene.names() != [name]

    def test_what_the_last_listing_shows_is_not_gone(self):
        scene, name = accepted()
        scene.now += SETTLE_S + 1
        scene.listed()
        scene.plan()
        scene.listed(machine(1, name, state=CREATING))
        scene.looked_up(name, None)
        assert scene.names() == [name]
        assert not scene.fleet.retired

    def test_a_look_up_under_way_does_not_disturb_a_create(self):
        scene, name = sent()
        before = scene.launch(name)
        scene.looked_up(name, machine(1, name))
        assert scene.launch(name).phase is before.phase
        scene.looked_up(name, None)
        assert scene.launch(name).phase is before.phase

    def test_a_sold_out_word_about_a_launch_that_was_never_accepted_is_no_answer(self):
        scene, name = unsure()
        scene.looked_up(name, errors.OutOfStock("x"))
        assert scene.launch(name).phase is PHASE.UNSURE


class TestRelaunch:
    def test_an_accepted_order_that_failed_tries_the_next_candidate_under_a_new_name(self):
        scene, name = accepted()
        scene.looked_up(name, errors.OutOfStock("sold out after all"))
        (again,) = scene.fleet.launches
        assert again != name
        assert scene.target() == 1
        assert scene.fleet.retired[name].instance_id == "1"
        assert [request.candidate for request in scene.creates()] == [SOUTH]

    def test_it_keeps_its_deadline(self):
        scene, name = accepted()
        born = scene.launch(name).born
        scene.now += 100
        scene.looked_up(name, errors.OutOfStock("sold out after all"))
        (again,) = scene.fleet.launches.values()
        assert again.born == born
        assert NORTH in again.refused

    def test_a_machine_that_vanished_is_ordered_again_but_not_for_ever(self):
        scene, name = accepted()
        for lost in range(answers.MAX_VANISHED):
            scene.now += SETTLE_S + 1
            scene.listed()
            scene.plan()
            scene.looked_up(name, None)
            (launch,) = scene.fleet.launches.values()
            name = launch.name
            assert scene.target() == 1
            if lost + 1 < answers.MAX_VANISHED:
                scene.plan()
                scene.ordered(name, machine(lost + 2, name, state=CREATING))
        assert launch.phase is PHASE.FAILED
        assert launch.failure.code == "CloudError"

    def test_a_bad_order_fails_at_once(self):
        scene, name = accepted()
        scene.looked_up(name, errors.BadOrder("image cannot boot"))
        (launch,) = scene.fleet.launches.values()
        assert launch.failure.code == "BadOrder"
        assert name in scene.fleet.retired

    def test_the_last_candidate_sold_out_fails_as_class_one(self):
        scene, name = accepted()
        scene.looked_up(name, errors.OutOfStock("none in north"))
        (request,) = scene.creates()
        scene.ordered(request.name, errors.OutOfStock("none in south"))
        scene.plan()
        failure = scene.launch(request.name).failure
        assert failure.error_class is state.ErrorClass.OUT_OF_RESOURCES

    def test_the_late_answer_of_its_create_changes_nothing(self):
        scene, name = accepted()
        scene.looked_up(name, errors.OutOfStock("x"))
        before = scene.fleet
        scene.ordered(name, machine(1, name))
        assert scene.fleet is before


class TestMissingLookedUp:
    def missing(self) -> Scene:
        scene = Scene(shown=(machine(1, "g-1"),))
        scene.listed()
        scene.plan()
        return scene

    def test_none_is_the_end(self):
        scene = self.missing()
        scene.missing_looked_up("sky://1", None)
        assert scene.target() == 0
        assert view.whose(scene.fleet, "sky://1") is None

    def test_found_waits_for_the_next_listing(self):
        scene = self.missing()
        scene.missing_looked_up("sky://1", machine(1, "g-1"))
        assert scene.names() == ["g-1"]
        assert not [each for each in scene.plan() if isinstance(each, requests.LookUpMissing)]

    def test_found_on_its_way_out_is_the_end(self):
        scene = self.missing()
        scene.missing_looked_up("sky://1", machine(1, "g-1", state=DELETING))
        assert scene.target() == 0

    def test_an_error_asks_again(self):
        scene = self.missing()
        scene.missing_looked_up("sky://1", errors.Unreachable("503"))
        assert scene.names() == ["g-1"]
        scene.now += 5
        assert [each for each in scene.plan() if isinstance(each, requests.LookUpMissing)]

    def test_an_answer_to_nothing(self):
        scene = Scene()
        before = scene.fleet
        scene.missing_looked_up("sky://9", None)
        assert scene.fleet is before

    def test_what_we_let_go_stays_let_go(self):
        scene = Scene(shown=(machine(1, "g-1"),))
        scene.fleet = dataclasses.replace(
            scene.fleet, gone={"g-1": state.Gone("g", terminated=True)}
        )
        scene.listed()
        scene.plan()
        scene.missing_looked_up("sky://1", None)
        assert scene.fleet.gone["g-1"].terminated
