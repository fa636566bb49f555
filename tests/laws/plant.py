"""A mistake to plant, and where."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Plant:
    """Replace ``old``, which stands exactly once in the file at ``path``, by ``new``."""

    name: str
    path: str
    old: str
    new: str


FLEET = "externalgrpc/fleet"
