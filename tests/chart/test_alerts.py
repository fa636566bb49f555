"""Alerts come when they should and not when they should not, and the runbook has all of them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import absent
from tests.chart import helm, prometheus
from tests.chart.alert_cases import CASES, Case
from tests.control.test_metrics_page import EXPORTED

PATH = helm.CHART / "files" / "alerts.yaml"
(GROUP,) = yaml.safe_load(PATH.read_text())["groups"]
RULES: dict[str, dict[str, Any]] = {rule["alert"]: rule for rule in GROUP["rules"]}
RUNBOOK = (helm.ROOT / "docs" / "runbook.md").read_text()
SECTIONS = {
    name: text
    for name, _, text in (each.partition("\n") for each in re.split(r"^## ", RUNBOOK, flags=re.M))
    if "\n" not in name and not name.startswith("# ")
}
needs_promtool = absent.unless(prometheus.find("promtool"), absent.Need.PROMETHEUS)


def promtool(*argv: object) -> subprocess.CompletedProcess[str]:
    program = prometheus.find("promtool")
    assert program is not None
    return subprocess.run([program, *map(str, argv)], capture_output=True, text=True, timeout=60)


@needs_promtool
def test_prometheus_takes_them() -> None:
    done = promtool("check", "rules", PATH)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(RULES)} rules found" in done.stdout


def test_each_has_a_case() -> None:
    assert list(CASES) == list(RULES)


@needs_promtool
@pytest.mark.parametrize("name", CASES)
def test_it_comes_and_does_not_come(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    moments = [(case.series, case.at_m, True), (case.quiet, case.at_m, False)]
    if case.early_m is not None:
        moments.append((case.series, case.early_m, False))
    said = {
        "rule_files": [str(PATH)],
        "evaluation_interval": "1m",
        "tests": [_test(name, case, *moment) for moment in moments],
    }
    path = tmp_path / "cases.json"
    path.write_text(json.dumps(said))
    done = promtool("test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("VpsAutoscalerGrowthRefused", 2),
        ("VpsAutoscalerJoinsFailing", 2),
        ("VpsAutoscalerLaunchesFailing", 5),
    ],
)
def test_so_many_are_not_one_more(name: str, most: int, tmp_path: Path) -> None:
    """Prometheus extrapolates an increase to the ends of its window, beyond the scrapes there."""
    (series,) = CASES[name].series
    minutes = range(80, 170)
    test = {
        "interval": "50s",
        "input_series": [{"series": series, "values": f"7x100 {7 + most}x200"}],
        "alert_rule_test": [
            {"eval_time": f"{minute}m", "alertname": name, "exp_alerts": []} for minute in minutes
        ],
    }
    path = tmp_path / "cases.json"
    said = {"rule_files": [str(PATH)], "evaluation_interval": "1m", "tests": [test]}
    path.write_text(json.dumps(said))
    done = promtool("test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


def _test(
    name: str,
    case: Case,
    series: dict[str, str],
    at_m: int,
    fires: bool,  # noqa: FBT001
) -> dict[str, Any]:
    rule = RULES[name]
    annotations = {key: _filled(text, case.labels) for key, text in rule["annotations"].items()}
    expected = {"exp_labels": {**rule["labels"], **case.labels}, "exp_annotations": annotations}
    return {
        "interval": "1m",
        "input_series": [{"series": each, "values": values} for each, values in series.items()],
        "alert_rule_test": [
            {"eval_time": f"{at_m}m", "alertname": name, "exp_alerts": [expected] * fires}
        ],
    }


def _filled(text: str, labels: dict[str, str]) -> str:
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels[found[1]], text)


@pytest.mark.parametrize("name", RULES)
def test_it_asks_for_what_is_exported(name: str) -> None:
    rule = RULES[name]
    asked = re.findall(r"\b(vps_autoscaler_\w+)(?:\{(\w+)!?=)?", rule["expr"])
    assert asked
    for metric, label in asked:
        assert label in {"", *EXPORTED[metric][1]}
    shown = re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))
    by = re.findall(r"sum by \(([^)]*)\)", rule["expr"])
    kept = re.split(r", *", by[0]) if by else [each for m, _ in asked for each in EXPORTED[m][1]]
    assert set(shown) <= set(kept)


@pytest.mark.parametrize("name", RULES)
def test_a_person_is_told_what_it_is_and_where_to_read(name: str) -> None:
    rule = RULES[name]
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    assert rule["annotations"]["runbook"] == f"docs/runbook.md#{name.lower()}"


def test_the_runbook_has_a_section_for_each_and_no_other() -> None:
    assert list(SECTIONS) == list(RULES)


@pytest.mark.parametrize("name", RULES)
def test_a_section_says_what_it_means_where_to_look_and_what_to_do(name: str) -> None:
    parts = re.split(r"\*\*(\w+)\.\*\*", SECTIONS[name])[1:]
    said = dict(zip(parts[::2], parts[1::2], strict=True))
    assert list(said) == ["Means", "Look", "Do"]
    assert all(len(text.split()) >= 8 for text in said.values())
    commands = re.findall(r"`((?:vps-autoscaler|kubectl|helm)\b[^`]*|ls)`", SECTIONS[name])
    assert commands, "no command to look or act with"


def test_links_within_the_runbook_lead_somewhere() -> None:
    anchors = set(re.findall(r"\]\(#([\w-]+)\)", RUNBOOK))
    assert anchors
    assert anchors <= {name.lower() for name in SECTIONS}


def test_metrics_that_the_runbook_names_are_exported() -> None:
    named = {
        re.sub(r"_(count|sum|bucket)$", "", each)
        for each in re.findall(r"\bvps_autoscaler_\w+", RUNBOOK)
    }
    assert named
    assert named <= EXPORTED.keys()
