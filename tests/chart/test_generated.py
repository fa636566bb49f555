"""The chart's made files are fresh, and its values and schema agree."""

from __future__ import annotations

import importlib.util
import re
from types import ModuleType
from typing import Any

import jsonschema
import pytest
import yaml

from tests.chart import helm

VALUES = yaml.safe_load((helm.CHART / "values.yaml").read_text())
OPEN = re.compile(
    r"(resources|ontext|elector|affinity|issuerRef|files|config|labels|[aA]rgs|priorities)$"
)
"""Mappings whose keys are other people's, or explained as a whole."""


def _generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", helm.CHART / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


GENERATE = _generate()


def test_the_schema_is_fresh() -> None:
    fresh = (helm.CHART / "values.schema.json").read_text() == GENERATE.schema()
    assert fresh, "run 'make chart-files' and commit"


def test_the_readme_is_fresh() -> None:
    fresh = (helm.CHART / "README.md").read_text() == GENERATE.readme()
    assert fresh, "run 'make chart-files' and commit"


def test_the_crd_is_fresh() -> None:
    fresh = (helm.CHART / "files" / "vpsnodes.yaml").read_text() == GENERATE.CRD.read_text()
    assert fresh, "run 'make chart-files' and commit"


def test_every_value_is_explained() -> None:
    assert sorted(_leaves(VALUES)) == sorted(GENERATE.notes())


def test_the_schema_knows_every_value_and_no_other() -> None:
    known = sorted(_properties(yaml.safe_load(GENERATE.schema())))
    assert known == sorted([*_leaves(VALUES), "global"])


def test_the_values_are_of_their_schema() -> None:
    jsonschema.validate(VALUES, yaml.safe_load(GENERATE.schema()))


@pytest.mark.parametrize("path", sorted(helm.VALUES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_examples_are_of_their_schema(path: Any) -> None:
    jsonschema.validate(yaml.safe_load(path.read_text()), yaml.safe_load(GENERATE.schema()))


def test_the_chart_is_of_our_version() -> None:
    chart = yaml.safe_load((helm.CHART / "Chart.yaml").read_text())
    project = (helm.ROOT / "pyproject.toml").read_text()
    assert f'version = "{chart["appVersion"]}"' in project
    assert chart["kubeVersion"] == ">=1.28.0-0"


def _leaves(values: Any, path: str = "") -> list[str]:
    """Return the paths of what the README explains, one by one."""
    if path and (not isinstance(values, dict) or not values or OPEN.search(path)):
        return [path]
    begin = f"{path}." if path else ""
    return [leaf for key, each in values.items() for leaf in _leaves(each, begin + key)]


def _properties(schema: Any, path: str = "", within: Any = None) -> list[str]:
    """Return the paths that the schema knows, as deep as the README explains them."""
    within = within or schema
    while "$ref" in schema:
        schema = within["$defs"][schema["$ref"].rpartition("/")[2]]
    if path and ("properties" not in schema or OPEN.search(path)):
        return [path]
    begin = f"{path}." if path else ""
    return [
        leaf
        for key, each in schema["properties"].items()
        for leaf in _properties(each, begin + key, within)
    ]
