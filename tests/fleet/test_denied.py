"""A machine of ours that the cloud denies, and that becomes a node all the same.

The token of an empty project does that in the middle of a growth: the listing lacks what was
accepted, and its look-up says that there is no such machine.
"""

from __future__ import annotations

import math

import pytest

from externalgrpc.fleet import notnow, registering, requests, state, wishes
from providers import errors
from tests.fleet.scene import CREATING, IDENTITY, SETTLE_S, Scene, account, machine

KNOWN = pytest.mark.parametrize("known", [True, False])


class Denied(Scene):
    """A growth whose one machine was accepted, and is in no listing since."""

    def __init__(self, *, known: bool) -> None:
        super().__init__(
            accounts=(account(marking=True),),
            nodes={} if known else None,
            identity=IDENTITY if known else "",
        )
        self.known = known
        (self.name,) = self.grow()
        self.plan()
        self.ordered(self.name, machine(1, state=CREATING))
        self.pass_by()

    def pass_by(self, *shown) -> None:
        self.now += SETTLE_S + 1
        self.listed(*shown)

    def given_up(self, *, forgotten: bool) -> None:
        """Believe the cloud, whose deletion then finds nothing; and even forget about it."""
        self.looked_up(self.name, None)
        assert self.name in self.fleet.retired
        self.plan()
        self.deleted(self.name)
        for _ in range(2 if forgotten else 0):
            self.pass_by()
        assert (self.name not in self.fleet.retired) is forgotten

    def becomes_a_node(self) -> None:
        if self.known:
            nodes = {self.name: state.Seen("sky://1", ready=True)}
            self.fleet = registering.see_nodes(self.fleet, nodes, now=self.now, unix_now=self.now)
        else:
            assert registering.claim(self.fleet, "sky://1", self.name).news
            self.register("sky://1", name=self.name)

    def is_shown(self) -> None:
        """Show it as whoever sees its Node leaves it: without the mark ``unjoined``."""
        identity = IDENTITY if self.known else ""
        self.pass_by(machine(1, self.name, identity=identity, created_at=self.now))

    def deletions(self) -> list[requests.Delete]:
        return [each for each in self.plan() if isinstance(each, requests.Delete)]


@KNOWN
@pytest.mark.parametrize("answer", [None, errors.NoCapacity("the order failed")])
def test_it_is_not_given_up_while_its_node_is_there(known, answer):
    scene = Denied(known=known)
    scene.becomes_a_node()
    scene.looked_up(scene.name, answer)
    assert list(scene.fleet.launches) == [scene.name]
    assert not scene.fleet.retired
    assert scene.now < scene.launch(scene.name).look_at < math.inf


def test_it_is_looked_up_now_and_then_and_not_with_every_listing():
    scene = Denied(known=True)
    scene.becomes_a_node()
    scene.looked_up(scene.name, None)
    asked = 0
    for _ in range(8):
        scene.now += 3
        scene.listed()
        for each in scene.plan():
            if isinstance(each, requests.LookUpMissing):
                asked += 1
                scene.missing_looked_up("sky://1", None)
            assert not isinstance(each, requests.LookUp)
    assert asked == 1
    assert scene.names() == [scene.name]
    scene.is_shown()
    assert (scene.names(), scene.fleet.missing) == ([scene.name], {})


def test_many_of_them_are_an_outage():
    scene = Scene(accounts=(account(marking=True),), nodes={}, identity=IDENTITY)
    names = scene.grow(4)
    scene.plan()
    for number, name in enumerate(names):
        scene.ordered(name, machine(number, state=CREATING))
    scene.now += SETTLE_S + 1
    scene.listed()
    nodes = {name: state.Seen(f"sky://{n}", ready=True) for n, name in enumerate(names)}
    scene.fleet = registering.see_nodes(scene.fleet, nodes, now=scene.now, unix_now=scene.now)
    for name in names:
        scene.looked_up(name, None)
    scene.listed()
    said = notnow.why(scene.fleet, "g")
    assert said is not None
    assert said.code == "Outage"
    assert sorted(scene.names()) == sorted(names)


@KNOWN
@pytest.mark.parametrize("forgotten", [True, False])
def test_it_is_not_deleted_when_it_is_shown_again(known, forgotten):
    scene = Denied(known=known)
    scene.given_up(forgotten=forgotten)
    scene.becomes_a_node()
    scene.pass_by()
    for _ in range(3):
        scene.is_shown()
        assert scene.name not in scene.fleet.retired
        assert scene.name in scene.names()
        assert not scene.deletions()


@KNOWN
@pytest.mark.parametrize("forgotten", [True, False])
def test_it_is_deleted_where_no_node_of_it_is_seen(known, forgotten):
    scene = Denied(known=known)
    scene.given_up(forgotten=forgotten)
    scene.is_shown()
    scene.is_shown()
    assert scene.name in scene.fleet.retired
    assert scene.deletions()


@KNOWN
def test_a_deletion_that_did_not_get_through_waits_while_its_node_is_there(known):
    scene = Denied(known=known)
    scene.looked_up(scene.name, None)
    scene.plan()
    scene.deleted(scene.name, errors.Unreachable("cut"))
    scene.becomes_a_node()
    scene.pass_by()
    assert not scene.deletions()
    assert scene.name not in scene.fleet.retired, "it is withdrawn"


@KNOWN
def test_what_the_autoscaler_let_go_is_deleted_with_its_node_or_without(known):
    scene = Denied(known=known)
    scene.is_shown()
    scene.becomes_a_node()
    scene.retire(wishes.NodeRef(provider_id="sky://1", name=scene.name))
    scene.plan()
    scene.deleted(scene.name)
    for _ in range(2):
        scene.pass_by()
    assert scene.name not in scene.fleet.retired
    scene.is_shown()
    assert scene.deletions()
