"""Every ask has its answer, and every test that an answer names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "what-users-asked.md").read_text()
ASKS = [*range(13, 30), 40, 43, *range(45, 51), *range(54, 60)]
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)))


def test_every_ask_is_answered_in_order() -> None:
    rows = re.findall(r"^\| (\d+) \| .+ \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == ASKS
    for number, answer, shown in rows:
        assert re.match(r"\*\*(Done|Partly|No)\b", answer), number
        assert "::" in shown, number


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_the_tests_that_are_named_are_there(file: str, test: str) -> None:
    tree = ast.parse((TESTS / file).read_text())
    assert test in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
