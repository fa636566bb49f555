"""The way of a machine is remembered from the wish to its end, whatever the Fleet forgets."""

from __future__ import annotations

import dataclasses

from externalgrpc.fleet import history, state, ways
from providers import contract, errors
from tests.fleet import scene
from tests.fleet.scene import Scene, machine, node

Step, End = ways.Step, ways.End


class Seen(Scene):
    """A scene that somebody watches."""

    def __init__(self, *args, **fields) -> None:
        super().__init__(*args, **fields)
        self.past = history.History()
        self.last = None
        self.look()

    def look(self) -> history.History:
        self.past = history.record(
            self.past, self.last, self.fleet, now=self.now, unix_now=self.now + 5000
        )
        self.last = self.fleet
        return self.past

    def later(self, seconds: float) -> None:
        self.now += seconds

    def way(self, name: str) -> ways.Way:
        return self.look().standing[name]

    def texts(self) -> list[str]:
        return [each.text for each in self.look().happenings]


def ordered(at: Seen) -> str:
    (name,) = at.grow()
    at.look()
    at.later(1)
    at.plan()
    at.look()
    return name


def made(at: Seen, number: int = 7) -> str:
    name = ordered(at)
    at.later(2)
    booting = machine(number, name, created_at=at.now + 5000, state=contract.InstanceState.CREATING)
    at.ordered(name, booting)
    at.listed(booting)
    at.look()
    return name


def running(at: Seen, number: int = 7) -> str:
    name = made(at, number)
    at.later(10)
    at.listed(machine(number, name, created_at=at.now + 4990))
    at.look()
    return name


def test_every_step_has_its_instant():
    at = Seen()
    began = at.now + 5000
    name = running(at)
    at.later(3)
    at.register("sky://7")
    way = at.way(name)
    assert way.taken == {
        Step.ASKED: began,
        Step.ORDERED: began + 1,
        Step.CREATED: began + 3,
        Step.RUNNING: began + 13,
        Step.NODE: began + 16,
    }
    assert (way.group, way.provider_id, way.machine_type) == ("g", "sky://7", "small")


def test_a_wish_that_was_not_ordered_has_one_step():
    at = Seen()
    (name,) = at.grow()
    assert list(at.way(name).taken) == [Step.ASKED]


def test_the_last_order_counts_where_the_first_was_refused():
    at = Seen()
    name = ordered(at)
    first = at.way(name).taken[Step.ORDERED]
    at.ordered(name, errors.OutOfStock("none", account="a", operation="create"))
    at.later(4)
    at.plan()
    assert at.way(name).taken[Step.ORDERED] == first + 4


def test_what_stood_when_we_came_was_not_seen_on_its_way():
    at = Seen(shown=(machine(1, "old"),))
    at.register("sky://1")
    way = at.way("old")
    assert way.taken[Step.CREATED] == 1.0
    assert way.taken[Step.RUNNING] is None
    assert at.texts() == ["old is a node"]


def test_a_clock_of_the_cloud_that_is_late_makes_no_step_before_its_order():
    at = Seen()
    name = ordered(at)
    at.ordered(name, machine(7, name, created_at=3.0))
    way = at.way(name)
    assert way.taken[Step.CREATED] == way.taken[Step.ORDERED]


def test_steps_of_the_join_come_from_its_journey():
    at = Seen()
    name = running(at)
    journey = state.Journey(created_at=1, provider_id="sky://7", csr_at=2, node_at=3, ready_at=4)
    at.fleet = dataclasses.replace(at.fleet, journeys={name: journey})
    taken = at.way(name).taken
    assert (taken[Step.JOINED], taken[Step.NODE], taken[Step.READY]) == (2, 3, 4)
    assert any(text.startswith(f"{name} is a ready node") for text in at.texts())


def test_the_journey_of_another_machine_of_the_name_is_not_taken():
    at = Seen()
    name = running(at)
    other = state.Journey(created_at=1, provider_id="sky://8", node_at=3, ready_at=4)
    at.fleet = dataclasses.replace(at.fleet, journeys={name: other})
    assert Step.READY not in at.way(name).taken


def gone(at: Seen) -> ways.Way:
    for _ in range(4):
        at.later(scene.SETTLE_S + 1)
        at.listed()
        at.look()
        for key in list(at.fleet.missing):
            at.missing_looked_up(key, None)
        at.look()
    assert not at.look().standing
    return at.past.ended[0]


def test_what_the_autoscaler_drained_ends_so():
    at = Seen()
    name = running(at)
    at.register("sky://7")
    at.look()
    at.retire(node(7, name))
    assert at.way(name).end is End.DRAINED
    at.deleted(name)
    way = gone(at)
    assert (way.name, way.end) == (name, End.DRAINED)
    assert way.ended_at > way.taken[Step.NODE]
    assert f"{name} is gone: the autoscaler drained it and let it go" in at.texts()


def test_what_vanishes_is_told_from_what_we_deleted():
    at = Seen()
    name = running(at)
    at.register("sky://7")
    way = gone(at)
    assert (way.name, way.end) == (name, End.VANISHED)
    assert f"{name} is gone at the cloud, and nobody here deleted it" in at.texts()


def test_a_failure_stays_with_the_way_to_its_end():
    at = Seen(scene.group(candidates=(scene.NORTH,)))
    name = ordered(at)
    at.ordered(name, errors.OutOfStock("nothing left", account="a", operation="create"))
    at.plan()
    assert (at.way(name).code, at.way(name).end) == ("OutOfStock", None)
    at.retire(scene.placeholder(name))
    for _ in range(3):
        at.later(scene.SETTLE_S + 1)
        at.listed()
        at.look()
    (way,) = at.past.ended
    assert (way.end, way.code) == (End.FAILED, "OutOfStock")
    assert "nothing left" in way.message


def test_an_order_that_is_taken_back_was_withdrawn():
    at = Seen()
    (name,) = at.grow()
    at.look()
    at.shrink(-1)
    (way,) = at.look().ended
    assert (way.name, way.end) == (name, End.WITHDRAWN)


def test_another_machine_of_the_same_name_is_another_way():
    at = Seen()
    name = running(at)
    at.fleet = dataclasses.replace(at.fleet, missing={}, minted={})
    at.fleet = dataclasses.replace(
        at.fleet, index=dataclasses.replace(at.fleet.index, by_provider_id={}, members={})
    )
    at.listed(machine(8, name))
    way = at.way(name)
    assert way.provider_id == "sky://8"
    assert Step.ASKED not in way.taken
    assert [each.provider_id for each in at.past.ended] == ["sky://7"]


def test_what_failed_and_was_cleaned_up_between_two_looks_says_what_the_cloud_said():
    at = Seen(scene.group(candidates=(scene.NORTH,)))
    name = ordered(at)
    at.later(0.2)
    at.ordered(name, errors.OutOfStock("nothing left", account="a", operation="create"))
    at.plan()
    at.retire(scene.placeholder(name))
    (way,) = at.look().ended
    assert (way.end, way.code, way.message) == (End.FAILED, "OutOfStock", "nothing left")


def test_a_no_from_before_its_order_is_not_taken_for_its_own():
    at = Seen(scene.group(candidates=(scene.NORTH,)))
    first = ordered(at)
    at.ordered(first, errors.OutOfStock("nothing left", account="a", operation="create"))
    at.plan()
    at.retire(scene.placeholder(first))
    at.look()
    at.later(30)
    at.listed()
    name = ordered(at)
    at.fleet = dataclasses.replace(
        at.fleet, launches={key: held for key, held in at.fleet.launches.items() if key != name}
    )
    assert (at.look().ended[0].name, at.past.ended[0].end) == (name, End.WITHDRAWN)
