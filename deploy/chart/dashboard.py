"""Write files/dashboard.json for Grafana, of the panels in dashboard.yaml (make chart-files)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
WIDTH = 24
SIZES = {"stat": (4, 4), "table": (12, 8)}
"""Width and height of kinds that differ from the rest."""

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
SELECTORS = {
    "<job>": 'job=~"$job"',
    "<group>": 'job=~"$job",group=~"$group"',
    "<account>": 'job=~"$job",account=~"$account"',
}
VARIABLES = (
    ("job", "Job", "label_values(vps_autoscaler_build_info, job)"),
    ("group", "Group", "label_values(vps_autoscaler_group_size{<job>}, group)"),
    ("account", "Account", "label_values(vps_autoscaler_account_listed{<job>}, account)"),
)
OPTIONS: dict[str, dict[str, Any]] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "graphMode": "none",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "auto",
    },
    "heatmap": {"calculate": False, "cellGap": 1},
    "table": {},
}

Said = dict[str, Any]


def panel(said: Said) -> Said:
    """Make a panel; stats and tables ask for now only."""
    kind = said.get("kind", "timeseries")
    width, height = SIZES.get(kind, (8, 8))
    made = {
        "type": kind,
        "title": said["title"],
        "description": said["about"],
        "datasource": SOURCE,
        "gridPos": {"h": height, "w": said.get("width", width), "x": 0, "y": 0},
        "fieldConfig": {"defaults": _defaults(kind, said), "overrides": []},
        "options": dict(OPTIONS[kind]),
        "targets": _targets(kind, said),
    }
    if kind == "stat":
        made["options"]["colorMode"] = "background" if said.get("bad") else "value"
    elif kind == "table":
        made["transformations"] = _columns(said["columns"])
        made["fieldConfig"]["overrides"] = [
            {
                "matcher": {"id": "byName", "options": column["name"]},
                "properties": [{"id": "unit", "value": column.get("unit", said["unit"])}],
            }
            for column in said["columns"]
        ]
    return made


def _defaults(kind: str, said: Said) -> Said:
    defaults: Said = {"unit": said["unit"]}
    if kind == "timeseries":
        stack = said.get("stack", False)
        custom = {"lineWidth": 1, "fillOpacity": 30 if stack else 0, "showPoints": "never"}
        if stack:
            custom["stacking"] = {"mode": "normal", "group": "A"}
        defaults |= {"min": 0, "custom": custom}
    if said.get("bad"):
        steps = [{"color": "green", "value": None}, {"color": "red", "value": 1}]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    return defaults


def _targets(kind: str, said: Said) -> list[Said]:
    asked = said.get("ask") or {column["name"]: column["ask"] for column in said["columns"]}
    instant = kind in ("stat", "table")
    form = {"format": kind} if kind in ("table", "heatmap") else {}
    return [
        {
            "refId": chr(ord("A") + number),
            "datasource": SOURCE,
            "expr": selected(query),
            "legendFormat": legend,
            "instant": instant,
            "range": not instant,
            **form,
        }
        for number, (legend, query) in enumerate(asked.items())
    ]


def _columns(columns: list[Said]) -> list[Said]:
    """Join the answers of a table and name their columns as we do: Grafana says Value #A, #B."""
    one = len(columns) == 1
    names = {
        "Value" if one else f"Value #{chr(ord('A') + number)}": column["name"]
        for number, column in enumerate(columns)
    }
    return [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": names}},
    ]


def selected(query: str) -> str:
    """Put the variables' selectors into a query."""
    for mark, selector in SELECTORS.items():
        query = query.replace(mark, selector)
    return query


def placed(rows: dict[str, list[Said]]) -> Iterator[Said]:
    """Give all panels, row by row, each with its place and its id."""
    number, y = 0, 0
    for title, panels in rows.items():
        number += 1
        place = {"h": 1, "w": WIDTH, "x": 0, "y": y}
        row = {"type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}
        yield {"id": number, **row}
        x, y, tallest = 0, y + 1, 0
        for each in map(panel, panels):
            number += 1
            size = each["gridPos"]
            if x + size["w"] > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            yield {"id": number, **each, "gridPos": {**size, "x": x, "y": y}}
            x, tallest = x + size["w"], max(tallest, size["h"])
        y += tallest


def _variable(name: str, label: str, query: str) -> Said:
    """Make a variable of what a label holds; All is any value, none at all included."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": selected(query), "refId": name},
        "definition": selected(query),
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }


def dashboard() -> str:
    """Compose dashboard.json."""
    rows = yaml.safe_load((HERE / "dashboard.yaml").read_text())
    source = {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "refresh": 1,
        "multi": False,
        "includeAll": False,
    }
    said = {
        "title": "vps-autoscaler",
        "description": "Made by deploy/chart/dashboard.py: edit dashboard.yaml there, not this.",
        "uid": "vps-autoscaler",
        "tags": ["kubernetes", "autoscaler"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [source, *(_variable(*each) for each in VARIABLES)]},
        "annotations": {"list": []},
        "links": [],
        "panels": list(placed(rows)),
    }
    return json.dumps(said, indent=1) + "\n"


def main() -> None:
    """Write it."""
    (HERE / "files" / "dashboard.json").write_text(dashboard())


if __name__ == "__main__":
    main()
