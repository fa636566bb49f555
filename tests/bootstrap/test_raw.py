from __future__ import annotations

import dataclasses
import re
import shlex
import subprocess

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from externalgrpc.bootstrap import raw
from externalgrpc.model import groups, rules

GROUP = groups.NodeGroup(
    name="workers",
    account="first",
    candidates=(groups.Candidate("cx23", "fsn1"), groups.Candidate("cx23-much-longer", "nbg1")),
    min_size=0,
    max_size=3,
    labels={"tier": "web", "example.org/x": ""},
    taints=(
        groups.Taint(key="dedicated", value="web", effect="NoSchedule"),
        groups.Taint(key="example.org/y", effect="NoExecute"),
    ),
)


def filled(text: str, group: groups.NodeGroup = GROUP, **changed: str) -> str:
    values = {
        "cluster": "prod",
        "node_name": "workers-x7k2p",
        "machine_type": "cx23",
        "location": "fsn1",
        "provider": "hetzner",
        "scheme": "hcloud",
    }
    return raw.fill(dataclasses.replace(group, user_data=text), **{**values, **changed})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("NODE_NAME", "workers-x7k2p"),
        ("GROUP", "workers"),
        ("CLUSTER", "prod"),
        ("LABELS", "tier=web,example.org/x="),
        (
            "NODE_LABELS",
            "node.kubernetes.io/instance-type=cx23,topology.kubernetes.io/region=fsn1,"
            "tier=web,example.org/x=",
        ),
        ("TAINTS", "dedicated=web:NoSchedule,example.org/y=:NoExecute"),
        ("REGION", "fsn1"),
        ("INSTANCE_TYPE", "cx23"),
        ("PROVIDER", "hetzner"),
        ("PROVIDER_ID_SCHEME", "hcloud"),
    ],
)
def test_each_variable(variable: str, value: str) -> None:
    assert filled(f"a @@{variable}@@ b @@{variable}@@") == f"a {value} b {value}"


def test_every_variable_is_filled_and_documented() -> None:
    text = " ".join(f"@@{name}@@" for name in raw.VARIABLES)
    assert "@@" not in filled(text)
    assert list(raw.unknown(text)) == []


def test_a_groups_own_region_label_counts() -> None:
    group = dataclasses.replace(GROUP, labels={"topology.kubernetes.io/region": "eu"})
    assert filled("@@NODE_LABELS@@", group) == (
        "node.kubernetes.io/instance-type=cx23,topology.kubernetes.io/region=eu"
    )


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        # A location may be a zone of a region, and a cloud may have zones of its own.
        (
            {"topology.kubernetes.io/region": "fr-par", "topology.kubernetes.io/zone": "fr-par-2"},
            "topology.kubernetes.io/region=fr-par,topology.kubernetes.io/zone=fr-par-2,",
        ),
        (
            {"topology.kubernetes.io/region": "eu", "csi/x": "y"},
            "topology.kubernetes.io/region=eu,",
        ),
        ({}, ""),
        (None, "topology.kubernetes.io/region=fr-par-2,"),
    ],
)
def test_region_and_zone_are_the_clouds_words(fields: dict[str, str] | None, labels: str) -> None:
    group = dataclasses.replace(GROUP, labels={"a": "b"})
    text = filled("@@NODE_LABELS@@", group, location="fr-par-2", cloud_labels=fields)
    assert text == f"node.kubernetes.io/instance-type=cx23,{labels}a=b"
    assert filled("@@REGION@@", group, location="fr-par-2", cloud_labels=fields) == "fr-par-2"


def test_other_languages_are_left_alone() -> None:
    text = "$NAME ${NAME} {{ v1.instance_id }} {% x %} %NAME% @NAME@ <@@> @@ -1,2 +1,2 @@ a@@b\n"
    assert filled(text) == text
    assert list(raw.unknown(text)) == []


def test_unknown_variables_are_found_with_their_place() -> None:
    text = "@@NODE_NAME@@\n  @@nope@@ x @@NODE@@\n"
    assert list(raw.unknown(text)) == [
        raw.Unknown(name="nope", line=2, column=3),
        raw.Unknown(name="NODE", line=2, column=14),
    ]
    assert filled(text) == "workers-x7k2p\n  @@nope@@ x @@NODE@@\n"


def test_a_value_is_not_looked_into_again() -> None:
    """A value cannot name a variable: it cannot hold the sign that begins one."""
    with pytest.raises(raw.UnsafeValue, match="CLUSTER"):
        filled("@@CLUSTER@@", cluster="@@NODE_NAME@@")


@pytest.mark.parametrize(
    "evil", ["$(reboot)", "`x`", "a;b", "a'b", 'a"b', "a\nb", "a b", "é", "\x00", "{", "#", "&"]
)
@pytest.mark.parametrize(
    "where", ["cluster", "node_name", "machine_type", "location", "provider", "scheme"]
)
def test_a_value_that_could_do_harm_is_never_filled_in(where: str, evil: str) -> None:
    with pytest.raises(raw.UnsafeValue) as caught:
        filled("", **{where: evil})
    assert evil not in str(caught.value)


@pytest.mark.parametrize("evil", ["$(reboot)", "a'b", 'a"b', "a\nb", "a b"])
def test_labels_and_taints_that_could_do_harm_are_never_filled_in(evil: str) -> None:
    for changed in (
        {"labels": {evil: "x"}},
        {"labels": {"x": evil}},
        {"taints": (groups.Taint(key=evil, effect="NoSchedule"),)},
        {"taints": (groups.Taint(key="x", value=evil, effect="NoSchedule"),)},
        {"name": evil},
    ):
        with pytest.raises(raw.UnsafeValue):
            filled("", dataclasses.replace(GROUP, **changed))


WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
NAMES = WORDS.filter(lambda text: not rules.name(text, 40)) | st.sampled_from(["a", "pool-1"])
KEYS = st.from_regex(r"([a-z0-9.-]{1,9}/)?[A-Za-z0-9._-]{1,9}", fullmatch=True).filter(
    lambda text: not rules.key(text)
)
VALUES = st.from_regex(r"[A-Za-z0-9._-]{0,9}", fullmatch=True).filter(
    lambda text: not rules.value(text)
)


@settings(deadline=None)
@given(
    NAMES,
    st.dictionaries(KEYS, VALUES, max_size=4),
    st.lists(st.tuples(KEYS, VALUES, st.sampled_from(rules.EFFECTS)), max_size=3),
    VALUES.filter(bool),
)
def test_whatever_a_checked_file_holds_stays_inside_its_quotes(
    name: str,
    labels: dict[str, str],
    taints: list[tuple[str, str, str]],
    ware: str,
) -> None:
    """Filled values survive a shell's quotes, its bare words and YAML unchanged."""
    group = dataclasses.replace(
        GROUP,
        name=name,
        labels=labels,
        taints=tuple(groups.Taint(key=k, value=v, effect=e) for k, v, e in taints),
    )
    for variable in raw.VARIABLES:
        value = filled(f"@@{variable}@@", group, machine_type=ware, location=ware)
        assert re.fullmatch(r"[A-Za-z0-9._/:=,-]*", value)
        for quoted in (f"'@@{variable}@@'", f'"@@{variable}@@"', f"x=@@{variable}@@"):
            (word,) = shlex.split(filled(quoted, group, machine_type=ware, location=ware))
            assert word == (f"x={value}" if quoted.startswith("x") else value)
        document = filled(f'a: "@@{variable}@@"', group, machine_type=ware, location=ware)
        assert yaml.safe_load(document) == {"a": value}


def test_a_real_shell_sees_the_values_as_they_are() -> None:
    script = filled("printf '%s\\n' \"@@TAINTS@@\" @@NODE_LABELS@@ '@@LABELS@@'\n")
    result = subprocess.run(
        ["bash", "-euc", script], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert result == [
        "dedicated=web:NoSchedule,example.org/y=:NoExecute",
        "node.kubernetes.io/instance-type=cx23,topology.kubernetes.io/region=fsn1,tier=web,"
        "example.org/x=",
        "tier=web,example.org/x=",
    ]


def test_the_worst_case_is_the_longest_candidate_with_the_longest_name() -> None:
    group = dataclasses.replace(GROUP, user_data="é@@NODE_NAME@@ @@INSTANCE_TYPE@@")
    size = raw.worst_case_bytes(group, cluster="prod", provider="hetzner", scheme="hcloud")
    assert size == 2 + 63 + 1 + len("cx23-much-longer")
