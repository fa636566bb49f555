"""Instants of one monotonic clock, in seconds."""

from __future__ import annotations

NEVER = float("-inf")
"""Before anything that happened."""
