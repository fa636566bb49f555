"""Describe the settings that a Hetzner account has."""

from __future__ import annotations

import dataclasses

from providers.kit import options


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AccountOptions(options.AccountOptions):
    """The settings of a Hetzner account, with the cloud's own default."""

    settle_s: float = 15.0
