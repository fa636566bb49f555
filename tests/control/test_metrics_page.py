"""docs/metrics.md has every metric that is exported, with its type and labels, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import core

from externalgrpc.control import metrics, supply_metrics
from externalgrpc.fleet import state
from externalgrpc.headroom import gauges
from externalgrpc.kubero import gauges as app_gauges
from externalgrpc.nodes import pricing
from externalgrpc.support import clock

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| `(vps_autoscaler_\w+)(?:\{([\w,]+)\})?` \| (\w+) \|", re.MULTILINE)
OTHERS = ("process_", "python_info")
"""What prometheus-client brings along; the page says so."""

UNIT = re.compile(r"_(seconds|total|info|per_hour|cores|bytes)$")
COUNTS = {
    "group_size",
    "machines",
    "group_served",
    "unpriced_machines",
    "learned_allocatable",
    "joins_not_given_up",
    "account_listed",
    "cluster_known",
    "listing_failures",
    "request_budget_remaining",
    "request_budget_limit",
    "not_now",
    "orphans",
    "spare_leftovers",
    "quarantined",
    "strange_machines",
    "unready_machines",
    "paused",
    "balloons",
    "headroom_cpu_cores",
    "headroom_state",
    "app_pools",
    "leader",
}
"""Gauges of things that are counted, or that are or are not: they have no unit."""


def exported() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Give type and labels of all that a registry with everything watched holds, by name."""
    own = metrics.Metrics()
    fleet = state.Fleet()
    sources = supply_metrics.Sources(
        fleet=lambda: fleet,
        prices=lambda _fleet: pricing.PriceList(currency="EUR"),
        budgets=dict,
    )
    own.watch(sources, clock.SystemClock())
    own.watch_certificates(dict)
    own.registry.register(gauges.Rooms(dict))
    own.registry.register(app_gauges.AppPools(dict))
    return {name: kind for name, *kind in _families(own) if not name.startswith(OTHERS)}


def _families(of: metrics.Metrics) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for collector in of.registry._collector_to_names:
        for family in collector.collect():
            total = "_total" if family.type == "counter" else ""
            # A collector's own family knows the labels; else the metric that is collected does.
            labels: Any = getattr(family, "_labelnames", None)
            if labels is None:
                labels = getattr(collector, "_labelnames", ())
            yield f"{family.name}{total}", family.type, tuple(labels)


EXPORTED = exported()


def test_the_page_and_the_export_agree() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    rows = ROW.findall(page)
    assert len({name for name, *_ in rows}) == len(rows), "a metric stands there twice"
    written = {
        name: [kind, tuple(labels.split(",")) if labels else ()] for name, labels, kind in rows
    }
    assert written == EXPORTED


def test_what_is_exported_is_found() -> None:
    assert EXPORTED["vps_autoscaler_reloads_total"] == ["counter", ("outcome",)]
    assert EXPORTED["vps_autoscaler_orphans"] == ["gauge", ()]
    assert EXPORTED["vps_autoscaler_group_size"] == ["gauge", ("group", "which")]
    assert EXPORTED["vps_autoscaler_join_phase_seconds"] == ["histogram", ("group", "phase")]


@pytest.mark.parametrize("name", EXPORTED)
def test_names_are_by_prometheus_conventions(name: str) -> None:
    kind, labels = EXPORTED[name]
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
    assert name.endswith("_total") is (kind == "counter")
    assert UNIT.search(name) or name.removeprefix("vps_autoscaler_") in COUNTS
    assert not {"machine", "node", "provider_id", "instance", "job"} & set(labels), (
        "a label that has no bound, or that Prometheus sets itself"
    )


@pytest.mark.parametrize("page", ["docs/operating.md", "docs/configuration.md", "docs/metrics.md"])
def test_metrics_that_pages_name_are_there(page: str) -> None:
    named = re.findall(r"`(vps_autoscaler_\w+)", (ROOT / page).read_text())
    assert named
    assert set(named) <= EXPORTED.keys()


def test_a_family_of_ours_shows_its_labels_without_samples() -> None:
    """The page's test stands on this attribute of prometheus-client."""
    assert core.GaugeMetricFamily("a", "b", labels=("c",))._labelnames == ("c",)
