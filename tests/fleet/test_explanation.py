"""Why is there no node? The first thing that keeps one from coming, in a code and a sentence."""

from __future__ import annotations

import dataclasses

import pytest

from externalgrpc.fleet import explanation, listing, state, wishes
from providers import contract, errors
from tests.fleet import scene
from tests.fleet.scene import Scene, machine

CREATING = contract.InstanceState.CREATING


def why(at: Scene, group: str = "g") -> explanation.Answer:
    return explanation.why_no_node(at.fleet, group, now=at.now)


def sent(at: Scene) -> str:
    (name,) = at.grow()
    at.now += 1
    at.plan()
    return name


def refused(error_type, **more) -> Scene:
    at = Scene(scene.group(candidates=(scene.NORTH,)))
    name = sent(at)
    at.now += 1
    at.ordered(name, error_type("because.", account="a", operation="create", **more))
    at.plan()
    return at


def test_nobody_asked():
    answer = why(Scene())
    assert answer.code == "NotAsked"
    assert "asks for no machine" in answer.sentence
    assert "why NAMESPACE/POD" in answer.cure


def test_all_that_were_asked_for_are_nodes():
    at = Scene(shown=(machine(1, "g-1"),))
    at.register("sky://1")
    assert why(at) == explanation.Answer(
        "NotAsked",
        "Nothing keeps it from growing, and the autoscaler asks for no more than the 1 that it "
        "has.",
        "Where a pod waits all the same: vps-autoscaler why NAMESPACE/POD.",
    )


def test_what_is_on_the_way_is_counted_by_how_far_it_is():
    at = Scene(shown=(machine(1, "g-1"), machine(2, "g-2", state=CREATING)))
    at.grow()
    assert why(at).sentence == (
        "3 machines are on the way: 1 running, and no node yet, 1 booting, 1 waiting to be ordered."
    )


def test_a_group_that_is_full():
    at = Scene(scene.group(max_size=1), shown=(machine(1, "g-1"),))
    at.register("sky://1")
    assert why(at).sentence == "The group has as many machines as it may: 1 of maxSize 1."


def test_a_group_that_is_full_of_doubts():
    at = Scene(
        scene.group(max_size=1),
        identity="a" * 10,
        nodes={"else": state.Seen("", ready=True)},
        accounts=(scene.account(foreign={}),),
        shown=(machine(1, "g-1", identity="a" * 10), machine(2, "g-2")),
    )
    at.register("sky://1")
    assert "in quarantine" in why(at).sentence


@pytest.mark.parametrize(
    ("error_type", "code"),
    [
        (errors.OutOfStock, "OutOfStock"),
        (errors.QuotaExceeded, "QuotaExceeded"),
        (errors.BadCredentials, "BadCredentials"),
        (errors.BadOrder, "BadOrder"),
    ],
)
def test_what_a_cloud_said_no_to(error_type, code):
    answer = why(refused(error_type))
    assert answer.code == code
    assert "because" in answer.sentence
    assert not answer.sentence.endswith("..")


def test_a_sold_out_group_is_explained_after_its_failure_was_cleaned_up_and_no_longer():
    at = refused(errors.OutOfStock)
    (name,) = at.names()
    at.retire(scene.placeholder(name))
    answer = why(at)
    assert (answer.code, answer.cure) == ("OutOfStock", "Name further instanceTypes or regions.")
    at.now += 301
    at.listed()
    assert why(at).code == "NotAsked"


def test_one_candidate_that_is_left_is_enough():
    at = Scene()
    name = sent(at)
    at.ordered(name, errors.OutOfStock("gone", account="a", operation="create"))
    assert why(at).code == "OnTheWay"
    group = at.fleet.groups["g"]
    said = [explanation.candidate_refusal(at.fleet, group, c, at.now) for c in group.candidates]
    assert [each is None for each in said] == [False, True]


def test_a_group_that_is_left_out():
    at = Scene()
    at.configure(scene.group(), blocked={"g": "userDataFile is missing"})
    assert why(at).code == "LeftOut"
    assert "userDataFile is missing" in why(at).sentence


def test_a_group_that_departed():
    at = Scene(scene.group(), scene.group("h"), shown=(machine(1, "g-1"),))
    at.configure(scene.group("h"))
    assert why(at).code == "Departed"


def test_an_account_that_was_never_listed():
    at = Scene(settled=False)
    at.fleet = listing.not_listed(at.fleet, "a", "no route")
    assert why(at).code == "NotListed"
    assert "no route" in why(at).sentence


def test_an_account_that_was_not_listed_for_long():
    at = Scene()
    at.fleet = listing.not_listed(at.fleet, "a", "no route")
    assert why(at).code == "NotAsked"
    at.now += wishes.BLIND_S + 1
    assert why(at).code == "NotListed"


def test_a_listing_that_hangs():
    at = Scene()
    at.now += 60
    at.plan()
    at.now += wishes.BLIND_S + 1
    assert why(at).sentence.endswith("the listing hangs.")


def test_a_catalogue_that_is_awaited():
    at = Scene()
    account = dataclasses.replace(at.fleet.accounts["a"], catalogue=None)
    at.fleet = dataclasses.replace(at.fleet, accounts={"a": account})
    assert why(at).sentence == "What account a sells is not known yet: the first answer is awaited."


def test_a_cluster_that_is_not_known_yet():
    at = Scene()
    at.fleet = dataclasses.replace(at.fleet, identity=None)
    assert why(at).code == "ClusterUnknown"


def test_orders_that_wait_for_the_process_before_us():
    at = Scene(settled=False)
    at.listed()
    assert why(at).code == "NotAsked"
    at.grow()
    assert why(at).code == "Settling"


def test_not_now_has_its_own_code():
    at = Scene()
    at.fleet = dataclasses.replace(at.fleet, outage="3 of 4 nodes are not ready")
    assert why(at).code == "Outage"
    assert "3 of 4 nodes are not ready" in why(at).sentence


def test_a_group_that_is_held_back():
    at = Scene()
    at.fleet = dataclasses.replace(at.fleet, strikes={"g": state.Strikes(3, at.now)})
    assert why(at).code == "HeldBack"
    at.now += 400
    assert why(at).code == "NotAsked"


def test_a_machine_that_failed_to_join_and_is_not_given_up():
    at = Scene(shown=(machine(1, "g-1"),))
    failure = state.Failure(state.ErrorClass.OTHER, "JoinTimeout", "no Node in 15m")
    held = state.Unjoined(at.now, failure, "its mark is gone")
    at.fleet = dataclasses.replace(at.fleet, unjoined={"g-1": held})
    answer = why(at)
    assert answer.code == "JoinTimeout"
    assert "its mark is gone" in answer.sentence


def test_a_node_that_is_not_ready_is_none_where_nodes_are_watched():
    at = Scene(shown=(machine(1, "g-1"),))
    at.register("sky://1")
    journey = state.Journey(created_at=1.0, provider_id="sky://1", node_at=2.0)
    at.fleet = dataclasses.replace(at.fleet, journeys={"g-1": journey})
    assert why(at).code == "OnTheWay"
