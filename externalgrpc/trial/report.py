"""What is known of a trial, as whoever runs it is shown."""

from __future__ import annotations

import dataclasses
import enum

from externalgrpc.trial.comparison import Difference


class Phase(enum.Enum):
    """Where a trial is."""

    ORDERING = "ordering"
    JOINING = "joining"
    READY = "ready"
    """The machine is what it should become: a ready node, or one that runs where nobody watches."""
    FAILED = "failed"
    """It will not come to that; its end has begun."""
    ENDING = "ending"
    OVER = "over"
    """Nothing of it is left, as the proofs say."""


class Step(enum.Enum):
    """What a trial goes through, in the order in which it does."""

    ASKED = "asked"
    SENT = "order sent"
    ACCEPTED = "order accepted"
    RUNNING = "machine running"
    CSR = "certificate requested"
    NODE = "node registered"
    READY = "node ready"
    ENDED = "deletion asked for"
    DELETED = "deletion accepted"
    GONE = "machine gone"
    CLEAN = "nothing left"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A trial as it is now.

    ``steps`` are the Unix seconds of what was seen. ``waits`` says what is waited for, ``code`` and
    ``reason`` why it failed. ``left`` are the things that are still there, each with the line that
    deletes it by hand; ``proofs`` are what was looked for in the end and not found. ``watched``
    says that the cluster is known, so that a ready Node is what is waited for.
    """

    group: str
    trial: str
    account: str
    phase: Phase
    node_name: str = ""
    provider_id: str = ""
    machine_type: str = ""
    location: str = ""
    watched: bool = False
    steps: dict[Step, float] = dataclasses.field(default_factory=dict)
    waits: str = ""
    code: str = ""
    reason: str = ""
    differences: tuple[Difference, ...] = ()
    compared: bool = False
    left: tuple[str, ...] = ()
    proofs: tuple[str, ...] = ()
