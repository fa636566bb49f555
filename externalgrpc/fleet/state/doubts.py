"""What Nodes say, and what makes a machine doubtful."""

from __future__ import annotations

import dataclasses
import enum
from typing import NamedTuple


class Seen(NamedTuple):
    """What a Node of the cluster says of itself: whose machine it claims to be, and if it is ready.

    ``provider_id`` is empty where the Node names no machine. ``unready_since`` is when its Ready
    condition became False or Unknown, in Unix seconds of the API server's clock; 0 where it is
    True, or where there is no such condition. ``left_alone`` says that a person cordoned it or
    said by annotation to leave it alone.
    """

    provider_id: str
    ready: bool
    unready_since: float = 0.0
    left_alone: bool = False


class Unready(NamedTuple):
    """A machine of ours whose Node is not ready, or absent though it was seen.

    ``since`` is when this process first saw it so, without a gap until now. ``changed_at`` is the
    Node's own :attr:`Seen.unready_since`, 0 for an absent one: where it changes, the time begins
    anew. ``withheld`` says why the machine is not deleted yet.
    """

    since: float
    changed_at: float
    withheld: str


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
    """A machine was shown to CA with an error, or repaired: when, in which group and account."""

    at: float
    group: str
    account: str
