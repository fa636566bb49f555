"""Define Linode's own words and what each means to us: states, errors.

Linode's errors have no codes: a status, and sentences that may change. Those below were seen in
replies of the live API or stand in its documentation. Of other sentences only plain English is
believed (:mod:`providers.kit.plain_words`): see :func:`error_class`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from providers import contract, errors
from providers.kit import plain_words

STATES: Mapping[str, contract.InstanceState] = MappingProxyType(
    {
        "provisioning": contract.InstanceState.CREATING,
        "booting": contract.InstanceState.CREATING,
        "running": contract.InstanceState.RUNNING,
        # These end with the machine as it was, or offline: it lives until it is shown so.
        "rebooting": contract.InstanceState.RUNNING,
        "busy": contract.InstanceState.RUNNING,
        "shutting_down": contract.InstanceState.RUNNING,
        "migrating": contract.InstanceState.RUNNING,
        "rebuilding": contract.InstanceState.RUNNING,
        "cloning": contract.InstanceState.RUNNING,
        "restoring": contract.InstanceState.RUNNING,
        # The watchdog may boot it again: see GroupOptions.watchdog.
        "offline": contract.InstanceState.STOPPED,
        "stopped": contract.InstanceState.STOPPED,
        "billing_suspension": contract.InstanceState.STOPPED,
        "deleting": contract.InstanceState.DELETING,
    }
)

BUSY = "busy"
"""A job runs: of a machine whose Node was never seen it may be the one that makes it, before its
first start. Taken for one that ran, it would be offline a moment later and have failed to join."""

PLAN_LIMIT = "limit on your account is preventing the deployment of the selected linode plan"
"""A plan of which this account may not have more: another one may do."""

TEXTS: tuple[tuple[str, type[errors.CloudError]], ...] = (
    # Stock. The first comes with a 403, which has nothing to do with rights then.
    ("plan you chose is not currently available in the selected region", errors.OutOfStock),
    ("no availability for the selected plan in the selected region", errors.OutOfStock),
    ("no open slots for this plan", errors.OutOfStock),
    (PLAN_LIMIT, errors.QuotaExceeded),
    ("account limit reached", errors.QuotaExceeded),
    ("limit for the number of active services on your account", errors.QuotaExceeded),
    ("linode busy", errors.Throttled),
)
"""What a sentence in a 4xx answer means, whatever its status: the first one found decides."""

STATUSES: Mapping[int, type[errors.CloudError]] = MappingProxyType(
    {
        401: errors.BadCredentials,  # "Invalid Token", or a scope that the token lacks
        403: errors.BadCredentials,
        408: errors.Unreachable,  # "Please try again": nobody knows what became of the first try
        429: errors.Throttled,
    }
)
"""What a status means when no sentence decides; any other 4xx is our mistake."""

BELIEVED_WITHOUT_WORDS = frozenset({401, 429})
"""The statuses that mean what they mean even on a gateway's page."""

NOT_FOUND = 404
_GONE = "not found"
_UNIQUE = "must be unique"
_CLIENT_ERRORS = range(400, 500)
_NO_RIGHT = 403
"""It says as little as 400: Linode's own word for a sold-out plan comes with it."""


def error_class(status: int, sentences: Iterable[str]) -> type[errors.CloudError]:
    """Return which of our errors a refusal is.

    ``sentences`` is empty when the answer held no word of the vendor's (a gateway's page, no
    JSON): then only 401 and 429 are believed, and everything else means that nobody knows.
    """
    lowered = [sentence.lower() for sentence in sentences]
    if status not in _CLIENT_ERRORS or not (lowered or status in BELIEVED_WITHOUT_WORDS):
        return errors.Unreachable
    for text, sense in TEXTS:
        if any(text in sentence for sentence in lowered):
            return sense
    if status in STATUSES and status != _NO_RIGHT:
        return STATUSES[status]
    plain = next(filter(None, map(plain_words.meaning, lowered)), None)
    return plain or STATUSES.get(status, errors.BadOrder)


def quota_scope(sentences: Iterable[str]) -> errors.Scope:
    """Return what a quota counts that a refusal speaks of."""
    plan = any(PLAN_LIMIT in sentence.lower() for sentence in sentences)
    return errors.Scope.MACHINE_TYPE if plan else errors.Scope.ACCOUNT


def means_gone(status: int, sentences: Iterable[str]) -> bool:
    """Return whether an answer is the vendor's own word for "there is none"."""
    said = {sentence.lower().strip(" .") for sentence in sentences}
    return status == NOT_FOUND and said == {_GONE}


def means_taken(sentences: Iterable[str]) -> bool:
    """Return whether an answer says that a label is another machine's."""
    return any(_UNIQUE in sentence.lower() for sentence in sentences)
