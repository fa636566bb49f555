"""What clouds would give and at what price, as a scrape shows it."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import prometheus_client
import pytest

from externalgrpc.control import metrics, supply_metrics
from externalgrpc.fleet import joins, state, stock, tidying
from externalgrpc.model import fleet_errors
from externalgrpc.nodes import pricing
from providers import contract, errors
from tests import serving as house
from tests.fleet.scene import DELETING, SOUTH, Scene, account, group, machine

PRICES = pricing.PriceList(
    currency="EUR",
    prices={
        pricing.PriceKey("a", "small", "north"): pricing.Price(
            per_hour=Decimal("0.5"), ipv4_per_hour=Decimal("0.25")
        )
    },
)


@dataclasses.dataclass
class Scrape:
    """A scrape of a fleet, at the scene's instant."""

    scene: Scene
    prices: pricing.PriceList = PRICES
    budgets: dict[str, contract.Budget | None] = dataclasses.field(default_factory=dict)

    def monotonic(self) -> float:
        return self.scene.now

    unix = monotonic

    def __getitem__(self, name: str) -> dict[tuple[str, ...], float]:
        sources = supply_metrics.Sources(
            fleet=lambda: self.scene.fleet,
            prices=lambda _fleet: self.prices,
            budgets=lambda: self.budgets,
        )
        found = supply_metrics.SupplyCollector(sources, self).collect()
        (family,) = (each for each in found if each.name == f"vps_autoscaler_{name}")
        return {tuple(each.labels.values()): each.value for each in family.samples}


def test_a_group_has_the_price_of_what_it_orders_first() -> None:
    cheap = group("h", public_ipv4=False)
    far = group("far", candidates=(SOUTH,))
    scrape = Scrape(Scene(group(), cheap, far))
    assert scrape["group_price_per_hour"] == {("g", "EUR"): 0.75, ("h", "EUR"): 0.5}


def test_what_the_cloud_shows_costs_until_it_is_gone() -> None:
    shown = (machine(1, "g-1"), machine(2, "g-2", state=DELETING), machine(3, "x-3", group="gone"))
    scrape = Scrape(Scene(group(), group("h"), shown=shown))
    assert scrape["cost_per_hour"] == {("g", "EUR"): 1.5, ("h", "EUR"): 0.0, ("", "EUR"): 0.75}
    assert scrape["unpriced_machines"] == {("g",): 0.0, ("h",): 0.0}


def test_a_machine_without_a_public_address_costs_none() -> None:
    bare = Scrape(Scene(group(public_ipv4=False), shown=(machine(1, "g-1"),)))
    assert bare["cost_per_hour"] == {("g", "EUR"): 0.5}


def test_a_machine_that_was_ordered_costs_before_a_listing_shows_it() -> None:
    scrape = Scrape(Scene())
    (name,) = scrape.scene.grow()
    scrape.scene.plan()
    assert scrape["cost_per_hour"] == {("g", "EUR"): 0.0}
    scrape.scene.ordered(name, machine(1, name))
    assert scrape["cost_per_hour"] == {("g", "EUR"): 0.75}


def test_what_has_no_price_is_counted_and_not_left_out_in_silence() -> None:
    scrape = Scrape(
        Scene(shown=(machine(1, "g-1"),)), prices=dataclasses.replace(PRICES, prices={})
    )
    assert scrape["unpriced_machines"] == {("g",): 1.0}
    assert scrape["group_price_per_hour"] == {}


def test_what_may_be_anothers_costs_us_nothing() -> None:
    ours, theirs = "0123456789", "9876543210"
    shown = (
        machine(1, "g-1", identity=ours),
        machine(2, "g-2", identity=theirs),
        machine(3, "x-3", group="gone", identity=theirs),
    )
    scene = Scene(shown=shown, identity=ours, nodes={})
    assert scene.fleet.quarantine.keys() == {"sky://2"}
    assert Scrape(scene)["cost_per_hour"] == {("g", "EUR"): 0.75}


def test_a_spare_beside_a_machine_that_stands_is_counted() -> None:
    scene = Scene(shown=(machine(1, "g-1"),))
    assert Scrape(scene)["spare_leftovers"] == {("a",): 0.0}
    spares = tuple(
        contract.Leftover(kind="volume", id=key, name=key, node_name="g-1", unused=True)
        for key in "12"
    )
    scene.fleet = tidying.found(scene.fleet, "a", spares, now=scene.now)
    assert Scrape(scene)["spare_leftovers"] == {("a",): 2.0}


def test_budgets_are_those_that_clouds_told() -> None:
    budget = contract.Budget(limit=3600, remaining=12, reset_at=1.0, seen_at=1.0)
    scrape = Scrape(Scene(), budgets={"a": budget, "silent": None})
    assert scrape["request_budget_remaining"] == {("a",): 12.0}
    assert scrape["request_budget_limit"] == {("a",): 3600.0}


REFUSALS = {
    "a type in a location": (
        errors.OutOfStock("none"),
        ("a", "", "small", "north", "OutOfStock"),
    ),
    "a type": (
        errors.QuotaExceeded("few", scope=errors.Scope.MACHINE_TYPE),
        ("a", "", "small", "", "QuotaExceeded"),
    ),
    "a location": (
        errors.QuotaExceeded("few", scope=errors.Scope.LOCATION),
        ("a", "", "", "north", "QuotaExceeded"),
    ),
    "an account": (errors.QuotaExceeded("few"), ("a", "", "", "", "QuotaExceeded")),
    "a login": (errors.BadCredentials("who?"), ("a", "", "", "", "BadCredentials")),
    "an order": (errors.BadOrder("what?"), ("a", "g", "small", "north", "BadOrder")),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_a_refusal_is_shown_for_as_long_as_it_counts(what: str) -> None:
    error, labels = REFUSALS[what]
    scrape = Scrape(Scene())
    (name,) = scrape.scene.grow()
    scrape.scene.plan()
    scrape.scene.ordered(name, error)
    assert scrape["refusal_remaining_seconds"] == {labels: stock.SOLD_OUT_S}
    scrape.scene.now += stock.SOLD_OUT_S - 1
    assert scrape["refusal_remaining_seconds"] == {labels: 1.0}
    scrape.scene.now += 1
    assert scrape["refusal_remaining_seconds"] == {}


def test_a_group_is_held_back_for_as_long_as_it_refuses_to_grow() -> None:
    scrape = Scrape(Scene())
    scene = scrape.scene
    assert scrape["group_held_back_seconds"] == {("g",): 0.0}
    strikes = {"g": state.Strikes(joins.STRIKES, scene.now)}
    scene.fleet = dataclasses.replace(scene.fleet, strikes=strikes)
    assert scrape["group_held_back_seconds"] == {("g",): joins.HELD_BACK_S}
    with pytest.raises(fleet_errors.NotReady, match="another 300 s"):
        scene.grow()
    scene.now += joins.HELD_BACK_S + 1
    assert scrape["group_held_back_seconds"] == {("g",): 0.0}
    scene.grow()


@pytest.mark.parametrize(
    ("identity", "nodes", "stale", "known"),
    [
        ("", None, False, 1.0),
        (None, None, False, 0.0),
        ("0123456789", None, False, 0.0),
        ("0123456789", {}, False, 1.0),
        ("0123456789", {}, True, 0.0),
        ("", {}, True, 0.0),
    ],
)
def test_a_cluster_is_known_by_identity_and_by_nodes_of_late(identity, nodes, stale, known) -> None:
    scene = Scene()
    scene.fleet = dataclasses.replace(
        scene.fleet, identity=identity, nodes=nodes, nodes_stale=stale
    )
    assert Scrape(scene)["cluster_known"] == {(): known}


def test_an_account_is_listed_as_long_as_its_groups_may_grow() -> None:
    never = Scrape(Scene(settled=False))
    assert never["account_listed"] == {("a",): 0.0}
    scene = Scene(accounts=(account(), account("b")))
    assert Scrape(scene)["account_listed"] == {("a",): 1.0, ("b",): 1.0}
    failing = dataclasses.replace(scene.fleet.accounts["a"], failures=1)
    scene.fleet = dataclasses.replace(scene.fleet, accounts={**scene.fleet.accounts, "a": failing})
    scene.now += 301
    assert Scrape(scene)["account_listed"] == {("a",): 0.0, ("b",): 1.0}
    with pytest.raises(fleet_errors.NotReady):
        scene.grow()


def test_one_broken_cloud_hides_no_figure(tmp_path, monkeypatch) -> None:
    with house.running(tmp_path) as up:
        (runtime,) = up.plant.reconciler.runtimes().values()
        house.until(lambda: value(up, "request_budget_limit", account="memory"))

        def broken() -> None:
            raise RuntimeError("no figure")

        monkeypatch.setattr(runtime.provider, "budget", broken)
        assert value(up, "request_budget_limit", account="memory") is None
        assert value(up, "group_served", group="alpha") == 1.0


def test_a_growth_that_is_refused_is_counted_by_kind(tmp_path) -> None:
    with house.running(tmp_path) as up:
        for name, delta in (("alpha", 6), ("alpha", 6), ("nobody's", 1)):
            with pytest.raises(fleet_errors.FleetError):
                up.plant.reconciler.grow(name, delta, cover=False)
        assert value(up, "growth_refused_total", group="alpha", code="OutOfBounds") == 2.0
        assert value(up, "growth_refused_total", group="", code="UnknownGroup") == 1.0


def test_counters_that_alerts_watch_begin_at_zero(tmp_path) -> None:
    """A counter that comes into being as 1 has no increase that Prometheus could see."""
    with house.running(tmp_path) as up:
        for name, code in (
            ("growth_refused_total", "NotReady"),
            ("joins_failed_total", "JoinTimeout"),
            ("launches_failed_total", "OutOfStock"),
        ):
            assert value(up, name, group="beta", code=code) == 0.0, name
        assert value(up, "reloads_total", outcome="refused") == 0.0
        assert value(up, "time_to_ready_seconds_count", group="beta") == 0.0
        assert value(up, "join_phase_seconds_count", group="beta", phase="total") == 0.0


def test_certificates_are_gauged_as_they_are_when_scraped() -> None:
    own = metrics.Metrics()
    ends = [1000.0]
    own.watch_certificates(lambda: {"server": ends[-1]})
    ends.append(2000.0)
    text = prometheus_client.generate_latest(own.registry).decode()
    name = "vps_autoscaler_certificate_not_after_timestamp_seconds"
    assert f'{name}{{certificate="server"}} 2000.0' in text


def value(up: house.Running, name: str, **labels: str) -> float | None:
    return up.plant.metrics.registry.get_sample_value(f"vps_autoscaler_{name}", labels)
