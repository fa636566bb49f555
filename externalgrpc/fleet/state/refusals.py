"""What a cloud said no to, and when."""

from __future__ import annotations

import dataclasses
from typing import TypeAlias

from externalgrpc.fleet.state.launches import Failure
from externalgrpc.model import groups


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """A no that later launches can learn from: when it was said, and what it said."""

    at: float
    failure: Failure


@dataclasses.dataclass(frozen=True, slots=True)
class SoldOut:
    """What a no was said to: a machine type in a location of an account."""

    account: str
    candidate: groups.Candidate | None


@dataclasses.dataclass(frozen=True, slots=True)
class OverQuota:
    """What a no was said to: a whole account, one machine type of it, or one location."""

    account: str
    machine_type: str = ""
    location: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class BadLogin:
    """What a no was said to: the login of an account."""

    account: str


@dataclasses.dataclass(frozen=True, slots=True)
class BadOrder:
    """What a no was said to: the orders of a group for a candidate."""

    group: str
    candidate: groups.Candidate | None


RefusedThing: TypeAlias = SoldOut | OverQuota | BadLogin | BadOrder
