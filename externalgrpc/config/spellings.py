"""Recognise labels and taints in other tools' spelling, and write the very same thing in ours.

kubectl, kubelet flags and other autoscalers write ``a=b``, ``a=b:NoSchedule`` or lists of
``{key, value}``. Nothing is guessed: the file is refused, and the cure is what to write.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from externalgrpc.config import fields, scalars
from externalgrpc.model import rules

_MOST: Final = 20
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*", re.ASCII)
_WORDS: Final = {"true", "false", "yes", "no", "on", "off", "y", "n", "null"}
_TAINT: Final = re.compile(
    rf"(?P<key>[^=:\s]+)(=(?P<value>[^:\s]*))?:(?P<effect>{'|'.join(rules.EFFECTS)})"
)


def labels(value: object) -> object:
    """Pass a mapping of labels on; refuse what other tools would take, with our spelling."""
    pairs = _pairs(value)
    if pairs is None:
        return value
    content = ", ".join(f"{_flow(key)}: {_flow(text)}" for key, text in pairs)
    raise fields.refusal("must be a mapping, not a list of labels", f"Write {{{content}}}")


def taints(value: object) -> object:
    """Pass a list of mappings on; refuse what other tools would take, with our spelling."""
    if isinstance(value, str):
        read = [_taint(each.strip()) for each in value.split(",")]
    elif isinstance(value, list) and any(isinstance(each, str) for each in value):
        read = [_taint(each) for each in value]
    elif isinstance(value, dict) and not value.keys() & {"key", "value", "effect"}:
        read = [_taint(f"{key}={each}") for key, each in value.items()]
    elif isinstance(value, dict):
        read = [_taint(value)]
    else:
        return value
    entries = [each for each in read if each is not None]
    if len(entries) != len(read) or len(entries) > _MOST:
        return value
    content = ", ".join(
        "{"
        + ", ".join(f"{key}: {_flow(text)}" for key, text in each.items() if text or key == "key")
        + "}"
        for each in entries
    )
    raise fields.refusal(
        "must be a list of mappings with key, value and effect", f"Write [{content}]"
    )


def _pairs(value: object) -> list[tuple[str, str]] | None:
    """Read labels that are no mapping; None for what is one, or what nobody understands."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list) or not 0 < len(value) <= _MOST:
        return None
    read: list[tuple[str, object]] = []
    for each in value:
        if isinstance(each, str) and not rules.key(each.partition("=")[0].strip()):
            key, _, text = each.partition("=")
            read.append((key.strip(), text.strip()))
        elif isinstance(each, dict) and each.keys() <= {"key", "name", "value"}:
            named: Any = each.get("key", each.get("name"))
            if not isinstance(named, str):
                return None
            read.append((named, each.get("value", "")))
        elif isinstance(each, dict) and len(each) == 1:
            ((key, text),) = each.items()
            read.append((str(key), text))
        else:
            return None
    if any(isinstance(text, scalars.Surprise | dict | list) for _, text in read):
        return None
    return [(key, _text(text)) for key, text in read]


def _taint(given: object) -> dict[str, str] | None:
    if isinstance(given, dict):
        if any(isinstance(each, scalars.Surprise | dict | list) for each in given.values()):
            return None
        return {str(key): _text(value) for key, value in given.items()}
    match = _TAINT.fullmatch(given.strip()) if isinstance(given, str) else None
    if match is None:
        return None
    return {"key": match["key"], "value": match["value"] or "", "effect": match["effect"]}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _flow(text: str) -> str:
    """Write a text as it may stand in a flow mapping: quoted where YAML reads something else."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return text if plain else json.dumps(text)
