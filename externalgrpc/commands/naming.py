"""Read which pod, group or machine a person means, as those who know kubectl write it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

_KINDS: Final = {
    **dict.fromkeys(("pod", "pods", "po"), "pod"),
    **dict.fromkeys(("group", "groups"), "group"),
    **dict.fromkeys(("machine", "machines"), "machine"),
}


class Unclear(Exception):
    """What was written names nothing; the message says how it is written."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What is meant. ``kind`` is pod, group, machine, or "" where the name alone was given."""

    name: str
    kind: str = ""
    namespace: str = ""


def read(words: Sequence[str], namespace: str) -> Named:
    """Read KIND/NAME, KIND NAME, NAMESPACE/NAME of a pod, a provider id or a bare name.

    A kind goes before a namespace of its name. Raises Unclear.
    """
    if len(words) > 2 or not all(words):
        raise Unclear("name one pod, group or machine: NAME, pod/NAME -n NAMESPACE, NAMESPACE/NAME")
    if len(words) == 2:
        kind, name = words
        if kind not in _KINDS:
            raise Unclear(
                f"{kind!r} is no kind of thing: write pod, group or machine before {name}"
            )
        return _of(_KINDS[kind], name, namespace)
    (word,) = words
    before, slash, after = word.partition("/")
    if not slash or "://" in word:
        return Named(name=word, namespace=namespace)
    if before in _KINDS:
        return _of(_KINDS[before], after, namespace)
    if not before or not after or "/" in after:
        raise Unclear(f"{word!r} is neither KIND/NAME nor the NAMESPACE/NAME of a pod")
    if namespace not in ("", before):
        raise Unclear(f"{word!r} names namespace {before}, and -n {namespace}: leave one out")
    return Named(kind="pod", name=after, namespace=before)


def _of(kind: str, name: str, namespace: str) -> Named:
    if not name or (kind == "pod" and "/" in name):
        raise Unclear(f"{name!r} is no name of a {kind}; its namespace is given by -n")
    if kind != "pod" and namespace:
        raise Unclear(f"a {kind} is in no namespace: leave -n out")
    return Named(kind=kind, name=name, namespace=namespace)
