"""What requests cost, how many a login has left, and how many machines it may have."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A documented limit: ``requests`` every ``per_s`` seconds, so many at once at most.

    Where the vendor documents none, say what you would not be ashamed of: 3600 an hour is usual.
    """

    requests: int
    per_s: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """How many requests of the rate budget each operation takes, as a rule: counted before it is
    begun, so that a create of three requests never meets a limit after its first.

    ``page`` is how many machines a request of a listing shows; ``catalogue`` is all requests of
    ``machine_types`` and ``offers`` together. Rare extras are not counted: headers show them.
    """

    create: int = 1
    look_up: int = 1
    delete: int = 1
    mark: int = 3
    catalogue: int = 2
    page: int = 50

    def __post_init__(self) -> None:
        if any(getattr(self, field.name) < 1 for field in dataclasses.fields(self)):
            raise ValueError("every operation takes at least one request")


def costs_of(cloud: object) -> Costs:
    """Return the costs that a cloud (its class, or a login) states, else the usual ones."""
    costs = getattr(cloud, "costs", None)
    return costs if isinstance(costs, Costs) else Costs()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The rate budget as the cloud's last answer showed it: ``remaining`` of ``limit`` until
    ``reset_at`` (Unix seconds: when the budget is whole again), seen at ``seen_at``."""

    limit: int
    remaining: int
    reset_at: float
    seen_at: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """How many machines the account may have and has; ``limit`` is None when unknown."""

    limit: int | None
    used: int | None
    note: str = ""
