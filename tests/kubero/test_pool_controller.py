"""The paces of what is said and written, on a clock of the test's own."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest

from externalgrpc.fleet import state
from externalgrpc.kube import errors
from externalgrpc.kubero import apps, following, pool_controller, pool_writing, pools
from externalgrpc.support import clock
from externalgrpc.vpsnodes import objects
from tests.kubero.test_pools import ALLOWED, SCALING, app, applied, plan

MUCH = {**SCALING, "maxNodes": 9}


class Stub:
    """The cluster: apps that are followed, what is written, and what is not carried out."""

    def __init__(self) -> None:
        self.fleet = state.Fleet()
        self.seen: Mapping[str, apps.App] | None = {}
        self.nodes: dict[str, objects.VpsNode] = {}
        self.events: list[tuple[str, str]] = []
        self.applied: list[str] = []
        self.looked: list[str] = []
        self.deleted: list[str] = []
        self.refuses: errors.KubeError | None = None

    def write_event(self, of: apps.App, reason: str, _note: str) -> None:
        self._asked()
        self.events.append((of.name, reason))

    def apply(self, pool: Mapping[str, Any], _found: objects.VpsNode | None) -> None:
        self._asked()
        self.applied.append(str(pool["metadata"]["name"]))

    def look(self, namespace: str, name: str) -> apps.App | None:
        self._asked()
        self.looked.append(f"{namespace}/{name}")
        return (self.seen or {}).get(f"{namespace}/{name}")

    def delete(self, of: objects.VpsNode) -> None:
        self.deleted.append(of.name)

    def have(self, *every: apps.App) -> None:
        self.seen = {each.name: each for each in every}

    def _asked(self) -> None:
        if self.refuses is not None:
            raise self.refuses


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Stub:
    made = Stub()
    monkeypatch.setattr(pool_writing, "Writer", lambda *_: made)
    monkeypatch.setattr(following, "follow", lambda *_, **__: made)
    return made


@pytest.fixture
def controller(stub: Stub) -> pool_controller.Controller:
    return pool_controller.Controller(
        None,  # type: ignore[arg-type] - nothing is asked of it
        allowed=lambda: ALLOWED,
        nodes=lambda: stub.nodes,
        fleet=lambda: stub.fleet,
        time_source=clock.SystemClock(),
        chance=random.Random(1),
    )


def steps(controller: pool_controller.Controller, begin: float, end: float) -> None:
    """Look every ten seconds, the end left out."""
    now = begin
    while now < end:
        controller._step(now)
        now += 10.0


def test_a_reason_is_said_once_and_again_when_events_are_forgotten(
    stub: Stub, controller: pool_controller.Controller
) -> None:
    stub.have(app(autoScaling=MUCH))
    steps(controller, 0.0, 3600.0)
    assert stub.events == [("shop/web", pools.LIMIT)]
    steps(controller, 3600.0, 3700.0)
    assert len(stub.events) == 2


def test_who_changes_his_mind_all_the_time_is_answered_once_a_minute(
    stub: Stub, controller: pool_controller.Controller
) -> None:
    for now in range(0, 600, 5):
        odd = {"enabled": True, "maxNodes": -1 if now % 10 else 9}
        stub.have(app(autoScaling=odd))
        controller._step(float(now))
    assert len(stub.events) <= 11


def test_a_hundred_refused_apps_are_no_hundred_events_a_minute(
    stub: Stub, controller: pool_controller.Controller
) -> None:
    stub.have(*(app(f"a{n}", autoScaling=MUCH) for n in range(100)))
    steps(controller, 0.0, 60.0)
    assert 20 <= len(stub.events) <= 20 + 30
    steps(controller, 60.0, 300.0)
    assert len({name for name, _ in stub.events}) == 100, "each hears of it"


def test_what_is_refused_is_tried_again_after_a_while(
    stub: Stub, controller: pool_controller.Controller, caplog: pytest.LogCaptureFixture
) -> None:
    stub.refuses = errors.Denied("no")
    stub.have(app(autoScaling=MUCH), app("sign"))
    steps(controller, 0.0, 60.0)
    said = [each for each in caplog.records if "not looked after" in each.getMessage()]
    assert len(said) == 2, "one of each kind: for the Event, and for the object"
    stub.refuses = None
    steps(controller, 60.0, 200.0)
    assert stub.events == [("shop/web", pools.LIMIT)]
    assert pools.name_of("shop", "sign") in stub.applied


def test_a_pool_is_changed_every_few_seconds_at_most(
    stub: Stub, controller: pool_controller.Controller
) -> None:
    for now in range(20):
        most = 1 + now % 3
        stub.have(app(autoScaling={"enabled": True, "maxNodes": most}))
        stub.nodes = applied(plan([app(autoScaling={"enabled": True, "maxNodes": 1})]))
        controller._step(float(now))
    assert 1 <= len(stub.applied) <= 4


def test_two_looks_five_minutes_apart(stub: Stub, controller: pool_controller.Controller) -> None:
    stub.nodes = applied(plan([app()]))
    steps(controller, 0.0, 300.0)
    assert stub.looked == ["shop/web"]
    assert stub.deleted == []
    steps(controller, 300.0, 310.0)
    assert stub.looked == ["shop/web"] * 2
    assert stub.deleted == [pools.name_of("shop", "web")]


def test_a_look_that_fails_proves_nothing(
    stub: Stub, controller: pool_controller.Controller
) -> None:
    stub.nodes = applied(plan([app()]))
    stub.refuses = errors.Unreachable("no answer")
    steps(controller, 0.0, 3600.0)
    assert stub.deleted == []
    stub.refuses = None
    steps(controller, 3600.0, 3800.0)
    assert stub.deleted == [], "the first that came through is the first"


@pytest.mark.parametrize("unknown", ["apps", "nodes"])
def test_what_is_not_known_yet_changes_nothing(
    stub: Stub, controller: pool_controller.Controller, unknown: str
) -> None:
    stub.nodes = applied(plan([app()]))
    if unknown == "apps":
        stub.seen = None
    else:
        stub.have(app("sign"))
        stub.nodes = None  # type: ignore[assignment]
    steps(controller, 0.0, 900.0)
    assert (stub.applied, stub.looked, stub.deleted, stub.events) == ([], [], [], [])


def test_a_server_that_stands_by_looks_at_nothing(
    stub: Stub, controller: pool_controller.Controller
) -> None:
    stub.nodes = applied(plan([app()]))
    stub.have(app("sign"))
    stub.fleet = state.Fleet(standby="server-b leads")
    steps(controller, 0.0, 900.0)
    assert (stub.applied, stub.looked, stub.deleted, stub.events) == ([], [], [], [])
    stub.fleet = state.Fleet()
    steps(controller, 900.0, 910.0)
    assert stub.applied
    assert not stub.deleted


@pytest.mark.parametrize(
    "fleet",
    [
        state.Fleet(annotation="audit until Monday"),
        state.Fleet(annotation=None),
        state.Fleet(paused=True),
        state.Fleet(outage="9 of 9 nodes are not ready"),
    ],
)
def test_no_pool_is_deleted_while_everything_stands_still(
    stub: Stub, controller: pool_controller.Controller, fleet: state.Fleet
) -> None:
    stub.nodes = applied(plan([app()]))
    stub.have()
    stub.fleet = fleet
    steps(controller, 0.0, 400.0)
    assert stub.deleted == []
    stub.fleet = state.Fleet()
    steps(controller, 400.0, 1000.0)
    assert stub.deleted
