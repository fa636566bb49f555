"""Hold the settings that an account has at every cloud; a cloud adds its own beside them."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

from providers import errors

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
    """Return a login's or an order's own settings; the defaults where it was made by hand.

    Raises BadOrder where a field without a default is missing then: it is the configuration's to
    say, and nobody can guess it.
    """
    if isinstance(settings, kind):
        return settings
    lacking = [
        _in_the_file(field.name)
        for field in (dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ())
        if field.init
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if lacking:
        raise errors.BadOrder(f"the options lack {', '.join(lacking)}, which has no default")
    return kind()


def _in_the_file(name: str) -> str:
    """Write a field's name as the configuration does: settleS for settle_s."""
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)
