"""Speak the contract to Hetzner Cloud; :class:`HetznerCloud` is the entry point."""

from __future__ import annotations

from providers.hetzner.cloud import HetznerCloud
from providers.hetzner.options import AccountOptions

__all__ = ["AccountOptions", "HetznerCloud"]
