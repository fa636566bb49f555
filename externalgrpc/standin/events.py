"""Say what the stand-in does and sees, one event each."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable


class Kind(enum.Enum):
    """What an event is about."""

    WANTED = "wanted"
    ASKED = "asked"
    REFUSED = "refused"
    FAILED = "failed"
    CLEANED = "cleaned"
    BACKED_OFF = "backed off"
    STARTED = "started"
    JOINED = "joined"
    OVERDUE = "overdue"
    IDLE = "idle"
    DELETED = "deleted"
    GONE = "gone"
    ABORTED = "aborted"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened to a group; ``text`` is a sentence for a person."""

    kind: Kind
    group: str
    text: str


Emit = Callable[[Event], None]
