"""Few machines are gone when the cloud says so; many only when much says so."""

from __future__ import annotations

import dataclasses

import pytest

from externalgrpc.fleet import notnow, registering, requests, state, vanishing, view
from tests.fleet.scene import DELETING, IDENTITY, SETTLE_S, Scene, account, group, machine


class Many(Scene):
    """Machines that are nodes, known to the cluster or to CA alone."""

    def __init__(self, count: int, *, cluster: bool = True, **of_account) -> None:
        self.shown = [machine(n, f"g-{n}", identity=IDENTITY) for n in range(count)]
        self.names_ = [each.node_name for each in self.shown]
        super().__init__(
            group(max_size=99),
            accounts=(account(marking=True, **of_account),),
            shown=tuple(self.shown),
            identity=IDENTITY if cluster else "",
            nodes={} if cluster else None,
        )
        if cluster:
            self.see(ready=count)
        else:
            self.register(*(each.provider_id for each in self.shown))

    def see(self, *, ready: int, there: int | None = None) -> None:
        nodes = {
            each.node_name: state.Seen(each.provider_id, ready=n < ready)
            for n, each in enumerate(self.shown[:there])
        }
        self.fleet = registering.see_nodes(self.fleet, nodes, now=self.now, unix_now=self.now)

    def lose(self, count: int) -> None:
        """Let a listing lack the first ones, and their look-ups say that they are not there."""
        self.listed(*self.shown[count:])
        self.look_up()

    def look_up(self) -> int:
        asked = [each for each in self.plan() if isinstance(each, requests.LookUpMissing)]
        for each in asked:
            self.missing_looked_up(each.instance.provider_id, None)
        return len(asked)


def test_one_is_believed_when_its_node_is_not_ready_and_not_before() -> None:
    there = Many(1)
    there.lose(1)
    assert there.target() == 1
    there.see(ready=0)
    assert there.look_up() == 1, "it is looked up again as soon as its Node is silent"
    assert there.target() == 0


def test_one_whose_node_is_silent_already_is_believed_at_once() -> None:
    there = Many(2)
    there.see(ready=1)
    there.listed(there.shown[0])
    there.look_up()
    assert there.names() == ["g-0"]


def test_without_a_cluster_to_ask_few_are_believed_at_once() -> None:
    there = Many(3, cluster=False)
    there.lose(3)
    assert there.target() == 0


@pytest.mark.parametrize(("count", "lost", "large"), [(4, 4, True), (10, 4, False), (10, 5, True)])
def test_many_are_an_outage_and_nothing_is_ordered_in_their_place(count, lost, large) -> None:
    there = Many(count)
    there.see(ready=0)
    there.listed(*there.shown[lost:])
    there.look_up()
    assert (there.target() == count) == large
    said = notnow.why(there.fleet, "g")
    assert (said is not None) == large
    if large:
        assert said.code == "Outage"
        assert notnow.bounds(there.fleet, "g")[1] == count


def test_many_are_believed_after_two_look_ups_minutes_apart_while_their_nodes_are_silent() -> None:
    there = Many(6)
    there.see(ready=0)
    there.lose(6)
    assert there.target() == 6
    there.now += vanishing.APART_S - 1
    there.listed()
    assert there.look_up() == 0, "it is not asked for again before its time"
    there.now += 2
    there.listed()
    assert there.look_up() == 6
    assert there.target() == 0
    assert notnow.why(there.fleet, "g") is None


def test_two_look_ups_at_once_because_a_node_falls_silent_prove_nothing() -> None:
    there = Many(6)
    there.lose(6)
    there.see(ready=0)
    assert there.look_up() == 6
    assert there.target() == 6, "two look-ups at one instant are one"
    there.now += vanishing.APART_S
    assert there.look_up() == 6
    assert there.target() == 0


def test_an_empty_projects_token_is_never_believed_while_nodes_are_ready() -> None:
    there = Many(6)
    for _ in range(10):
        there.lose(6)
        there.now += vanishing.APART_S + 1
    assert there.target() == 6
    there.listed(*there.shown)
    assert not there.fleet.missing
    assert notnow.why(there.fleet, "g") is None
    assert sorted(there.names()) == there.names_


def test_without_a_cluster_to_ask_many_take_the_operators_word() -> None:
    there = Many(6, cluster=False)
    for _ in range(5):
        there.lose(6)
        there.now += vanishing.APART_S + 1
    assert there.target() == 6
    word = dataclasses.replace(there.fleet.accounts["a"], believe_vanished=True)
    there.fleet = dataclasses.replace(there.fleet, accounts={"a": word})
    there.lose(6)
    assert there.target() == 0


def test_machines_that_all_go_though_nobody_let_them_go_are_an_outage_too() -> None:
    there = Many(6)
    there.listed(*(dataclasses.replace(each, state=DELETING) for each in there.shown))
    assert there.target() == 0
    said = notnow.why(there.fleet, "g")
    assert said is not None
    assert notnow.bounds(there.fleet, "g") == (0, 0)
    assert len(view.leaving(there.fleet, "g")) == 6


def test_what_never_was_a_node_is_no_outage() -> None:
    there = Scene(group(max_size=99), shown=tuple(machine(n, f"g-{n}") for n in range(6)))
    there.listed()
    for each in there.plan():
        if isinstance(each, requests.LookUpMissing):
            there.missing_looked_up(each.instance.provider_id, None)
    assert there.target() == 0


def test_a_look_up_that_finds_it_begins_anew() -> None:
    there = Many(6)
    there.see(ready=0)
    there.lose(6)
    there.now += vanishing.APART_S + SETTLE_S
    there.missing_looked_up("sky://0", there.shown[0])
    assert there.fleet.missing["sky://0"].absences == 0
