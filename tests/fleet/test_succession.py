"""Who stands by asks for nothing that changes something; who takes over begins anew."""

from __future__ import annotations

from externalgrpc import fleet as fleets
from externalgrpc.fleet import dispatch, proof, requests, state, view
from tests.fleet import scene

WRITES = (requests.Create, requests.Delete, requests.Finish, requests.Mark, requests.Tidy)


def standing_by(*machines: object, **how: object) -> scene.Scene:
    there = scene.Scene(shown=tuple(machines), **how)  # type: ignore[arg-type]
    there.fleet = fleets.stand_by(there.fleet, "the Lease is held by pod-2")
    return there


def take_over(there: scene.Scene) -> None:
    there.fleet = fleets.take_over(there.fleet, now=there.now, unix_now=there.now)


def test_wishes_are_held_and_nothing_is_sent() -> None:
    there = standing_by(scene.machine(1, "g-1"), scene.machine(2, "g-2"))
    (name,) = there.grow()
    there.retire(scene.node(1, "g-1"))
    there.now += 30.0
    asked = there.plan()
    assert asked, "it goes on listing"
    assert not [each for each in asked if isinstance(each, WRITES)]
    assert there.launch(name).phase is state.Phase.HELD
    said = dispatch.unknown(there.fleet, there.fleet.accounts["a"])
    assert said == "this server stands by: the Lease is held by pod-2"


def test_who_takes_over_sends_what_was_wished_after_a_settling_time() -> None:
    there = standing_by(scene.machine(1, "g-1"), scene.machine(2, "g-2"))
    (name,) = there.grow()
    there.retire(scene.node(1, "g-1"))
    there.now += 20.0
    take_over(there)
    assert there.names() == ["g-2", name], "what was seen counts at once"
    assert [each.key for each in there.plan() if isinstance(each, requests.Delete)] == ["g-1"]
    there.listed(scene.machine(1, "g-1"), scene.machine(2, "g-2"))
    assert not there.creates(), "what the other ordered last may still land"
    there.now += scene.SETTLE_S - 1.0
    there.listed(scene.machine(2, "g-2"))
    assert not there.creates()
    there.now += 1.0
    there.listed(scene.machine(2, "g-2"))
    assert [each.name for each in there.creates()] == [name]


def test_an_old_listing_does_not_settle_who_takes_over() -> None:
    """It began long ago, before the other sent its last orders."""
    there = standing_by(scene.machine(1, "g-1"))
    there.now += 10 * scene.SETTLE_S
    there.grow()
    take_over(there)
    assert not there.fleet.accounts["a"].settled
    assert there.fleet.accounts["a"].listed_at == state.NEVER, "it is listed at once"
    assert not there.creates()


def test_what_the_other_ordered_and_let_go_is_neither_strange_nor_missing() -> None:
    there = standing_by(
        scene.machine(1, "g-1"), identity=scene.IDENTITY, nodes={}, started_at=100.0
    )
    there.now += 500.0
    young = scene.unjoined(2, "g-2", created_at=there.now)
    there.listed(young)
    account = there.fleet.accounts["a"]
    assert not proof.is_strange(there.fleet, young, account)
    assert there.fleet.missing, "one went, at whose word this server cannot know"
    take_over(there)
    assert not there.fleet.missing
    assert there.fleet.started_at == there.now
    assert not proof.is_strange(there.fleet, young, there.fleet.accounts["a"])
    assert [each.name for each in view.members(there.fleet, "g")] == ["g-2"]


def test_an_order_that_was_sent_is_not_sent_again_by_who_takes_over() -> None:
    """A process leads once; should this one have sent something, it is another's by now."""
    there = scene.Scene()
    (name,) = there.grow()
    assert there.creates()
    there.fleet = fleets.stand_by(there.fleet, "away")
    take_over(there)
    assert name not in there.fleet.launches


def test_standing_by_is_noted_once() -> None:
    there = scene.Scene()
    once = fleets.stand_by(there.fleet, "why")
    assert fleets.stand_by(once, "why") is once
    assert fleets.stand_by(once, "").standby == ""
