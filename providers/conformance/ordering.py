# ruff: noqa: D102, S101 - the tests' names say what they hold
"""Hold what becomes of orders: twice, lost on the way, at once, with user-data."""

from __future__ import annotations

import concurrent.futures
import dataclasses

import pytest

from providers import errors
from providers.conformance import ground
from providers.conformance.controls import Bench


class Ordering(ground.Ground):
    """One order makes one machine, whatever becomes of its answer."""

    # Orders that meet trouble.

    def test_the_same_order_twice(self, bench: Bench) -> None:
        order = self.order(bench, "web-a1")
        first = bench.provider.create(order)
        if not self.names_unique:
            # Whoever calls asks first; that it can is all such a cloud owes.
            bench.controls.settle()
            found = bench.provider.look_up(node_name="web-a1", instance_id="", receipt="")
            assert found is not None
            assert found.id == first.id
            return
        second = bench.provider.create(order)
        assert second.id == first.id
        assert (second.node_name, second.group) == ("web-a1", "web")
        assert bench.controls.count() == 1

    def test_a_machine_is_made_where_and_as_it_was_ordered(self, bench: Bench) -> None:
        """In another location than the others, and of another type: each where there is one."""
        here = self.order(bench, "web-a1")
        types = {one.name: one for one in bench.provider.machine_types()}
        sold = {(one.machine_type, one.location) for one in bench.provider.offers() if one.in_stock}
        elsewhere = {place for kind, place in sold if kind == self.machine_type} - {self.location}
        # The image fits the type that is ordered: others of its architecture, and as many GPUs.
        like = (here.machine_type.arch, here.machine_type.gpus)
        others = {
            kind
            for kind, place in sold
            if place == self.location and (types[kind].arch, types[kind].gpus) == like
        } - {self.machine_type}
        wanted = [(self.machine_type, place) for place in sorted(elsewhere)[:1]]
        wanted += [(kind, self.location) for kind in sorted(others)[:1]]
        if not wanted:
            pytest.skip("the fake sells one machine type in one location")
        for number, (kind, place) in enumerate(wanted):
            order = dataclasses.replace(here, machine_type=types[kind], location=place)
            order = dataclasses.replace(order, node_name=f"web-b{number}")
            made = bench.provider.create(order)
            assert (made.machine_type, made.location) == (kind, place)

    def test_a_stranger_with_our_name_is_not_taken_for_ours(self, bench: Bench) -> None:
        stranger = bench.controls.add(cluster="green", group="web", node_name="web-a1")
        if self.names_unique:
            with pytest.raises(errors.BadOrder):
                bench.provider.create(self.order(bench, "web-a1"))
            assert bench.controls.count() == 1
        else:
            assert bench.provider.create(self.order(bench, "web-a1")).id != stranger
        bench.controls.settle()
        assert stranger not in {one.id for one in bench.provider.instances()}

    def test_a_reply_lost_after_the_work_leaves_a_machine_to_find(self, bench: Bench) -> None:
        order = self.order(bench, "web-a1")
        bench.controls.lose_reply(after_work=True)
        with pytest.raises(errors.Unreachable) as caught:
            bench.provider.create(order)
        self.check_error(caught.value, "create")
        bench.controls.settle()
        assert bench.controls.count() == 1, "nothing below the caller may try again"
        found = bench.provider.look_up(node_name="web-a1", instance_id="", receipt="")
        assert found is not None
        assert found.group == "web"
        if self.names_unique:
            assert bench.provider.create(order).id == found.id
        assert bench.controls.count() == 1

    def test_a_request_lost_before_the_work_leaves_nothing(self, bench: Bench) -> None:
        order = self.order(bench, "web-a1")
        bench.controls.lose_reply(after_work=False)
        with pytest.raises(errors.Unreachable):
            bench.provider.create(order)
        bench.controls.settle()
        assert bench.controls.count() == 0, "nothing below the caller may try again"
        assert bench.provider.look_up(node_name="web-a1", instance_id="", receipt="") is None
        assert bench.provider.create(order).node_name == "web-a1"

    def test_eight_threads_order_at_once(self, bench: Bench) -> None:
        orders = [self.order(bench, f"web-t{number}") for number in range(8)]
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            made = list(threads.map(bench.provider.create, orders))
        assert [one.node_name for one in made] == [order.node_name for order in orders]
        assert len({one.id for one in made}) == 8
        for one in made:
            bench.controls.run(one.id)
        bench.controls.settle()
        assert self.marks(bench) == {(order.node_name, "web") for order in orders}

    # User-data.

    def test_user_data_at_the_limit_reaches_the_machine(self, bench: Bench) -> None:
        limit = bench.provider.user_data_limit_bytes
        head = "#!/bin/sh\n# naïve ☃ \t'quotes' \"$HOME\" \\n % & < >\n"
        text = head + "x" * (limit - len(head.encode()) - 1) + "\n"
        assert len(text.encode()) == limit
        made = bench.provider.create(self.order(bench, "web-a1", user_data=text))
        assert bench.controls.user_data(made.id) == text.encode()

    def test_user_data_over_the_limit_is_refused_before_anything_is_sent(
        self, bench: Bench
    ) -> None:
        limit = bench.provider.user_data_limit_bytes
        # Counted in bytes: as characters it would pass.
        text = "é" * (limit // 2) + "x" * (limit % 2 + 1)
        order = self.order(bench, "web-a1", user_data=text)
        before = bench.controls.requests()
        with pytest.raises(errors.BadOrder) as caught:
            bench.provider.create(order)
        self.check_error(caught.value, "create", str(limit))
        assert bench.controls.requests() == before
        assert "é" not in str(caught.value)
