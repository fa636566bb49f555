"""Describe the settings that only Linode has."""

from __future__ import annotations

import dataclasses

from providers.kit import options


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AccountOptions(options.AccountOptions):
    """The settings of a Linode account, with the cloud's own default."""

    settle_s: float = 15.0


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
