"""Describe the settings that only a DigitalOcean account has."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AccountOptions:
    """What may be set of a DigitalOcean account, on top of what every account has.

    ``settle_s`` is how long, in seconds, a listing may lag behind an accepted create or delete;
    ``hands`` is how many creates and deletes may be under way at once.
    """

    settle_s: float = 30.0
    hands: int = 8

    def __post_init__(self) -> None:
        """Refuse what cannot work; raises ValueError."""
        if self.settle_s <= 0:
            raise ValueError("settle_s must be greater than 0")
        if self.hands < 1:
            raise ValueError("hands must be at least 1")
