"""What can be read in two ways is no answer."""

from __future__ import annotations

import pytest

from providers.kit import jsontext


@pytest.mark.parametrize(
    "text",
    [
        '{"servers": [{"id": 1}], "servers": []}',
        '{"servers": [], "meta": {"total": 1, "total": 0}}',
        '{"servers": [{"id": 1, "labels": {}, "id": 2}]}',
        r'{"servers": [{"id": 1}], "\u0073ervers": []}',
    ],
)
def test_a_key_that_is_given_twice_is_no_answer(text: str) -> None:
    with pytest.raises(jsontext.NotReadable, match="a key twice"):
        jsontext.read_object(text.encode())


def test_one_key_in_several_objects_is_the_usual_thing() -> None:
    text = '{"servers": [{"id": 1}, {"id": 2}], "meta": {"id": 3}}'
    assert jsontext.read_object(text.encode()) == {
        "servers": [{"id": 1}, {"id": 2}],
        "meta": {"id": 3},
    }
