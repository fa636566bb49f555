"""Which wishes a server takes that does not act: its own pod's autoscaler's, and nobody else's."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from externalgrpc.fleet import view
from externalgrpc.kube import lease
from externalgrpc.leading import election
from externalgrpc.model import fleet_errors
from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.rpc import service
from tests import serving
from tests.leading import cluster
from tests.leading.test_readings import Clock

LASTS_S = 15.0


class Scene:
    """A Lease, whoever holds it, and the election of a server on the host ``ours``."""

    def __init__(self, way: Callable[[lease.Store], election.Way]) -> None:
        self.api, self.clock = cluster.ApiServer(), Clock()
        self.store = lease.Store(self.api.client(self.clock.unix), namespace="n", name="l")
        self.elects = election.Election(
            way(self.store), time_source=self.clock, chance=random.Random(1)
        )

    def held_by(self, holder: str) -> None:
        """Have it taken or renewed, at an instant of its own."""
        seen = self.store.read()
        self.clock.now += 1.0
        self.api.wall += 1.0
        if seen is None:
            self.store.make(holder, LASTS_S)
        else:
            self.store.take(seen, holder, LASTS_S)
        assert self.api.thing is not None
        self.api.thing["spec"]["renewTime"] = str(self.clock.now)

    def led_by(self, holder: str) -> None:
        """Have it renewed, and looked at, for as long as whoever holds it first waits."""
        for _ in range(13):
            self.held_by(holder)
            self.elects.round()

    def states(self) -> list[tuple[str, str]]:
        """Go through all that can be; (why it does not act, why it refuses) of each."""
        found = [self._now()]
        self.elects.round()
        found.append(self._now())
        self.led_by("other_1")
        found.append(self._now())
        self.led_by("ours_1")
        found.append(self._now())
        self.api.away = True
        self.clock.now += LASTS_S
        self.elects.round()
        found.append(self._now())
        self.api.away = False
        self.led_by("other_2")
        found.append(self._now())
        return found

    def _now(self) -> tuple[str, str]:
        return self.elects.why_not(), self.elects.refuses()


def test_who_follows_the_autoscaler_of_its_pod_refuses_nothing_ever() -> None:
    """Nobody else comes over the socket; what it may not send is held, not refused."""
    scene = Scene(lambda store: election.Follow(store, "ours"))
    acts, refuses = zip(*scene.states(), strict=True)
    assert acts == (
        "the Lease was not read yet",
        "the Lease is not there yet",
        "the Lease is held by other_1",
        "",
        "the Lease is ours and was not seen to be renewed in time",
        "this server led, and the Lease is held by other_2",
    )
    assert set(refuses) == {""}


def test_who_holds_one_of_its_own_refuses_whenever_another_may_act() -> None:
    scene = Scene(lambda store: election.Hold(store, "ours_1", LASTS_S))
    assert scene.elects.refuses() == "the Lease was not read yet"
    scene.held_by("other_1")
    scene.elects.round()
    assert scene.elects.refuses() == "the Lease is held by other_1"


@pytest.fixture
def up(tmp_path):
    with serving.running(tmp_path, serving.TWO_POOLS) as running:
        yield running


def test_a_wish_before_the_lease_was_seen_is_held_and_carried_out_by_who_leads(up) -> None:
    """The autoscaler may lead, and ask, a second before its server has read that it does."""
    scene = Scene(lambda store: election.Follow(store, "ours"))
    of = up.plant.reconciler
    scene.elects.listen(leads=of.take_over, waits=of.stand_by, lost=lambda _why: None)
    of.stand_by(scene.elects.why_not())
    asked = service.CloudProvider(of, up.plant.describer, refuses=scene.elects.refuses)
    asked.NodeGroupIncreaseSize(pb.NodeGroupIncreaseSizeRequest(id="alpha", delta=2))
    assert view.target(of.fleet, "alpha") == 2, "it is counted at once"
    scene.held_by("other_1")
    scene.elects.round()
    scene.held_by("ours_1")
    scene.elects.round()
    assert "stands by: the Lease is ours, acting in" in up.show().orders_held
    assert {each.phase for each in up.show().machines} == {"held"}, "nothing was sent"
    scene.led_by("ours_1")
    assert scene.elects.why_not() == ""
    serving.until(lambda: view.live(of.fleet, "alpha") == 2)


def test_a_wish_is_refused_by_one_that_holds_no_lease_of_its_own(up) -> None:
    scene = Scene(lambda store: election.Hold(store, "ours_1", LASTS_S))
    of = up.plant.reconciler
    asked = service.CloudProvider(of, up.plant.describer, refuses=scene.elects.refuses)
    scene.held_by("other_1")
    scene.elects.round()
    with pytest.raises(fleet_errors.StandsBy, match="the Lease is held by other_1"):
        asked.NodeGroupIncreaseSize(pb.NodeGroupIncreaseSizeRequest(id="alpha", delta=2))
    assert view.target(of.fleet, "alpha") == 0
