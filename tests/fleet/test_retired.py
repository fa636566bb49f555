from __future__ import annotations

import dataclasses
import math

import pytest

from externalgrpc.fleet import listing, requests, retired, state, view
from providers import errors
from tests.fleet.scene import (
    CREATING,
    DELETING,
    SETTLE_S,
    Scene,
    account,
    group,
    machine,
    node,
    placeholder,
)

DELETION = state.Deletion


def one_sent() -> tuple[Scene, str]:
    """A retired launch whose create is under way."""
    scene = Scene()
    (name,) = scene.grow(1)
    scene.plan()
    scene.retire(placeholder(name))
    return scene, name


def one_deleted() -> Scene:
    """A machine whose deletion the cloud has just taken."""
    scene = Scene(shown=(machine(1, "g-1"),))
    scene.retire(node(1, "g-1"))
    scene.plan()
    scene.deleted("g-1")
    return scene


class TestInTheAir:
    def test_a_launch_under_way_becomes_a_tombstone(self):
        scene, name = one_sent()
        assert scene.target() == 0
        assert scene.fleet.retired[name].deletion is DELETION.AWAITED

    def test_the_answer_brings_the_machine_and_its_deletion(self):
        scene, name = one_sent()
        scene.ordered(name, machine(1, name, state=CREATING))
        assert scene.plan()[-1] == requests.Delete("a", name, "1")

    @pytest.mark.parametrize(
        "no", [errors.OutOfStock("x"), errors.BadOrder("x"), errors.Throttled("x")]
    )
    def test_a_refusal_ends_it(self, no):
        scene, name = one_sent()
        scene.ordered(name, no)
        assert not scene.fleet.retired

    def test_no_listing_counts_before_the_answer(self):
        scene, name = one_sent()
        for _ in range(3):
            scene.now += SETTLE_S + 1
            scene.listed()
        assert scene.fleet.retired[name].absences == 0

    def test_no_answer_leaves_it_to_two_listings_and_a_look_up(self):
        scene, name = one_sent()
        scene.ordered(name, errors.Unreachable("cut"))
        scene.now += SETTLE_S
        scene.listed()
        assert scene.fleet.retired[name].absences == 0
        scene.now += 1
        scene.listed()
        assert requests.LookUp("a", name, "", "") not in scene.plan()
        scene.listed()
        assert requests.LookUp("a", name, "", "") in scene.plan()
        assert requests.LookUp("a", name, "", "") not in scene.plan()
        scene.looked_up(name, None)
        assert not scene.fleet.retired

    def test_a_listing_that_began_too_early_does_not_count(self):
        scene, name = one_sent()
        scene.ordered(name, errors.Unreachable("cut"))
        answered_at = scene.now
        scene.now += 5 * SETTLE_S
        scene.listed(begun_at=answered_at + SETTLE_S - 1)
        assert scene.fleet.retired[name].absences == 0

    def test_a_look_up_that_finds_it_owes_the_deletion(self):
        scene, name = one_sent()
        scene.ordered(name, errors.Unreachable("cut"))
        scene.looked_up(name, machine(1, name, state=CREATING))
        assert scene.fleet.retired[name].deletion is DELETION.OWED

    def test_a_look_up_that_fails_is_repeated(self):
        scene, name = one_sent()
        scene.ordered(name, errors.Unreachable("cut"))
        scene.now += SETTLE_S + 1
        scene.listed()
        scene.listed()
        scene.plan()
        scene.looked_up(name, errors.Unreachable("503"))
        assert requests.LookUp("a", name, "", "") not in scene.plan()
        scene.now += 6
        assert requests.LookUp("a", name, "", "") in scene.plan()

    def test_a_look_up_sent_for_the_launch_proves_nothing_for_the_tombstone(self):
        scene = Scene()
        (name,) = scene.grow(1)
        scene.plan()
        scene.ordered(name, errors.Unreachable("cut"))
        scene.now += SETTLE_S + 1
        scene.listed()
        scene.plan()
        assert scene.launch(name).looking
        scene.retire(placeholder(name))
        scene.looked_up(name, None)
        assert name in scene.fleet.retired

    def test_a_listing_may_be_quicker_than_the_answer(self):
        scene, name = one_sent()
        scene.listed(machine(1, name, state=CREATING))
        scene.plan()
        assert scene.fleet.retired[name].deletion is DELETION.SENT
        scene.ordered(name, machine(1, name, state=CREATING))
        assert scene.fleet.retired[name].deletion is DELETION.SENT
        assert scene.target() == 0

    def test_a_ghost_without_an_id_is_known_by_its_name(self):
        scene, name = one_sent()
        scene.ordered(name, errors.Unreachable("cut"))
        scene.now += SETTLE_S + 1
        scene.listed()
        scene.listed()
        scene.plan()
        scene.looked_up(name, None)
        scene.listed(machine(1, name))
        assert scene.target() == 0
        assert scene.fleet.retired[name].instance_id == "1"

    def test_an_unsure_launch_keeps_its_doubt(self):
        scene = Scene()
        (name,) = scene.grow(1)
        scene.plan()
        scene.ordered(name, errors.Unreachable("cut"))
        since = scene.now
        scene.now += 5
        scene.retire(placeholder(name))
        assert scene.fleet.retired[name].doubtful_since == since

    def test_a_held_launch_that_was_sent_once_is_remembered(self):
        scene = Scene()
        (name,) = scene.grow(1)
        scene.plan()
        scene.ordered(name, errors.Throttled("slow down"))
        scene.retire(placeholder(name))
        assert not scene.fleet.retired
        scene.listed(machine(1, name))
        assert scene.target() == 0


class TestDeleted:
    def test_it_is_sent_once_at_a_time(self):
        scene = Scene(shown=(machine(1, "g-1"),))
        scene.retire(node(1, "g-1"))
        assert requests.Delete("a", "g-1", "1") in scene.plan()
        assert requests.Delete("a", "g-1", "1") not in scene.plan()

    def test_two_listings_after_the_settling_time_prove_it(self):
        scene = one_deleted()
        scene.now += SETTLE_S + 1
        scene.listed()
        assert "g-1" in scene.fleet.retired
        scene.listed()
        assert "g-1" not in scene.fleet.retired
        assert scene.fleet.gone["g-1"].terminated
        assert scene.fleet.gone["sky://1"].terminated

    def test_listings_that_began_within_the_settling_time_prove_nothing(self):
        scene = one_deleted()
        begun_at = scene.now + SETTLE_S
        scene.now += 3 * SETTLE_S
        for _ in range(3):
            scene.listed(begun_at=begun_at)
        assert scene.fleet.retired["g-1"].absences == 0

    def test_a_machine_that_is_shown_again_starts_the_count_anew(self):
        scene = one_deleted()
        scene.now += SETTLE_S + 1
        scene.listed()
        scene.listed(machine(1, "g-1", state=DELETING))
        assert scene.fleet.retired["g-1"].absences == 0

    def test_a_deletion_that_listings_contradict_is_repeated_ever_more_slowly(self):
        scene = one_deleted()
        gaps = []
        for _ in range(7):
            sent_at = scene.now
            while not any(isinstance(each, requests.Delete) for each in scene.plan()):
                scene.now += 5
                assert scene.now - sent_at < 2 * retired.MAX_REPEAT_DELETE_S
                scene.listed(machine(1, "g-1"))
            gaps.append(scene.now - sent_at)
            scene.deleted("g-1")
        assert gaps[0] >= SETTLE_S
        assert gaps == sorted(gaps)
        assert gaps[-1] <= retired.MAX_REPEAT_DELETE_S + 10

    def test_a_deletion_that_failed_is_repeated(self):
        scene = Scene(shown=(machine(1, "g-1"),))
        scene.retire(node(1, "g-1"))
        scene.plan()
        scene.deleted("g-1", errors.Unreachable("cut"))
        assert scene.fleet.retired["g-1"].message == "cut"
        assert requests.Delete("a", "g-1", "1") not in scene.plan()
        scene.now += 6
        assert requests.Delete("a", "g-1", "1") in scene.plan()

    @pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 0.0, 1e12])
    def test_whatever_patience_a_cloud_asks_for_it_is_repeated(self, value):
        scene = Scene(shown=(machine(1, "g-1"),))
        scene.retire(node(1, "g-1"))
        scene.plan()
        scene.deleted("g-1", errors.Throttled("locked", retry_after_s=value))
        assert scene.now < scene.fleet.retired["g-1"].not_before <= scene.now + 3600

    def test_an_answer_that_nobody_waits_for(self):
        scene = one_deleted()
        before = scene.fleet
        scene.deleted("g-1")
        scene.deleted("g-9")
        assert scene.fleet == before

    def test_queued_deletions_leave_room_for_creates(self):
        shown = tuple(machine(n, f"g-{n}") for n in range(30))
        scene = Scene(group(max_size=50), shown=shown)
        scene.retire(*(node(n, f"g-{n}") for n in range(30)))
        sent = [each for each in scene.plan() if isinstance(each, requests.Delete)]
        assert len(sent) == 16
        scene.deleted(sent[0].key)
        assert len([each for each in scene.plan() if isinstance(each, requests.Delete)]) == 1


class TestReturned:
    def test_a_ghost_is_deleted_again_and_never_counts(self):
        scene = one_deleted()
        scene.now += SETTLE_S + 1
        scene.listed()
        scene.listed()
        scene.listed(machine(1, "g-1"))
        assert scene.target() == 0
        assert requests.Delete("a", "g-1", "1") in scene.plan()

    def test_a_ghost_that_is_going_already_is_left_to_go(self):
        scene = one_deleted()
        scene.now += SETTLE_S + 1
        scene.listed()
        scene.listed()
        scene.listed(machine(1, "g-1", state=DELETING))
        assert not scene.fleet.retired
        assert scene.target() == 0

    def test_a_machine_that_was_lost_and_is_back_is_a_member_again(self):
        scene = Scene(shown=(machine(1, "g-1"),))
        scene.listed()
        scene.plan()
        scene.missing_looked_up("sky://1", None)
        assert scene.target() == 0
        scene.listed(machine(1, "g-1"))
        assert scene.names() == ["g-1"]

    def test_the_ghost_of_a_surplus_machine_does_not_take_the_other_along(self):
        scene = Scene()
        (name,) = scene.grow(1)
        scene.plan()
        first, second = machine(1, name, created_at=5.0), machine(2, name, created_at=9.0)
        scene.ordered(name, first)
        scene.listed(first, second)
        scene.now += SETTLE_S
        scene.listed(first, second)
        scene.plan()
        scene.deleted("sky://2")
        scene.now += SETTLE_S + 1
        scene.listed(first)
        scene.listed(first)
        assert not scene.fleet.retired
        scene.listed(first, second)
        assert scene.names() == [name]
        assert scene.member(name).instance == first
        assert list(scene.fleet.retired) == ["sky://2"]

    def test_memories_are_bounded(self):
        scene = Scene()
        gone = {
            f"g-{n}": state.Gone("g", terminated=True) for n in range(listing.GONE_REMEMBERED + 7)
        }
        scene.fleet = dataclasses.replace(scene.fleet, gone=gone)
        scene.listed()
        assert len(scene.fleet.gone) == listing.GONE_REMEMBERED
        assert "g-0" not in scene.fleet.gone


class TestTwoLoginsIntoOneProject:
    def accounts(self):
        return (account("a"), account("b"))

    def test_a_machine_counts_once_and_is_deleted_once(self):
        shown = (machine(1, "g-1"),)
        scene = Scene(group("g", "a"), group("h", "b"), accounts=self.accounts(), shown=shown)
        scene.listed(*shown, account="b")
        assert scene.target() == 1
        scene.retire(node(1, "g-1"))
        sent = [each for each in scene.plan() if isinstance(each, requests.Delete)]
        assert sent == [requests.Delete("a", "g-1", "1")]

    def test_it_is_not_forgotten_while_the_other_login_shows_it(self):
        shown = (machine(1, "g-1"),)
        scene = Scene(group("g", "a"), group("h", "b"), accounts=self.accounts(), shown=shown)
        scene.listed(*shown, account="b")
        scene.retire(node(1, "g-1"))
        scene.plan()
        scene.deleted("g-1")
        # Later than the settling time, or the listings that lack it would prove nothing anyway.
        scene.now += SETTLE_S + 3
        for _ in range(3):
            scene.listed(account="a", begun_at=scene.now - 1)
            scene.listed(*shown, account="b")
            assert scene.target() == 0
        assert "g-1" in scene.fleet.retired
        scene.plan()
        scene.deleted("g-1")
        scene.now += SETTLE_S + 1
        scene.listed(account="b")
        scene.listed(account="a")
        scene.listed(account="a")
        assert "g-1" not in scene.fleet.retired

    def test_a_newer_listing_overrules_what_the_other_login_showed_before(self):
        shown = (machine(1, "g-1"),)
        scene = Scene(group("g", "a"), group("h", "b"), accounts=self.accounts(), shown=shown)
        scene.listed(*shown, account="b")
        scene.listed(machine(1, "g-1", state=DELETING))
        assert scene.target() == 0
        scene.now += 1
        scene.listed()
        assert scene.target() == 0
        assert not scene.fleet.missing

    def test_a_machine_that_one_login_no_longer_shows_is_looked_up(self):
        shown = (machine(1, "g-1"),)
        scene = Scene(group("g", "a"), group("h", "b"), accounts=self.accounts(), shown=shown)
        scene.listed(*shown, account="b")
        scene.now += 1
        scene.listed()
        assert scene.names() == ["g-1"]
        assert requests.LookUpMissing("a", shown[0]) in scene.plan()
        scene.missing_looked_up("sky://1", None)
        assert scene.target() == 0


def test_nameless_machines_do_not_stand_for_each_other():
    scene = Scene(group(any_node_name=True), shown=(machine(1, ""), machine(2, "")))
    scene.retire(node(1, "x"))
    scene.plan()
    scene.deleted("sky://1")
    scene.now += SETTLE_S + 1
    scene.listed(machine(2, ""))
    scene.listed(machine(2, ""))
    assert not scene.fleet.retired
    assert scene.names() == ["sky://2"]


def test_a_missing_machine_is_deleted_through_the_login_that_showed_it():
    accounts = (account("a"), account("b"))
    scene = Scene(group("g", "a"), accounts=accounts, shown=(machine(1, "g-1"),))
    scene.listed()
    scene.configure(group("g", "b"))
    scene.retire(node(1, "g-1"))
    assert scene.fleet.retired["g-1"].account == "a"
    assert view.target(scene.fleet, "g") == 0
