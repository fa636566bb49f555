"""Speak the contract to DigitalOcean; :class:`DigitalOceanCloud` is the entry point."""

from __future__ import annotations

from providers.digitalocean.cloud import DigitalOceanCloud
from providers.digitalocean.options import AccountOptions

__all__ = ["AccountOptions", "DigitalOceanCloud"]
