"""Tear answers apart: holes, odd values, new words, at every place of a JSON value."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

ODD: tuple[Any, ...] = (None, "odd", 7, -1, [], {}, [None], "", True, 1e300)
NEW_WORD = "brand-new-word"

Path = tuple[Any, ...]
Schema = dict[str, Any]


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
    """Give the value with nothing at a place."""
    torn, holder = _holder(value, path)
    del holder[path[-1]]
    return torn


def with_(value: Any, path: Path, other: Any) -> Any:
    """Give the value with something else at a place."""
    torn, holder = _holder(value, path)
    holder[path[-1]] = other
    return torn


def grown(value: Any) -> Any:
    """Give the value with a field more in every object."""
    if isinstance(value, dict):
        more = {key: grown(inner) for key, inner in value.items()}
        return {**more, "brand_new": {"a": [1]}}
    return [grown(each) for each in value] if isinstance(value, list) else value


def _holder(value: Any, path: Path) -> tuple[Any, Any]:
    torn = copy.deepcopy(value)
    holder = torn
    for key in path[:-1]:
        holder = holder[key]
    return torn, holder


class Shapes:
    """What a vendor's document says of its answers."""

    def __init__(self, document: Schema) -> None:
        self._document = document

    def answer(self, method: str, template: str, status: str = "200") -> Schema:
        """Give the schema of an answer."""
        operation = self._document["paths"][template][method.lower()]
        answer = self._plain(operation["responses"][status])
        schema: Schema = answer["content"]["application/json"]["schema"]
        return schema

    def bare(self, schema: Schema, value: Any) -> Any:
        """Give the value without everything that the schema does not require."""
        if isinstance(value, list):
            items = self._items(schema)
            return [self.bare(items, each) for each in value]
        if not isinstance(value, dict):
            return value
        fields, required = self._fields(schema)
        return {
            key: self.bare(fields.get(key, {}), inner)
            for key, inner in value.items()
            if key in required or not fields
        }

    def words(self, schema: Schema, value: Any, at: Path = ()) -> Iterator[Path]:
        """Give the place of every text in the value that the schema takes from a fixed set."""
        if isinstance(value, list):
            items = self._items(schema)
            for index, each in enumerate(value):
                yield from self.words(items, each, (*at, index))
        elif isinstance(value, dict):
            fields, _ = self._fields(schema)
            for key, inner in value.items():
                yield from self.words(fields.get(key, {}), inner, (*at, key))
        elif isinstance(value, str) and any("enum" in part for part in self._parts(schema)):
            yield at

    def _plain(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            found: Any = self._document
            for key in schema["$ref"].removeprefix("#/").split("/"):
                found = found[key.replace("~1", "/")]
            schema = found
        return schema

    def _parts(self, schema: Schema) -> Iterator[Schema]:
        plain = self._plain(schema)
        yield plain
        for word in ("allOf", "oneOf", "anyOf"):
            for part in plain.get(word, ()):
                yield from self._parts(part)

    def _items(self, schema: Schema) -> Schema:
        return next((part["items"] for part in self._parts(schema) if "items" in part), {})

    def _fields(self, schema: Schema) -> tuple[dict[str, Schema], set[str]]:
        fields: dict[str, Schema] = {}
        required: set[str] = set()
        for part in self._parts(schema):
            fields |= part.get("properties", {})
            required |= set(part.get("required", ()))
        return fields, required
