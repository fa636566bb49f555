from __future__ import annotations

import pytest

from externalgrpc.fleet import listing, state, view, wishes
from externalgrpc.model import fleet_errors
from providers import errors
from tests.fleet.scene import (
    CREATING,
    SETTLE_S,
    Scene,
    account,
    group,
    machine,
    node,
    placeholder,
)

INT32_MAX = 2**31 - 1


def endless(_group=None):
    raise AssertionError("no name should be minted")
    yield


class TestGrow:
    def test_it_raises_the_target_by_delta_at_once(self):
        scene = Scene()
        names = scene.grow(3)
        assert scene.names() == list(names)
        assert scene.target() == 3
        assert all(scene.launch(name).phase is state.Phase.HELD for name in names)

    @pytest.mark.parametrize("delta", [0, -1, -INT32_MAX])
    def test_it_must_be_positive(self, delta):
        with pytest.raises(fleet_errors.OutOfBounds, match="positive"):
            Scene().grow(delta)

    def test_up_to_the_maximum_and_no_further(self):
        scene = Scene(group(max_size=3))
        scene.grow(3)
        with pytest.raises(
            fleet_errors.OutOfBounds, match="3 \\+ 1 machines would exceed maxSize 3"
        ):
            scene.grow(1)

    def test_a_huge_delta_is_refused_before_a_name_is_minted(self):
        scene = Scene()
        with pytest.raises(fleet_errors.OutOfBounds):
            wishes.grow(
                scene.fleet,
                "g",
                INT32_MAX,
                mint=endless(),
                now=scene.now,
                unix_now=scene.now,
                cover=True,
            )

    def test_an_unknown_group(self):
        with pytest.raises(fleet_errors.UnknownGroup, match="'nope'"):
            Scene().grow(1, "nope")

    def test_a_group_that_departed(self):
        scene = Scene(group(), shown=(machine(1, "g-1"),))
        scene.configure()
        with pytest.raises(fleet_errors.OutOfBounds, match="no longer in the configuration"):
            scene.grow()

    def test_an_account_never_listed(self):
        scene = Scene(settled=False)
        with pytest.raises(fleet_errors.NotReady, match="first listing is under way"):
            scene.grow()

    def test_an_account_whose_first_listing_failed_says_why(self):
        scene = Scene(settled=False)
        scene.fleet = not_listed(scene, "token expired")
        with pytest.raises(fleet_errors.NotReady, match="token expired"):
            scene.grow()

    def test_a_blind_account_after_minutes_of_failures(self):
        scene = Scene()
        scene.now += wishes.BLIND_S - 1
        scene.fleet = not_listed(scene, "503")
        scene.grow()
        scene.now += 2
        with pytest.raises(fleet_errors.NotReady, match="could not be listed for 301 s: 503"):
            scene.grow()

    def test_an_account_whose_listing_hangs(self):
        scene = Scene()
        scene.now += 40
        scene.plan()
        assert scene.fleet.accounts["a"].listing
        scene.now += wishes.BLIND_S + 1
        with pytest.raises(fleet_errors.NotReady, match="the listing hangs"):
            scene.grow()

    def test_an_old_listing_alone_is_no_reason(self):
        scene = Scene()
        scene.now += 10 * wishes.BLIND_S
        assert len(scene.grow()) == 1

    def test_a_group_that_cannot_work(self):
        scene = Scene()
        scene.configure(group(), blocked={"g": "no way to join"})
        with pytest.raises(fleet_errors.NotReady, match="no way to join"):
            scene.grow()

    def test_names_that_were_ever_used_are_not_minted_again(self):
        scene = Scene(shown=(machine(1, "g-000001"),))
        fleet, _ = wishes.retire(
            scene.fleet, "g", [node(1, "g-000001")], now=scene.now, unix_now=scene.now
        )
        mint = iter(["g-000001", "g-x", "g-x", "g-y"])
        _, grown = wishes.grow(
            fleet, "g", 2, mint=mint, now=scene.now, unix_now=scene.now, cover=False
        )
        assert grown.ordered == ("g-x", "g-y")

    def test_the_name_of_a_missing_machine_is_taken(self):
        scene = Scene(shown=(machine(1, "g-x"),))
        scene.listed()
        mint = iter(["g-x", "g-y"])
        _, grown = wishes.grow(
            scene.fleet, "g", 1, mint=mint, now=scene.now, unix_now=scene.now, cover=False
        )
        assert grown.ordered == ("g-y",)


class TestCover:
    def test_the_first_growth_of_a_fresh_autoscaler_is_answered_by_what_is_in_the_air(self):
        scene = Scene()
        air = scene.grow(3)
        scene.fleet = wishes.autoscaler_started(scene.fleet, unix_now=scene.now)
        first = scene.grown(4)
        assert set(first.covered) == set(air)
        assert len(first.ordered) == 1
        assert scene.target() == 4

    def test_once_per_group_and_start(self):
        scene = Scene()
        scene.grow(3)
        scene.fleet = wishes.autoscaler_started(scene.fleet, unix_now=scene.now)
        assert len(scene.grown(1).covered) == 1
        assert scene.grown(2).covered == ()
        scene.fleet = wishes.autoscaler_started(scene.fleet, unix_now=scene.now)
        assert len(scene.grown(1).covered) == 1

    def test_each_group_by_its_own(self):
        scene = Scene(group("g"), group("h"))
        scene.grow(2, "g")
        scene.grow(1, "h")
        scene.fleet = wishes.autoscaler_started(scene.fleet, unix_now=scene.now)
        assert len(scene.grown(2, "g").covered) == 2
        assert len(scene.grown(2, "h").covered) == 1

    def test_our_own_start_counts_as_one(self):
        young = machine(1, "g-1", state=CREATING, created_at=990.0)
        old = machine(2, "g-2", created_at=1.0)
        scene = Scene(shown=(young, old), settled=False)
        scene.now = 1100.0
        scene.listed(young, old)
        assert scene.grown(1).covered == ("g-1",)

    def test_not_what_was_ordered_after_the_start(self):
        scene = Scene()
        scene.fleet = wishes.autoscaler_started(scene.fleet, unix_now=scene.now)
        assert scene.grown(1).covered == ()
        assert scene.grown(1).covered == ()

    def test_not_machines_that_registered_since(self):
        boots = machine(1, "g-1", created_at=1060.0)
        scene = Scene(shown=(boots,))
        scene.fleet = wishes.autoscaler_started(scene.fleet, unix_now=scene.now)
        scene.register("sky://1")
        assert scene.grown(1).covered == ()

    def test_not_launches_that_failed_since(self):
        scene = Scene()
        (name,) = scene.grow(1)
        scene.fleet = wishes.autoscaler_started(scene.fleet, unix_now=scene.now)
        scene.plan()
        scene.ordered(name, errors.BadOrder("no image"))
        assert scene.grown(1).covered == ()

    def test_not_machines_older_than_the_provision_time(self):
        boots = machine(1, "g-1", created_at=1060.0)
        scene = Scene(shown=(boots,))
        scene.fleet = wishes.autoscaler_started(scene.fleet, unix_now=scene.now)
        scene.now += 901
        assert scene.grown(1).covered == ()

    def test_a_caller_that_does_not_forget_is_not_covered(self):
        scene = Scene()
        scene.grow(2)
        scene.fleet = wishes.autoscaler_started(scene.fleet, unix_now=scene.now)
        assert scene.grown(2, cover=False).covered == ()
        assert scene.grown(2).covered == ()

    def test_a_refused_growth_uses_nothing_up(self):
        scene = Scene(group(max_size=4))
        scene.grow(3)
        scene.fleet = wishes.autoscaler_started(scene.fleet, unix_now=scene.now)
        with pytest.raises(fleet_errors.OutOfBounds):
            scene.grown(5)
        assert len(scene.grown(1).covered) == 1

    def test_a_relaunched_machine_covers_under_its_new_name(self):
        scene = Scene()
        (name,) = scene.grow(1)
        scene.plan()
        scene.ordered(name, machine(1, name, state=CREATING, receipt="r1"))
        scene.fleet = wishes.autoscaler_started(scene.fleet, unix_now=scene.now)
        scene.looked_up(name, errors.OutOfStock("sold out after all"))
        (again,) = scene.fleet.launches
        assert again != name
        assert scene.grown(1).covered == (again,)


class TestRetire:
    def test_a_running_machine(self):
        scene = Scene(shown=(machine(1, "g-1"), machine(2, "g-2")))
        assert scene.retire(node(1, "g-1")) == ("g-1",)
        assert scene.names() == ["g-2"]
        assert [each.id for each in view.leaving(scene.fleet, "g")] == ["1"]
        assert view.whose(scene.fleet, "sky://1") is None

    def test_twice_is_success_and_counts_once(self):
        scene = Scene(shown=(machine(1, "g-1"), machine(2, "g-2")))
        scene.retire(node(1, "g-1"))
        assert scene.retire(node(1, "g-1")) == ()
        assert scene.target() == 1

    def test_the_same_node_twice_in_one_batch_counts_once(self):
        scene = Scene(group(min_size=1), shown=(machine(1, "g-1"), machine(2, "g-2")))
        assert scene.retire(node(1, "g-1"), node(1, "g-1")) == ("g-1",)
        assert scene.target() == 1

    def test_an_empty_batch_does_nothing(self):
        scene = Scene(shown=(machine(1, "g-1"),))
        before = scene.fleet
        assert scene.retire() == ()
        assert scene.fleet == before

    def test_an_empty_batch_of_an_unknown_group(self):
        with pytest.raises(fleet_errors.UnknownGroup):
            Scene().retire(group="nope")

    def test_a_launch_that_was_not_sent_vanishes(self):
        scene = Scene()
        (name,) = scene.grow(1)
        assert scene.retire(placeholder(name)) == (name,)
        assert scene.target() == 0
        assert not scene.fleet.retired

    def test_a_placeholder_from_before_the_restart_is_success(self):
        assert Scene().retire(placeholder("g-bcdfgh")) == ()
        assert Scene().retire(placeholder("g-bcdfgh", fake=False)) == ()

    def test_a_node_of_ours_whose_machine_is_long_gone_is_success(self):
        assert Scene().retire(node(77, "g-bcdfgh")) == ()

    @pytest.mark.parametrize(
        ("provider_id", "name"),
        [
            ("aws:///i-1", "worker-1"),
            ("sky://99", "worker-1"),
            ("", "g-bcdfgh"),
            ("", ""),
            ("k3s://g-bcdfgh", "g-bcdfgh"),
        ],
    )
    def test_strangers_are_refused_by_name(self, provider_id, name):
        scene = Scene()
        stranger = wishes.NodeRef(provider_id=provider_id, name=name)
        with pytest.raises(fleet_errors.NotOurs, match=name or "without name"):
            scene.retire(stranger)

    def test_a_machine_of_another_group_is_a_stranger(self):
        scene = Scene(group("g"), group("h"), shown=(machine(1, "h-1", "h"),))
        with pytest.raises(fleet_errors.NotOurs, match="h-1"):
            scene.retire(node(1, "h-1"))

    def test_an_impostor_with_the_name_of_a_live_machine_is_a_stranger(self):
        scene = Scene(shown=(machine(1, "g-bcdfgh"),))
        with pytest.raises(fleet_errors.NotOurs):
            scene.retire(node(2, "g-bcdfgh"))

    def test_one_stranger_saves_the_whole_batch(self):
        scene = Scene(shown=(machine(1, "g-1"),))
        before = scene.fleet
        with pytest.raises(fleet_errors.NotOurs, match=r"pet-1, pet-2"):
            scene.retire(node(1, "g-1"), node("p1", "pet-1"), node("p2", "pet-2"))
        assert scene.fleet is before

    def test_never_below_the_minimum(self):
        scene = Scene(group(min_size=2), shown=tuple(machine(n, f"g-{n}") for n in (1, 2, 3)))
        with pytest.raises(fleet_errors.OutOfBounds, match="deleting 2 would leave 1"):
            scene.retire(node(1, "g-1"), node(2, "g-2"))
        assert scene.retire(node(1, "g-1")) == ("g-1",)
        with pytest.raises(fleet_errors.OutOfBounds):
            scene.retire(node(2, "g-2"))

    def test_an_accepted_machine_that_joined_before_a_listing_showed_it_is_live(self):
        scene = Scene(group(min_size=1))
        (name,) = scene.grow(1)
        scene.plan()
        scene.ordered(name, machine(1, name, state=CREATING))
        with pytest.raises(fleet_errors.OutOfBounds):
            scene.retire(node(1, name))

    def test_what_never_registered_goes_at_the_minimum_too(self):
        scene = Scene(group(min_size=2), shown=(machine(1, "g-1"), machine(2, "g-2")))
        assert scene.retire(node(1, fake=True)) == ("g-1",)

    def test_failed_launches_go_at_the_minimum_too(self):
        scene = Scene(group(min_size=1), shown=(machine(1, "g-1"),))
        (name,) = scene.grow(1)
        scene.plan()
        scene.ordered(name, errors.QuotaExceeded("over quota"))
        assert scene.retire(placeholder(name, fake=False)) == (name,)
        assert scene.retire(placeholder(name)) == ()

    def test_a_failed_launch_does_not_count_as_live(self):
        scene = Scene(group(min_size=1), shown=(machine(1, "g-1"),))
        (name,) = scene.grow(1)
        scene.plan()
        scene.ordered(name, errors.QuotaExceeded("over quota"))
        with pytest.raises(fleet_errors.OutOfBounds):
            scene.retire(node(1, "g-1"))

    def test_the_stale_placeholder_of_a_machine_that_runs(self):
        scene = Scene()
        (name,) = scene.grow(1)
        scene.plan()
        scene.ordered(name, machine(1, name, state=CREATING))
        scene.listed(machine(1, name))
        assert scene.retire(placeholder(name)) == (name,)
        assert scene.fleet.retired[name].instance_id == "1"

    def test_a_machine_without_its_name_mark_goes_by_its_id(self):
        scene = Scene(group(any_node_name=True), shown=(machine(1, ""), machine(2, "")))
        assert scene.retire(node(1, "whatever")) == ("sky://1",)
        scene.listed(machine(1, ""), machine(2, ""))
        assert scene.names() == ["sky://2"]
        assert scene.fleet.retired["sky://1"].instance_id == "1"


class TestShrink:
    def test_the_youngest_that_were_not_sent_go(self):
        scene = Scene()
        names = scene.grow(3)
        assert scene.shrink(-2) == names[1:]
        assert scene.names() == [names[0]]

    @pytest.mark.parametrize("delta", [0, 1, INT32_MAX])
    def test_it_must_be_negative(self, delta):
        with pytest.raises(fleet_errors.OutOfBounds, match="negative"):
            Scene().shrink(delta)

    def test_machines_and_orders_under_way_stay(self):
        scene = Scene(group(max_size=20), shown=(machine(1, "g-1"),))
        names = scene.grow(5)
        sent = [request.name for request in scene.creates()]
        assert len(sent) == 4
        assert scene.shrink(-(2**31)) == tuple(set(names) - set(sent))
        assert set(scene.names()) == {"g-1", *sent}
        assert not scene.fleet.retired

    def test_a_failed_launch_stays_until_it_is_deleted(self):
        scene = Scene()
        (name,) = scene.grow(1)
        scene.plan()
        scene.ordered(name, errors.BadOrder("no image"))
        assert scene.shrink(-1) == ()
        assert scene.names() == [name]

    def test_what_was_sent_once_and_withdrawn_never_comes_back(self):
        scene = Scene()
        (name,) = scene.grow(1)
        scene.plan()
        scene.ordered(name, errors.Throttled("slow down"))
        assert scene.shrink(-1) == (name,)
        scene.listed(machine(1, name))
        assert scene.target() == 0
        assert scene.fleet.retired[name].deletion is state.Deletion.OWED


class TestRegister:
    def test_what_was_derived_is_handed_on(self):
        scene = Scene(shown=(machine(1, "g-1"),))
        members = view.members(scene.fleet, "g")
        scene.register("sky://1")
        assert scene.fleet.registered == {"sky://1": "g-1"}
        assert view.members(scene.fleet, "g") is members

    def test_what_ca_drained_is_forgotten_once_it_is_gone(self):
        scene = Scene(shown=(machine(1, "g-1"),))
        scene.register("sky://1")
        scene.listed()
        assert scene.fleet.registered == {"sky://1": "g-1"}
        (key,) = scene.retire(node(1, "g-1"))
        scene.plan()
        scene.deleted(key)
        for _ in range(4):
            scene.now += SETTLE_S + 1
            scene.listed()
        assert "sky://1" in scene.fleet.gone
        assert not scene.fleet.registered

    def test_what_is_only_not_shown_any_more_was_a_node_as_long_as_it_is_known(self, monkeypatch):
        scene = Scene(shown=(machine(1, "g-1"),))
        scene.register("sky://1")
        scene.listed()
        scene.plan()
        scene.missing_looked_up("sky://1", None)
        scene.listed()
        assert scene.fleet.registered == {"sky://1": "g-1"}
        monkeypatch.setattr(listing, "GONE_REMEMBERED", 0)
        scene.listed()
        scene.listed()
        assert not scene.fleet.registered

    def test_a_machine_that_registers_before_a_listing_shows_it_stays_registered(self):
        scene = Scene()
        (name,) = scene.grow(1)
        scene.plan()
        scene.ordered(name, machine(1, name, state=CREATING))
        scene.register("sky://1", name=name)
        scene.listed()
        assert set(scene.fleet.registered) == {"sky://1"}


def test_starting_callers_of_unlisted_accounts_wait_for_the_first_listing():
    scene = Scene(group("g"), group("h", "b"), accounts=(account("a"), account("b")), settled=False)
    scene.listed(account="a")
    scene.fleet = wishes.autoscaler_started(scene.fleet, unix_now=scene.now)
    assert scene.fleet.pending_at_start.keys() == {"g"}
    scene.now += SETTLE_S
    scene.listed(machine(1, "h-1", "h", state=CREATING, created_at=scene.now), account="b")
    assert scene.fleet.pending_at_start["h"] == {"h-1"}


def not_listed(scene, trouble):
    return listing.not_listed(scene.fleet, "a", trouble)


class TestWhenTheAutoscalerAsked:
    """How long a machine took is reckoned from then, whatever became of it in between."""

    def test_it_is_known_until_the_machine_is_gone(self):
        scene = Scene()
        (name,) = scene.grow(1)
        asked_at = scene.now
        scene.plan()
        scene.now += 30
        scene.ordered(name, machine(1, name))
        scene.listed(machine(1, name))
        assert name not in scene.fleet.launches
        assert scene.fleet.asked == {name: asked_at}
        scene.listed()
        assert scene.fleet.asked == {}

    def test_a_machine_that_is_ordered_anew_was_asked_for_as_long_ago(self):
        scene = Scene()
        (name,) = scene.grow(1)
        asked_at = scene.now
        scene.plan()
        scene.ordered(name, machine(1, name, state=CREATING))
        scene.now += SETTLE_S + 1
        scene.listed()
        scene.plan()
        scene.looked_up(name, errors.OutOfStock("none after all"))
        (again,) = scene.fleet.launches.keys() - {name}
        assert scene.fleet.asked[again] == asked_at

    def test_what_the_process_before_us_was_asked_for_is_not_known(self):
        assert Scene(shown=(machine(1, "g-1"),)).fleet.asked == {}

    def test_an_order_that_is_withdrawn_is_forgotten(self):
        scene = Scene()
        scene.grow(2)
        scene.shrink(-2)
        scene.listed()
        assert scene.fleet.asked == {}
