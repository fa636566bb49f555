"""A spec as an entry of the file, and what is wrong with it in the object's own words."""

from __future__ import annotations

from typing import Any

import pytest

from externalgrpc.config import objects as config_objects
from externalgrpc.vpsnodes import spec

DEFAULTS = {"hetzner": {"image": "debian-13", "account": "main", "sshKeys": ["ops"]}}
EXAMPLE = {
    "provider": "hetzner",
    "region": "fsn1",
    "instanceType": "cx21",
    "autoScale": {"enabled": True, "minNodes": 1, "maxNodes": 5, "targetCPU": 70},
    "labels": {"provider": "hetzner"},
    "taints": [{"key": "paas-tier", "value": "tenant", "effect": "NoSchedule"}],
}


def test_the_seeds_example_with_what_it_leaves_out():
    assert spec.entry("vps", EXAMPLE, DEFAULTS) == {
        "name": "vps",
        "provider": "hetzner",
        "region": "fsn1",
        "instanceType": "cx21",
        "minSize": 1,
        "maxSize": 5,
        "targetCPU": 70,
        "labels": {"provider": "hetzner"},
        "taints": [{"key": "paas-tier", "value": "tenant", "effect": "NoSchedule"}],
        "image": "debian-13",
        "account": "main",
        "sshKeys": ["ops"],
    }


def test_what_an_object_says_counts_before_the_defaults():
    made = spec.entry("vps", {**EXAMPLE, "image": "ubuntu-24.04", "account": "other"}, DEFAULTS)
    assert (made["image"], made["account"]) == ("ubuntu-24.04", "other")


@pytest.mark.parametrize(
    ("own", "made"),
    [
        ({}, {"notReadyFor": "20m"}),
        ({"repair": {"notReadyFor": "15m"}}, {"notReadyFor": "15m"}),
        ({"repair": {}}, {}),
    ],
    ids=["the defaults'", "its own", "taken back"],
)
def test_repair_is_its_own_where_it_says_so(own, made):
    defaults = {"hetzner": {**DEFAULTS["hetzner"], "repair": {"notReadyFor": "20m"}}}
    assert spec.entry("vps", {**EXAMPLE, **own}, defaults)["repair"] == made


def test_what_is_wrong_with_its_repair_is_said_at_its_field():
    wrong = config_objects.Wrong(
        key="repair", path="repair.notReadyFor", message="60 s is too short", cure="Say 5m"
    )
    given = {**EXAMPLE, "repair": {"notReadyFor": "1m"}}
    assert spec.sentence(wrong, given) == "spec.repair.notReadyFor: 60 s is too short. Say 5m"


def test_defaults_are_those_of_its_cloud():
    assert "image" not in spec.entry("vps", {**EXAMPLE, "provider": "linode"}, DEFAULTS)


@pytest.mark.parametrize(
    ("scale", "sizes"),
    [
        (None, (1, 1)),
        ({}, (1, 1)),
        ({"enabled": False}, (1, 1)),
        ({"minNodes": 3}, (3, 3)),
        ({"minNodes": 0}, (0, 0)),
        ({"enabled": False, "minNodes": 2, "maxNodes": 9}, (2, 2)),
        ({"enabled": True, "minNodes": 2, "maxNodes": 9}, (2, 9)),
        ({"enabled": True, "maxNodes": 9}, (None, 9)),
        ({"enabled": True, "minNodes": 2}, (2, None)),
        ({"enabled": "yes", "minNodes": 2, "maxNodes": 9}, (2, 2)),
        ("odd", (1, 1)),
    ],
)
def test_sizes(scale: Any, sizes: tuple[int | None, int | None]):
    made = spec.entry("vps", {**EXAMPLE, "autoScale": scale}, {})
    assert (made.get("minSize"), made.get("maxSize")) == sizes


@pytest.mark.parametrize(
    ("scale", "default", "target"),
    [
        ({"enabled": True, "targetCPU": 70}, None, 70),
        ({"enabled": True, "targetCPU": 70}, 50, 70),
        ({"enabled": True, "targetCPU": 0}, None, None),
        ({"enabled": True, "targetCPU": 0}, 50, None),
        ({"enabled": True}, 50, 50),
        ({"enabled": True, "targetCPU": "much"}, None, "much"),
        ({"enabled": False, "targetCPU": 70}, None, None),
        ({"targetCPU": 70}, None, None),
        (None, 50, None),
    ],
)
def test_a_target_of_cpu_use(scale: Any, default: int | None, target: object):
    defaults = {"hetzner": {"targetCPU": default}} if default else {}
    made = spec.entry("vps", {**EXAMPLE, "autoScale": scale}, defaults)
    assert made.get("targetCPU") == target


def test_what_is_wrong_with_a_target_is_said_where_it_stands():
    wrong = config_objects.Wrong(key="targetCPU", path="targetCPU", message="is bad")
    assert spec.sentence(wrong, EXAMPLE) == "spec.autoScale.targetCPU: is bad"
    by_default = {**EXAMPLE, "autoScale": {"enabled": True, "maxNodes": 5}}
    where = "vpsNodes.defaults.hetzner.targetCPU in the server's file"
    assert spec.sentence(wrong, by_default) == f"{where}: is bad"


def test_several_count_before_one():
    made = spec.entry("vps", {**EXAMPLE, "instanceTypes": ["cx23"], "regions": ["nbg1"]}, {})
    assert "instanceType" not in made
    assert "region" not in made
    assert (made["instanceTypes"], made["regions"]) == (["cx23"], ["nbg1"])


FILES = "vpsNodes.defaults.hetzner.sshKeys[0] in the server's file"
WRONG = [
    ("name", "name", "metadata.name", "InvalidSpec"),
    ("labels", "labels.a/b", "spec.labels.a/b", "InvalidSpec"),
    ("instanceType", "instanceType", "spec.instanceType", "InvalidSpec"),
    ("provider", "provider", "spec.provider", "NoAccount"),
    ("account", "account", "spec.account", "NoAccount"),
    ("join", "join", "spec.join", "NoJoin"),
    ("sshKeys", "sshKeys[0]", FILES, "InvalidSpec"),
    ("", "", "spec", "InvalidSpec"),
]


@pytest.mark.parametrize(("key", "path", "where", "reason"), WRONG)
def test_what_is_wrong_is_said_at_its_field(key, path, where, reason):
    wrong = config_objects.Wrong(key=key, path=path, message="is bad", cure="Mend it")
    assert spec.sentence(wrong, EXAMPLE) == f"{where}: is bad. Mend it"
    assert spec.reason(wrong) == reason


def test_sizes_have_the_names_that_the_object_has():
    wrong = config_objects.Wrong(key="minSize", path="minSize", message="3 is more than maxSize 1")
    found = spec.sentence(wrong, EXAMPLE)
    assert found == "spec.autoScale.minNodes: 3 is more than maxNodes 1"
