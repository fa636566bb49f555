"""What was retired because it never was a node is spared once it is one."""

from __future__ import annotations

import dataclasses

import pytest

from externalgrpc import fleet as fleets
from externalgrpc.fleet import registering, requests, sparing, state, view
from externalgrpc.model import fleet_errors
from providers import contract, errors
from tests.fleet.scene import (
    IDENTITY,
    SETTLE_S,
    Scene,
    account,
    group,
    machine,
    node,
    placeholder,
    unjoined,
)


class Ours(Scene):
    """A cluster with an identity, whose Nodes are known."""

    def __init__(self, *shown: contract.Instance, of=None) -> None:
        super().__init__(
            of or group(),
            accounts=(account(marking=True),),
            identity=IDENTITY,
            nodes={},
            shown=shown,
        )

    def see(self, **nodes: str) -> None:
        seen = {
            name.replace("_", "-"): state.Seen(each, ready=True) for name, each in nodes.items()
        }
        self.fleet = registering.see_nodes(self.fleet, seen, now=self.now, unix_now=self.now)

    def accepted(self, number: int) -> tuple[str, contract.Instance]:
        """Order one machine; no listing shows it yet."""
        (name,) = self.grow(1)
        self.creates()
        made = unjoined(number, name, created_at=self.now)
        self.ordered(name, made)
        return name, made

    def deletes(self) -> list[str]:
        return [each.key for each in self.plan() if isinstance(each, requests.Delete)]


def test_a_machine_that_joins_while_the_cloud_takes_no_deletion_is_spared() -> None:
    scene = Ours()
    name, made = scene.accepted(1)
    scene.listed(made)
    scene.retire(node(1, fake=True))
    assert scene.deletes() == [name]
    scene.deleted(name, errors.Unreachable("503"))
    scene.see(**{name: "sky://1"})
    assert sparing.is_spared(scene.fleet, name)
    scene.now += SETTLE_S
    assert scene.deletes() == []
    scene.listed(made)
    assert scene.deletes() == []
    assert scene.names() == [name], "it counts again"
    assert view.whose(scene.fleet, "sky://1") == ("g", name)


def test_what_ca_drained_goes_whatever_its_node_says() -> None:
    own = machine(1, "g-1", identity=IDENTITY)
    scene = Ours(own)
    scene.see(g_1="sky://1")
    scene.retire(node(1, "g-1"))
    for _ in range(5):
        assert scene.deletes() == ["g-1"]
        scene.deleted("g-1", errors.Unreachable("503"))
        scene.now += SETTLE_S
        scene.listed(own)
    assert scene.deletes() == ["g-1"]
    scene.deleted("g-1")
    for _ in range(2):
        scene.now += SETTLE_S + 1
        scene.listed()
    assert not scene.fleet.retired
    scene.listed(own)
    assert scene.deletes() == ["g-1"], "that very machine, shown again by a cloud that lists late"


def test_what_comes_back_as_a_node_stays() -> None:
    scene = Ours()
    name, made = scene.accepted(1)
    scene.listed(made)
    scene.retire(node(1, fake=True))
    assert scene.deletes() == [name]
    scene.deleted(name)
    for _ in range(2):
        scene.now += SETTLE_S + 1
        scene.listed()
    scene.see(**{name: "sky://1"})
    scene.listed(made)
    assert scene.names() == [name], "it is not retired again"
    assert scene.deletes() == []


def test_a_withdrawn_order_whose_machine_became_a_node_is_spared() -> None:
    scene = Ours()
    (name,) = scene.grow(1)
    scene.creates()
    scene.retire(placeholder(name))
    scene.ordered(name, errors.Unreachable("the answer is lost"))
    scene.see(**{name: "sky://1"})
    scene.now += SETTLE_S + 1
    scene.listed(unjoined(1, name, created_at=scene.now))
    assert scene.deletes() == []
    assert [each.provider_id for each in view.members(scene.fleet, "g")] == ["sky://1"]


@pytest.mark.parametrize("answer", [None, errors.OutOfStock("start failed"), errors.BadOrder("no")])
def test_an_order_is_not_given_up_while_its_node_is_ready(answer) -> None:
    scene = Ours()
    name, _ = scene.accepted(1)
    scene.see(**{name: "sky://1"})
    scene.now += SETTLE_S + 1
    scene.listed()
    scene.plan()
    scene.looked_up(name, answer)
    assert not scene.fleet.retired
    assert scene.names() == [name], "and nothing is ordered in its place"


@pytest.mark.parametrize("answer", [None, errors.OutOfStock("start failed")])
def test_without_a_node_it_is(answer) -> None:
    scene = Ours()
    name, _ = scene.accepted(1)
    scene.now += SETTLE_S + 1
    scene.listed()
    scene.plan()
    scene.looked_up(name, answer)
    assert set(scene.fleet.retired) == {name}


def test_ca_is_not_believed_about_an_order_whose_node_came_before_its_listing() -> None:
    scene = Ours()
    name, made = scene.accepted(1)
    scene.see(**{name: "sky://1"})
    scene.retire(node(1, fake=True))
    scene.retire(placeholder(name))
    assert not scene.fleet.retired
    scene.listed(made)
    assert scene.names() == [name]


def test_ca_is_not_believed_before_anybody_has_seen_the_nodes() -> None:
    scene = Ours(unjoined(1, "g-1"))
    scene.fleet = dataclasses.replace(scene.fleet, nodes=None)
    scene.retire(node(1, fake=True))
    assert not scene.fleet.retired


class TestLiars:
    """A Node that claims the machine of an order which no listing shows yet."""

    @pytest.mark.parametrize("own_node", [False, True])
    def test_by_the_id_that_it_guessed(self, own_node) -> None:
        scene = Ours(machine(3, "g-3", identity=IDENTITY))
        name, made = scene.accepted(9)
        scene.see(g_3="sky://9", **({name: "sky://9"} if own_node else {}))
        with pytest.raises(fleet_errors.NotOurs):
            scene.retire(node(9, "g-3"))
        assert registering.contradicts(scene.fleet, "sky://9", "g-3")
        scene.register("sky://9", name="g-3")
        assert "sky://9" not in scene.fleet.registered
        assert not scene.fleet.retired
        scene.listed(machine(3, "g-3", identity=IDENTITY), made)
        assert name in scene.names()

    @pytest.mark.parametrize("any_name", [False, True])
    def test_by_the_id_that_stands_for_it(self, any_name) -> None:
        of = group(any_node_name=any_name)
        scene = Ours(machine(3, "g-3", identity=IDENTITY), of=of)
        (name,) = scene.grow(1)
        held = f"sky://launching/{name}"
        with pytest.raises(fleet_errors.NotOurs):
            scene.retire(fleets.NodeRef(provider_id=held, name="g-3"))
        assert name in scene.fleet.launches
        assert registering.contradicts(scene.fleet, held, "g-3")
        assert not registering.claim(scene.fleet, held, "g-3").news

    def test_the_id_of_one_that_a_listing_lacks(self) -> None:
        scene = Ours(machine(1, "g-1", identity=IDENTITY))
        scene.listed()
        assert "sky://1" in scene.fleet.missing
        assert registering.contradicts(scene.fleet, "sky://1", "g-3")
        assert not registering.contradicts(scene.fleet, "sky://1", "g-1")
