"""What a refusal says in plain English, and what is left alone."""

from __future__ import annotations

import pytest

from providers import errors
from providers.kit import plain_words


@pytest.mark.parametrize(
    "sentence",
    [
        "The selected plan is currently out of stock.",
        "vc2-2c-4gb is sold out in fra",
        "Plan not available",
        "Type g6-standard-2 is not currently available in eu-central",
        "This plan is no longer available.",
        "Size is unavailable",
        "Region is not available",
        "No capacity",
        "There is not enough free capacity in fra",
        "Insufficient capacity for this type",
        "No availability here",
    ],
)
def test_sold_out(sentence: str) -> None:
    assert plain_words.meaning(sentence) is errors.OutOfStock


@pytest.mark.parametrize(
    "sentence",
    [
        "Instance limit exceeded",
        "You have reached your account limit.",
        "Your server quota would be exceeded",
        "Maximum number of Linodes reached",
    ],
)
def test_over_the_quota(sentence: str) -> None:
    assert plain_words.meaning(sentence) is errors.QuotaExceeded


@pytest.mark.parametrize(
    "sentence",
    [
        "Invalid plan",
        "Invalid plan for this region.",
        "region is not valid",
        "A valid plan type by that ID was not found",
        "Image private/7 is not available in this region",
        "user_data exceeds the maximum of 16384 bytes for instances",
        "The account's limit of SSH keys was exceeded",
        "rate limit exceeded for this account",
        "The placement group has reached its limit of instances",
        "This type does not support metadata",
        "The server is not available. Try again",
        "Server hostname exceeds the maximum length",
        "Root password exceeds maximum length for Linodes",
        "The maximum number of IPv4 addresses on this account has been reached",
        "Droplet name exceeds maximum of 255",
        "You have reached your limit of reserved IPs for this account",
        "This plan is not available to your account until it is verified",
        "size does not exist or is unavailable",
        "Conflict",
        "",
    ],
)
def test_what_is_not_plain_is_nothing(sentence: str) -> None:
    assert plain_words.meaning(sentence) is None
