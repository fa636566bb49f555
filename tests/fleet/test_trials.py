"""A trial is a group of its own that the autoscaler never sees, and leaves nothing behind."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest

from externalgrpc import fleet as fleets
from externalgrpc.fleet import configured, notnow, requests, state, trials, view, wishes
from externalgrpc.model import fleet_errors, groups
from tests.fleet import scene

TRIAL, NODE = "vps-trial-g", "vps-trial-g-bbbbbb"


def tried(of: scene.Scene, group: str = "g") -> str:
    of.fleet, name = trials.start(of.fleet, group, mint=iter([NODE]), now=of.now)
    return name


def ended(of: scene.Scene) -> None:
    of.fleet = trials.end(of.fleet, TRIAL, now=of.now)


def running(of: scene.Scene, **marks: object) -> None:
    """Order the trial's machine, and let it run."""
    tried(of)
    of.creates()
    made = scene.machine(1, NODE, group=TRIAL, **marks)
    of.ordered(NODE, made)
    of.listed(made)


def test_the_machine_of_a_trial_is_ordered_as_any_other_with_a_taint_beside_the_groups_own():
    own = groups.Taint(key="tier", value="web", effect="NoExecute")
    of = scene.Scene(scene.group(taints=(own,), labels={"a": "b"}, image="debian"))
    assert tried(of) == TRIAL
    (order,) = of.creates()
    assert (order.name, order.group.name, order.account) == (NODE, TRIAL, "a")
    assert (order.group.image, order.group.labels) == ("debian", {"a": "b"})
    assert order.group.taints == (
        own,
        groups.Taint(key="vps-autoscaler/trial", value="g", effect="NoSchedule"),
    )


def test_the_autoscaler_sees_neither_group_nor_machine():
    of = scene.Scene()
    running(of)
    assert [each.name for each in view.served(of.fleet)] == ["g"]
    assert view.target(of.fleet, "g") == 0
    assert view.members(of.fleet, "g") == ()
    assert view.orphans(of.fleet) == ()
    for asks in (
        lambda: wishes.known(of.fleet, TRIAL),
        lambda: of.grow(group=TRIAL),
        lambda: of.retire(scene.node(1, NODE), group=TRIAL),
        lambda: of.shrink(-1, group=TRIAL),
    ):
        with pytest.raises(fleet_errors.UnknownGroup):
            asks()


def test_it_counts_against_the_max_size_of_the_group_that_is_tried():
    of = scene.Scene(scene.group(max_size=2))
    running(of)
    assert notnow.bounds(of.fleet, "g") == (0, 1)
    of.grow()
    with pytest.raises(fleet_errors.OutOfBounds, match="on trial"):
        of.grow()
    full = scene.Scene(scene.group(max_size=1))
    full.grow()
    with pytest.raises(fleet_errors.OutOfBounds, match="counts against maxSize"):
        tried(full)


def test_the_spend_cap_of_the_group_that_is_tried_holds():
    cap = groups.SpendCap(per_hour=Decimal("1.5"))
    of = scene.Scene(scene.group(cap=cap))
    of.grow()
    of.creates()
    tried(of)
    assert of.creates() == []
    failure = of.launch(NODE).failure
    assert failure is not None
    assert failure.code == "SpendCap"
    other = scene.Scene(scene.group(cap=cap))
    running(other)
    (name,) = other.grow()
    assert other.creates() == []
    assert other.launch(name).failure.code == "SpendCap"


@pytest.mark.parametrize("word", ["group", "everything"])
def test_what_is_paused_is_not_tried(word):
    of = scene.Scene(scene.group(paused=word == "group"))
    of.fleet = dataclasses.replace(of.fleet, paused=word == "everything")
    with pytest.raises(fleet_errors.OutOfBounds, match="Paused"):
        tried(of)


def test_a_pause_that_comes_later_holds_the_order_and_never_the_end():
    of = scene.Scene()
    tried(of)
    of.configure(scene.group(paused=True))
    assert of.creates() == []
    of = scene.Scene()
    running(of)
    of.fleet = dataclasses.replace(of.fleet, paused=True)
    ended(of)
    assert [type(each) for each in of.plan()] == [requests.Delete]


def test_a_server_that_stands_by_tries_and_clears_nothing():
    of = scene.Scene()
    of.fleet = fleets.stand_by(of.fleet, "server-b leads")
    for asks in (lambda: tried(of), lambda: trials.clear(of.fleet, "memory://1", now=of.now)):
        with pytest.raises(fleet_errors.StandsBy, match="server-b leads"):
            asks()
    assert of.creates() == []


def test_a_trial_is_ended_and_not_repaired():
    of = scene.Scene(scene.group(repair_after_s=300.0))
    tried(of)
    assert of.fleet.groups["g"].repair_after_s == 300.0
    assert of.fleet.groups[TRIAL].repair_after_s is None


def test_there_is_one_at_a_time():
    of = scene.Scene(scene.group(), scene.group("h"))
    running(of)
    with pytest.raises(fleet_errors.OutOfBounds, match="under way"):
        tried(of, "h")


def test_an_unknown_group_is_refused_and_an_unseen_account_is_awaited():
    of = scene.Scene()
    with pytest.raises(fleet_errors.UnknownGroup):
        tried(of, "nope")
    with pytest.raises(fleet_errors.UnknownGroup):
        tried(of, TRIAL)
    fresh = scene.Scene(settled=False)
    with pytest.raises(fleet_errors.NotReady, match="not been listed"):
        tried(fresh)


def test_a_reload_leaves_a_trial_alone_and_one_without_its_group_lets_it_go():
    of = scene.Scene()
    running(of)
    of.configure(scene.group(max_size=3))
    assert of.fleet.groups[TRIAL].trial_of == "g"
    assert not of.fleet.groups[TRIAL].departed
    of.configure(scene.group("h"))
    assert of.fleet.groups[TRIAL].departed
    ended(of)
    assert [type(each) for each in of.plan()] == [requests.Delete]


def test_its_end_deletes_a_ready_node_and_is_over_when_two_listings_agree():
    of = scene.Scene(identity=scene.IDENTITY, nodes={})
    tried(of)
    of.fleet = dataclasses.replace(of.fleet, annotation="")
    of.creates()
    made = scene.machine(1, NODE, group=TRIAL, identity=scene.IDENTITY)
    of.ordered(NODE, made)
    of.listed(made)
    of.fleet = fleets.see_nodes(
        of.fleet, {NODE: state.Seen(made.provider_id, ready=True)}, now=of.now, unix_now=of.now
    )
    ended(of)
    assert [each.instance_id for each in of.plan()] == ["1"]
    of.deleted(NODE)
    for _ in range(2):
        assert not trials.is_over(of.fleet, TRIAL)
        of.now += scene.SETTLE_S + 1
        of.listed()
    assert trials.is_over(of.fleet, TRIAL)
    assert TRIAL not in of.fleet.groups
    assert view.target(of.fleet, "g") == 0


def test_an_order_under_way_at_its_end_is_deleted_when_its_machine_comes():
    of = scene.Scene()
    tried(of)
    of.creates()
    ended(of)
    assert not trials.is_over(of.fleet, TRIAL)
    of.ordered(NODE, scene.machine(1, NODE, group=TRIAL))
    ended(of)
    assert [each.instance_id for each in of.plan() if isinstance(each, requests.Delete)] == ["1"]


def test_its_end_touches_nothing_that_it_did_not_order():
    of = scene.Scene()
    running(of)
    made = scene.machine(1, NODE, group=TRIAL)
    relabelled = scene.machine(2, "g-worker", group=TRIAL)
    of.listed(made, relabelled, scene.machine(3, "g-other"))
    ended(of)
    assert [each.instance_id for each in of.plan() if isinstance(each, requests.Delete)] == ["1"]


def test_its_end_touches_no_machine_that_this_process_ordered_for_a_group():
    of = scene.Scene()
    (name,) = of.grow()
    of.creates()
    of.ordered(name, scene.machine(2, name))
    running(of)
    made = scene.machine(1, NODE, group=TRIAL)
    of.listed(made, scene.machine(2, name, group=TRIAL))
    ended(of)
    assert [each.instance_id for each in of.plan() if isinstance(each, requests.Delete)] == ["1"]


def test_its_end_leaves_nobody_in_quarantine_whose_group_is_gone():
    of = scene.Scene(identity=scene.IDENTITY, nodes={})
    of.fleet = dataclasses.replace(of.fleet, annotation="")
    tried(of)
    of.creates()
    made = scene.machine(1, NODE, group=TRIAL, identity=scene.IDENTITY)
    of.ordered(NODE, made)
    # Somebody removed its name; nobody can know whose machine it is.
    nameless = dataclasses.replace(made, node_name="", identity="ffffffffff")
    of.listed(nameless)
    assert nameless.provider_id in of.fleet.quarantine
    trial = dataclasses.replace(of.fleet.groups[TRIAL], departed=True)
    groups_then = {**of.fleet.groups, TRIAL: trial}
    empty = dataclasses.replace(of.fleet, launches={}, groups=groups_then)
    pruned = configured.prune(empty)
    assert TRIAL not in pruned.groups
    assert pruned.quarantine == {}
    assert [each.provider_id for each in trials.leftovers(pruned)] == [nameless.provider_id]


def test_an_end_of_what_is_no_trial_changes_nothing():
    of = scene.Scene(shown=(scene.machine(1, "g-one"),))
    before = of.fleet
    assert trials.end(before, "g", now=of.now) is before
    assert trials.end(before, "nope", now=of.now) is before


def test_a_trial_that_fails_to_join_is_not_let_go_on_our_own_word():
    of = scene.Scene(identity=scene.IDENTITY, nodes={})
    tried(of)
    of.creates()
    made = scene.unjoined(1, NODE, group=TRIAL, created_at=of.now)
    of.ordered(NODE, made)
    of.listed(made)
    of.now += groups.DEFAULT_PROVISION_TIMEOUT_S + 1
    for _ in range(3):
        of.fleet = fleets.judge_joins(of.fleet, {}, now=of.now, unix_now=of.now)
        of.now += scene.SETTLE_S + 1
        of.listed(made)
    assert of.fleet.unjoined[NODE].failure.code == "JoinTimeout"
    assert "trial" in of.fleet.unjoined[NODE].withheld
    assert of.fleet.verdicts == ()
    assert list(fleets.overdue(of.fleet, of.now + 1000, patience_s=1.0)) == []
    # The same machine of a group that is no trial is given up.
    as_any = dataclasses.replace(of.fleet.groups[TRIAL], trial_of="")
    of.fleet = dataclasses.replace(of.fleet, groups={**of.fleet.groups, TRIAL: as_any})
    of.fleet = fleets.judge_joins(of.fleet, {}, now=of.now, unix_now=of.now)
    assert of.fleet.verdicts != ()


LEFT = {"group": TRIAL, "identity": scene.IDENTITY}


def left_behind(**marks: object) -> scene.Scene:
    shown = (scene.machine(1, NODE, **{**LEFT, **marks}),)
    return scene.Scene(identity=scene.IDENTITY, nodes={}, shown=shown)


def test_what_a_killed_trial_left_is_nobodys_and_is_never_deleted_by_itself():
    of = left_behind()
    assert [each.id for each in trials.leftovers(of.fleet)] == ["1"]
    assert view.orphans(of.fleet) == ()
    assert view.whose(of.fleet, "sky://1") is None
    assert view.target(of.fleet, "g") == 0
    for _ in range(5):
        of.now += 1000
        of.listed(scene.machine(1, NODE, **LEFT))
        assert not [each for each in of.plan() if isinstance(each, requests.Delete)]


def test_it_is_deleted_on_a_persons_word_and_keeps_another_trial_from_taking_it_for_its_own():
    of = left_behind()
    with pytest.raises(fleet_errors.OutOfBounds, match="--clean"):
        tried(of)
    (shown,) = trials.leftovers(of.fleet)
    assert trials.unproved(of.fleet, shown) == ""
    of.fleet = trials.clear(of.fleet, "sky://1", now=of.now)
    assert [each.instance_id for each in of.plan() if isinstance(each, requests.Delete)] == ["1"]
    assert trials.leftovers(of.fleet) == ()
    again = trials.clear(of.fleet, "sky://1", now=of.now)
    assert again is of.fleet
    of.deleted(NODE)
    for _ in range(2):
        of.now += scene.SETTLE_S + 1
        of.listed()
    assert trials.is_over(of.fleet, TRIAL)


@pytest.mark.parametrize(
    "marks",
    [
        {"identity": "ffffffffff"},
        {"identity": ""},
        {"group": "g"},
        {"group": "nobodys"},
        {"group": "my-vps-trial-g"},
    ],
)
def test_without_our_identity_and_the_mark_of_a_trial_nothing_is_cleared(marks):
    of = left_behind(**marks)
    with pytest.raises(fleet_errors.NotOurs):
        trials.clear(of.fleet, "sky://1", now=of.now)


def test_a_machine_with_another_name_than_a_trials_is_not_cleared():
    """One label was edited: the group's."""
    of = scene.Scene(
        identity=scene.IDENTITY, nodes={}, shown=(scene.machine(1, "g-bcdfgh", **LEFT),)
    )
    (shown,) = trials.leftovers(of.fleet)
    with pytest.raises(fleet_errors.NotOurs, match="minted for no trial") as refused:
        trials.clear(of.fleet, "sky://1", now=of.now)
    assert str(refused.value) == f"sky://1: {trials.unproved(of.fleet, shown)}"
    assert "purge --config FILE --machine sky://1" in trials.cure(of.fleet, shown)
    with pytest.raises(fleet_errors.OutOfBounds, match="purge --config FILE --machine sky://1"):
        tried(of)


def test_where_no_identity_is_known_nothing_is_cleared():
    of = scene.Scene(shown=(scene.machine(1, NODE, group=TRIAL),))
    with pytest.raises(fleet_errors.NotOurs, match="nothing proves"):
        trials.clear(of.fleet, "sky://1", now=of.now)


def test_a_trial_stands_under_the_surge_of_the_group_that_is_tried():
    shown = (scene.machine(1, "g-1"), scene.machine(2, "g-2"))
    of = scene.Scene(scene.group(max_size=2, surge=0), shown=shown)
    of.retire(scene.node(2, "g-2"))
    of.plan()
    tried(of)
    assert of.creates() == [], "two exist, and more may not"


@pytest.mark.parametrize(
    "bound", [{"max_size": 1, "surge": 0}, {"cap": groups.SpendCap(per_hour=Decimal("1.5"))}]
)
def test_an_order_of_a_trial_that_ended_counts_until_it_is_known_what_came_of_it(bound):
    of = scene.Scene(scene.group(**bound))
    tried(of)
    assert of.creates()
    ended(of)
    of.grow()
    assert of.creates() == []


@pytest.mark.parametrize(
    "change", [{"deletion": "WaitForEmpty", "min_size": 0}, {"hold": "no finalizer yet"}]
)
def test_what_may_order_nothing_any_more_is_not_tried_either(change):
    group = scene.group(vps_node=True)
    of = scene.Scene(group)
    tried(of)
    of.configure(dataclasses.replace(group, **change))
    assert of.creates() == []


def test_nor_is_what_cannot_join():
    of = scene.Scene()
    tried(of)
    of.configure(scene.group(), blocked={"g": "its image knows no cloud-init"})
    assert of.creates() == []
