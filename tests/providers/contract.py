"""Take the suite that every cloud passes from where other people's clouds find it too."""

from __future__ import annotations

from providers.conformance import (
    GROUP_SETTINGS,
    REGION_LABEL,
    Bench,
    Controls,
    HTTPContract,
    HTTPControls,
    ProviderContract,
    Refusal,
    Vocabulary,
    Wire,
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
    "Wire",
    "refused",
]
