"""Hold the settings that an account has at every cloud; a cloud adds its own beside them."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AccountOptions:
    """What may be set of an account at any cloud; inherit to change a default or to add a field.

    ``settle_s`` is how long, in seconds, a listing may lag behind an accepted create or delete;
    ``hands`` is how many creates and deletes may be under way at once.
    """

    settle_s: float = 30.0
    hands: int = 8

    def __post_init__(self) -> None:
        """Refuse what cannot work; raises ValueError."""
        if self.settle_s <= 0:
            raise ValueError("settleS must be greater than 0")
        if self.hands < 1:
            raise ValueError("hands must be at least 1")


def or_defaults(settings: object, kind: type[T]) -> T:
    """Return a login's or an order's own settings; the defaults where it was made by hand."""
    return settings if isinstance(settings, kind) else kind()
