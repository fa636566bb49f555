"""What a person made ours counts as any member, and goes on the autoscaler's word alone."""

from __future__ import annotations

import pytest

from externalgrpc.fleet import joins, proof, registering, requests, state, view
from externalgrpc.fleet import journeys as ways
from tests.fleet.scene import (
    IDENTITY,
    SETTLE_S,
    STOPPED,
    Scene,
    account,
    group,
    machine,
    node,
)

NAME = "pool1-5f3a9c1e22b04d77"
LONG_S = 100_000.0


def adopted(number: int = 1, name: str = NAME, **fields):
    return machine(number, name, identity=IDENTITY, adopted=True, **fields)


class Adopted(Scene):
    """A cluster with an identity whose server has run for long, and then sees a machine more."""

    def __init__(self, *shown, nodes=None, **fields) -> None:
        super().__init__(
            group(**fields),
            accounts=(account(marking=True),),
            identity=IDENTITY,
            nodes={},
            started_at=10.0,
        )
        self.see(nodes if nodes is not None else {NAME: state.Seen("sky://1", ready=True)})
        self.now += LONG_S
        self.show(*shown)

    def show(self, *shown) -> None:
        self.listed(*shown)
        self.now += SETTLE_S + 1
        self.listed(*shown)

    def see(self, nodes: dict[str, state.Seen]) -> None:
        self.fleet = registering.see_nodes(self.fleet, nodes, now=self.now, unix_now=self.now)

    def deletes(self) -> list[str]:
        return [each.key for each in self.plan() if isinstance(each, requests.Delete)]


def test_the_next_listing_makes_it_a_member_whatever_its_name() -> None:
    scene = Adopted()
    assert scene.target() == 0
    scene.listed(adopted())
    assert scene.names() == [NAME]
    assert scene.target() == 1
    assert view.whose(scene.fleet, "sky://1") == ("g", NAME)
    assert not scene.fleet.quarantine


def test_the_autoscaler_deletes_it_as_any_other() -> None:
    scene = Adopted(adopted())
    scene.register("sky://1")
    assert scene.retire(node(1, NAME)) == (NAME,)
    assert scene.target() == 0
    assert scene.deletes() == [NAME]


@pytest.mark.parametrize(
    "nodes", [{}, {NAME: state.Seen("sky://1", ready=False)}, {NAME: state.Seen("", ready=True)}]
)
@pytest.mark.parametrize("fields", [{}, {"state": STOPPED}, {"created_at": LONG_S}])
def test_nothing_deletes_it_on_its_own_accord(nodes, fields) -> None:
    scene = Adopted(adopted(**fields), nodes=nodes)
    instance = adopted(**fields)
    for _ in range(5):
        scene.now += LONG_S
        sights = {
            name: ways.NodeObservation(name=name, provider_id=seen.provider_id, node_at=5.0)
            for name, seen in nodes.items()
        }
        scene.fleet = joins.judge(scene.fleet, sights, now=scene.now, unix_now=scene.now)
        scene.show(instance)
        assert not proof.never_joined(scene.fleet, instance, "a")
        assert not joins.overdue(scene.fleet, scene.now, patience_s=0.0)
        assert all(member.failure is None for member in view.members(scene.fleet, "g"))
        assert scene.deletes() == []
    assert scene.target() == 1


def test_the_autoscalers_word_that_it_never_registered_is_not_believed() -> None:
    scene = Adopted(adopted(), nodes={})
    scene.retire(node(1, fake=True))
    assert not scene.fleet.retired
    assert scene.deletes() == []
    assert scene.fleet.quarantine["sky://1"].doubt is state.Doubt.UNREGISTERED
    scene.see({NAME: state.Seen("sky://1", ready=True)})
    assert scene.names() == [NAME], "and it is one again when its Node comes"


def test_it_is_no_double_of_an_order_though_it_bears_its_name() -> None:
    scene = Adopted()
    (name,) = scene.grow()
    scene.creates()
    made = machine(1, name, identity=IDENTITY, unjoined=True, created_at=scene.now)
    scene.ordered(name, made)
    twin = adopted(2, name, created_at=scene.now)
    for _ in range(3):
        scene.show(made, twin)
        assert scene.deletes() == []
    assert {each.provider_id for each in view.members(scene.fleet, "g")} == {"sky://1", "sky://2"}


def test_a_machine_that_was_made_since_the_start_and_adopted_is_no_second_servers() -> None:
    made = machine(1, NAME, identity=IDENTITY, created_at=LONG_S)
    scene = Adopted(adopted(created_at=LONG_S))
    own = scene.fleet.accounts["a"]
    assert proof.is_strange(scene.fleet, made, own)
    assert not proof.is_strange(scene.fleet, adopted(created_at=LONG_S), own)


def test_one_that_is_let_go_while_we_run_is_neither_deleted_nor_replaced_while_its_node_reports():
    scene = Adopted(adopted(), min_size=1)
    scene.register("sky://1")
    scene.show()
    for _ in range(5):
        assert scene.deletes() == []
        scene.missing_looked_up("sky://1", None)
        scene.now += LONG_S
        scene.listed()
        assert scene.target() == 1
    assert not scene.fleet.gone


def test_it_is_nothing_that_a_process_before_us_ordered() -> None:
    there = Scene(
        settled=False,
        identity=IDENTITY,
        nodes={NAME: state.Seen("sky://1", ready=True)},
        accounts=(account(marking=True),),
    )
    there.listed()
    there.grow()
    there.now += 10
    there.listed(adopted())
    assert there.target() == 2
