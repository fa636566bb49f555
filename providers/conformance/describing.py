# ruff: noqa: D102, S101 - the tests' names say what they hold
"""Hold what a cloud says without making anything: itself, its prices, its limits."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from decimal import Decimal

from providers import contract, metadata
from providers.conformance import ground
from providers.conformance.controls import Bench


class Describing(ground.Ground):
    """What a cloud says of itself, and what it can be asked without a machine."""

    # What a cloud says of itself.

    def test_it_is_a_provider_and_says_what_it_can(self, bench: Bench) -> None:
        provider = bench.provider
        assert isinstance(provider, contract.Provider)
        itself = type(provider)  # the server reads these before it opens a login
        assert re.fullmatch(r"[a-z][a-z0-9+.-]*", itself.scheme)
        assert re.fullmatch(r"([A-Z][A-Z0-9_]*)?", itself.token_variable)
        assert isinstance(itself.joins_by_itself, bool)
        assert isinstance(itself.metadata_service, metadata.Service)
        for options in (itself.account_options, itself.group_options):
            assert dataclasses.is_dataclass(options)
            assert options.__dataclass_params__.frozen  # type: ignore[attr-defined]
        assert isinstance(itself.supports, frozenset)
        assert itself.supports <= ground.GROUP_SETTINGS
        assert provider.settle_s > 0
        assert provider.hands >= 1
        assert itself.user_data_limit_bytes >= 1024
        assert provider.user_data_limit_bytes == itself.user_data_limit_bytes
        assert provider.rate.requests > 0
        assert provider.rate.per_s > 0
        assert provider.create_rate is None or provider.create_rate.requests > 0

    def test_machine_types_make_sense(self, bench: Bench) -> None:
        types = bench.provider.machine_types()
        assert len({one.name for one in types}) == len(types) > 0
        for one in types:
            assert one.cpu_millis >= 1000, one
            assert one.memory_bytes >= 256 * 1024**2, one
            assert contract.as_ordered(bench.provider, one, None).disk_bytes > 0, one
            assert one.arch in {"amd64", "arm64"}, one
            assert one.gpus >= 0, one

    def test_offers_make_sense(self, bench: Bench) -> None:
        names = {one.name for one in bench.provider.machine_types()}
        offers = bench.provider.offers()
        assert offers
        assert len({(one.machine_type, one.location) for one in offers}) == len(offers)
        for one in offers:
            assert one.machine_type in names, one
            assert one.location, one
            assert isinstance(one.price_per_hour, Decimal), one
            assert one.price_per_hour > 0, one
            assert isinstance(one.ipv4_per_hour, Decimal), one
            assert one.ipv4_per_hour >= 0, one
            assert re.fullmatch(r"[A-Z]{3}", one.currency), one
        ours = [
            o for o in offers if (o.machine_type, o.location) == (self.machine_type, self.location)
        ]
        assert [one.in_stock for one in ours] == [True]

    def test_a_node_gets_the_region_label(self, bench: Bench) -> None:
        machine_type = self.order(bench, "n").machine_type
        labels = bench.provider.node_labels(machine_type, self.location)
        assert labels[ground.REGION_LABEL] == (self.region or self.location)

    # Asking without doing.

    def test_check_order_makes_nothing(self, bench: Bench) -> None:
        assert bench.provider.check_order(self.order(bench, "web-a1")) == ()
        wrong = bench.provider.check_order(self.order(bench, "web-a1", image=self.bad_image))
        assert any(self.bad_image in sentence for sentence in wrong)
        assert bench.controls.count() == 0

    def test_the_budget_is_reported_truly_or_not_at_all(self, bench: Bench) -> None:
        bench.provider.instances()
        before = bench.provider.budget()
        if before is None:
            return
        for _ in range(3):
            bench.provider.instances()
        after = bench.provider.budget()
        assert after is not None
        assert 0 <= after.remaining <= before.remaining <= before.limit == after.limit
        assert after.seen_at >= before.seen_at
        assert after.reset_at >= after.seen_at

    def test_the_quota_is_reported_truly_or_not_at_all(self, bench: Bench) -> None:
        for number in range(3):
            bench.controls.add(cluster="", group="", node_name=f"someone-s-{number}")
        quota = bench.provider.quota()
        assert quota is None or quota.used in (None, 3)

    def test_what_an_operation_costs_is_reported_truly(self, bench: Bench) -> None:
        """A create of three requests that is counted as one meets the limit half made."""
        provider, count = bench.provider, bench.controls.requests
        costs = contract.costs_of(provider)

        def taken(call: Callable[[], object]) -> int:
            before = count()
            call()
            return count() - before

        first = self.order(bench, "web-a1")
        provider.create(first)  # it may ask for the ids of what it names
        order = dataclasses.replace(first, node_name="web-a2")
        made: list[contract.Instance] = []
        assert taken(lambda: made.append(provider.create(order))) <= costs.create
        ours = made[0]
        bench.controls.run(ours.id)
        found = taken(lambda: provider.look_up(node_name="web-a2", instance_id=ours.id, receipt=""))
        assert found <= costs.look_up
        assert taken(provider.machine_types) + taken(provider.offers) <= costs.catalogue
        if isinstance(provider, contract.Marking):
            gone = frozenset({contract.Mark.UNJOINED})
            marking = provider
            assert taken(lambda: marking.mark(ours.id, put={}, remove=gone)) <= costs.mark
        assert taken(lambda: provider.delete(ours.id)) <= costs.delete
        if self.page_size:
            assert costs.page <= self.page_size
