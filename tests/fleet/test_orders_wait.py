"""What keeps an order from being sent: an outage, the last hour's orders, what is being deleted."""

from __future__ import annotations

import dataclasses

from externalgrpc.fleet import notnow, view
from tests.fleet import scene
from tests.fleet.scene import DELETING, Scene, machine


def test_nothing_is_ordered_while_the_cluster_has_lost_its_nodes():
    there = Scene()
    (name,) = there.grow()
    there.fleet = dataclasses.replace(there.fleet, outage="4 of 4 machines are not ready")
    assert notnow.bounds(there.fleet, "g") == (0, 1)
    assert there.creates() == []
    failure = there.launch(name).failure
    assert failure is not None
    assert failure.code == "Outage"


def test_an_order_counts_for_an_hour():
    there = Scene(accounts=(scene.account(max_orders_per_hour=1),))
    there.grow()
    assert len(there.creates()) == 1
    there.now += 3500
    there.plan()
    assert notnow.why_account(there.fleet, "a") is not None
    there.now += 101
    there.plan()
    assert notnow.why_account(there.fleet, "a") is None


def test_what_somebody_else_deletes_takes_its_place_until_it_is_gone():
    group = scene.group(max_size=2, surge=0)
    going = (machine(1, "g-1", state=DELETING), machine(2, "g-2", state=DELETING))
    there = Scene(group, shown=going)
    there.grow(1)
    assert view.target(there.fleet, "g") == 1
    assert there.creates() == []
    there.now += 10
    there.listed(going[0])
    assert len(there.creates()) == 1
