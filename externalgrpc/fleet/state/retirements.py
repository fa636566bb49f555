"""A name that must not exist, a machine that is missing, one that is gone, one to finish."""

from __future__ import annotations

import dataclasses
import enum
from typing import NamedTuple

from externalgrpc.fleet.state.instants import NEVER
from externalgrpc.fleet.state.launches import Failure
from externalgrpc.model import groups
from providers import contract


class Deletion(enum.Enum):
    """Where the deletion of a retired name is."""

    AWAITED = "awaited"
    """A create of this name may still land; there is no id to delete yet."""
    OWED = "owed"
    """To be sent (again)."""
    SENT = "sent"
    """The request is under way."""
    DONE = "done"
    """The cloud took it; listings have to agree."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """A name that must not exist, or one machine of two that share a name (``surplus``).

    Kept until two listings that began after the settling time agree that it is gone. ``key`` is
    the node name, or the provider id where the machine has no name of its own. ``drained`` says
    that CA let its real Node go; without that it is spared should its Node come after all. ``own``
    says that it was retired on our own word, and not CA's: such wait while their group is paused.
    ``repair`` says that its Node was not ready for too long: it is spared should that end.
    ``candidate`` is what was ordered, as far as that is known, and ``asked_at`` when the create
    was sent whose machine nobody knows.
    """

    key: str
    name: str
    group: str
    account: str
    since: float
    deletion: Deletion
    instance_id: str = ""
    provider_id: str = ""
    doubtful_since: float = NEVER
    not_before: float = NEVER
    attempts: int = 0
    absences: int = 0
    looking: bool = False
    message: str = ""
    surplus: bool = False
    drained: bool = False
    own: bool = False
    repair: bool = False
    candidate: groups.Candidate | None = None
    asked_at: float = NEVER


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A member that was seen once and that the last listing lacks: look-ups decide.

    ``absences`` counts the look-ups that said that it is gone, ``gone_since`` is when the first of
    them did. One is enough for a single machine; see :mod:`externalgrpc.fleet.vanishing`.
    """

    instance: contract.Instance
    account: str
    looking: bool = False
    look_at: float = NEVER
    absences: int = 0
    gone_since: float = NEVER


class Gone(NamedTuple):
    """A machine that is no more: whose it was, whether we let it go, and since when it is known.

    ``drained``, ``own`` and ``repair`` as for :class:`Retirement`.
    """

    group: str
    terminated: bool
    at: float = NEVER
    drained: bool = False
    own: bool = False
    repair: bool = False


class Tries(NamedTuple):
    """How often something was tried, and when it may be tried again."""

    times: int
    not_before: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """A machine that exists and will not run unless it is finished.

    Known so ``since``, and last seen so at ``seen_at``: when that listing began. What was asked of
    it at ``doubtful_since`` may have been done. ``times`` counts the tries that may have done
    something, ``waits`` those that did nothing; ``message`` is what came of the last. ``failure``
    says why it will not be tried again.
    """

    account: str
    since: float
    seen_at: float
    doubtful_since: float = NEVER
    not_before: float = NEVER
    under_way: bool = False
    times: int = 0
    waits: int = 0
    message: str = ""
    failure: Failure | None = None
