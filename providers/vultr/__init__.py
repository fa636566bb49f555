"""Speak the contract to Vultr; :class:`VultrCloud` is the entry point."""

from __future__ import annotations

from providers.vultr.cloud import VultrCloud
from providers.vultr.options import AccountOptions

__all__ = ["AccountOptions", "VultrCloud"]
