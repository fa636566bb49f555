from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from externalgrpc.config import schema
from tests.config import fake_clouds
from tests.config.test_loading import BARE, FULL
from tests.config.test_mistakes import group

PUBLISHED = Path(__file__).parents[2] / "docs" / "config.schema.json"


def validator(text: str) -> Any:
    described = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(described)
    return jsonschema.Draft202012Validator(described)


def test_the_published_schema_is_fresh() -> None:
    fresh = schema.text(schema.own_clouds())
    assert PUBLISHED.read_text() == fresh + "\n", (
        "docs/config.schema.json is stale: "
        "python -m externalgrpc.config.schema > docs/config.schema.json"
    )


@pytest.mark.parametrize("text", [FULL, BARE, group(), group(provider="own", options="{count: 1}")])
def test_it_accepts_what_loads(text: str) -> None:
    checked = validator(schema.text(fake_clouds.CLOUDS))
    assert list(checked.iter_errors(yaml.safe_load(text))) == []


@pytest.mark.parametrize(
    "text",
    [
        "nodes: []",
        "{}",
        group(zzz="1"),
        group(maxSize="x"),
        group(maxSize="-1"),
        group(maxSize=None),
        group(instanceTypes="[a]"),
        group(region=None),
        group(provider=None),
        group(labels="{a: 1}"),
        group(taints="[{key: a, effect: x}]"),
        group(taints="[{key: a}]"),
        group(kubelet="{memoryOverheadPercent: 100}"),
        group(autoscalingOptions="{maxNodeProvisionTime: 15}"),
        group(options="{x: 1}"),
        group(provider="own", options="{}"),
        group(provider="own", options="{count: 1, parts: [{}]}"),
        "accounts: [{name: x, provider: dream, budgetShare: 2}]\n" + group(),
    ],
)
def test_it_refuses_what_does_not(text: str) -> None:
    assert list(validator(schema.text(fake_clouds.CLOUDS)).iter_errors(yaml.safe_load(text)))


def test_a_cloud_that_cannot_be_described_is_left_out() -> None:
    class Odd(fake_clouds.Plain):
        account_options = int

    described = schema.generate({**fake_clouds.CLOUDS, "odd": Odd})
    assert "odd.group_options" in described["$defs"]
    assert "odd.account_options" not in described["$defs"]
