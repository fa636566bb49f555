"""Marks survive the way into tags and back, and nobody else's pass for ours."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from externalgrpc import groups, names
from providers import marks

STRICTEST = re.compile(r"[a-z0-9:_-]{3,50}\Z")


def name(longest: int) -> st.SearchStrategy[str]:
    """Give names as the configuration takes them, up to the longest."""
    return st.from_regex(r"[a-z](-?[a-z0-9])*", fullmatch=True).filter(
        lambda text: len(text) <= longest
    )


CLUSTERS, GROUPS = name(groups.MAX_CLUSTER_NAME), name(groups.MAX_GROUP_NAME)
STRANGE = st.lists(
    st.one_of(
        st.text(max_size=60),
        st.sampled_from(["", ":", "n:", "vps-cluster:", "vps-group:", "vps-clusterblue"]),
    )
)


@given(cluster=CLUSTERS, group=GROUPS, seed=st.integers(), strange=STRANGE)
def test_marks_come_back_as_they_went(
    cluster: str, group: str, seed: int, strange: list[str]
) -> None:
    node = next(names.mint(group, random.Random(seed)))
    told = marks.tags(cluster=cluster, group=group, node_name=node)
    assert all(STRICTEST.match(tag) for tag in told)
    noise = [tag for tag in strange if not tag.startswith((marks.GROUP, marks.NODE))]
    mixed = [*noise, *told]
    random.Random(seed).shuffle(mixed)
    assert marks.is_ours(mixed, cluster)
    assert marks.is_node(mixed, node)
    assert marks.read(mixed) == marks.Marks(group=group, node_name=node)


@given(ours=CLUSTERS, theirs=CLUSTERS, group=GROUPS)
def test_a_cluster_is_ours_only_when_the_names_are_equal(
    ours: str, theirs: str, group: str
) -> None:
    told = marks.tags(cluster=theirs, group=group, node_name="web-a1")
    assert marks.is_ours(told, ours) == (ours == theirs)


@pytest.mark.parametrize(
    "tag",
    ["vps-cluster:blue2", "vps-cluster:blu", "xvps-cluster:blue", "vps-cluster:blue ",
     "VPS-CLUSTER:BLUE", "blue", "vps-group:blue", "n:blue"],
)  # fmt: skip
def test_what_only_resembles_our_cluster_is_a_strangers(tag: str) -> None:
    assert not marks.is_ours([tag], "blue")
    assert marks.is_ours([tag, "vps-cluster:blue"], "blue")


def test_a_node_is_found_by_its_whole_name() -> None:
    tags = ["n:web-a1", "vps-cluster:blue"]
    assert marks.is_node(tags, "web-a1")
    for other in ("web-a", "web-a11", "WEB-A1", ""):
        assert not marks.is_node(tags, other)
    assert not marks.is_node(["n:"], "")


def test_two_marks_of_one_kind_say_nothing() -> None:
    twice = ["vps-group:web", "vps-group:db", "n:web-a1", "n:web-a1"]
    assert marks.read(twice) == marks.Marks(group="", node_name="web-a1")
    assert marks.read(["n:a", "n:b"]) == marks.Marks()
    assert marks.read([]) == marks.Marks()


def test_the_longest_names_of_the_configuration_fit() -> None:
    group = "g" * groups.MAX_GROUP_NAME
    node = next(names.mint(group, random.Random(1)))
    told = marks.tags(cluster="c" * groups.MAX_CLUSTER_NAME, group=group, node_name=node)
    assert max(map(len, told)) <= marks.LONGEST
    assert len(marks.group_tag(group)) == marks.LONGEST, "a longer group name would not fit"


def test_labels_become_tags() -> None:
    told = marks.tags(
        cluster="blue", group="web", node_name="web-a1", labels={"team": "infra", "canary": ""}
    )
    assert told == ("vps-cluster:blue", "vps-group:web", "n:web-a1", "canary", "team:infra")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"cluster": "c" * 39}, "51 characters"),
        ({"group": "g" * 41}, "51 characters"),
        ({"node_name": "n" * 49}, "51 characters"),
        ({"cluster": ""}, "needs a name"),
        ({"group": ""}, "needs a name"),
        ({"node_name": ""}, "needs a name"),
        ({"cluster": "Blue"}, "lower-case"),
        ({"group": "a,b"}, "lower-case"),
        ({"node_name": "web.a1"}, "lower-case"),
        ({"group": "a\n"}, "lower-case"),
        ({"labels": {"example.com/team": "a"}}, "lower-case"),
        ({"labels": {"team": "Infra"}}, "lower-case"),
        ({"labels": {"a": ""}}, "1 characters"),
        ({"labels": {"team": "x" * 46}}, "51 characters"),
        ({"labels": {"n": "stolen"}}, "pass for one of our own"),
        ({"labels": {"vps-cluster": "green"}}, "pass for one of our own"),
        ({"labels": {"vps-group": "db"}}, "pass for one of our own"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(wrong: dict[str, object], told: str) -> None:
    right = {"cluster": "blue", "group": "web", "node_name": "web-a1"}
    with pytest.raises(ValueError, match=told):
        marks.tags(**{**right, **wrong})  # type: ignore[arg-type]
