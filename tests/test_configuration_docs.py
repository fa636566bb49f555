"""docs/configuration.md is complete, and what it shows loads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from externalgrpc import config
from externalgrpc.bootstrap import raw
from externalgrpc.config import lines, model
from externalgrpc.model import groups, installed_clouds

PAGE = (Path(__file__).parents[1] / "docs" / "configuration.md").read_text()
TOKENS = {"HCLOUD_TOKEN": "a", "LINODE_TOKEN": "b", "DIGITALOCEAN_TOKEN": "c", "VULTR_API_KEY": "d"}
KEYS = sorted(
    {
        field.alias or name
        for entry in (
            model.File,
            model.AccountEntry,
            model.NodeEntry,
            model.KubeletEntry,
            model.AutoscalingEntry,
            model.LimitsEntry,
        )
        for name, field in entry.model_fields.items()
    }
)


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_described(key: str) -> None:
    assert f"`{key}`" in PAGE


@pytest.mark.parametrize("name", sorted(raw.VARIABLES))
def test_every_variable_is_described(name: str) -> None:
    assert f"`@@{name}@@`" in PAGE


def test_no_variable_is_described_that_is_none() -> None:
    assert list(raw.unknown(PAGE)) == []


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_what_it_shows_loads(tmp_path: Path, block: str) -> None:
    (tmp_path / "config.yaml").write_text(block.replace("/etc/vps-autoscaler/", ""))
    (tmp_path / "join.yaml").write_text("#cloud-config\n")
    for name in ("hetzner-main", "hetzner-spare"):
        (tmp_path / f"{name}.token").write_text(name)
    loaded = config.load(
        tmp_path / "config.yaml", cluster="", environ=TOKENS, clouds=installed_clouds.installed()
    )
    assert loaded.groups


def test_its_numbers_are_the_programs() -> None:
    assert f"at most {groups.MAX_CLUSTER_NAME} characters" in PAGE
    assert f"at most {groups.MAX_GROUP_NAME} characters" in PAGE
    assert f"{lines.MAX_VALUES:,} values and {lines.MAX_DEPTH} levels" in PAGE
    reserve = groups.KubeletReserve()
    assert f"most pods on a node | {reserve.max_pods} |" in PAGE
    assert f"price list | {reserve.memory_overhead * 100:g} |" in PAGE
