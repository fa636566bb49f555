"""Read Linode's X-Filter header: fields, their operators, ``+and``, ``+or`` and the order.

Of a list (tags) a value must be one of it, whole; ``"a,b"`` asks for both a and b, and
``{"+contains": "a"}`` finds any that holds an a.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any

Row = dict[str, Any]
Test = Callable[[Row], bool]

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "+gt": lambda here, value: here > value,
    "+gte": lambda here, value: here >= value,
    "+lt": lambda here, value: here < value,
    "+lte": lambda here, value: here <= value,
}


def apply(header: str, rows: list[Row], fields: Collection[str]) -> list[Row]:
    """Filter and order rows; raises ValueError with the vendor's sentence for what is wrong."""
    document: Row = json.loads(header) if header else {}
    test = _all(document, fields)
    found = [row for row in rows if test(row)]
    if order := document.get("+order_by"):
        if order not in fields:
            raise ValueError(f"Cannot order by {order}")
        found.sort(key=lambda row: row[order], reverse=document.get("+order") == "desc")
    return found


def _all(body: Row, fields: Collection[str]) -> Test:
    tests = [_one(key, value, fields) for key, value in body.items() if key not in _ORDER]
    return lambda row: all(test(row) for test in tests)


_ORDER = {"+order_by", "+order"}


def _one(key: str, value: Any, fields: Collection[str]) -> Test:
    if key in {"+and", "+or"}:
        tests = [_all(each, fields) for each in value]
        both = all if key == "+and" else any
        return lambda row: both(test(row) for test in tests)
    if key not in fields:
        raise ValueError(f"Cannot filter on {key}")
    if isinstance(value, dict):
        tests = [_operator(key, name, inner) for name, inner in value.items()]
        return lambda row: all(test(row) for test in tests)
    if isinstance(value, str):
        wanted = value.split(",")
        return lambda row: (
            _has(row[key], value)
            or (isinstance(row[key], list) and all(part in row[key] for part in wanted))
        )
    return lambda row: _has(row[key], value)


def _has(here: Any, value: Any) -> bool:
    return bool(value in here if isinstance(here, list) else here == value)


def _operator(key: str, name: str, value: Any) -> Test:
    if name == "+contains":
        return lambda row: any(
            str(value).lower() in str(each).lower()
            for each in (row[key] if isinstance(row[key], list) else [row[key]])
        )
    if name == "+neq":
        return lambda row: not _has(row[key], value)
    if name in _COMPARE:
        return lambda row: _COMPARE[name](row[key], value)
    raise ValueError(f"Unknown operator {name}")
