"""Literals of CEL: of one type where the language asks for it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from externalgrpc.kubero import cel

TEXTS = st.text(alphabet=st.characters(exclude_categories=("Cs",)))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({}, "{}"),
        ([], "[]"),
        ({"a": "b", "c": ""}, '{"a": "b", "c": ""}'),
        ([{"key": "a"}, {"key": "b", "value": "c"}], '[{"key": "a"}, {"key": "b", "value": "c"}]'),
        ({"key": "a", "tolerationSeconds": 3}, '{"key": dyn("a"), "tolerationSeconds": dyn(3)}'),
        (
            [{"key": "a"}, {"key": "b", "seconds": 3}],
            '[dyn({"key": "a"}), dyn({"key": dyn("b"), "seconds": dyn(3)})]',
        ),
        (
            {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}},
            '{"requests": {"cpu": "1"}, "limits": {"cpu": "2"}}',
        ),
        ('say "no"\n', '"say \\"no\\"\\n"'),
        (True, "true"),
    ],
)
def test_values_are_written(value: object, written: str) -> None:
    assert cel.literal(value) == written


@given(st.dictionaries(TEXTS, TEXTS))
def test_a_mapping_of_texts_is_json(value: dict[str, str]) -> None:
    assert json.loads(cel.literal(value)) == value


def test_what_has_no_literal_is_refused() -> None:
    with pytest.raises(TypeError, match="NoneType"):
        cel.literal({"a": None})
