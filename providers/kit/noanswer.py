"""Say that a cloud did not answer, for whoever need not know how it is asked."""

from __future__ import annotations


class NoAnswerError(Exception):
    """No whole answer came; nobody knows whether the request had its effect."""
