from __future__ import annotations

import dataclasses

from externalgrpc.fleet import joins, state
from externalgrpc.joining import join_events
from externalgrpc.kube import events
from tests.fleet.scene import Scene, machine

HOME = events.Regarding(kind="ConfigMap", name="pools", namespace="ours")
WAY = state.Journey(
    created_at=100.0, running_at=112.0, csr_at=180.0, node_at=186.0, ready_at=200.0, watched=True
)
BEFORE = Scene(shown=(machine(1, "g-1"),)).fleet


def after(journey: state.Journey, **changed: object) -> state.Fleet:
    return dataclasses.replace(BEFORE, journeys={"g-1": journey}, **changed)  # type: ignore[arg-type]


def failed(code: str) -> state.Fleet:
    failure = state.Failure(state.ErrorClass.OTHER, code, "g-1 did not")
    return dataclasses.replace(BEFORE, unjoined={"g-1": state.Unjoined(1.0, failure)})


def changes(before: state.Fleet, now: state.Fleet) -> list[events.Event]:
    return list(join_events.changes(before, now, HOME))


def test_every_step_is_timed_from_the_one_before_and_the_whole_way_too() -> None:
    assert list(join_events.timings(BEFORE, after(WAY))) == [
        ("g", "running", 12.0),
        ("g", "csr", 68.0),
        ("g", "node", 6.0),
        ("g", "ready", 14.0),
        ("g", "total", 100.0),
    ]


def test_only_new_steps_are_timed() -> None:
    earlier = after(dataclasses.replace(WAY, node_at=0.0, ready_at=0.0))
    middle = after(dataclasses.replace(WAY, ready_at=0.0))
    assert list(join_events.timings(earlier, middle)) == [("g", "node", 6.0)]
    assert [each.phase for each in join_events.timings(middle, after(WAY))] == ["ready", "total"]
    assert list(join_events.timings(after(WAY), after(WAY))) == []


def test_a_step_that_nobody_saw_is_part_of_the_next() -> None:
    way = after(dataclasses.replace(WAY, csr_at=0.0))
    assert ("g", "node", 74.0) in list(join_events.timings(BEFORE, way))


def test_what_was_not_watched_is_neither_timed_nor_reported() -> None:
    unwatched = after(dataclasses.replace(WAY, watched=False))
    assert list(join_events.timings(BEFORE, unwatched)) == []
    assert changes(BEFORE, unwatched) == []


def test_the_autoscalers_wait_ends_once_with_the_ready_node() -> None:
    asked = {"g-1": 40.0}
    on_its_way = after(dataclasses.replace(WAY, ready_at=0.0), asked=asked)
    ready = after(WAY, asked=asked)
    assert list(join_events.waits(BEFORE, on_its_way)) == []
    assert list(join_events.waits(on_its_way, ready)) == [("g", 160.0)]
    assert list(join_events.waits(ready, ready)) == []


def test_nobody_waited_for_what_was_not_asked_for_or_not_watched() -> None:
    assert list(join_events.waits(BEFORE, after(WAY))) == []
    unwatched = after(dataclasses.replace(WAY, watched=False), asked={"g-1": 40.0})
    assert list(join_events.waits(BEFORE, unwatched)) == []


def test_a_join_is_reported_once_on_the_node() -> None:
    (event,) = changes(BEFORE, after(WAY))
    assert event.regarding == events.Regarding(kind="Node", name="g-1", uid="g-1")
    assert (event.kind, event.reason) == ("Normal", "Joined")
    assert event.note == (
        "ready 100 s after its machine was created: running 12 s, csr 68 s, node 6 s, ready 14 s"
    )
    assert changes(after(WAY), after(WAY)) == []


def test_a_failure_is_reported_once_on_the_configmap() -> None:
    now = failed("JoinTimeout")
    (event,) = changes(BEFORE, now)
    assert (event.regarding, event.kind) == (HOME, "Warning")
    assert event.note == "group g: g-1 did not"
    assert changes(now, now) == []


def test_a_node_that_is_never_ready_is_reported_on_the_node_too() -> None:
    both = changes(BEFORE, failed(joins.NEVER_READY))
    assert [each.regarding.kind for each in both] == ["ConfigMap", "Node"]


def test_a_group_that_is_held_back_is_reported_when_it_is_and_not_before() -> None:
    few, many = (
        dataclasses.replace(BEFORE, strikes={"g": state.Strikes(count, 5.0)})
        for count in (joins.STRIKES - 1, joins.STRIKES)
    )
    assert changes(BEFORE, few) == []
    (event,) = changes(few, many)
    assert event.reason == "GroupHeldBack"
    assert "another 300 s" in event.note
    assert changes(many, many) == []


def test_a_great_many_failures_are_reported_in_short() -> None:
    many = join_events.MOST + 7
    shown = tuple(machine(number, f"g-{number}") for number in range(many))
    failure = state.Failure(state.ErrorClass.OTHER, "JoinTimeout", "it did not")
    now = dataclasses.replace(
        Scene(shown=shown).fleet,
        unjoined={f"g-{number}": state.Unjoined(1.0, failure) for number in range(many)},
    )
    *single, rest = changes(BEFORE, now)
    assert [each.note for each in single] == ["group g: it did not"] * join_events.MOST
    assert (rest.reason, rest.note) == ("JoinsFailed", "7 more machines did not join")
