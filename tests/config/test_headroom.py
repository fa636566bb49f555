"""What a group may say of the room that it keeps, and what it needs for that."""

from __future__ import annotations

from pathlib import Path

import pytest

from externalgrpc.model import groups
from tests.config.test_loading import load, mistakes

FILE = """\
cluster: demo
kubernetes: {}
nodes:
- {name: web, provider: dream, instanceType: small, region: north, maxSize: 3, join: image,
   %s}
- {name: batch, provider: dream, instanceType: small, region: north, maxSize: 3, join: image,
   %s}
"""


def first(tmp_path: Path, said: str, other: str = "labels: {pool: batch}") -> groups.NodeGroup:
    return load(tmp_path, FILE % (said, other)).groups[0]


def test_nothing_is_kept_unless_it_is_asked_for(tmp_path: Path) -> None:
    assert not first(tmp_path, "labels: {pool: web}").keeps_room


@pytest.mark.parametrize(
    ("said", "target", "headroom"),
    [
        ("targetCPU: 70", 70, groups.Headroom()),
        ("headroom: {nodes: 1}", None, groups.Headroom(machines=1)),
        ("headroom: {cpu: 1500m}", None, groups.Headroom(cpu_millis=1500)),
        (
            "targetCPU: 60, headroom: {cpu: 2, lowerAfter: 90s}",
            60,
            groups.Headroom(cpu_millis=2000, lower_after_s=90.0),
        ),
    ],
)
def test_it_is_read(
    tmp_path: Path, said: str, target: int | None, headroom: groups.Headroom
) -> None:
    group = first(tmp_path, f"labels: {{pool: web}}, {said}")
    assert (group.target_cpu, group.headroom) == (target, headroom)
    assert group.keeps_room


def test_a_label_is_needed(tmp_path: Path) -> None:
    (said,) = mistakes(tmp_path, FILE % ("targetCPU: 70", "labels: {pool: batch}"))
    assert "nodes[0].targetCPU: needs a label by which room is kept on this group's nodes" in said
    assert said.endswith("Add labels: {pool: web}")


@pytest.mark.parametrize("other", ["{tier: web}", "{tier: web, pool: batch}"])
def test_a_label_of_its_own_is_needed(tmp_path: Path, other: str) -> None:
    said = FILE % ("headroom: {nodes: 1}, labels: {tier: web}", f"labels: {other}")
    (message,) = mistakes(tmp_path, said)
    assert 'nodes[0].headroom: would be kept on nodes of "batch" as well' in message
    assert message.endswith("Give this group a label of its own, as pool: web")


def test_a_prometheus_is_an_address(tmp_path: Path) -> None:
    text = FILE % ("labels: {pool: web}, targetCPU: 70", "labels: {pool: batch}")
    named = text.replace("kubernetes: {}", "kubernetes: {prometheus: 'http://prometheus:9090'}")
    config = load(tmp_path, named)
    assert config.kubernetes is not None
    assert config.kubernetes.prometheus == "http://prometheus:9090"
    assert config.kubernetes.prometheus_query == groups.NODE_CPU_QUERY
    for wrong in ("prometheus:9090", "ftp://prometheus", "http://", "http://user:word@host"):
        (message,) = mistakes(tmp_path, text.replace("{}", f"{{prometheus: '{wrong}'}}", 1))
        assert "kubernetes: prometheus must be" in message
