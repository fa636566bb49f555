"""Describe the settings that only Linode has."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AccountOptions:
    """What may be set of a Linode account, on top of what every account has.

    ``settle_s`` is how long, in seconds, a listing may lag behind an accepted create or delete;
    ``hands`` is how many creates and deletes may be under way at once.
    """

    settle_s: float = 15.0
    hands: int = 8

    def __post_init__(self) -> None:
        """Refuse what cannot work; raises ValueError."""
        if self.settle_s <= 0:
            raise ValueError("settle_s must be greater than 0")
        if self.hands < 1:
            raise ValueError("hands must be at least 1")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GroupOptions:
    """What may be set of a group on Linode, on top of what every group has.

    ``watchdog`` is Linode's own: it boots a machine again that powered itself off. Switching it
    off costs one request more for each machine. ``private_ip`` orders an address of the region's
    shared private network as well, which NodeBalancers reach nodes by; it has nothing to do with
    VPCs.
    """

    watchdog: bool = True
    private_ip: bool = False
