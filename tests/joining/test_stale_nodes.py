from __future__ import annotations

import dataclasses

from externalgrpc import fleet as fleets
from externalgrpc.fleet import state, vanishing
from externalgrpc.joining import stale_nodes
from externalgrpc.kube import nodes
from tests.fleet.scene import Scene, account, group, machine, node

NAME = "g-bcdfgh"


def of(number: int, name: str = NAME, **value: object) -> nodes.Node:
    fields = {"name": name, "uid": f"uid-{number}", "provider_id": f"sky://{number}", **value}
    return nodes.Node(**fields)  # type: ignore[arg-type]


class Swept:
    """A cluster's Nodes, and who looks for those whose machines are gone after each listing."""

    def __init__(self, *there: nodes.Node, scene: Scene | None = None) -> None:
        self.scene = scene or Scene()
        self.there = there
        self.sweeper = stale_nodes.Leftovers()

    def listed(self, *shown: object) -> None:
        self.scene.now += 5
        self.scene.listed(*shown)  # type: ignore[arg-type]

    def due(self) -> list[str]:
        return [
            each.node.uid
            for each in self.sweeper.due(self.scene.fleet, self.there, now=self.scene.now)
        ]


def test_the_node_of_a_machine_that_the_cloud_denies_stays_while_it_is_ready() -> None:
    """Nobody let it go: an order was given up since its look-up found nothing."""
    scene = Scene()
    fields = {f"sky://{n}": state.Gone("g", terminated=True, drained=n != 1) for n in (1, 2)}
    scene.fleet = dataclasses.replace(scene.fleet, gone=fields)
    swept = Swept(of(1, ready=True), of(2, name="g-bcdfgj", ready=True), scene=scene)
    for _ in range(3):
        swept.listed()
        due = swept.due()
    assert due == ["uid-2"]


def test_two_listings_in_a_row_must_lack_its_machine() -> None:
    swept = Swept(of(1))
    assert [swept.due(), swept.due(), swept.due()] == [[], [], []], "one listing is one listing"
    swept.listed()
    assert swept.due() == ["uid-1"]
    assert swept.due() == ["uid-1"], "until it is gone"


def test_a_listing_that_shows_it_or_fails_starts_the_count_again() -> None:
    shown = Swept(of(1))
    shown.due()
    shown.listed(machine(1, NAME))
    assert shown.due() == []
    failed = Swept(of(1))
    failed.due()
    failed.scene.fleet = fleets.not_listed(failed.scene.fleet, "a", "no answer")
    assert failed.due() == []
    failed.listed()
    assert failed.due() == []
    failed.listed()
    assert failed.due() == ["uid-1"]


def test_a_node_that_is_ready_stays_until_its_machine_was_let_go() -> None:
    scene = Scene(shown=(machine(1, NAME),))
    swept = Swept(of(1, ready=True), scene=scene)
    scene.retire(node(1, NAME))
    scene.plan()
    scene.deleted(NAME)
    scene.now += 100
    for _ in range(3):
        swept.listed()
        scene.now += 100
    assert swept.due() == []
    swept.listed()
    (left,) = swept.sweeper.due(scene.fleet, swept.there, now=scene.now)
    assert left.still(of(1, ready=True)), "its machine is gone, whatever it says"
    lost = Swept(of(2, ready=True))
    for _ in range(3):
        assert lost.due() == []
        lost.listed()
    lost.there = (of(2),)
    (left,) = lost.sweeper.due(lost.scene.fleet, lost.there, now=lost.scene.now)
    assert not left.still(of(2, ready=True)), "it has come back"


def test_only_a_few_go_at_a_time_and_none_that_is_going() -> None:
    many = [of(each, f"g-bcdfg{each}") for each in range(2, 2 + stale_nodes.REMOVALS + 1)]
    going = of(1, deleting=True)
    swept = Swept(going, *many)
    swept.due()
    swept.listed()
    assert swept.due() == [], "so many at once must have been absent for minutes"
    swept.scene.now += vanishing.APART_S
    assert swept.due() == [each.uid for each in many[: stale_nodes.REMOVALS]]
    swept.scene.fleet = dataclasses.replace(swept.scene.fleet, outage="most nodes are lost")
    assert swept.due() == [], "in an outage no Node is removed"


def test_what_is_not_ours_stays() -> None:
    strangers = (
        of(1, "someone"),
        of(2, "other-bcdfgh"),
        of(3, provider_id="moon://3"),
        of(4, provider_id=""),
        of(5, provider_id="5"),
    )
    swept = Swept(*strangers)
    for _ in range(3):
        assert swept.due() == []
        swept.listed()


def test_a_machine_that_may_still_come_keeps_its_node() -> None:
    scene = Scene(shown=(machine(1, NAME),))
    missing = Swept(of(1), scene=scene)
    (name,) = scene.grow()
    for _ in range(3):
        missing.listed()
        assert missing.due() == [], "its look-up is under way"
    launched = Swept(of(2, name), scene=scene)
    for _ in range(3):
        launched.listed()
        assert launched.due() == []


def test_a_group_of_another_cloud_is_looked_for_there() -> None:
    two = (account("a"), account("b", scheme="moon"))
    scene = Scene(group("g", "b"), accounts=two)
    swept = Swept(of(1), scene=scene)
    for _ in range(3):
        assert swept.due() == []
        swept.listed()
    swept.there = (dataclasses.replace(of(1), provider_id="moon://1"),)
    assert swept.due() == []
    scene.now += 5
    scene.listed(account="b")
    assert swept.due() == ["uid-1"]


def test_while_paused_only_the_nodes_of_what_ca_drained_go() -> None:
    scene = Scene(group(paused=True))
    drained = state.Gone("g", terminated=True, drained=True)
    scene.fleet = dataclasses.replace(scene.fleet, gone={"sky://2": drained})
    swept = Swept(of(1), of(2, name="g-bcdfgj"), scene=scene)
    for _ in range(3):
        swept.listed()
        due = swept.due()
    assert due == ["uid-2"]
    scene.configure(group())
    assert swept.due() == ["uid-1", "uid-2"]
