"""What Nodes say, and what makes a machine doubtful."""

from __future__ import annotations

import dataclasses
import enum
from typing import NamedTuple


class Seen(NamedTuple):
    """What a Node of the cluster says of itself: whose machine it claims to be, and if it is ready.

    ``provider_id`` is empty where the Node names no machine.
    """

    provider_id: str
    ready: bool


class Doubt(enum.Enum):
    """Why a machine with our mark is in quarantine; the values are codes for logs and metrics."""

    FOREIGN = "Foreign"
    """It carries the identity of another cluster of our name."""
    UNCLAIMED = "Unclaimed"
    """It carries no identity, and no Node of this cluster claims it."""
    MISNAMED = "Misnamed"
    """A Node and the machine's marks disagree about whose it is."""
    UNREGISTERED = "Unregistered"
    """CA takes it for one that never became a node, and nothing proves that."""


@dataclasses.dataclass(frozen=True, slots=True)
class Quarantine:
    """Why a machine is neither a member nor deleted, in a code and a sentence, and since when.

    ``ignored`` is what the operator's word excuses: it does not count against maxSize.
    """

    doubt: Doubt
    message: str
    since: float
    ignored: bool = False


class Verdict(NamedTuple):
    """A machine was shown to CA with an error: when, and in which group and account."""

    at: float
    group: str
    account: str
