"""Labels can be edited: one machine's key, failure, order or end is never taken for another's."""

from __future__ import annotations

import dataclasses

import pytest

from externalgrpc.fleet import joins, journeys, registering, view
from providers import contract, errors
from tests.fleet.scene import (
    CREATING,
    DELETING,
    IDENTITY,
    RUNNING,
    SETTLE_S,
    Scene,
    account,
    group,
    machine,
    node,
    placeholder,
    unjoined,
)

BORN = 100.0
LATE = 100_000.0


def known(*groups_, shown: tuple[contract.Instance, ...]) -> Scene:
    return Scene(
        *(groups_ or (group(),)),
        accounts=(account(marking=True),),
        identity=IDENTITY,
        nodes={},
        shown=shown,
    )


def test_one_name_in_two_groups_is_one_key_for_every_reader() -> None:
    elder = machine(1, "g-1", identity=IDENTITY)
    younger = machine(2, "g-1", group="h", identity=IDENTITY, created_at=2.0)
    scene = known(group("g"), group("h"), shown=(elder, younger))
    for name in ("g", "h"):
        for member in view.members(scene.fleet, name):
            assert view.whose(scene.fleet, member.provider_id) == (name, member.name)
            assert view.find(scene.fleet, name, member.name) == member
    assert scene.names("h") == ["sky://2"]


def test_a_failure_does_not_pass_with_the_name() -> None:
    bad = unjoined(1, "g-1", created_at=BORN)
    good = machine(2, "g-1", identity=IDENTITY, created_at=BORN + 1)
    scene = known(shown=(bad, good))
    ready = journeys.NodeObservation(name="g-2", provider_id="sky://2", node_at=BORN, ready_at=BORN)
    sights = {"g-2": ready, "sky://2": ready}
    scene.fleet = joins.judge(scene.fleet, {}, now=scene.now, unix_now=LATE)
    assert scene.member("g-1").failure
    scene.listed(good)
    scene.fleet = dataclasses.replace(scene.fleet, missing={})
    assert scene.names() == ["g-1"], "the name is the other's key now"
    assert scene.member("g-1").failure is None
    scene.now += 10_000.0
    assert not joins.overdue(scene.fleet, scene.now, patience_s=1.0)
    scene.fleet = joins.judge(scene.fleet, sights, now=scene.now, unix_now=LATE)
    assert scene.fleet.journeys["g-1"].provider_id == "sky://2"
    assert scene.fleet.unjoined["g-1"].provider_id == "sky://2"


def test_what_was_let_go_stays_so_under_another_name() -> None:
    scene = known(shown=(machine(1, "g-1", identity=IDENTITY),))
    scene.fleet = registering.register(
        scene.fleet, {"sky://1": "g-1"}, now=scene.now, unix_now=scene.now
    )
    scene.retire(node(1, "g-1"))
    scene.listed(machine(1, "g-9", identity=IDENTITY))
    assert scene.target() == 0
    assert [each.id for each in view.leaving(scene.fleet, "g")] == ["1"]
    assert view.whose(scene.fleet, "sky://1") is None


def test_the_machine_of_one_order_is_no_double_of_another() -> None:
    scene = Scene(started_at=500.0)
    first, second = scene.grow(2)
    scene.creates()
    one = machine(1, first, created_at=scene.now)
    other = machine(2, second, created_at=scene.now + 1)
    scene.ordered(first, one)
    scene.ordered(second, other)
    scene.listed(one, other)
    for _ in range(4):
        scene.now += SETTLE_S + 1
        scene.listed(one, dataclasses.replace(other, node_name=first))
    assert not scene.fleet.retired
    assert scene.target() == 2


@pytest.mark.parametrize("let_go", [False, True])
def test_what_may_be_the_machine_of_an_order_under_way_is_no_double_of_another(let_go) -> None:
    """Seed 1398: an API gave all machines one name while the answer of a create took its time."""
    scene = Scene(started_at=500.0)
    first, second = scene.grow(2)
    scene.creates()
    one = machine(1, first, created_at=scene.now, unjoined=True)
    scene.ordered(first, one)
    scene.listed(one)
    if let_go:
        scene.retire(node(1, first))
    for _ in range(4):
        scene.listed(one, machine(2, first, created_at=scene.now, unjoined=True))
        scene.now += SETTLE_S + 1
    assert set(scene.fleet.retired) == ({first} if let_go else set())
    scene.ordered(second, machine(2, second, created_at=scene.now, unjoined=True))
    scene.listed(one, machine(2, first, created_at=scene.now, unjoined=True))
    assert set(scene.fleet.retired) == ({first} if let_go else set())
    assert scene.target() == (1 if let_go else 2)


def test_it_is_one_once_every_order_that_it_may_be_of_has_its_own() -> None:
    scene = Scene(started_at=500.0)
    first, second = scene.grow(2)
    scene.creates()
    one = machine(1, first, created_at=scene.now)
    scene.ordered(first, one)
    two = machine(2, first, created_at=scene.now)
    scene.listed(one, two)
    scene.now += SETTLE_S + 1
    scene.listed(one, two)
    assert not scene.fleet.retired
    scene.ordered(second, machine(3, second, created_at=scene.now))
    (third,) = scene.grow()
    assert scene.creates()
    scene.listed(one, two, machine(3, second, created_at=scene.now))
    assert set(scene.fleet.retired) == {"sky://2"}, f"{third} was asked for later"


@pytest.mark.parametrize("flickers", [False, True])
@pytest.mark.parametrize("let_go", [False, True])
def test_it_is_none_where_an_order_that_it_may_be_of_ends_without_a_machine(
    let_go, flickers
) -> None:
    """Its answer was lost, and somebody gave its machine the name of another order."""
    scene = Scene(started_at=500.0)
    first, second = scene.grow(2)
    scene.creates()
    one = machine(1, first, created_at=scene.now)
    renamed = machine(2, first, created_at=scene.now)
    scene.ordered(first, one)
    scene.ordered(second, errors.Unreachable("cut"))
    scene.listed(one, renamed)
    if let_go:
        scene.retire(placeholder(second))
    for _ in range(3):
        scene.now += SETTLE_S + 1
        scene.listed(one, renamed)
        scene.plan()
    scene.looked_up(second, None)
    assert second not in scene.fleet.retired
    assert let_go or not scene.fleet.launches[second].may_land
    if flickers:
        scene.now += 5
        scene.listed(one)
    for _ in range(3):
        scene.now += SETTLE_S + 1
        scene.listed(one, renamed)
    assert not scene.fleet.retired
    assert scene.target() == (2 if let_go else 3), "what is sent again counts, and what is there"


def test_the_machine_of_one_order_is_not_taken_for_that_of_another() -> None:
    scene = Scene()
    first, second = scene.grow(2)
    scene.creates()
    one = machine(1, first, created_at=scene.now)
    scene.ordered(first, one)
    scene.listed(one)
    for _ in range(3):
        scene.now += 1
        scene.listed(dataclasses.replace(one, node_name=second))
    assert scene.fleet.minted == {first: "sky://1", second: ""}


@pytest.mark.parametrize("let_go", [False, True])
def test_what_was_seen_under_another_name_and_is_missing_counts_once_when_its_order_is_known(
    let_go,
):
    """Seed 829: it stood in Nodes twice."""
    scene = Scene()
    (name,) = scene.grow(1)
    scene.creates()
    made = machine(1, name, created_at=scene.now)
    scene.listed(dataclasses.replace(made, node_name="g-other"))
    scene.listed()
    assert scene.target() == 2
    if let_go:
        scene.retire(placeholder(name))
    scene.ordered(name, made)
    assert scene.target() == (0 if let_go else 1)
    assert [each.provider_id for each in view.members(scene.fleet, "g")] == (
        [] if let_go else ["sky://1"]
    )


def test_what_was_seen_under_another_name_counts_once_when_it_is_missing_after_the_answer() -> None:
    """A soak's second day: the listing came before the answer, and the next one lacked it."""
    scene = Scene()
    (name,) = scene.grow(1)
    scene.creates()
    made = machine(1, name, created_at=scene.now, state=CREATING)
    scene.listed(dataclasses.replace(made, node_name="g-other"))
    scene.ordered(name, made)
    scene.listed()
    assert [each.provider_id for each in view.members(scene.fleet, "g")] == ["sky://1"]


def test_an_order_goes_with_its_machine_though_an_older_one_has_its_name_for_a_key() -> None:
    """Seed 902: the order stayed, and counted again when its machine was shown as going."""
    scene = Scene()
    (name,) = scene.grow(1)
    scene.creates()
    made = machine(2, name, created_at=scene.now, state=CREATING)
    scene.ordered(name, made)
    older = machine(1, name, created_at=1.0)
    scene.listed(older, made)
    assert scene.retire(node(2, fake=True)) == ("sky://2",)
    assert scene.target() == 1
    assert not scene.fleet.launches
    scene.listed(older, dataclasses.replace(made, state=DELETING))
    assert [each.provider_id for each in view.members(scene.fleet, "g")] == ["sky://1"]


def test_without_a_cluster_what_ca_shows_of_an_unlisted_order_that_was_let_go_is_noted() -> None:
    scene = Scene()
    (name,) = scene.grow(1)
    scene.creates()
    scene.retire(placeholder(name))
    scene.ordered(name, machine(1, name, state=RUNNING))
    assert registering.claim(scene.fleet, "sky://1", name).news
    scene.register("sky://1", name=name)
    scene.plan()
    assert not scene.fleet.retired
    scene.listed(machine(1, name, state=RUNNING))
    assert scene.names() == [name]


def test_all_that_was_let_go_and_is_shown_again_under_one_name_goes_again() -> None:
    """A soak's fourth day: one of them was retired again, the others were members."""
    scene = known(shown=tuple(machine(each, f"g-{each}", identity=IDENTITY) for each in (1, 2, 3)))
    scene.register("sky://1", name="g-1")
    scene.register("sky://2", name="g-2")
    scene.register("sky://3", name="g-3")
    scene.retire(node(1, "g-1"), node(2, "g-2"), node(3, "g-3"))
    for name in ("g-1", "g-2", "g-3"):
        scene.plan()
        scene.deleted(name)
    for _ in range(3):
        scene.now += SETTLE_S + 1
        scene.listed()
    assert not scene.fleet.retired
    scene.listed(*(machine(each, "g-2", identity=IDENTITY) for each in (1, 2, 3)))
    assert scene.target() == 0
    assert {each.provider_id for each in scene.fleet.retired.values()} == {
        "sky://1",
        "sky://2",
        "sky://3",
    }
    assert len(scene.fleet.retired) == 3
