from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from externalgrpc.kube import api, errors, reflector
from externalgrpc.support import clock
from tests.e2e import waiting
from tests.kube import apiserver

PATH = "/api/v1/things"
QUICK = reflector.Timing(pause_s=0.01, longest_pause_s=0.05)


@dataclasses.dataclass(frozen=True)
class Thing:
    name: str
    uid: str
    colour: str


def read(obj: api.Object) -> Thing | None:
    if obj.get("kind") == "Other":
        return None
    about = obj["metadata"]
    return Thing(about["name"], about["uid"], obj["colour"])


class Follower:
    """A reflector and everything that it passed on."""

    def __init__(self, link: api.Api, timing: reflector.Timing = QUICK) -> None:
        self.reported: list[tuple[Thing | None, Thing | None]] = []
        self.fails = 0
        self.reflector = reflector.Reflector(
            link,
            PATH,
            read,
            on_change=self._note,
            time_source=clock.SystemClock(),
            chance=random.Random(1),
            timing=timing,
        )

    def _note(self, before: Thing | None, after: Thing | None) -> None:
        self.reported.append((before, after))
        if self.fails:
            self.fails -= 1
            raise RuntimeError("a listener's mistake")

    @property
    def colours(self) -> dict[str, str]:
        return {name: each.colour for name, each in self.reflector.listing.items.items()}

    def replayed(self) -> dict[str, Thing]:
        """Make the copy anew from what was passed on; each step must go on from the last."""
        held: dict[str, Thing] = {}
        for before, after in list(self.reported):
            which = after or before
            assert which is not None
            assert held.get(which.name) == before
            assert before != after
            if before and after:
                assert before.uid == after.uid
            if after is None:
                del held[which.name]
            else:
                held[which.name] = after
        return held


@pytest.fixture
def follower(server: apiserver.FakeServer, link: api.Api) -> Iterator[Follower]:
    made = Follower(link)
    yield made
    made.reflector.stop()


def _thing(colour: str, **more: Any) -> api.Object:
    return {"colour": colour, **more}


def _until(follower: Follower, colours: dict[str, str]) -> None:
    waiting.until(lambda: follower.colours == colours, f"the copy shows {colours}", within_s=20)


def _watched(server: apiserver.FakeServer) -> None:
    waiting.until(lambda: server.watching == 1, "a watch is open", within_s=20)


def test_what_is_there_and_what_comes_is_reported_once(
    server: apiserver.FakeServer, follower: Follower
) -> None:
    server.put(f"{PATH}/a", _thing("red"))
    assert not follower.reflector.listing.complete
    follower.reflector.start()
    waiting.until(lambda: follower.reflector.listing.complete, "complete", within_s=10)
    _until(follower, {"a": "red"})
    server.put(f"{PATH}/b", _thing("blue"))
    server.put(f"{PATH}/a", _thing("green"))
    server.put(f"{PATH}/b", None)
    _until(follower, {"a": "green"})
    assert [(b and b.colour, a and a.colour) for b, a in follower.reported] == [
        (None, "red"),
        (None, "blue"),
        ("red", "green"),
        ("blue", None),
    ]


def test_what_reads_the_same_is_not_reported(
    server: apiserver.FakeServer, follower: Follower
) -> None:
    server.put(f"{PATH}/a", _thing("red"))
    follower.reflector.start()
    _until(follower, {"a": "red"})
    _watched(server)
    heard_at = follower.reflector.listing.heard_at
    for _ in range(5):
        server.put(f"{PATH}/a", _thing("red", heartbeat=str(server.version)))
    waiting.until(lambda: follower.reflector.listing.heard_at > heard_at, "heard", within_s=10)
    server.put(f"{PATH}/b", _thing("blue"))
    _until(follower, {"a": "red", "b": "blue"})
    assert len(follower.reported) == 2


def test_all_pages_or_nothing(server: apiserver.FakeServer, follower: Follower) -> None:
    for number in range(reflector.PAGE * 2 + 7):
        server.put(f"{PATH}/n{number}", _thing("red"))
    server.fail("GET", 500, times=3)
    follower.reflector.start()
    waiting.until(lambda: follower.reflector.listing.complete, "complete", within_s=20)
    assert len(follower.colours) == reflector.PAGE * 2 + 7
    assert server.count(f"GET {PATH}") == 6


def test_a_failed_page_leaves_the_copy_as_it_was(
    server: apiserver.FakeServer, link: api.Api
) -> None:
    for number in range(reflector.PAGE + 1):
        server.put(f"{PATH}/n{number}", _thing("red"))
    follower = Follower(link, dataclasses.replace(QUICK, relist_s=0.3))
    follower.reflector.start()
    try:
        waiting.until(lambda: follower.reflector.listing.complete, "complete", within_s=20)
        whole = follower.reflector.listing
        asked = server.count(f"GET {PATH}")
        with server.changed:
            server.faults += [apiserver.Fault("GET", apiserver.LOST, times=4)]
        waiting.until(lambda: server.count(f"GET {PATH}") > asked + 3, "listing fails", within_s=20)
        assert follower.reflector.listing.items.keys() == whole.items.keys()
        server.put(f"{PATH}/n0", _thing("blue"))
        waiting.until(lambda: follower.colours["n0"] == "blue", "and goes well", within_s=20)
        assert follower.replayed() == dict(follower.reflector.listing.items)
    finally:
        follower.reflector.stop()


def test_a_broken_watch_goes_on_where_it_was(
    server: apiserver.FakeServer, follower: Follower
) -> None:
    follower.reflector.start()
    for number in range(5):
        _watched(server)
        server.put(f"{PATH}/n{number}", _thing("red"))
        server.cut()
        _until(follower, dict.fromkeys((f"n{each}" for each in range(number + 1)), "red"))
    assert server.count(f"GET {PATH}") == 1
    assert len(follower.reported) == 5


def test_a_bookmark_moves_the_version_on(server: apiserver.FakeServer, follower: Follower) -> None:
    follower.reflector.start()
    _watched(server)
    server.bookmark()
    waiting.until(lambda: follower.reflector._version == str(server.version), "heard", within_s=10)
    server.compact()
    server.cut()
    waiting.until(lambda: server.count(f"WATCH {PATH}") == 2, "watched again", within_s=10)
    server.put(f"{PATH}/a", _thing("red"))
    _until(follower, {"a": "red"})
    assert server.count(f"GET {PATH}") == 1


def test_a_version_that_is_too_old_brings_a_listing_and_loses_no_deletion(
    server: apiserver.FakeServer, follower: Follower
) -> None:
    server.put(f"{PATH}/a", _thing("red"))
    server.put(f"{PATH}/b", _thing("red"))
    follower.reflector.start()
    _until(follower, {"a": "red", "b": "red"})
    _watched(server)
    server.fail("WATCH", 503)
    server.mute = True
    server.cut()
    server.put(f"{PATH}/a", None)
    server.put(f"{PATH}/c", _thing("blue"))
    server.compact()
    server.mute = False
    _until(follower, {"b": "red", "c": "blue"})
    assert server.count(f"GET {PATH}") == 2
    assert follower.replayed() == dict(follower.reflector.listing.items)


@pytest.mark.parametrize(
    "said", [{"code": 410, "message": "too old"}, {"code": 500, "message": "oh"}, {}]
)
def test_an_error_in_the_watch_brings_a_listing(
    server: apiserver.FakeServer, follower: Follower, said: api.Object
) -> None:
    follower.reflector.start()
    _watched(server)
    server.publish("ERROR", said)
    waiting.until(lambda: server.count(f"GET {PATH}") == 2, "listed again", within_s=10)
    server.put(f"{PATH}/a", _thing("red"))
    _until(follower, {"a": "red"})


def test_a_listing_comes_in_any_case(server: apiserver.FakeServer, link: api.Api) -> None:
    follower = Follower(link, dataclasses.replace(QUICK, relist_s=0.2, watch_s=2.0))
    follower.reflector.start()
    try:
        waiting.until(lambda: server.count(f"GET {PATH}") >= 2, "listed again", within_s=20)
    finally:
        follower.reflector.stop()


def test_another_object_of_the_name_is_two_changes(
    server: apiserver.FakeServer, follower: Follower
) -> None:
    server.put(f"{PATH}/a", _thing("red"))
    follower.reflector.start()
    _until(follower, {"a": "red"})
    _watched(server)
    server.mute = True
    server.cut()
    server.put(f"{PATH}/a", None)
    server.put(f"{PATH}/a", _thing("blue"))
    server.compact()
    server.mute = False
    _until(follower, {"a": "blue"})
    assert [(b and b.colour, a and a.colour) for b, a in follower.reported][1:] == [
        ("red", None),
        (None, "blue"),
    ]


def test_an_odd_object_hides_no_other(server: apiserver.FakeServer, follower: Follower) -> None:
    server.put(f"{PATH}/a", {"metadata": "what?"})
    server.put(f"{PATH}/b", _thing("red"))
    server.put(f"{PATH}/c", {"no": "colour"})
    follower.reflector.start()
    _until(follower, {"b": "red"})
    server.put(f"{PATH}/d", {"metadata": None})
    server.put(f"{PATH}/e", _thing("blue"))
    _until(follower, {"b": "red", "e": "blue"})


def test_what_is_no_longer_to_be_kept_goes(
    server: apiserver.FakeServer, follower: Follower
) -> None:
    server.put(f"{PATH}/a", _thing("red"))
    follower.reflector.start()
    _until(follower, {"a": "red"})
    server.put(f"{PATH}/a", _thing("red", kind="Other"))
    _until(follower, {})
    assert follower.reported[-1][1] is None


def test_a_listeners_mistake_ends_nothing(server: apiserver.FakeServer, follower: Follower) -> None:
    follower.fails = 2
    server.put(f"{PATH}/a", _thing("red"))
    follower.reflector.start()
    server.put(f"{PATH}/b", _thing("red"))
    server.put(f"{PATH}/c", _thing("red"))
    _until(follower, {"a": "red", "b": "red", "c": "red"})
    assert server.count(f"GET {PATH}") == 1


@pytest.mark.parametrize("text", ["not json", "[1]", "{}", '{"items": [null, 7, {}]}'])
def test_nonsense_is_survived(server: apiserver.FakeServer, follower: Follower, text: str) -> None:
    server.fail("GET", 200, body=lambda _asked: text)
    server.fail("WATCH", 200, body=lambda _asked: text)
    server.put(f"{PATH}/a", _thing("red"))
    follower.reflector.start()
    _watched(server)
    server.put(f"{PATH}/b", _thing("blue"))
    waiting.until(lambda: "b" in follower.colours, "it follows", within_s=20)


def test_watches_that_end_at_once_are_not_opened_in_a_loop(
    server: apiserver.FakeServer, link: api.Api
) -> None:
    server.fail("WATCH", 200, times=10_000, body=lambda _asked: "")
    follower = Follower(link, dataclasses.replace(QUICK, pause_s=0.2, longest_pause_s=2.0))
    follower.reflector.start()
    try:
        waiting.until(lambda: server.count("WATCH") == 4, "watched four times", within_s=20)
        # Each pause is longer than the one before: four watches last at least these.
        heard = follower.reflector.listing
        passed_s = clock.SystemClock().monotonic() - heard.listed_at
        assert passed_s >= 0.5 * (0.2 + 0.4 + 0.8)
    finally:
        follower.reflector.stop()


def test_a_dead_connection_is_found_out(server: apiserver.FakeServer, link: api.Api) -> None:
    link._silence_s = 0.5
    follower = Follower(link)
    server.mute = True
    follower.reflector.start()
    try:
        waiting.until(lambda: server.count("WATCH") >= 3, "watched anew", within_s=20)
    finally:
        follower.reflector.stop()


def test_it_stops_in_the_middle_of_a_watch(
    server: apiserver.FakeServer, follower: Follower
) -> None:
    follower.reflector.start()
    _watched(server)
    began = clock.SystemClock().monotonic()
    follower.reflector.stop(within_s=10)
    assert clock.SystemClock().monotonic() - began < 5
    assert not follower.reflector._thread.is_alive()
    follower.reflector.stop()


def test_a_right_that_is_missing_is_asked_for_again(
    server: apiserver.FakeServer, follower: Follower, caplog: pytest.LogCaptureFixture
) -> None:
    server.fail("GET", 403, times=3)
    server.put(f"{PATH}/a", _thing("red"))
    follower.reflector.start()
    _until(follower, {"a": "red"})
    assert caplog.text.count("watch interrupted") == 2  # the first is logged as information only


STEPS = strategies.lists(
    strategies.one_of(
        strategies.tuples(
            strategies.just("put"), strategies.sampled_from("abc"), strategies.sampled_from("rgb")
        ),
        strategies.tuples(strategies.just("delete"), strategies.sampled_from("abc")),
        strategies.just(("cut",)),
        strategies.just(("compact",)),
        strategies.just(("bookmark",)),
        strategies.just(("error",)),
        strategies.tuples(
            strategies.just("fail"),
            strategies.sampled_from(["GET", "WATCH"]),
            strategies.sampled_from([apiserver.LOST, 410, 403, 500, 504]),
        ),
        strategies.just(("settle",)),
    ),
    max_size=25,
)


@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(steps=STEPS)
def test_whatever_happens_the_copy_comes_right(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]]
) -> None:
    server = apiserver.FakeServer()
    server.start()
    follower = Follower(server.api(tmp_path_factory.mktemp("kube")))
    follower.reflector.start()
    try:
        for step in steps:
            _do(server, follower, step)
        _settle(server, follower)
        assert follower.replayed() == dict(follower.reflector.listing.items)
    finally:
        follower.reflector.stop()
        server.stop()


def _do(server: apiserver.FakeServer, follower: Follower, step: tuple[Any, ...]) -> None:
    match step:
        case ("put", name, colour):
            server.put(f"{PATH}/{name}", _thing(colour))
        case ("delete", name) if f"{PATH}/{name}" in server.items:
            server.put(f"{PATH}/{name}", None)
        case ("cut",):
            server.cut()
        case ("compact",):
            server.compact()
        case ("bookmark",):
            server.bookmark()
        case ("error",):
            server.publish("ERROR", {"code": 410})
        case ("fail", method, status):
            server.fail(method, status)
        case ("settle",):
            _settle(server, follower)


def _settle(server: apiserver.FakeServer, follower: Follower) -> None:
    def right() -> bool:
        items = {each["metadata"]["uid"]: each["colour"] for each in server.items.values()}
        held = follower.reflector.listing.items.values()
        return items == {each.uid: each.colour for each in held}

    waiting.until(right, "the copy is right", within_s=20)


def test_errors_have_their_kinds() -> None:
    kinds = {
        401: errors.Denied,
        403: errors.Denied,
        404: errors.NotFound,
        408: errors.Unreachable,
        409: errors.Conflict,
        410: errors.Expired,
        422: errors.Invalid,
        429: errors.Unreachable,
        500: errors.Unreachable,
        503: errors.Unreachable,
    }
    for status, kind in kinds.items():
        made = errors.of(status, "why", "GET /x")
        assert type(made) is kind
        assert str(made) == f"GET /x: why (HTTP {status})"
