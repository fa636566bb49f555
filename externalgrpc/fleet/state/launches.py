"""An order in the air, and why it failed."""

from __future__ import annotations

import dataclasses
import enum

from externalgrpc.fleet.state.instants import NEVER
from externalgrpc.model import groups
from providers import contract


class Phase(enum.Enum):
    """Where a launch is on its way."""

    HELD = "held"
    """Not sent yet: it waits for its turn, a listing, a catalogue or the cloud's patience."""
    ASKED = "asked"
    """The request is under way."""
    UNSURE = "unsure"
    """Sent, and nobody knows whether it was done: listings and look-ups decide."""
    ACCEPTED = "accepted"
    """The cloud took the order."""
    FAILED = "failed"
    """It will not come; shown with its error until CA deletes it."""


class ErrorClass(enum.IntEnum):
    """CA's InstanceErrorClass, as it goes over the wire."""

    OUT_OF_RESOURCES = 1
    OTHER = 99


@dataclasses.dataclass(frozen=True, slots=True)
class Failure:
    """Why a launch failed: a class, a code from a small fixed set, a sentence for a person."""

    error_class: ErrorClass
    code: str
    message: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """An order in the air.

    ``doubtful_since`` is the instant from which the settling time runs: when the order was
    accepted, when its reply was lost, or when the cloud last contradicted itself. ``refused`` are
    the candidates that the cloud refused for this very launch. ``may_land`` stays true as long as a
    create that was sent may still make a machine that nobody knows. ``instance`` is the machine of
    an accepted order, and one that was seen while its create is under way. ``look_at`` is when its
    fate is looked up, infinite until a listing or the passing of time gives a reason to.
    """

    name: str
    group: str
    account: str
    born: float
    phase: Phase = Phase.HELD
    candidate: groups.Candidate | None = None
    not_before: float = NEVER
    refused: frozenset[groups.Candidate] = frozenset()
    asked_at: float = NEVER
    doubtful_since: float = NEVER
    instance: contract.Instance | None = None
    failure: Failure | None = None
    may_land: bool = False
    looking: bool = False
    look_at: float = float("inf")
    attempts: int = 0
    vanished: int = 0

    @property
    def outcome_unknown(self) -> bool:
        """Return whether its create was sent, no answer came, and nobody has seen its machine."""
        return self.phase is Phase.UNSURE or (self.phase is Phase.FAILED and self.may_land)
