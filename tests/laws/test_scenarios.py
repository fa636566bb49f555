"""What the peers get wrong, as facts/testbed.md saw it: each a short history without chance."""

from __future__ import annotations

import pytest

from providers import errors
from providers.memory import datacenter
from tests.laws import stage


def in_the_air(there: stage.Stage) -> int:
    return len(there.server.fleet.launches)


@pytest.mark.parametrize("forgets", [True, False])
def test_an_autoscaler_that_restarts_while_machines_boot_pays_once(forgets):
    there = stage.Stage(forgets=forgets)
    there.want(3)
    there.run_until(lambda: len(there.standing) == 3)
    there.autoscaler.restart()
    there.want(4)
    there.run_until(lambda: there.joined == 4)
    there.run(300.0)
    assert len(there.standing) == 4
    assert there.made == 4


def test_machines_that_registered_cover_nothing():
    there = stage.Stage()
    there.want(3)
    there.run_until(lambda: there.joined == 3)
    there.run(30.0)
    there.autoscaler.restart()
    there.want(5)
    there.run_until(lambda: there.joined == 5, within_s=120.0)
    assert there.made == 5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_server_killed_three_times_in_mid_growth_makes_no_machine_too_many(seed):
    """Ten are more than the hands of the account: six were all made before the third kill."""
    there = stage.Stage(seed=seed)
    there.want(10)
    for _ in range(3):
        there.run_until(lambda: in_the_air(there) > 0)
        there.server.kill()
        there.start_server()
    there.run_until(lambda: there.joined == 10)
    there.run(300.0)
    assert len(there.standing) == 10
    assert there.made == 10


@pytest.mark.parametrize("unique_names", [True, False])
@pytest.mark.parametrize("lost", list(datacenter.Lost))
def test_lost_replies_make_no_second_machine(unique_names, lost):
    there = stage.Stage(unique_names=unique_names, late_listing_s=10.0)
    for _ in range(2):
        there.cloud.lose_next_reply(lost)
    there.want(3)
    there.run_until(lambda: there.joined == 3)
    there.run(300.0)
    assert len(there.standing) == 3


def test_listings_that_fail_for_a_while_delete_nothing_and_order_nothing_twice():
    there = stage.Stage()
    there.want(2)
    there.run_until(lambda: there.joined == 2)
    names = there.standing
    there.cloud.fail_all(errors.Unreachable, "500")
    there.run(120.0)
    there.cloud.mend()
    there.run(300.0)
    assert there.standing == names
    assert there.made == 2


def test_a_location_that_is_sold_out_gives_way_to_the_next():
    there = stage.Stage()
    there.cloud.sell_out("small", "north", places=1)
    there.want(3)
    there.run_until(lambda: there.joined == 3)
    places = sorted(server.location for server in there.cloud.servers())
    assert places == ["north", "south", "south"]


def test_a_group_that_is_sold_out_everywhere_comes_back_when_there_is_stock():
    there = stage.Stage()
    for location in ("north", "south"):
        there.cloud.sell_out("small", location)
    there.want(2)
    there.run(200.0)
    assert there.standing == []
    assert there.server.fleet.refusals
    for location in ("north", "south"):
        there.cloud.restock("small", location)
    there.run_until(lambda: there.joined == 2)


@pytest.mark.parametrize("watches", [True, False])
def test_machines_that_never_join_are_given_up_and_replaced(watches):
    there = stage.Stage(watches=watches)
    there.kubernetes.joins_fail = 1.0
    there.want(2)
    there.run_until(lambda: len(there.standing) == 2)
    first = there.standing
    there.run(200.0)
    there.kubernetes.joins_fail = 0.0
    # With a look at the Nodes the group is held back for a while first.
    there.run_until(lambda: there.joined == 2, within_s=1500.0)
    there.run(300.0)
    assert len(there.standing) == 2
    assert not set(first) & set(there.standing)


def test_accepted_orders_that_fail_are_made_good():
    there = stage.Stage(fail_after_accept_rate=0.5)
    there.want(5)
    there.run_until(lambda: there.joined == 5, within_s=1800.0)
    there.cloud.change(fail_after_accept_rate=0.0)
    there.run(300.0)
    assert len(there.standing) == 5


def test_everything_goes_when_nobody_wants_it():
    there = stage.Stage(late_listing_s=20.0, delete_time_s=10.0)
    there.want(5)
    there.run_until(lambda: there.joined == 5)
    there.want(0)
    there.run_until(lambda: not there.standing)
    there.run(300.0)
    assert not there.server.fleet.retired
    assert there.joined == 0


def test_machines_of_others_in_the_project_are_left_alone():
    there = stage.Stage()
    foreign = [
        there.cloud.add(name="database"),
        there.cloud.add(name="pool-x1", cluster="another", group="g", node_name="pool-x1"),
        there.cloud.add(name="orphan", cluster="sim", group="gone", node_name="orphan"),
    ]
    there.want(3)
    there.run_until(lambda: there.joined >= 3)
    there.want(0)
    there.run(600.0)
    assert sorted(server.id for server in there.cloud.servers()) == sorted(foreign)


def test_nobody_is_ordered_while_the_last_processs_machines_may_still_come():
    """A fresh server holds its first orders; what arrives late stands in for them."""
    there = stage.Stage(late_listing_s=30.0, boot_time_s=5.0)
    there.want(4)
    there.run_until(lambda: len(there.standing) == 4)
    there.server.kill()
    there.start_server()
    there.run_until(lambda: there.joined == 4)
    there.run(600.0)
    assert len(there.standing) == 4
    assert there.made == 4


def test_a_node_that_stays_away_is_replaced_where_its_group_asks_for_it():
    there = stage.Stage(repair_after_s=300.0)
    there.want(4)
    there.run_until(lambda: there.joined == 4)
    lost, *others = there.standing
    there.kubernetes.unready.add(lost)
    there.run(300.0)
    assert there.standing == [lost, *others]
    there.run_until(lambda: lost not in there.standing)
    assert set(others) <= set(there.standing), "nobody else goes"
    there.run_until(lambda: there.joined == 4 and len(there.standing) == 4)
    assert there.made == 5


def test_a_server_that_restarts_waits_anew_before_it_repairs():
    there = stage.Stage(repair_after_s=300.0)
    there.want(4)
    there.run_until(lambda: there.joined == 4)
    lost = there.standing[0]
    there.kubernetes.unready.add(lost)
    there.run(290.0)
    there.server.kill()
    there.start_server()
    there.run(300.0)
    assert lost in there.standing
    there.run_until(lambda: lost not in there.standing)
