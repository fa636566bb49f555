"""Read single YAML scalars without guessing.

YAML 1.1 reads ``no`` as false, ``010`` as eight and ``1:30`` as ninety; other readers of the
same file do not. What readers disagree on is a :class:`Surprise`.
"""

from __future__ import annotations

import dataclasses
import re
from decimal import Decimal

import yaml

from externalgrpc.config import mistakes

TAG = "tag:yaml.org,2002:"

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})", re.ASCII)
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,18}", re.ASCII)
_NUMBER_ELSEWHERE = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0o[0-7]+", re.ASCII
)
_NOT_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\ud800-\udfff]")


@dataclasses.dataclass(frozen=True, slots=True)
class Surprise:
    """A value that means something else than it seems to; no field accepts it."""

    message: str
    cure: str


def read(node: yaml.ScalarNode) -> object:
    """Read a scalar as a person would: text, bool, int, Decimal, or a Surprise."""
    text = str(node.value)
    if _NOT_TEXT.search(text):
        return Surprise("holds a control character or half a character", "Remove it")
    kind = node.tag.removeprefix(TAG)
    if kind == "str" and node.style is None and _NUMBER_ELSEWHERE.fullmatch(text):
        kind = "float"
    if kind in {"str", "timestamp", "value", "merge"}:
        return text
    if node.style is not None or kind not in {"bool", "int", "float", "null"}:
        return Surprise("carries a YAML tag", "Remove the tag")
    return _number_or_word(kind, text)


def _number_or_word(kind: str, text: str) -> object:
    if kind == "null":
        return Surprise("has no value", "Give it one, or remove the line")
    if kind == "bool" and text.lower() in {"true", "false"}:
        return text.lower() == "true"
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return Decimal(text)
    content = mistakes.shorten(text)
    if kind == "bool":
        cure = f"Quote it ({content}) if it is a text, write true or false if it is a switch"
        return Surprise(f"is {text} without quotes, a boolean in YAML", cure)
    cure = (
        f"Quote it ({content}) if it is a text, write it in plain decimal digits if it is a number"
    )
    return Surprise(f"is {content} without quotes, which can be taken for a number or a time", cure)
