"""Hide what nobody may read in a text that others wrote: the one place for all of them.

A vendor's error may echo the token it was asked with, or the user-data of an order, which holds
the token that machines join with. So every such text passes :func:`masked` before anybody reads
it: each :class:`providers.errors.CloudError` at its birth (which is what `ls`, the metrics and the
autoscaler are shown), each field of a log line, and each answer before it is read.

A token is known here from the moment there is a login; user-data from when its order is sent.
"""

from __future__ import annotations

import base64
import contextvars
import itertools
import json
import re

from providers import packing

TOKEN = "(our token)"  # noqa: S105  (what stands for it)
USER_DATA = "(user-data)"
JOIN_TOKEN = "(join token)"  # noqa: S105

_SHORTEST_SECRET = 8
"""A shorter "token" is a test's, and would be found in ordinary words."""

_JOIN_TOKENS = re.compile(r"[a-z0-9]{6}\.[a-z0-9]{16,}")
"""Kubernetes' bootstrap tokens. There is no boundary on the left: in a text that shows a line
break as two characters, a letter stands right before the token."""

_PIECE = 20
"""So many characters in common with the user-data are no accident."""

_EDGES = " \"'=:,/\n"

_LONGEST_READ = 8192
_CUT = " ..."

_tokens: set[str] = set()


class _Order:
    """The user-data of an order in the forms that it is echoed in, and words that may be shown."""

    def __init__(self, user_data: str, public: tuple[str, ...]) -> None:
        line = " ".join(user_data.split())
        encoded = base64.b64encode(user_data.encode("utf-8", "replace")).decode("ascii")
        packed = packing.base64_of(packing.gzipped(user_data))
        self.forms = (user_data, line, json.dumps(user_data), repr(user_data), encoded, packed)
        self._public = public

    def is_public(self, piece: str) -> bool:
        """Return whether a piece is no more than a word that stands elsewhere as well."""
        return any(piece.strip(_EDGES) in word for word in self._public)


_order: contextvars.ContextVar[_Order | None] = contextvars.ContextVar("order", default=None)


def know(token: str) -> None:
    """Never let this token through again; idempotent."""
    if len(token) >= _SHORTEST_SECRET:
        _tokens.add(token)


def hide(user_data: str, *public: str) -> None:
    """Hide a user-data, pieces of it included, in all that this thread shows from now on.

    Until it hides another: what became of an order is logged after it was sent. ``public`` are
    words of the order that stand in its user-data as well and may be shown: names.
    """
    _order.set(_Order(user_data, public) if len(user_data) >= _PIECE else None)


def masked(text: str) -> str:
    """Return a text without what nobody may read."""
    for token in tuple(_tokens):
        if token in text:
            text = text.replace(token, TOKEN)
    order = _order.get()
    if order is not None and len(text) >= _PIECE:
        text = _without(order, text)
    return _JOIN_TOKENS.sub(JOIN_TOKEN, text)


def one_line(text: str, longest: int) -> str:
    """Put what others wrote into one masked line of at most about ``longest`` characters."""
    line = " ".join(masked(text[:_LONGEST_READ]).split())
    return line if len(line) <= longest else line[:longest] + _CUT


def _without(order: _Order, text: str) -> str:
    """Replace every piece of a text that is a piece of the user-data, too."""
    text = text[:_LONGEST_READ]
    shared = [False] * len(text)
    for at in range(len(text) - _PIECE + 1):
        piece = text[at : at + _PIECE]
        if any(piece in form for form in order.forms):
            shared[at : at + _PIECE] = [True] * _PIECE
    parts: list[str] = []
    for hidden, run in itertools.groupby(range(len(text)), lambda at: shared[at]):
        places = tuple(run)
        piece = text[places[0] : places[-1] + 1]
        parts.append(USER_DATA if hidden and not order.is_public(piece) else piece)
    return "".join(parts)
