# ruff: noqa: ANN401 - a JSON value is anything
"""Tear answers apart: holes and odd values at every place of a JSON value."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

ODD: tuple[Any, ...] = (None, "odd", 7, -1, [], {}, [None], "", True, 1e300)

Path = tuple[Any, ...]


def paths(value: Any, at: Path = ()) -> Iterator[Path]:
    """Give the place of everything inside a JSON value."""
    items: Iterable[tuple[Any, Any]] = (
        value.items() if isinstance(value, dict) else enumerate(value)
    )
    for key, inner in items:
        yield (*at, key)
        if isinstance(inner, dict | list):
            yield from paths(inner, (*at, key))


def without(value: Any, path: Path) -> Any:
    """Return the value with nothing at a place."""
    torn, holder = _holder(value, path)
    del holder[path[-1]]
    return torn


def with_(value: Any, path: Path, other: Any) -> Any:
    """Return the value with something else at a place."""
    torn, holder = _holder(value, path)
    holder[path[-1]] = other
    return torn


def _holder(value: Any, path: Path) -> tuple[Any, Any]:
    torn = copy.deepcopy(value)
    holder = torn
    for key in path[:-1]:
        holder = holder[key]
    return torn, holder
