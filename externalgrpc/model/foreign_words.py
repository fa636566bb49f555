"""The words of ``accounts[].foreign``: what an operator says of machines of another identity."""

from __future__ import annotations

ADOPT = "adopt"
"""This cluster was built anew around them."""

IGNORE = "ignore"
"""The other cluster lives."""

GONE = "gone"
"""The other cluster is no more: as ignore, and ``doctor`` reminds until they are deleted."""

NO_IDENTITY = "none"
"""Stands in place of an identity for machines that carry none."""
