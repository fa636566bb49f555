"""Read Hetzner's label selectors: ``k``, ``!k``, ``k=v``, ``k==v``, ``k!=v``, ``k in (a,b)``,
``k notin (a,b)``; a comma between them means and.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Labels = Mapping[str, str]
Test = Callable[[Labels], bool]

_KEY = r"[A-Za-z0-9][A-Za-z0-9._/-]*"
_VALUE = r"[A-Za-z0-9._-]*"
_SET = re.compile(rf"({_KEY})\s+(in|notin)\s+\(([^)]*)\)\Z")
_PAIR = re.compile(rf"({_KEY})\s*(==|=|!=)\s*({_VALUE})\Z")
_BARE = re.compile(rf"(!?)\s*({_KEY})\Z")


def parse(selector: str) -> Test:
    """Make the test that a selector is; raises ValueError when it is none."""
    tests = [_one(part.strip()) for part in _split(selector)] if selector.strip() else []
    return lambda labels: all(test(labels) for test in tests)


def _split(selector: str) -> list[str]:
    return re.split(r",(?![^()]*\))", selector)


def _one(part: str) -> Test:
    if found := _SET.match(part):
        key, word, inner = found.groups()
        values = {value.strip() for value in inner.split(",")}
        if word == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if found := _PAIR.match(part):
        key, sign, value = found.groups()
        if sign == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if found := _BARE.match(part):
        absent, key = found.groups()
        return lambda labels: (key in labels) != bool(absent)
    raise ValueError(f"no label selector: {part!r}")
