"""Say loudly what a test leaves out where something it needs is not there."""

from __future__ import annotations

import warnings
from typing import NoReturn

import pytest


def left_out(what: str) -> NoReturn:
    """Skip a test, with a warning that is shown at the end of every run."""
    message = f"LEFT OUT: {what}"
    warnings.warn(message, stacklevel=2)
    pytest.skip(message)
