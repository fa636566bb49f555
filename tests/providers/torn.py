"""Tear answers apart, and say what a vendor's document says of them: new words, fields too many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from providers.conformance.holes import ODD, Path, paths, with_, without

__all__ = ["NEW_WORD", "ODD", "Path", "Shapes", "grown", "paths", "with_", "without"]

NEW_WORD = "brand-new-word"
Schema = dict[str, Any]


def grown(value: Any) -> Any:
    """Return the value with a field more in every object."""
    if isinstance(value, dict):
        more = {key: grown(inner) for key, inner in value.items()}
        return {**more, "brand_new": {"a": [1]}}
    return [grown(each) for each in value] if isinstance(value, list) else value


class Shapes:
    """What a vendor's document says of its answers."""

    def __init__(self, document: Schema) -> None:
        self._document = document

    def answer(self, method: str, template: str, status: str = "200") -> Schema:
        """Return the schema of an answer."""
        operation = self._document["paths"][template][method.lower()]
        answer = self._plain(operation["responses"][status])
        schema: Schema = answer["content"]["application/json"]["schema"]
        return schema

    def bare(self, schema: Schema, value: Any) -> Any:
        """Return the value without everything that the schema does not require."""
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
