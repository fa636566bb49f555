"""Take the suite that every cloud passes from where other people's clouds find it too."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("providers.conformance")

from providers.conformance import (  # noqa: E402 - pytest must be told before it is imported
    GROUP_SETTINGS,
    REGION_LABEL,
    Bench,
    Controls,
    HTTPContract,
    HTTPControls,
    ProviderContract,
    Refusal,
    Vocabulary,
    refused,
)

__all__ = [
    "GROUP_SETTINGS",
    "REGION_LABEL",
    "Bench",
    "Controls",
    "HTTPContract",
    "HTTPControls",
    "ProviderContract",
    "Refusal",
    "Vocabulary",
    "refused",
]
