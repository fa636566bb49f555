"""Marks survive the way into tags and back, and nobody else's pass for ours."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from externalgrpc.model import groups, names
from providers import contract
from providers.contract import Mark
from providers.kit import marks

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
        st.sampled_from(
            [
                "",
                ":",
                "n:",
                "vps-cluster:",
                "vps-group:",
                "vps-clusterblue",
                "vps-id",
                "vps-id:",
                "vps-unjoined:",
                "vps-unjoine",
                "VPS-UNJOINED",
            ]
        ),
    )
)


@given(cluster=CLUSTERS, group=GROUPS, seed=st.integers(), strange=STRANGE)
def test_marks_come_back_as_they_went(
    cluster: str, group: str, seed: int, strange: list[str]
) -> None:
    node = next(names.mint(group, random.Random(seed)))
    tags = marks.tags(cluster=cluster, group=group, node_name=node)
    assert all(STRICTEST.match(tag) for tag in tags)
    ours = (marks.GROUP, marks.NODE, marks.IDENTITY)
    noise = [tag for tag in strange if not tag.startswith(ours)]
    mixed = [*noise, *tags]
    random.Random(seed).shuffle(mixed)
    assert marks.is_ours(mixed, cluster)
    assert marks.is_node(mixed, node)
    assert marks.read(mixed) == marks.Marks(group=group, node_name=node)


@given(ours=CLUSTERS, theirs=CLUSTERS, group=GROUPS)
def test_a_cluster_is_ours_only_when_the_names_are_equal(
    ours: str, theirs: str, group: str
) -> None:
    tags = marks.tags(cluster=theirs, group=group, node_name="web-a1")
    assert marks.is_ours(tags, ours) == (ours == theirs)


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
    tags = marks.tags(cluster="c" * groups.MAX_CLUSTER_NAME, group=group, node_name=node)
    assert max(map(len, tags)) <= marks.LONGEST
    assert len(marks.group_tag(group)) == marks.LONGEST, "a longer group name would not fit"


def test_labels_become_tags() -> None:
    tags = marks.tags(
        cluster="blue", group="web", node_name="web-a1", labels={"team": "infra", "canary": ""}
    )
    assert tags == ("vps-cluster:blue", "vps-group:web", "n:web-a1", "canary", "team:infra")


@pytest.mark.parametrize(
    ("wrong", "text"),
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
        ({"labels": {"vps-id": "0123456789"}}, "pass for one of our own"),
        ({"labels": {"vps-unjoined": ""}}, "pass for one of our own"),
        ({"identity": "0123"}, "10 lower-case hex"),
        ({"identity": "0123ABCDEF"}, "10 lower-case hex"),
        ({"identity": contract.NOBODYS}, "10 lower-case hex"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(wrong: dict[str, object], text: str) -> None:
    right = {"cluster": "blue", "group": "web", "node_name": "web-a1"}
    with pytest.raises(ValueError, match=text):
        marks.tags(**{**right, **wrong})  # type: ignore[arg-type]


A, B = "0123456789", "9876543210"


@pytest.mark.parametrize(
    ("tags", "identity"),
    [
        ([], ""),
        (["vps-id", "vps-idle:1", "xvps-id:1"], ""),
        ([f"vps-id:{A}"], A),
        ([f"vps-id:{A}", f"vps-id:{A}"], A),
        ([f"vps-id:{A}", f"vps-id:{B}"], contract.NOBODYS),
        ([f"vps-id:{A}", "vps-id:"], contract.NOBODYS),
        (["vps-id:"], contract.NOBODYS),
        (["vps-id:0123"], contract.NOBODYS),
        (["vps-id:0123456789a"], contract.NOBODYS),
        (["vps-id:ABCDEF0123"], contract.NOBODYS),
        (["vps-id:?"], contract.NOBODYS),
    ],
)
def test_an_unclear_identity_is_nobodys_never_that_of_an_older_version(
    tags: list[str], identity: str
) -> None:
    assert marks.read(["vps-cluster:blue", *tags]).identity == identity


def test_identity_and_unjoined_come_back_as_they_went() -> None:
    tags = marks.tags(
        cluster="blue", group="web", node_name="web-a1", identity=A, unjoined=True,
        labels={"canary": ""},
    )  # fmt: skip
    assert tags[3:] == (f"vps-id:{A}", "vps-unjoined", "canary")
    assert all(STRICTEST.match(tag) for tag in tags)
    assert marks.read(tags) == marks.Marks(
        group="web", node_name="web-a1", identity=A, unjoined=True
    )


WORN = ("team:infra", "vps-cluster:blue", "vps-group:web", "n:web-a1", f"vps-id:{A}",
        "vps-unjoined", "vps-unjoined:x", "Canary ")  # fmt: skip


@pytest.mark.parametrize(
    ("put", "remove", "changed"),
    [
        ({}, {Mark.UNJOINED}, WORN[:5] + WORN[6:]),
        ({Mark.IDENTITY: B}, set(), (*WORN[:4], *WORN[5:], f"vps-id:{B}")),
        ({Mark.IDENTITY: A, Mark.UNJOINED: "true", Mark.CLUSTER: "blue"}, set(), WORN),
        ({}, set(), WORN),
        ({Mark.GROUP: "db", Mark.NODE: "db-1"}, {Mark.CLUSTER},
         ("team:infra", *WORN[4:], "vps-group:db", "n:db-1")),
    ],
)  # fmt: skip
def test_a_change_of_marks_leaves_everything_else_as_it_was(
    put: dict[Mark, str], remove: set[Mark], changed: tuple[str, ...]
) -> None:
    tags = marks.changed(WORN, put=put, remove=remove)
    assert tags == changed
    assert marks.changed(tags, put=put, remove=remove) == tags


def test_a_mark_that_is_put_replaces_every_value_of_it() -> None:
    tags = marks.changed([f"vps-id:{A}", "x", f"vps-id:{B}"], put={Mark.IDENTITY: B})
    assert tags == ("x", f"vps-id:{B}")


@pytest.mark.parametrize(
    ("put", "remove", "text"),
    [
        ({Mark.IDENTITY: "?"}, set(), "10 lower-case hex"),
        ({Mark.IDENTITY: ""}, set(), "10 lower-case hex"),
        ({Mark.UNJOINED: ""}, set(), "never ''"),
        ({Mark.CLUSTER: ""}, set(), "needs a name"),
        ({Mark.GROUP: "Web"}, set(), "lower-case"),
        ({Mark.IDENTITY: A}, {Mark.IDENTITY}, "at once"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(
    put: dict[Mark, str], remove: set[Mark], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        marks.changed(WORN, put=put, remove=remove)


def test_neighbours_are_counted_by_cluster_and_identity() -> None:
    machines = [
        ["vps-cluster:blue", f"vps-id:{A}"],
        ["vps-cluster:blue", f"vps-id:{A}", "vps-cluster:blue"],
        ["vps-cluster:blue"],
        ["vps-cluster:blue", "vps-cluster:green", f"vps-id:{A}", f"vps-id:{B}"],
        ["somebody-s"],
        [],
    ]
    assert [(one.cluster, one.identity, one.count) for one in marks.neighbours(machines)] == [
        ("blue", "", 1),
        ("blue", A, 2),
        ("blue", "?", 1),
        ("green", "?", 1),
    ]


def test_a_candidate_is_shown_with_its_marks_and_its_own_labels() -> None:
    machine = contract.Instance(
        id="1",
        provider_id="sky://1",
        node_name="",
        group="",
        machine_type="small",
        location="north",
        state=contract.InstanceState.RUNNING,
    )
    tags = ("vps-cluster:blue", "vps-adopted", "pool:old", "pool:new:er", "bare", "vps-id:x")
    shown = marks.candidate(machine, "mail", tags)
    assert (shown.cluster, shown.name, shown.instance) == ("blue", "mail", machine)
    assert shown.labels == {("pool", "old"), ("pool", "new:er"), ("bare", "")}
    assert marks.candidate(machine, "mail", ()).cluster == ""
    two = marks.candidate(machine, "mail", ("vps-cluster:blue", "vps-cluster:green"))
    assert two.cluster == contract.NOBODYS


def test_adopted_is_a_mark_like_unjoined() -> None:
    assert marks.tag_of(Mark.ADOPTED, "true") == "vps-adopted"
    assert marks.mark_of("vps-adopted") is Mark.ADOPTED
    assert marks.read(("vps-adopted",)).adopted
    with pytest.raises(ValueError, match="'adopted' says 'true' or is not there"):
        marks.tag_of(Mark.ADOPTED, "yes")
    with pytest.raises(ValueError, match="pass for one of our own"):
        marks.tags(cluster="blue", group="web", node_name="web-a1", labels={"vps-adopted": ""})
