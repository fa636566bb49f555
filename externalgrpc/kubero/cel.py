"""Write plain values as literals of CEL, the language of admission policies.

CEL's literals of texts and numbers are JSON's. Its mappings and lists must hold values of one
type; where ours do not, each is wrapped in ``dyn()``, which the API server's compiler asks for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence


def literal(value: object) -> str:
    """Write texts, whole numbers, booleans, lists and mappings with texts as keys.

    Raises TypeError for anything else.
    """
    match value:
        case bool() | int() | str():
            return json.dumps(value)
        case Mapping():
            held = _of_one_type(list(value.values()))
            keys = [json.dumps(str(key)) for key in value]
            return "{" + ", ".join(f"{k}: {v}" for k, v in zip(keys, held, strict=True)) + "}"
        case Sequence():
            return "[" + ", ".join(_of_one_type(value)) + "]"
        case _:
            raise TypeError(f"{type(value).__name__} has no literal in CEL here")


def _of_one_type(values: Sequence[object]) -> list[str]:
    written = [literal(each) for each in values]
    if len({_type(each) for each in values}) > 1:
        return [f"dyn({each})" for each in written]
    return written


def _type(value: object) -> str:
    """Name the type that CEL gives to a literal."""
    if isinstance(value, Mapping):
        return f"map({_inside(list(value.values()))})"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"list({_inside(value)})"
    return type(value).__name__


def _inside(values: Sequence[object]) -> str:
    types = {_type(each) for each in values}
    return types.pop() if len(types) == 1 else "dyn"
