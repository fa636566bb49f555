"""What failed is tried again later each time, up to a bound."""

from __future__ import annotations

import pathlib
import re

import pytest

from externalgrpc.model import backoff

SHIPPED = pathlib.Path(backoff.__file__).parents[1]


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(-1, 5.0), (0, 5.0), (1, 5.0), (2, 10.0), (3, 20.0), (4, 40.0), (5, 60.0), (10**6, 60.0)],
)
def test_it_doubles_from_the_second_failure_on_up_to_the_bound(failures: int, seconds: float):
    assert backoff.wait_s(failures, base_s=5.0, longest_s=60.0) == seconds


def test_a_base_above_the_bound_is_the_bound():
    assert backoff.wait_s(1, base_s=5.0, longest_s=0.5) == 0.5


def test_nobody_doubles_by_himself():
    doubling = re.compile(r"\b2(\.0)? ?\*\* ?(min|max|\()")
    found = [
        path.name
        for path in SHIPPED.rglob("*.py")
        if path.name != "backoff.py" and doubling.search(path.read_text())
    ]
    assert not found
