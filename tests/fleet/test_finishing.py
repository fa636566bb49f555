"""Machines that a create left half made are finished or deleted, and nothing is guessed."""

from __future__ import annotations

import dataclasses
import itertools
import random

import pytest

from externalgrpc.control import call, cloud_calls
from externalgrpc.fleet import finishing, plan, requests, state, view
from providers import contract, errors
from tests.fleet import scene

HALF = contract.InstanceState.UNFINISHED
NAME = "g-half01"


class Half(scene.Scene):
    """A cluster with an identity and a cloud that takes several requests for a machine."""

    def __init__(self, *shown, finishing=True, nodes=None, **fields) -> None:
        fields.setdefault("identity", scene.IDENTITY)
        super().__init__(
            accounts=(scene.account(finishing=finishing, marking=True),),
            shown=shown,
            nodes={} if nodes is None else nodes,
            **fields,
        )

    def finishes(self) -> list[requests.Finish]:
        return [each for each in self.plan() if isinstance(each, requests.Finish)]

    def finished(self, request: requests.Finish, answer) -> None:
        at = call.Moment(self.now, self.now, random.Random(1))
        self.fleet = cloud_calls.of(request).fold(self.fleet, answer, at)

    def later(self, seconds: float = scene.SETTLE_S + 1) -> None:
        self.now += seconds

    def ordered_half(self) -> contract.Instance:
        """Order one machine, whose create says that it is unfinished."""
        (name,) = self.grow()
        assert self.creates()
        made = scene.unjoined(7, name, state=HALF, created_at=self.now)
        self.ordered(name, made)
        return made


def half(number: int | str = 7, name: str = NAME, **fields) -> contract.Instance:
    return scene.unjoined(number, name, **{"state": HALF, "created_at": 1000.0, **fields})


def as_is(instance: contract.Instance, into: contract.InstanceState) -> contract.Instance:
    return scene.unjoined(instance.id, instance.node_name, state=into, created_at=1000.0)


class TestOfTheProcessBeforeUs:
    def test_it_counts_is_shown_as_creating_and_is_finished_with_its_own_type_and_place(self):
        there = Half(half())
        member = there.member(NAME)
        assert member.showing is view.Showing.CREATING
        assert there.target() == 1
        (request,) = there.finishes()
        assert request.order.name == NAME
        assert request.order.machine_type.name == "small"
        assert request.order.candidate == scene.NORTH
        assert request.instance == half()
        assert there.finishes() == []

    def test_not_before_the_first_settling_time_is_over(self):
        there = Half(settled=False)
        there.listed(half())
        assert there.finishes() == []
        there.later()
        assert there.finishes() == []
        there.listed(half())
        assert len(there.finishes()) == 1

    def test_not_before_the_cluster_and_its_nodes_are_known(self):
        there = Half(half(), identity=None)
        assert there.finishes() == []

    def test_what_was_finished_is_left_alone_until_a_later_listing_says_otherwise(self):
        there = Half(half())
        (request,) = there.finishes()
        there.finished(request, as_is(half(), scene.CREATING))
        there.listed(half())
        assert there.finishes() == [], "the listing may be late"
        there.later()
        there.listed(half())
        assert len(there.finishes()) == 1

    def test_what_runs_is_finished(self):
        there = Half(half())
        (request,) = there.finishes()
        there.finished(request, as_is(half(), scene.CREATING))
        there.listed(as_is(half(), scene.RUNNING))
        assert there.fleet.finishes == {}

    @pytest.mark.parametrize(
        "marks",
        [{"identity": "ffffffffff"}, {"unjoined": False}, {"identity": ""}],
        ids=["foreign", "was a node", "of an older version"],
    )
    def test_what_is_not_ours_beyond_doubt_is_not_touched(self, marks):
        there = Half(half(**marks))
        assert there.finishes() == []

    def test_nor_what_a_node_claims(self):
        there = Half(half(), nodes={NAME: state.Seen("sky://7", ready=True)})
        assert there.finishes() == []

    def test_nor_the_younger_of_two_of_one_name(self):
        there = Half(half(), half(8, created_at=1001.0))
        assert [each.instance.id for each in there.finishes()] == ["7"]

    def test_nor_what_ca_let_go(self):
        there = Half(half())
        there.retire(scene.node(7, NAME, fake=True))
        assert there.finishes() == []

    def test_nor_while_it_is_not_now(self):
        there = Half(half())
        there.fleet = dataclasses.replace(there.fleet, outage="nodes are lost")
        assert there.finishes() == []

    def test_the_brake_on_orders_does_not_hold_what_was_ordered(self):
        there = Half(half())
        there.fleet = dataclasses.replace(
            there.fleet,
            accounts={
                "a": dataclasses.replace(
                    there.fleet.accounts["a"], max_orders_per_hour=1, orders=(there.now,)
                )
            },
        )
        assert len(there.finishes()) == 1

    def test_no_more_at_once_than_there_are_hands(self):
        there = Half(*(half(number, f"g-half0{number}") for number in range(6)))
        assert len(there.finishes()) == 4

    def test_its_order_is_that_of_the_group_as_it_is_configured_now(self):
        there = Half(half())
        there.configure(scene.group(image="another"))
        (request,) = there.finishes()
        assert request.order.group.image == "another"


class TestWhatCannotBeFinished:
    def test_it_is_shown_with_the_error_once_two_listings_prove_that_it_never_ran(self):
        there = Half(half())
        (request,) = there.finishes()
        there.finished(request, errors.BadOrder("it took other user-data"))
        assert there.member(NAME).failure is None
        there.listed(half())
        failure = there.member(NAME).failure
        assert failure is not None
        assert (failure.code, failure.message) == ("BadOrder", "it took other user-data")
        assert there.finishes() == []
        assert there.retire(scene.node(7, NAME, fake=True)) == (NAME,)
        assert requests.Delete("a", NAME, "7") in there.plan()

    def test_it_is_not_shown_without_the_proof(self):
        there = Half(half(unjoined=False))
        there.later(10_000)
        there.listed(half(unjoined=False))
        assert there.member(NAME).failure is None
        assert "never was a node" in there.fleet.unjoined[NAME].withheld

    def test_nor_more_of_them_than_the_limits_allow(self):
        names = [f"g-half0{number}" for number in range(3)]
        shown = [half(number, name) for number, name in enumerate(names)]
        there = Half(*shown)
        for request in there.finishes():
            there.finished(request, errors.BadOrder("no"))
        there.listed(*shown)
        assert sum(there.member(name).failure is not None for name in names) == 1

    def test_one_of_a_group_that_left_the_configuration_is_given_up(self):
        there = Half(half())
        there.configure()
        assert there.finishes() == []
        there.listed(half())
        failure = there.member(NAME).failure
        assert failure is not None
        assert "no longer in the configuration" in failure.message

    def test_one_of_a_group_that_nobody_knows_is_an_orphan(self):
        there = Half(half(group="gone"))
        there.later(10_000)
        there.listed(half(group="gone"))
        assert there.finishes() == []
        assert [each.id for each in view.orphans(there.fleet)] == ["7"]
        assert not there.fleet.retired
        assert not there.fleet.finishes
        assert not plan.busy(there.fleet, "a"), "listings must not hurry for ever"

    def test_one_that_is_in_doubt_is_neither_finished_nor_given_up_nor_hurried_for(self):
        there = Half(half(identity="ffffffffff"))
        there.later(10_000)
        there.listed(half(identity="ffffffffff"))
        assert there.finishes() == []
        assert not there.fleet.unjoined
        assert not there.fleet.retired
        assert set(there.fleet.quarantine) == {"sky://7"}
        assert not plan.busy(there.fleet, "a")

    def test_one_at_a_cloud_that_cannot_finish_is_given_up(self):
        there = Half(half(), finishing=False)
        there.listed(half())
        assert there.finishes() == []
        failure = there.member(NAME).failure
        assert failure is not None
        assert failure.code == finishing.CODE

    def test_tries_are_bounded_and_further_and_further_apart(self):
        there = Half(half())
        at: list[float] = []
        began = there.now
        while there.now < began + 3600 and there.member(NAME).failure is None:
            for request in there.finishes():
                at.append(there.now)
                there.finished(request, errors.Unreachable("cut"))
            there.later(5)
            there.listed(half())
        assert len(at) == finishing.TRIES
        assert all(later - one >= scene.SETTLE_S for one, later in itertools.pairwise(at))
        failure = there.member(NAME).failure
        assert failure is not None
        assert failure.code == finishing.CODE
        assert "cut" in failure.message

    def test_a_cloud_that_finishes_nothing_is_not_asked_for_ever(self):
        there = Half(half())
        asked = 0
        for _ in range(200):
            for request in there.finishes():
                asked += 1
                there.finished(request, as_is(half(), scene.CREATING))
            there.later(20)
            there.listed(half())
        assert asked <= finishing.TRIES
        assert there.member(NAME).failure is not None

    def test_what_says_no_for_now_is_asked_until_the_time_of_a_machine_is_over(self):
        there = Half(half())
        asked, began = 0, there.now
        while there.member(NAME).failure is None:
            for request in there.finishes():
                asked += 1
                there.finished(request, errors.Throttled("slow down"))
            there.later(5)
            there.listed(half())
            assert there.now < began + 2000
        assert there.now - began > 800
        assert asked < 25

    def test_it_is_forgiven_when_it_was_finished_after_all(self):
        there = Half(half())
        (request,) = there.finishes()
        there.finished(request, errors.BadOrder("no"))
        there.listed(half())
        there.listed(as_is(half(), scene.RUNNING))
        assert there.member(NAME).failure is None
        assert not there.fleet.unjoined


class TestOfThisProcess:
    def test_a_create_that_says_so_is_finished_at_once(self):
        there = Half()
        made = there.ordered_half()
        (request,) = there.finishes()
        assert request.instance == made
        assert there.target() == 1

    def test_while_its_create_is_under_way_nobody_else_finishes_it(self):
        there = Half()
        (name,) = there.grow()
        assert there.creates()
        there.listed(half(7, name, created_at=there.now))
        assert there.finishes() == []
        assert there.launch(name).phase is state.Phase.ASKED
        assert there.target() == 1
        there.later()
        there.listed(half(7, name, created_at=there.now))
        assert there.finishes() == []

    def test_what_a_listing_showed_between_two_requests_keeps_its_id_when_the_next_one_lacks_it(
        self,
    ):
        there = Half()
        (name,) = there.grow()
        assert there.creates()
        there.listed(half(7, name, created_at=there.now))
        there.listed()
        assert there.member(name).provider_id == "sky://7"
        assert view.whose(there.fleet, "sky://7") == ("g", name)
        there.ordered(name, errors.Unreachable("cut"))
        there.listed()
        assert there.member(name).provider_id == "sky://7"
        assert there.target() == 1

    def test_nor_is_its_name_ordered_a_second_time(self):
        """Its id is known: what a name was lost under is never sent again, as of any machine."""
        there = Half()
        (name,) = there.grow()
        assert there.creates()
        there.listed(half(7, name, created_at=there.now))
        there.ordered(name, errors.Unreachable("cut"))
        there.later()
        there.listed()
        assert requests.LookUp("a", name, "7", "") in there.plan()
        there.looked_up(name, None)
        assert requests.Delete("a", name, "7") in there.plan()
        assert there.target() == 1
        assert name not in there.fleet.launches

    def test_nor_is_another_that_its_answer_names_taken_for_it(self):
        there = Half()
        (name,) = there.grow()
        assert there.creates()
        there.listed(half(7, name, created_at=there.now))
        there.ordered(name, half(8, name, created_at=there.now))
        there.listed(half(8, name, created_at=there.now))
        ids = sorted(member.provider_id for member in view.members(there.fleet, "g"))
        assert ids == ["sky://7", "sky://8"]

    @pytest.mark.parametrize("said", [errors.Throttled("slow down"), errors.OutOfStock("none")])
    def test_what_is_there_is_there_though_its_answer_says_that_nothing_was_made(self, said):
        there = Half()
        (name,) = there.grow()
        assert there.creates()
        there.listed(half(7, name, created_at=there.now))
        there.ordered(name, said)
        assert there.creates() == []
        there.listed()
        assert there.member(name).provider_id == "sky://7"

    def test_what_a_look_up_shows_while_it_is_made_is_known_from_then_on(self):
        there = Half()
        (name,) = there.grow()
        assert there.creates()
        there.looked_up(name, half(7, name, created_at=there.now))
        there.ordered(name, errors.Unreachable("cut"))
        assert there.member(name).provider_id == "sky://7"
        assert there.finishes() == [], "the rest of the create may land yet"

    def test_a_lost_answer_is_waited_for_as_long_as_it_may_still_be_done(self):
        there = Half()
        (name,) = there.grow()
        assert there.creates()
        there.ordered(name, errors.Unreachable("cut"))
        there.listed(half(7, name, created_at=there.now))
        assert there.finishes() == [], "the rest of the create may land yet"
        there.later()
        there.listed(half(7, name, created_at=there.now))
        assert len(there.finishes()) == 1
        assert there.creates() == []

    def test_what_only_a_look_up_shows_is_finished_too(self):
        there = Half()
        (name,) = there.grow()
        assert there.creates()
        there.ordered(name, errors.Unreachable("cut"))
        there.later()
        there.listed()
        assert any(isinstance(each, requests.LookUp) for each in there.plan())
        there.looked_up(name, half(7, name, created_at=there.now))
        assert len(there.finishes()) == 1

    def test_sold_out_at_the_start_gives_way_to_the_next_candidate_under_a_new_name(self):
        there = Half()
        made = there.ordered_half()
        (request,) = there.finishes()
        there.finished(request, errors.OutOfStock("no host left"))
        assert there.target() == 1
        assert requests.Delete("a", made.node_name, "7") in there.plan()
        launch = next(iter(there.fleet.launches.values()))
        assert launch.name != made.node_name
        assert launch.candidate == scene.SOUTH

    def test_user_data_that_cannot_be_replaced_fails_the_launch(self):
        there = Half()
        made = there.ordered_half()
        (request,) = there.finishes()
        there.finished(request, errors.BadOrder("it took other user-data"))
        (member,) = view.members(there.fleet, "g")
        assert member.failure is not None
        assert member.failure.code == "BadOrder"
        assert requests.Delete("a", made.node_name, "7") in there.plan()

    def test_after_so_many_tries_ca_hears_of_it(self):
        there = Half()
        made = there.ordered_half()
        for _ in range(100):
            for request in there.finishes():
                there.finished(request, errors.Unreachable("cut"))
            there.later(20)
            if made.node_name in there.fleet.launches:
                there.listed(half(7, made.node_name))
        (member,) = view.members(there.fleet, "g")
        assert member.failure is not None
        assert (member.failure.code, member.failure.message) == ("CloudError", "cut")

    def test_an_answer_for_what_was_let_go_changes_nothing(self):
        there = Half()
        made = there.ordered_half()
        (request,) = there.finishes()
        there.retire(scene.node(7, made.node_name, fake=True))
        assert finishing.wants(there.fleet, "sky://7") is None
        there.finished(request, as_is(made, scene.CREATING))
        assert there.target() == 0
        assert requests.Delete("a", made.node_name, "7") in there.plan()


def test_two_logins_into_one_project_do_not_make_a_group_that_moved():
    """The state machine: the first login's row counted, and the machine was given up for that."""
    accounts = tuple(scene.account(name, finishing=True, marking=True) for name in ("a", "b"))
    there = scene.Scene(
        scene.group(account="b"), accounts=accounts, identity=scene.IDENTITY, nodes={}
    )
    for _ in range(2):
        for account in ("a", "b"):
            there.listed(half(), account=account)
        there.now += scene.SETTLE_S + 1
    assert there.member(NAME).failure is None
    asked = [each for each in there.plan() if isinstance(each, requests.Finish)]
    assert [each.account for each in asked] == ["b"]
