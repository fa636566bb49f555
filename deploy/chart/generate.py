"""Write values.schema.json, README.md and files/vpsnodes.yaml of the chart (make chart-files).

The schema is values.schema.yaml with every mapping closed and the configuration's own schema
inside; the README's table is made of values.yaml and its comments that begin with two dashes;
vpsnodes.yaml is a copy, for a chart holds only what lies below it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
CONFIG_SCHEMA = HERE.parents[1] / "docs" / "config.schema.json"
CRD = HERE.parent / "crds" / "vpsnodes.yaml"

_NOTE = re.compile(r"^( *)# -- (.*)$")
_KEY = re.compile(r"^( *)([A-Za-z]+):")

TOP = """\
<!-- Made by generate.py (make chart-files): edit values.yaml or that program, not this page. -->
# The chart vps-autoscaler

Cluster Autoscaler and vps-autoscaler in one pod: pods that do not fit get machines at Hetzner,
Linode, DigitalOcean or Vultr. Kubernetes 1.28 to 1.37. How to install it, beside an autoscaler of
yours too: [docs/install.md](../../docs/install.md).

```
helm install vps-autoscaler deploy/chart -n vps-autoscaler --create-namespace -f values.yaml
```

The values are checked by a strict schema: a key that is not in this list is a mistake, and so is a
pool that the server would refuse by its form.

| key | default | what it is |
|---|---|---|
"""


def schema() -> str:
    """Compose values.schema.json."""
    own = yaml.safe_load((HERE / "values.schema.yaml").read_text())
    _close(own)
    theirs = json.loads(CONFIG_SCHEMA.read_text())
    definitions = theirs.pop("$defs")
    theirs.pop("$schema")
    if both := own["$defs"].keys() & definitions.keys():
        raise SystemExit(f"two definitions of one name: {sorted(both)}")
    own["$defs"] |= {**definitions, "Configuration": theirs}
    return json.dumps(own, indent=2) + "\n"


def _close(part: object) -> None:
    if isinstance(part, dict):
        if isinstance(part.get("properties"), dict):
            part.setdefault("additionalProperties", False)
        for each in part.values():
            _close(each)
    elif isinstance(part, list):
        for each in part:
            _close(each)


def notes() -> dict[str, str]:
    """Return what the comments of values.yaml say, by the key's whole path."""
    found: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    note = ""
    for line in (HERE / "values.yaml").read_text().splitlines():
        if said := _NOTE.match(line):
            note = said[2]
        elif key := _KEY.match(line):
            depth = len(key[1])
            path = [each for each in path if each[0] < depth] + [(depth, key[2])]
            if note:
                found[".".join(name for _, name in path)] = note
            note = ""
    return found


def readme() -> str:
    """Compose README.md."""
    values = yaml.safe_load((HERE / "values.yaml").read_text())
    rows = [
        f"| `{key}` | `{json.dumps(_at(values, key))}` | {note} |" for key, note in notes().items()
    ]
    return TOP + "\n".join(rows) + "\n"


def _at(values: Any, path: str) -> object:  # noqa: ANN401 - whatever YAML holds
    for name in path.split("."):
        values = values[name]
    return values


def main() -> None:
    """Write them."""
    (HERE / "values.schema.json").write_text(schema())
    (HERE / "README.md").write_text(readme())
    (HERE / "files" / "vpsnodes.yaml").write_text(CRD.read_text())


if __name__ == "__main__":
    main()
