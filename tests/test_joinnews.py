from __future__ import annotations

import dataclasses

from externalgrpc import joinnews
from externalgrpc.fleet import joins, state
from externalgrpc.kube import notices
from tests.fleet.scene import Scene, machine

HOME = notices.Regarding(kind="ConfigMap", name="pools", namespace="ours")
WAY = state.Journey(
    created_at=100.0, running_at=112.0, csr_at=180.0, node_at=186.0, ready_at=200.0, watched=True
)
BEFORE = Scene(shown=(machine(1, "g-1"),)).fleet


def after(journey: state.Journey, **changed: object) -> state.Fleet:
    return dataclasses.replace(BEFORE, journeys={"g-1": journey}, **changed)  # type: ignore[arg-type]


def failed(code: str) -> state.Fleet:
    failure = state.Failure(state.ErrorClass.OTHER, code, "g-1 did not")
    return dataclasses.replace(BEFORE, unjoined={"g-1": state.Unjoined(1.0, failure)})


def told(before: state.Fleet, now: state.Fleet) -> list[notices.Notice]:
    return list(joinnews.told(before, now, HOME))


def test_every_step_is_timed_from_the_one_before_and_the_whole_way_too() -> None:
    assert list(joinnews.timings(BEFORE, after(WAY))) == [
        ("g", "running", 12.0),
        ("g", "csr", 68.0),
        ("g", "node", 6.0),
        ("g", "ready", 14.0),
        ("g", "total", 100.0),
    ]


def test_only_new_steps_are_timed() -> None:
    earlier = after(dataclasses.replace(WAY, node_at=0.0, ready_at=0.0))
    middle = after(dataclasses.replace(WAY, ready_at=0.0))
    assert list(joinnews.timings(earlier, middle)) == [("g", "node", 6.0)]
    assert [each.phase for each in joinnews.timings(middle, after(WAY))] == ["ready", "total"]
    assert list(joinnews.timings(after(WAY), after(WAY))) == []


def test_a_step_that_nobody_saw_is_part_of_the_next() -> None:
    way = after(dataclasses.replace(WAY, csr_at=0.0))
    assert ("g", "node", 74.0) in list(joinnews.timings(BEFORE, way))


def test_what_was_not_watched_is_neither_timed_nor_told() -> None:
    unwatched = after(dataclasses.replace(WAY, watched=False))
    assert list(joinnews.timings(BEFORE, unwatched)) == []
    assert told(BEFORE, unwatched) == []


def test_a_join_is_told_once_on_the_node() -> None:
    (notice,) = told(BEFORE, after(WAY))
    assert notice.regarding == notices.Regarding(kind="Node", name="g-1", uid="g-1")
    assert (notice.kind, notice.reason) == ("Normal", "Joined")
    assert notice.note == (
        "ready 100 s after its machine was created: running 12 s, csr 68 s, node 6 s, ready 14 s"
    )
    assert told(after(WAY), after(WAY)) == []


def test_a_failure_is_told_once_on_the_configmap() -> None:
    now = failed("JoinTimeout")
    (notice,) = told(BEFORE, now)
    assert (notice.regarding, notice.kind) == (HOME, "Warning")
    assert notice.note == "group g: g-1 did not"
    assert told(now, now) == []


def test_a_node_that_is_never_ready_is_told_on_the_node_too() -> None:
    both = told(BEFORE, failed(joins.NEVER_READY))
    assert [each.regarding.kind for each in both] == ["ConfigMap", "Node"]


def test_a_group_that_is_held_back_is_told_when_it_is_and_not_before() -> None:
    few, many = (
        dataclasses.replace(BEFORE, strikes={"g": state.Strikes(count, 5.0)})
        for count in (joins.STRIKES - 1, joins.STRIKES)
    )
    assert told(BEFORE, few) == []
    (notice,) = told(few, many)
    assert notice.reason == "GroupHeldBack"
    assert "another 300 s" in notice.note
    assert told(many, many) == []


def test_a_great_many_failures_are_told_in_short() -> None:
    many = joinnews.MOST + 7
    shown = tuple(machine(number, f"g-{number}") for number in range(many))
    failure = state.Failure(state.ErrorClass.OTHER, "JoinTimeout", "it did not")
    now = dataclasses.replace(
        Scene(shown=shown).fleet,
        unjoined={f"g-{number}": state.Unjoined(1.0, failure) for number in range(many)},
    )
    *single, rest = told(BEFORE, now)
    assert [each.note for each in single] == ["group g: it did not"] * joinnews.MOST
    assert (rest.reason, rest.note) == ("JoinsFailed", "7 more machines did not join")
