"""What bounds orders: surge, the rate of orders, a renamed cluster; and what is cleared up."""

from __future__ import annotations

import dataclasses

import pytest

from externalgrpc.fleet import neighbours, notnow, requests, surge, tidying, wishes
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
)


def full(size: int, **fields) -> Scene:
    shown = tuple(machine(n, f"g-{n}") for n in range(size))
    return Scene(group(max_size=size, **fields), shown=shown)


@pytest.mark.parametrize(
    ("size", "more"), [(0, 2), (1, 2), (8, 2), (9, 3), (12, 3), (100, 25), (101, 26)]
)
def test_the_usual_surge_is_two_or_a_quarter(size, more) -> None:
    assert group(max_size=size).most_machines == size + more


def test_growth_is_accepted_and_its_orders_wait_for_deletions() -> None:
    scene = full(4)
    for number in range(4):
        scene.retire(node(number, f"g-{number}"))
    assert len(scene.grow(4)) == 4, "it is not refused for what is being deleted"
    assert len(scene.creates()) == 2, "four stand still, and six may"
    assert scene.creates() == []
    for number in range(4):
        scene.deleted(f"g-{number}")
    scene.now += 1
    scene.listed()
    assert len(scene.creates()) == 2


def test_surge_is_the_operators() -> None:
    scene = full(4, surge=0)
    scene.retire(node(0, "g-0"))
    scene.grow(1)
    assert scene.creates() == []


def test_a_deletion_that_does_not_get_on_holds_ten_minutes_and_no_longer() -> None:
    scene = full(1, surge=0)
    scene.retire(node(0, "g-0"))
    scene.grow(1)
    assert scene.creates() == []
    scene.now += surge.STUCK_S - 1
    assert scene.creates() == []
    scene.now += 1
    assert len(scene.creates()) == 1


def test_what_may_land_counts_though_nobody_shows_it() -> None:
    scene = Scene(group(max_size=2, surge=0))
    names = scene.grow(2)
    scene.creates()
    scene.ordered(names[0], machine(1, names[0], state=CREATING))
    scene.fleet, _ = wishes.retire(
        scene.fleet, "g", [node(1, fake=True)], now=scene.now, unix_now=scene.now
    )
    scene.grow(1)
    assert scene.creates() == []


def test_so_many_orders_an_hour_and_no_more() -> None:
    scene = Scene(group(max_size=50), accounts=(account(max_orders_per_hour=3, hands=50),))
    scene.grow(5)
    assert len(scene.creates()) == 3
    scene.plan()
    said = notnow.why(scene.fleet, "g")
    assert said.code == "OrderRate"
    assert notnow.bounds(scene.fleet, "g") == (0, 5)
    failed = [each.failure.code for each in scene.fleet.launches.values() if each.failure]
    assert failed == ["OrderRate"] * 2
    scene.now += 3601
    scene.plan()
    assert notnow.why(scene.fleet, "g") is None


def test_the_brake_that_nobody_set_leaves_room_for_all_groups_twice() -> None:
    small = Scene(group(max_size=10))
    assert notnow.most_orders(small.fleet, small.fleet.accounts["a"]) == (
        groups.DEFAULT_ORDERS_PER_HOUR
    )
    large = Scene(group("g", max_size=4000), group("h", max_size=1000))
    assert notnow.most_orders(large.fleet, large.fleet.accounts["a"]) == 10_000


class TestNeighbours:
    def scene(self) -> Scene:
        scene = Scene(accounts=(account(neighbourly=True),), identity=IDENTITY, nodes={})
        scene.fleet = dataclasses.replace(scene.fleet, cluster="prod")
        return scene

    def read(self, scene: Scene, *found: contract.Neighbour) -> None:
        scene.fleet = neighbours.read(scene.fleet, "a", found, now=scene.now)

    def test_they_are_asked_for_once_and_orders_wait_for_it(self):
        scene = self.scene()
        scene.grow(1)
        assert requests.ReadNeighbours("a") in scene.plan()
        assert scene.creates() == []
        self.read(scene, contract.Neighbour(cluster="else", identity=IDENTITY[::-1], count=3))
        assert len(scene.creates()) == 1
        scene.now += 99_999
        assert requests.ReadNeighbours("a") not in scene.plan()

    def test_one_failure_holds_nothing_up_and_it_is_asked_again(self):
        scene = self.scene()
        scene.grow(1)
        scene.plan()
        scene.fleet = neighbours.read(scene.fleet, "a", None, now=scene.now)
        assert len(scene.creates()) == 1
        scene.now += neighbours.RETRY_S
        assert requests.ReadNeighbours("a") in scene.plan()

    def test_our_own_identity_under_another_name_means_renamed(self):
        scene = self.scene()
        scene.plan()
        self.read(scene, contract.Neighbour(cluster="production", identity=IDENTITY, count=7))
        said = notnow.why(scene.fleet, "g")
        assert said.code == "ClusterRenamed"
        assert "production" in said.reason
        scene.grow(1)
        assert scene.creates() == []


class TestTidying:
    def scene(self, *shown: contract.Instance) -> Scene:
        return Scene(group("g"), group("h"), accounts=(account(tidying=True),), shown=shown)

    def tidy(self, scene: Scene) -> list[requests.Tidy]:
        return [each for each in scene.plan() if isinstance(each, requests.Tidy)]

    def leave(self, scene: Scene, number: int, *left: contract.Instance) -> None:
        scene.retire(node(number, f"g-{number}"))
        scene.plan()
        scene.deleted(f"g-{number}")
        for _ in range(2):
            scene.now += SETTLE_S + 1
            scene.listed(*left)

    def test_what_a_groups_last_machine_left_is_cleared(self):
        scene = self.scene(machine(1, "g-1"), machine(2, "g-2"))
        self.leave(scene, 1, machine(2, "g-2"))
        (tidy,) = self.tidy(scene)
        assert (tidy.groups, tidy.nodes) == (frozenset(), {"g-1"})
        scene.fleet = tidying.tidied(scene.fleet, tidy, None, now=scene.now)
        self.leave(scene, 2)
        (tidy,) = self.tidy(scene)
        assert (tidy.groups, tidy.nodes) == ({"g"}, {"g-2"})
        scene.fleet = tidying.tidied(scene.fleet, tidy, None, now=scene.now)
        assert self.tidy(scene) == []

    def test_what_a_server_that_died_did_not_clear_is_found(self):
        """No machine of it was ever seen by this process: the cloud's own listing shows it."""
        scene = Scene(accounts=(account(tidying=True, leaving=True),), shown=(machine(1, "g-1"),))
        assert requests.ReadLeftovers("a") in scene.plan()
        assert requests.ReadLeftovers("a") not in scene.plan(), "it is under way"
        (flying,) = scene.grow(1)
        result = tuple(
            contract.Leftover(kind="volume", id=str(n), name=name, group=group, node_name=name)
            for n, (group, name) in enumerate(
                [("g", "g-1"), ("g", flying), ("old", "old-7"), ("g", ""), ("older", "")]
            )
        )
        scene.fleet = tidying.found(scene.fleet, "a", result, now=scene.now)
        assert scene.fleet.accounts["a"].untidy == {("old", "old-7"), ("older", "")}
        (tidy,) = self.tidy(scene)
        assert (tidy.groups, tidy.nodes) == ({"old", "older"}, {"old-7"})
        scene.fleet = tidying.tidied(scene.fleet, tidy, None, now=scene.now)
        assert not scene.fleet.accounts["a"].untidy
        scene.now += tidying.LOOK_S - 1
        assert requests.ReadLeftovers("a") not in scene.plan()
        scene.now += 1
        assert requests.ReadLeftovers("a") in scene.plan()

    def test_a_spare_of_a_machine_that_stands_is_reported_and_stays(self):
        scene = Scene(
            accounts=(account(tidying=True, leaving=True),),
            shown=(machine(1, "g-1"), machine(2, "g-2")),
        )
        (flying,) = scene.grow(1)
        scene.retire(node(2, "g-2"))
        volume = {"kind": "volume", "group": "g", "unused": True}
        named = [("1", "g-1"), ("2", flying), ("3", "g-2"), ("4", "old-7")]
        found = [contract.Leftover(id=key, name=key, node_name=of, **volume) for key, of in named]
        used = dataclasses.replace(found[0], id="5", unused=False)
        scene.fleet = tidying.found(scene.fleet, "a", (*found, used), now=scene.now)
        held = scene.fleet.accounts["a"]
        assert held.spares == (found[0],), "an order may want its own, a deletion takes it along"
        assert held.untidy == {("g", "old-7")}
        scene.fleet = tidying.found(scene.fleet, "a", None, now=scene.now)
        assert scene.fleet.accounts["a"].spares == held.spares, "who cannot ask learns nothing"
        scene.fleet = tidying.found(scene.fleet, "a", (used,), now=scene.now)
        assert scene.fleet.accounts["a"].spares == ()

    def test_what_lies_beside_is_not_asked_for_before_listings_can_be_trusted(self):
        scene = Scene(accounts=(account(tidying=True, leaving=True),), settled=False)
        scene.listed()
        assert requests.ReadLeftovers("a") not in scene.plan()

    def test_a_group_that_grows_meanwhile_keeps_what_lies_beside(self):
        scene = Scene(accounts=(account(tidying=True, leaving=True),))
        scene.plan()
        shelf = contract.Leftover(kind="shelf", id="1", name="s", group="g")
        scene.fleet = tidying.found(scene.fleet, "a", (shelf,), now=scene.now)
        scene.grow(1)
        assert self.tidy(scene) == []

    def test_not_while_something_is_in_the_air(self):
        scene = self.scene(machine(1, "g-1"))
        self.leave(scene, 1)
        scene.grow(1)
        assert self.tidy(scene) == []

    def test_a_failure_is_tried_again_later(self):
        scene = self.scene(machine(1, "g-1"))
        self.leave(scene, 1)
        (tidy,) = self.tidy(scene)
        scene.fleet = tidying.tidied(scene.fleet, tidy, errors.Unreachable("503"), now=scene.now)
        assert self.tidy(scene) == []
        scene.now += tidying.RETRY_S
        assert self.tidy(scene) == [tidy]
