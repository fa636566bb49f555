"""Groups that are VPSNode objects: held, paused, being deleted, and not known yet at a start."""

from __future__ import annotations

import dataclasses

import pytest

from externalgrpc import fleet as fleets
from externalgrpc.control import cloud_calls
from externalgrpc.fleet import dispatch, notnow, requests, state, view
from externalgrpc.model import fleet_errors
from providers import errors
from tests.fleet.scene import Scene, group, machine, node

WAITS = "the VPSNodes of the cluster could not be listed yet"


def sent(scene: Scene) -> list[str]:
    return [each.name for each in scene.plan() if isinstance(each, requests.Create)]


class TestNotKnownYet:
    def scene(self) -> Scene:
        scene = Scene(group("g"), shown=(machine(1, "g-1"), machine(2, "web-1", "web")))
        scene.fleet = fleets.await_groups(scene.fleet, WAITS)
        return scene

    def test_nothing_is_served_and_no_machine_is_an_orphan(self):
        scene = self.scene()
        assert view.served(scene.fleet) == ()
        assert view.orphans(scene.fleet) == ()
        scene.fleet = fleets.await_groups(scene.fleet, "")
        assert [each.name for each in view.served(scene.fleet)] == ["g"]
        assert [each.node_name for each in view.orphans(scene.fleet)] == ["web-1"]

    def test_no_growth_is_taken_and_what_was_is_not_sent(self):
        scene = Scene(group("g"))
        scene.grow(1)
        scene.fleet = fleets.await_groups(scene.fleet, WAITS)
        assert sent(scene) == []
        assert dispatch.unknown(scene.fleet, scene.fleet.accounts["a"]) == WAITS
        with pytest.raises(fleet_errors.NotReady, match="could not be listed"):
            scene.grow(1)
        scene.fleet = fleets.await_groups(scene.fleet, "")
        assert len(sent(scene)) == 1

    def test_groups_that_come_before_the_word_have_their_machines(self):
        scene = self.scene()
        scene.configure(group("g"), group("web"))
        scene.fleet = fleets.await_groups(scene.fleet, "")
        assert view.target(scene.fleet, "web") == 1
        assert view.orphans(scene.fleet) == ()


class TestHold:
    HELD = "its finalizer is not written yet"

    def test_a_growth_counts_and_its_order_waits(self):
        scene = Scene(group(hold=self.HELD))
        (name,) = scene.grow(1)
        assert view.target(scene.fleet, "g") == 1
        assert sent(scene) == []
        scene.configure(group())
        assert sent(scene) == [name]

    def test_one_that_waits_too_long_fails_with_the_reason(self):
        scene = Scene(group(hold=self.HELD))
        (name,) = scene.grow(1)
        scene.now += 901
        scene.plan()
        failure = scene.fleet.launches[name].failure
        assert failure is not None
        assert self.HELD in failure.message

    def test_strikes_outlive_what_is_not_about_the_machines(self):
        scene = Scene(group())
        scene.fleet = dataclasses.replace(scene.fleet, strikes={"g": state.Strikes(3, 1.0)})
        scene.configure(group(hold=self.HELD, paused=True))
        assert "g" in scene.fleet.strikes


class TestPaused:
    def test_the_shown_maximum_is_the_target(self):
        scene = Scene(group(min_size=3, paused=True), shown=(machine(1, "g-1"),))
        assert notnow.bounds(scene.fleet, "g") == (1, 1)
        said = notnow.why(scene.fleet, "g")
        assert said is not None
        assert said.code == "Paused"

    def test_no_other_group_is_paused(self):
        scene = Scene(group("g", paused=True), group("h"))
        assert notnow.why(scene.fleet, "h") is None


@pytest.mark.parametrize("policy", ["WaitForEmpty", "Orphan"])
class TestDeletion:
    def test_it_shrinks_and_never_grows(self, policy):
        scene = Scene(
            group(deletion=policy, max_size=9), shown=(machine(1, "g-1"), machine(2, "g-2"))
        )
        assert notnow.bounds(scene.fleet, "g") == (0, 2)
        with pytest.raises(fleet_errors.OutOfBounds, match="being deleted"):
            scene.grow(1)
        scene.retire(node(1, "g-1"))
        assert notnow.bounds(scene.fleet, "g") == (0, 1)

    def test_what_was_not_sent_is_withdrawn(self, policy):
        scene = Scene(group(hold="x"))
        scene.grow(2)
        scene.configure(group(deletion=policy))
        scene.plan()
        assert view.target(scene.fleet, "g") == 0

    def test_what_waits_for_its_turn_is_not_sent(self, policy):
        scene = Scene(group())
        scene.grow(1)
        (create,) = scene.creates()
        waiting = cloud_calls.of(create)
        assert waiting.not_wanted(scene.fleet) == ""
        scene.configure(group(hold="no finalizer yet"))
        assert waiting.not_wanted(scene.fleet) == "no finalizer yet"
        scene.configure(group(deletion=policy))
        assert "being deleted" in waiting.not_wanted(scene.fleet)
        scene.ordered(create.name, errors.Throttled("not sent: its VPSNode is being deleted"))
        scene.plan()
        assert view.target(scene.fleet, "g") == 0

    def test_it_is_never_forgotten_while_the_object_is_there(self, policy):
        """After a restart its account may not have been listed yet: it looks empty, and is not."""
        scene = Scene(group(deletion=policy), settled=False)
        assert "g" in scene.fleet.groups
        scene.listed(machine(1, "g-1"))
        assert view.target(scene.fleet, "g") == 1
        assert view.orphans(scene.fleet) == ()


class TestGone:
    def test_orphaned_machines_are_reported_at_once(self):
        scene = Scene(group("g"), group("h"), shown=(machine(1, "g-1"),))
        scene.configure(group("g", deletion="Orphan"), group("h"))
        scene.configure(group("h"))
        assert "g" not in scene.fleet.groups
        assert [each.node_name for each in view.orphans(scene.fleet)] == ["g-1"]
        assert view.whose(scene.fleet, "sky://1") is None

    def test_not_while_something_of_it_is_in_the_air(self):
        scene = Scene(group("g"), group("h"))
        scene.grow(1)
        assert len(sent(scene)) == 1
        scene.configure(group("g", deletion="Orphan"), group("h"))
        scene.configure(group("h"))
        assert scene.fleet.groups["g"].departed

    def test_one_that_waited_is_kept_as_any_other(self):
        scene = Scene(group("g"), group("h"), shown=(machine(1, "g-1"),))
        scene.configure(group("g", deletion="WaitForEmpty"), group("h"))
        scene.configure(group("h"))
        assert scene.fleet.groups["g"].departed
