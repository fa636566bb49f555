"""Describe what may go wrong between a client and a cloud, and keep the queue of it."""

from __future__ import annotations

import dataclasses
import enum
import re
import threading
from collections.abc import Callable

from providers.fakes import wire


class FaultKind(enum.Enum):
    """What a fault does to an exchange."""

    LOST = "lost"  # the connection ends without an answer
    HANG = "hang"  # no answer until released, then the connection ends
    ERROR = "error"  # the vendor's own error body, with Fault.status, .code and .message
    HTML = "html"  # a gateway's error page, with Fault.status
    TRUNCATED = "truncated"  # a whole answer with half the JSON
    CUT = "cut"  # half an answer, then the connection ends
    EMPTY = "empty"  # the status and no body
    THROTTLED = "throttled"  # the vendor's 429 with its headers
    CHANGED = "changed"  # the reply goes through Fault.change (in-process only)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One rule of the queue: the first rule that matches an exchange strikes it.

    ``method`` must match whole, ``path`` is searched for, both regular expressions; ``path``
    sees the path with the cloud's prefix. ``skip`` matching exchanges pass unharmed first, then
    ``times`` are struck (None: all of them, until cleared). ``after`` says that the work is done
    before the fault strikes; TRUNCATED, CUT and CHANGED always come after it. ``status`` 0 is
    the kind's own: 503 for ERROR, 502 for HTML, the reply's for EMPTY (200 when before).
    ``reset_s`` is when a THROTTLED says that requests will pass again, from now; negative values
    have been seen in the wild. With ``fatal`` whoever asked dies of it: nothing that comes
    afterwards reaches the cloud, until :meth:`FaultQueue.revive`.
    """

    kind: FaultKind
    method: str = ".*"
    path: str = ".*"
    times: int | None = 1
    skip: int = 0
    after: bool = False
    status: int = 0
    code: str = ""
    message: str = ""
    reset_s: float = 30.0
    change: Callable[[wire.Reply], wire.Reply] | None = None
    fatal: bool = False

    def matches(self, request: wire.Request) -> bool:
        """Return whether the rule is about this request."""
        return (
            re.fullmatch(self.method, request.method) is not None
            and re.search(self.path, request.path) is not None
        )

    @property
    def works(self) -> bool:
        """Return whether the cloud does what it was asked before the fault strikes."""
        always = {FaultKind.TRUNCATED, FaultKind.CUT, FaultKind.CHANGED}
        return self.after or self.kind in always


class FaultQueue:
    """The rules, in order; safe to use from any thread."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._rules: list[Fault] = []
        self.dead = False
        """Whether a fatal fault has struck, and nobody has called :meth:`revive` since."""

    def add(self, fault: Fault) -> None:
        """Append a rule."""
        with self._guard:
            self._rules.append(fault)

    def clear(self) -> None:
        """Drop every rule."""
        with self._guard:
            self._rules.clear()

    def revive(self) -> None:
        """Let the next caller through: the one before died of a fatal fault."""
        with self._guard:
            self.dead = False

    def pending(self) -> tuple[Fault, ...]:
        """Return the rules that have not struck out yet."""
        with self._guard:
            return tuple(self._rules)

    def strike(self, request: wire.Request) -> Fault | None:
        """Return the fault for this exchange, used up by one, or None."""
        with self._guard:
            if self.dead:
                return Fault(kind=FaultKind.LOST)
            for index, rule in enumerate(self._rules):
                if not rule.matches(request):
                    continue
                if rule.skip > 0:
                    self._rules[index] = dataclasses.replace(rule, skip=rule.skip - 1)
                    continue
                self.dead = rule.fatal
                if rule.times is None:
                    return rule
                if rule.times <= 1:
                    del self._rules[index]
                else:
                    self._rules[index] = dataclasses.replace(rule, times=rule.times - 1)
                return rule
        return None


def torn(reply: wire.Reply) -> wire.Reply:
    """Leave the last row of a list out, as when the list changed between two pages."""
    body = reply.json()
    if isinstance(body, dict):
        for rows in body.values():
            if isinstance(rows, list) and rows:
                rows.pop()
                break
    return dataclasses.replace(reply, body=body)
