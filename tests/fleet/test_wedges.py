"""Nothing wedges a group for ever, and one machine's trouble is not its siblings'."""

from __future__ import annotations

import dataclasses
import time

import pytest

from externalgrpc.fleet import (
    joins,
    marking,
    neighbours,
    notnow,
    quarantine,
    registering,
    requests,
    state,
    surge,
    tidying,
    view,
)
from externalgrpc.model import fleet_errors
from providers import contract, errors
from tests.fleet.scene import (
    CREATING,
    DELETING,
    IDENTITY,
    SETTLE_S,
    Scene,
    account,
    group,
    machine,
    node,
    placeholder,
    unjoined,
)

pytestmark = pytest.mark.alone

OTHER = "feedc0ffee"


def ours(*shown: contract.Instance, of=None, **of_account) -> Scene:
    return Scene(
        of or group(),
        accounts=(account(marking=True, **of_account),),
        identity=IDENTITY,
        nodes={},
        shown=shown,
    )


class TestSurge:
    def test_what_the_operator_said_is_not_ours_takes_no_place(self) -> None:
        strangers = [machine(n, f"g-x{n}", identity=OTHER) for n in range(20)]
        scene = ours(*strangers, foreign={OTHER: "ignore"})
        assert view.room(scene.fleet, "g") == 10
        scene.grow(4)
        assert len(scene.creates()) == 4

    def test_what_somebody_else_deletes_in_vain_holds_ten_minutes_and_no_longer(self) -> None:
        going = [machine(n, f"g-{n}", identity=IDENTITY, state=DELETING) for n in range(20)]
        scene = ours(*going)
        scene.now += surge.STUCK_S / 2
        scene.listed(*going)
        scene.grow(1)
        assert scene.creates() == []
        assert scene.wake_at <= scene.now + surge.STUCK_S
        scene.now += surge.STUCK_S
        assert len(scene.creates()) == 1


class TestBrake:
    @pytest.mark.parametrize(
        "refusal", [errors.Throttled("429", retry_after_s=1.0), errors.OutOfStock("sold out")]
    )
    def test_an_order_that_made_nothing_is_none(self, refusal) -> None:
        scene = Scene(accounts=(account(max_orders_per_hour=3),))
        sent = 0
        for _ in range(20):
            if not scene.fleet.launches:
                scene.grow(1)
            for each in scene.creates():
                scene.ordered(each.name, refusal)
                sent += 1
            scene.now += 10.0
            for launch in list(scene.fleet.launches.values()):
                if launch.failure is not None:
                    assert launch.failure.code != "OrderRate"
                    scene.retire(placeholder(launch.name))
        assert sent > 3
        assert notnow.why(scene.fleet, "g") is None

    def test_one_of_which_nobody_knows_is_one(self) -> None:
        scene = Scene(accounts=(account(max_orders_per_hour=1),))
        (name,) = scene.grow(1)
        scene.creates()
        scene.ordered(name, errors.Unreachable("lost"))
        assert notnow.why(scene.fleet, "g") is not None


class TestRenamed:
    def test_orders_go_on_once_it_was_put_right(self) -> None:
        scene = ours(neighbourly=True)
        old = contract.Neighbour(cluster="old", identity=IDENTITY, count=1)
        scene.fleet = neighbours.read(scene.fleet, "a", (old,), now=scene.now)
        assert notnow.why(scene.fleet, "g").code == "ClusterRenamed"
        assert not asks(scene)
        scene.now += neighbours.AGAIN_S
        assert asks(scene)
        assert not asks(scene), "it is under way"
        scene.fleet = neighbours.read(scene.fleet, "a", (), now=scene.now)
        assert notnow.why(scene.fleet, "g") is None
        scene.now += 100 * neighbours.AGAIN_S
        assert not asks(scene), "and nobody asks any more"


def asks(scene: Scene) -> bool:
    return any(isinstance(each, requests.ReadNeighbours) for each in scene.plan())


class TestMarks:
    """One machine that takes no mark, or shows none, keeps no other from its own."""

    def asked(self, scene: Scene, answers: dict[str, errors.CloudError | None]) -> list[str]:
        """Let an hour pass in which every listing shows the marks unchanged."""
        asked: list[str] = []
        shown = tuple(scene.fleet.index.by_provider_id.values())
        for _ in range(360):
            scene.now += 10.0
            scene.listed(*shown)
            for each in scene.plan():
                if isinstance(each, requests.Mark):
                    asked.append(each.provider_id)
                    error = answers.get(each.provider_id)
                    scene.fleet = marking.marked(
                        scene.fleet, each, error, now=scene.now, wait_s=0.0
                    )
        return asked

    def two(self) -> Scene:
        scene = ours(unjoined(1, "g-1"), unjoined(2, "g-2"))
        seen = {f"g-{n}": state.Seen(f"sky://{n}", ready=True) for n in (1, 2)}
        scene.fleet = registering.see_nodes(scene.fleet, seen, now=scene.now, unix_now=scene.now)
        return scene

    @pytest.mark.parametrize(
        "error", [errors.BadOrder("too many tags"), errors.Unreachable("not what was written")]
    )
    def test_whatever_the_cloud_says_of_it(self, error) -> None:
        scene = self.two()
        asked = self.asked(scene, {"sky://1": error})
        assert asked.index("sky://2") <= 2
        assert asked.count("sky://1") < 12, "it is asked less and less often"

    def test_a_machine_that_is_refused_says_nothing_of_the_login(self) -> None:
        scene = self.two()
        self.asked(scene, {"sky://1": errors.BadOrder("too many tags")})
        assert scene.fleet.accounts["a"].mark_failures == 0

    def test_a_listing_that_never_shows_what_was_written_costs_little(self) -> None:
        assert len(self.asked(self.two(), {})) < 24

    def test_what_is_done_is_forgotten(self) -> None:
        scene = self.two()
        self.asked(scene, {})
        assert set(scene.fleet.mark_tries) == {"sky://1", "sky://2"}
        scene.listed(machine(1, "g-1", identity=IDENTITY), machine(2, "g-2", identity=IDENTITY))
        assert not scene.fleet.mark_tries


def test_an_empty_listing_does_not_put_off_the_next_one() -> None:
    """One glitch of a listing of thousands: the next one must not wait behind as many look-ups."""
    shown = [machine(n, f"g-{n}", identity=IDENTITY) for n in range(1000)]
    scene = ours(*shown, of=group(max_size=9999))
    scene.listed()
    looked = [each for each in scene.plan() if isinstance(each, requests.LookUpMissing)]
    assert 0 < len(looked) <= 10
    assert not [each for each in scene.plan() if isinstance(each, requests.LookUpMissing)]
    seen: set[str] = set()
    for _ in range(300):
        for each in looked:
            seen.add(each.instance.id)
            scene.missing_looked_up(each.instance.provider_id, each.instance)
        scene.now += 1.0
        scene.listed()
        looked = [each for each in scene.plan() if isinstance(each, requests.LookUpMissing)]
    assert len(seen) == 1000, "each gets its turn"
    scene.listed(*shown)
    assert not scene.fleet.missing


def test_another_clusters_machine_does_not_stand_in_for_an_order_of_ours() -> None:
    own = machine(1, "g-1", identity=IDENTITY)
    scene = Scene(accounts=(account(marking=True),), identity=IDENTITY, nodes={}, settled=False)
    scene.listed(own)
    (name,) = scene.grow(1)
    scene.now += 5.0
    stranger = machine(7, "g-x", identity=OTHER, created_at=scene.now, state=CREATING)
    scene.listed(own, stranger)
    assert name in scene.fleet.launches


def test_a_machine_that_cannot_be_deleted_keeps_no_other_group_untidy() -> None:
    scene = Scene(
        group("g"),
        group("h"),
        accounts=(account(tidying=True),),
        shown=(machine(1, "g-1"), machine(2, "h-2", group="h")),
    )
    scene.register("sky://1", "sky://2")
    scene.retire(node(1, "g-1"))
    scene.retire(node(2, "h-2"), group="h")
    stuck = machine(1, "g-1")
    found: list[requests.Tidy] = []
    for _ in range(4):
        for each in scene.plan():
            if isinstance(each, requests.Tidy):
                found.append(each)
            if isinstance(each, requests.Delete):
                error = errors.Throttled("protected") if each.key == "g-1" else None
                scene.deleted(each.key, error)
        scene.now += SETTLE_S + 1
        scene.listed(stuck)
    assert [(each.groups, each.nodes) for each in found] == [(frozenset({"h"}), frozenset({"h-2"}))]
    scene.fleet = tidying.tidied(scene.fleet, found[0], None, now=scene.now)
    assert not scene.fleet.accounts["a"].untidy


def test_a_long_row_of_failed_joins_is_no_overflow() -> None:
    scene = ours()
    row = state.Strikes(5000, scene.now)
    scene.fleet = dataclasses.replace(scene.fleet, strikes={"g": row})
    with pytest.raises(fleet_errors.NotReady, match="5000 machines in a row"):
        scene.grow(1)
    scene.now += joins.MAX_HELD_BACK_S
    assert len(scene.grow(1)) == 1


@pytest.mark.parametrize("cluster", [True, False])
def test_five_thousand_nodes_of_machines_in_quarantine_are_shown_in_seconds(cluster) -> None:
    """A fresh CA shows every Node; each may be news of a machine in quarantine."""
    nodes = {f"g-{n}": state.Seen(f"sky://{n}", ready=True) for n in range(5000)}
    scene = Scene(
        accounts=(account(marking=True),),
        identity=IDENTITY if cluster else "",
        nodes=nodes if cluster else None,
        shown=tuple(machine(n, f"g-{n}", identity=OTHER) for n in range(5000)),
    )
    accused = frozenset(each.provider_id for each in nodes.values())
    if not cluster:
        scene.fleet = quarantine.accuse(scene.fleet, accused, now=scene.now, unix_now=scene.now)
    assert len(scene.fleet.quarantine) == 5000
    began = time.process_time()
    for name, seen in nodes.items():
        assert registering.claim(scene.fleet, seen.provider_id, name).news
        scene.register(seen.provider_id, name=name)
    assert time.process_time() - began < 15.0, "a review of all for each would take minutes"
    assert len(scene.fleet.quarantine) == (5000 if cluster else 0)


def test_only_one_machines_standing_is_reviewed_and_it_is_as_if_all_were() -> None:
    scene = Scene(shown=tuple(machine(n, f"g-{n}") for n in range(3)), started_at=5000.0)
    scene.register("sky://0", name="liar")
    scene.retire(node(1, fake=True))
    scene.register("sky://1")
    whole = quarantine.review(scene.fleet, now=scene.now, unix_now=scene.now)
    assert whole.quarantine == scene.fleet.quarantine
    assert set(scene.fleet.quarantine) == {"sky://0"}
