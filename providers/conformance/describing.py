# ruff: noqa: D102, S101 - the tests' names say what they hold
"""Hold what a cloud says without making anything: itself, its prices, its limits."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Callable
from decimal import Decimal

import pytest

from providers import contract, errors, metadata
from providers.conformance import ground
from providers.conformance.controls import Bench

_LIKE_A_EURO = frozenset({"EUR", "USD", "GBP", "CHF"})
_LEAST, _MOST = Decimal("0.0002"), Decimal("0.05")
"""An hour of a CPU, or of a GiB of memory, costs more than this and less than that."""
_LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?", re.ASCII)


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

    def test_a_price_is_in_whole_currency_and_for_an_hour(self, bench: Bench) -> None:
        """A month's price taken for an hour's, or cents for euros, is off by a hundred or more."""
        types = {one.name: one for one in bench.provider.machine_types()}
        gpus = {one.name for one in types.values() if one.gpus or one.gpu_model}
        offers = [one for one in bench.provider.offers() if one.machine_type not in gpus]
        known = [one for one in offers if one.currency in _LIKE_A_EURO]
        if not known:
            pytest.skip("nobody knows here what an hour costs in this currency: compare by hand")
        for one in known:
            there = types[one.machine_type]
            size = Decimal(there.cpu_millis) / 1000 + Decimal(there.memory_bytes) / 1024**3
            each = one.price_per_hour / size
            assert _LEAST <= each <= _MOST, (
                f"{one.machine_type} in {one.location} at {one.price_per_hour} {one.currency} an "
                f"hour, {one.price_per_hour * 730:.2f} a month: {each:.5f} for a CPU or GiB where "
                "every vendor asks for 0.0005 to 0.03. A month's price, or cents?"
            )

    def test_a_node_gets_the_region_label(self, bench: Bench) -> None:
        machine_type = self.order(bench, "n").machine_type
        labels = bench.provider.node_labels(machine_type, self.location)
        assert labels[ground.REGION_LABEL] == (self.region or self.location)

    def test_a_node_gets_the_zone_label_or_none(self, bench: Bench) -> None:
        """A template with another zone than its Nodes has pods wait for a machine in vain."""
        machine_type = self.order(bench, "n").machine_type
        zone = bench.provider.node_labels(machine_type, self.location).get(ground.ZONE_LABEL, "")
        assert zone == self.zone, "say in your test class, as `zone`, what a Node there really has"

    def test_every_location_has_labels_of_its_own(self, bench: Bench) -> None:
        machine_type = self.order(bench, "n").machine_type
        places: dict[tuple[str, str], str] = {}
        for location in sorted({one.location for one in bench.provider.offers()}):
            labels = bench.provider.node_labels(machine_type, location)
            region, zone = labels[ground.REGION_LABEL], labels.get(ground.ZONE_LABEL, "")
            assert self.region or region == location, f"the region label in {location}"
            assert self.zone != self.location or zone == location, f"the zone label in {location}"
            assert self.zone or not zone, f"the zone label in {location}: `zone` says there is none"
            other = places.setdefault((region, zone), location)
            assert other == location, f"nodes in {location} get the labels of those in {other}"
            for key, value in labels.items():
                assert _LABEL.fullmatch(value), f"{key}={value!r} in {location} is no label"

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
            assert not bench.controls.shows_budget, "the headers show a rate budget: read it"
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

        def delete() -> None:
            with contextlib.suppress(errors.Throttled):  # it is stopped first: come again
                provider.delete(ours.id)

        assert taken(delete) <= costs.delete
        if self.page_size:
            assert costs.page <= self.page_size
