"""Node selector terms against labels, as the scheduler judges them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from externalgrpc.diagnosis.pods import terms

LABELS = {"tier": "web", "cores": "8", "odd": "x8", "empty": ""}


def requirement(key: str, operator: str, *values: str) -> terms.Requirement:
    return terms.Requirement(key=key, operator=operator, values=values)


@pytest.mark.parametrize(
    ("asked", "holds"),
    [
        (requirement("tier", "In", "web", "db"), True),
        (requirement("tier", "In", "db"), False),
        (requirement("none", "In", "db"), False),
        (requirement("none", "In", ""), False),
        (requirement("empty", "In", ""), True),
        (requirement("tier", "NotIn", "db"), True),
        (requirement("tier", "NotIn", "db", "web"), False),
        (requirement("none", "NotIn", "db"), True),
        (requirement("tier", "Exists"), True),
        (requirement("empty", "Exists"), True),
        (requirement("none", "Exists"), False),
        (requirement("tier", "DoesNotExist"), False),
        (requirement("none", "DoesNotExist"), True),
        (requirement("cores", "Gt", "4"), True),
        (requirement("cores", "Gt", "8"), False),
        (requirement("cores", "Gt", "-1"), True),
        (requirement("cores", "Lt", "16"), True),
        (requirement("cores", "Lt", "8"), False),
        (requirement("none", "Lt", "8"), False),
        (requirement("none", "Gt", "8"), False),
        (requirement("odd", "Gt", "4"), False),
        (requirement("cores", "Gt", "four"), False),
        (requirement("cores", "Gt", "4", "5"), False),
        (requirement("cores", "Gt"), False),
        (requirement("tier", "ToCome", "web"), False),
        (requirement("tier", ""), False),
    ],
)
def test_a_requirement(asked: terms.Requirement, *, holds: bool) -> None:
    assert terms.holds(asked, LABELS) is holds


KEYS = st.sampled_from(["a", "b"])
VALUES = st.sampled_from(["1", "2", "x"])
ANY_LABELS = st.dictionaries(KEYS, VALUES)


@given(key=KEYS, values=st.lists(VALUES, min_size=1, max_size=3), labels=ANY_LABELS)
def test_of_two_opposites_one_holds(key: str, values: list[str], labels: dict[str, str]) -> None:
    for one, other in (("In", "NotIn"), ("Exists", "DoesNotExist")):
        first = terms.holds(requirement(key, one, *values), labels)
        assert first is not terms.holds(requirement(key, other, *values), labels)
    both = [terms.holds(requirement(key, each, values[0]), labels) for each in ("Gt", "Lt")]
    assert not all(both)


@given(
    given=st.lists(
        st.lists(
            st.builds(
                lambda key, operator, values: {"key": key, "operator": operator, "values": values},
                KEYS,
                st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]),
                st.lists(VALUES, max_size=2),
            ),
            max_size=3,
        ),
        max_size=3,
    ),
    labels=ANY_LABELS,
)
def test_one_term_of_which_all_holds_is_enough(
    given: list[list[dict[str, object]]], labels: dict[str, str]
) -> None:
    read = terms.read([{"matchExpressions": each} for each in given])
    fits = any(
        bool(term.requirements) and all(terms.holds(each, labels) for each in term.requirements)
        for term in read
    )
    assert (not terms.misses(read, labels)) is fits


def test_each_term_says_what_it_lacks() -> None:
    read = terms.read(
        [
            {"matchExpressions": [{"key": "tier", "operator": "In", "values": ["db"]}]},
            {"matchExpressions": [{"key": "zone", "operator": "Exists"}]},
            {"matchExpressions": [{"key": "cores", "operator": "Gt", "values": ["16"]}]},
            {
                "matchExpressions": [
                    {"key": "tier", "operator": "NotIn", "values": ["web", *"abcdef"]}
                ]
            },
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]},
            {},
        ]
    )
    assert terms.misses(read, LABELS) == (
        "it asks for tier=db, and its nodes have tier=web",
        "it asks for zone Exists, and its nodes have no zone",
        "it asks for cores > 16, and its nodes have cores=8",
        "it asks for tier NotIn (web, a, b, c and 3 more), and its nodes have tier=web",
        "it asks for a Node that exists, by its name, and none that is to come",
        "its term is empty, which fits no node",
    )


def test_no_terms_fit_nothing() -> None:
    assert terms.misses((), LABELS)


def test_topologies_are_terms_of_in() -> None:
    (read,) = terms.read_topologies(
        [{"matchLabelExpressions": [{"key": "tier", "values": ["web", "db"]}]}]
    )
    assert read.requirements == (requirement("tier", "In", "web", "db"),)


@pytest.mark.parametrize("odd", [None, 7, "text", [None, 3], [{"matchExpressions": [7, None]}]])
def test_nonsense_fits_nothing_and_breaks_nothing(odd: object) -> None:
    assert terms.misses(terms.read(odd), LABELS)
