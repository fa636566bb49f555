"""docs/vpsnode.md against the code: every reason, every number, and the YAML that it shows."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

from externalgrpc import config
from externalgrpc.config import objects as config_objects
from externalgrpc.headroom import status as headroom
from externalgrpc.model import installed_clouds
from externalgrpc.vpsnodes import objects, pace, spec

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "vpsnode.md").read_text()
ROOM = ROOT / "externalgrpc" / "vpsnodes"
REASON = re.compile(r"([A-Z][a-z]+){2,}|Accepted|Scalable|Paused|Deleting|Quota|Released")
WORDS = {"WaitForEmpty"}
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def reasons() -> list[str]:
    """Return every word of the room that reads as a reason of a condition."""
    found = {
        node.value
        for name in ("composing", "spec", "scalable", "status")
        for node in ast.walk(ast.parse((ROOM / f"{name}.py").read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and REASON.fullmatch(node.value)
    }
    return sorted(found - WORDS - {"Quota" + "Exceeded", "OutOfStock"})


def room_reasons() -> list[str]:
    """Give what CPUTarget may say beside: the reasons of headroom, which docs/target-cpu.md has."""
    return [each.value for each in headroom.Reason]


@pytest.mark.parametrize("reason", room_reasons())
def test_every_reason_of_room_is_named(reason: str) -> None:
    assert f"`{reason}`" in PAGE


@pytest.mark.parametrize("reason", reasons())
def test_every_reason_is_described(reason: str) -> None:
    assert f"`{reason}`" in PAGE


def test_the_list_is_closed() -> None:
    assert len(reasons()) < 25


def test_its_numbers_are_the_programs() -> None:
    usual = pace.Pace()
    assert f"every {usual.object_s:.0f} seconds for one object" in PAGE
    assert f"{usual.a_minute:.0f} times a minute in all ({usual.burst} at once" in PAGE
    assert f"`{objects.FINALIZER}`" in PAGE


def test_what_it_shows_is_taken(tmp_path: Path) -> None:
    file, example = BLOCKS
    path = tmp_path / "config.yaml"
    path.write_text(file)
    source = config.Source(
        path=path,
        cluster="",
        environ={"HCLOUD_TOKEN": "t" * 64},
        installed=installed_clouds.installed(),
    )
    read = config.load(path, cluster="", environ=source.environ, clouds=source.installed)
    thing = yaml.safe_load(example)
    entry = spec.entry(thing["metadata"]["name"], thing["spec"], read.vps_nodes.defaults)
    found = config_objects.judge(entry, source, read)
    assert found.wrong == ()
    assert found.group is not None
    assert found.group.join == "kubeadm"
    assert found.group.ssh_keys == ("ops",)
