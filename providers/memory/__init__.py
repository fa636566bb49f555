"""Speak the contract to a cloud in RAM; :class:`MemoryCloud` is the entry point."""

from __future__ import annotations

from providers.memory.cloud import MemoryCloud

__all__ = ["MemoryCloud"]
