"""Define Vultr's own words and what each means to us: states, errors, graphics cards.

Vultr's errors have a status and a sentence, no code; so sentences decide where a status stands
for several things (400 for a wrong order, a sold-out plan and a full account alike, 500 for a
locked machine). The sentences are those of replies seen in the wild; of others only plain English
is believed (:mod:`providers.kit.plain_words`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from providers import contract, errors, rest
from providers.kit import plain_words

SECOND_S = 1.0
"""What to wait after a 429, whose answer does not say: the limit is one of each second."""

_STATE = contract.InstanceState
_BEGINS = _STATE.CREATING

STATUSES: Mapping[str, contract.InstanceState | None] = MappingProxyType(
    {
        "pending": _STATE.CREATING,
        "active": None,
        "suspended": _STATE.STOPPED,
        # It ends as the machine was before.
        "resizing": _STATE.RUNNING,
        "pending destruction": _STATE.DELETING,
    }
)
POWERS: Mapping[str, contract.InstanceState | None] = MappingProxyType(
    {"running": None, "stopped": _STATE.STOPPED}
)
SERVERS: Mapping[str, contract.InstanceState] = MappingProxyType(
    {
        "none": _STATE.CREATING,
        "installingbooting": _STATE.CREATING,
        "ok": _STATE.RUNNING,
        # A snapshot or another job runs.
        "locked": _STATE.RUNNING,
    }
)
"""An instance has three words; the first of status, power and server status that means a state
decides, None leaves it to the next."""

TEXTS: tuple[tuple[str, type[errors.CloudError]], ...] = (
    ("server is currently locked", errors.Throttled),
    ("you have reached the maximum", errors.QuotaExceeded),
    ("does not have any more capacity", errors.OutOfStock),
    ("plan is not available in the selected", errors.OutOfStock),
)
"""Sentences that say more than their status does: the first one found decides."""

PENDING_DESTRUCTION = "pending destruction"
_GONE = ("invalid instance", "not found")

STATUS: Mapping[int, type[errors.CloudError]] = MappingProxyType(
    {
        400: errors.BadOrder,
        401: errors.BadCredentials,
        # A missing right, or an address that the key's access list does not hold.
        403: errors.BadCredentials,
        404: errors.BadOrder,
        408: errors.Unreachable,  # too late: nobody knows what became of it
        422: errors.BadOrder,
        429: errors.Throttled,
        500: errors.Unreachable,
        503: errors.Unreachable,
    }
)

CARDS_GB: Mapping[str, int] = MappingProxyType(
    {
        "NVIDIA_A16": 16,
        "NVIDIA_A40": 48,
        "NVIDIA_A100": 80,
        "NVIDIA_L40S": 48,
        "NVIDIA_H100": 80,
    }
)
"""How much memory a whole card has: a plan with less is a fraction of one. The A16 board carries
four cards of 16 GB."""


def state(row: Mapping[str, object], *, unjoined: bool) -> tuple[contract.InstanceState, str]:
    """Return an instance's state, and the word that has no meaning here ("" when all have).

    An unknown word is RUNNING; so is a missing one. ``unjoined`` is whether no Node of it was seen:
    its first install turns the power off and on, and is not over while it is off. One that ran
    before, reinstalled and off, does not come up by itself for sure.
    """
    begins = SERVERS.get(str(row.get("server_status"))) is _BEGINS
    if unjoined and row.get("status") == "active" and begins:
        return _BEGINS, ""
    table: Mapping[str, contract.InstanceState | None]
    for field, table in (
        ("status", STATUSES),
        ("power_status", POWERS),
        ("server_status", SERVERS),
    ):
        word = str(row.get(field))
        if word not in table:
            return _STATE.RUNNING, f"{field} {word}"
        meant = table[word]
        if meant is not None:
            return meant, ""
    raise LookupError("the last table knows a state for each of its words")


def text_of(error: rest.SaidNoError) -> str:
    """Return the vendor's sentence, "" where the answer held none."""
    text = (error.body or {}).get("error")
    return text.strip() if isinstance(text, str) else ""


def is_gone(error: rest.SaidNoError) -> bool:
    """Return whether it says that there is no such instance."""
    text = text_of(error).lower()
    return error.status == 404 and any(gone in text for gone in _GONE)


def is_going(error: rest.SaidNoError) -> bool:
    """Return whether it says that the instance is being destroyed already."""
    return PENDING_DESTRUCTION in text_of(error).lower()


def error_class(status: int, text: str) -> type[errors.CloudError]:
    """Return which of our errors a vendor's error is.

    ``text`` is "" when the answer held no word of the vendor's (a gateway's page, no JSON): then
    only 401 and 429 are believed, and everything else means that nobody knows. An unknown status
    of 4xx is our mistake, any other is nobody's knowledge.
    """
    if not text:
        by_status = {401: errors.BadCredentials, 429: errors.Throttled}
        return by_status.get(status, errors.Unreachable)
    for part, sense in TEXTS:
        if part in text.lower():
            return sense
    known = STATUS.get(status)
    if known in (None, errors.BadOrder) and status != 404 and not rest.server_fault(status):
        known = plain_words.meaning(text) or known
    if known is not None:
        return known
    return errors.Unreachable if rest.server_fault(status) else errors.BadOrder


def translate(error: rest.SaidNoError) -> errors.CloudError:
    """Return our own error for a vendor's refusal."""
    sense = error_class(error.status, text_of(error))
    message = error.sentence("error")
    if sense is errors.Throttled:
        wait_s = error.wait_s
        if wait_s is None and error.status == 429:
            wait_s = SECOND_S
        return errors.Throttled(message, retry_after_s=wait_s)
    return sense(message)
