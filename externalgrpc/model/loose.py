"""Read JSON that anybody may have written: what makes no sense counts as not said."""

from __future__ import annotations

from typing import Any


def mapping(value: object) -> dict[str, Any]:
    """Return a mapping, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[dict[str, Any]]:
    """Return the mappings of a list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def text(value: object) -> str:
    """Return a text, the empty one for anything else."""
    return value if isinstance(value, str) else ""


def texts(value: object) -> dict[str, str]:
    """Return what of a mapping are texts."""
    return {key: each for key, each in mapping(value).items() if isinstance(each, str)}


def words(value: object) -> tuple[str, ...]:
    """Return the texts of a list."""
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()
