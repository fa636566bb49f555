"""Speak the contract to Linode (Akamai); :class:`LinodeCloud` is the entry point."""

from __future__ import annotations

from providers.linode.cloud import LinodeCloud
from providers.linode.options import AccountOptions, GroupOptions

__all__ = ["AccountOptions", "GroupOptions", "LinodeCloud"]
