"""The Grafana dashboard is fresh, fits its screen, explains itself and asks for what there is."""

from __future__ import annotations

import importlib.util
import itertools
import json
import re
from types import ModuleType
from typing import Any

import pytest

from tests.chart import helm
from tests.control.test_metrics_page import EXPORTED

PATH = helm.CHART / "files" / "dashboard.json"
BOARD: dict[str, Any] = json.loads(PATH.read_text())
PANELS: list[dict[str, Any]] = [each for each in BOARD["panels"] if each["type"] != "row"]
ROWS: list[dict[str, Any]] = [each for each in BOARD["panels"] if each["type"] == "row"]
TARGETS = [(panel, target) for panel in PANELS for target in panel["targets"]]
QUERIES = [
    pytest.param(panel, target, id=f"{panel['title']}-{target['refId']}")
    for panel, target in TARGETS
]
OTHERS = {
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
    "process_start_time_seconds",
}
"""Metrics of prometheus-client itself that are asked for; docs/metrics.md names them as a kind."""

UNITS = {"none", "short", "s", "bytes", "reqps", "percentunit", "suffix: / h", "suffix: / month"}
"""Grafana's own names of units; what it does not know it would print after the figure."""

BUILT_IN = {"__rate_interval"}


def _composer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dashboard", helm.CHART / "dashboard.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_it_is_fresh() -> None:
    assert PATH.read_text() == _composer().dashboard(), "run 'make chart-files' and commit"


def test_ids_and_titles_are_unique() -> None:
    for key in "id", "title":
        assert len({each[key] for each in BOARD["panels"]}) == len(BOARD["panels"])


def test_the_rows_are_those_that_people_look_for() -> None:
    assert [each["title"] for each in ROWS] == [
        "Now",
        "Demand and supply",
        "Ways to a node",
        "Refusals",
        "Room and brakes",
        "Clouds",
        "Cost",
        "Health",
    ]


def test_panels_lie_side_by_side_without_gaps_above() -> None:
    taken: set[tuple[int, int]] = set()
    for each in BOARD["panels"]:
        place = each["gridPos"]
        assert place["w"] > 0
        assert place["h"] > 0
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24, each["title"]
        cells = set(
            itertools.product(
                range(place["x"], place["x"] + place["w"]),
                range(place["y"], place["y"] + place["h"]),
            )
        )
        assert not cells & taken, f"{each['title']} lies over another"
        taken |= cells
    assert {y for _, y in taken} == set(range(max(y for _, y in taken) + 1))


def test_each_row_is_full_but_perhaps_its_last_line() -> None:
    """A panel that is alone in a line before others would be a mistake in its width."""
    lines: dict[int, int] = {}
    for each in PANELS:
        place = each["gridPos"]
        lines[place["y"]] = lines.get(place["y"], 0) + place["w"]
    begins = [each["gridPos"]["y"] for each in ROWS] + [10**6]
    for begin, end in itertools.pairwise(begins):
        own = sorted(y for y in lines if begin < y < end)
        assert all(lines[y] == 24 for y in own[:-1])


@pytest.mark.parametrize("panel", PANELS, ids=lambda each: each["title"])
def test_a_panel_explains_itself(panel: dict[str, Any]) -> None:
    assert len(panel["description"].split()) >= 3
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    references = [target["refId"] for target in panel["targets"]]
    assert len(set(references)) == len(references) > 0
    for override in panel["fieldConfig"]["overrides"]:
        (unit,) = (each["value"] for each in override["properties"] if each["id"] == "unit")
        assert unit in UNITS
        renamed = panel["transformations"][1]["options"]["renameByName"].values()
        assert override["matcher"]["options"] in renamed


@pytest.mark.parametrize(("panel", "target"), QUERIES)
def test_a_query_asks_for_what_is_exported(panel: dict[str, Any], target: dict[str, Any]) -> None:
    query = target["expr"]
    assert target["datasource"] == panel["datasource"]
    assert "<" not in re.sub(r"[<>]=? ", "", query), "a selector that was not filled in"
    asked = re.findall(r"\b((?:vps_autoscaler|process)_\w+)\{([^}]*)\}", query)
    assert asked
    assert len(asked) == len(re.findall(r"\b(?:vps_autoscaler|process)_\w+", query)), (
        "a metric without the selectors of the variables"
    )
    for metric, selectors in asked:
        name = re.sub(r"_(bucket|count|sum)$", "", metric)
        if name not in OTHERS:
            known = {*EXPORTED[name][1], "job"}
            chosen = set(re.findall(r"(\w+)[=!]", selectors))
            assert chosen <= known
            wanted = {"group", "account"} & known
            assert chosen & {"group", "account"} or not wanted, f"{name} is not narrowed"
            known |= {"le", "instance"}
            for kept in re.findall(r"by \(([^)]*)\)", query):
                assert set(re.split(r", *", kept)) <= known


@pytest.mark.parametrize(("panel", "target"), QUERIES)
def test_a_legend_names_labels_that_the_answer_has(
    panel: dict[str, Any], target: dict[str, Any]
) -> None:
    shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
    kept = [set(re.split(r", *", each)) for each in re.findall(r"by \(([^)]*)\)", target["expr"])]
    if panel["type"] == "table":
        return
    assert shown <= set().union(*kept)
    outermost = kept[0] - {"le"} if kept else set()
    single = re.match(r"(sum|max|count)\(", target["expr"])
    if panel["type"] != "heatmap" and not single:
        assert shown == outermost, "two lines would have one legend"


def test_variables_are_there_and_used() -> None:
    there = {each["name"] for each in BOARD["templating"]["list"]}
    text = json.dumps([target["expr"] for _, target in TARGETS]) + json.dumps(PANELS)
    text += json.dumps([each.get("definition", "") for each in BOARD["templating"]["list"]])
    used = set(re.findall(r"\$\{?(\w+)", text)) - BUILT_IN
    assert used == there == {"datasource", "job", "group", "account"}


def test_every_metric_is_looked_at() -> None:
    asked = {
        re.sub(r"_(bucket|count|sum)$", "", each)
        for _, target in TARGETS
        for each in re.findall(r"\bvps_autoscaler_\w+", target["expr"])
    }
    assert EXPORTED.keys() - asked == set()
