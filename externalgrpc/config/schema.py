"""Generate the JSON schema that editors check the file with, from the model that reads it.

It is a little laxer than the reader, which also knows the file system, the other entries and
Kubernetes' rules. ``python -m externalgrpc.config.schema`` writes the one that is published,
with the settings of the clouds that come with the project.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from externalgrpc.config import model, options
from externalgrpc.model import app_pools, groups, installed_clouds, join_settings

_OWN_PACKAGE = "providers"
_BOUNDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
}


def generate(installed: Mapping[str, installed_clouds.Cloud]) -> dict[str, Any]:
    """Generate the schema, with the settings of every cloud given.

    A cloud that cannot be imported or whose settings cannot be described is left out.
    """
    schema = model.File.model_json_schema(ref_template="#/$defs/{model}")
    definitions = schema["$defs"]
    for entry, attribute in (
        (definitions["AccountEntry"], "account_options"),
        (definitions["NodeEntry"], "group_options"),
    ):
        entry["properties"]["provider"]["examples"] = sorted(installed)
        for name in sorted(installed):
            own = _own(installed, name, attribute)
            if own is not None:
                definitions.update(own.pop("$defs", {}))
                key = f"{name}.{attribute}"
                definitions[key] = own
                entry.setdefault("allOf", []).append(_when(name, key))
    definitions["VpsNodesEntry"]["properties"]["defaults"]["properties"] = {
        name: {"allOf": [{"$ref": "#/$defs/NodeDefaults"}, _options(f"{name}.group_options")]}
        for name in sorted(installed)
        if f"{name}.group_options" in definitions
    }
    for name, cls, entry, key in (
        ("JoinOptions", join_settings.JoinSettings, definitions["NodeEntry"], "joinOptions"),
        ("JoinOptions", join_settings.JoinSettings, definitions["NodeDefaults"], "joinOptions"),
        ("Kubernetes", groups.Kubernetes, schema, "kubernetes"),
        ("AppPools", app_pools.AppPools, schema, "appPools"),
    ):
        described = options.describe(cls).model_json_schema(ref_template="#/$defs/{model}")
        definitions.update(described.pop("$defs", {}))
        definitions[name] = described
        about = entry["properties"][key].get("description", "")
        entry["properties"][key] = {"$ref": f"#/$defs/{name}", "description": about}
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, "title": schema["title"], **_tidy(schema)}


def text(installed: Mapping[str, installed_clouds.Cloud]) -> str:
    """Write the schema, without a newline at its end."""
    return json.dumps(generate(installed), indent=2, sort_keys=True)


def own_clouds() -> installed_clouds.Installed:
    """Find the installed clouds that come with the project."""
    return installed_clouds.installed().within(_OWN_PACKAGE)


def _own(
    installed: Mapping[str, installed_clouds.Cloud], name: str, attribute: str
) -> dict[str, Any] | None:
    try:
        described = options.describe(getattr(installed[name], attribute))
    except (installed_clouds.BrokenCloud, options.Indescribable):
        return None
    template = f"#/$defs/{name}.{attribute}.{{model}}"
    own = described.model_json_schema(ref_template=template)
    own["$defs"] = {
        f"{name}.{attribute}.{inner}": definition
        for inner, definition in own.get("$defs", {}).items()
    }
    return own


def _when(provider: str, key: str) -> dict[str, Any]:
    """Say that an entry with this provider has these options."""
    return {
        "if": {"properties": {"provider": {"const": provider}}, "required": ["provider"]},
        "then": _options(key),
    }


def _options(key: str) -> dict[str, Any]:
    return {"properties": {"options": {"$ref": f"#/$defs/{key}"}}}


def _tidy(node: Any) -> Any:  # noqa: ANN401 - JSON
    """Take out what helps nobody: titles that repeat the key, and ``null`` for absent keys.

    Bounds of numbers that are read from several types come in Python's words.
    """
    if isinstance(node, list):
        return [_tidy(each) for each in node]
    if not isinstance(node, dict):
        return node
    kept = {
        (_BOUNDS.get(key, key) if isinstance(value, (int, float)) else key): _tidy(value)
        for key, value in node.items()
        if key != "title" or not isinstance(value, str)
    }
    if kept.get("default", "") is None:
        del kept["default"]
    either = kept.get("anyOf")
    if isinstance(either, list) and {"type": "null"} in either:
        real = [each for each in either if each != {"type": "null"}]
        del kept["anyOf"]
        kept = {**kept, **real[0]} if len(real) == 1 else {**kept, "anyOf": real}
    return kept


if __name__ == "__main__":
    sys.stdout.write(text(own_clouds()) + "\n")
