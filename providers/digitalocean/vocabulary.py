"""Define DigitalOcean's own words and what each means to us: states, errors, headers.

Error ids are those of the API's documentation, texts those of replies seen in the wild: the id
``unprocessable_entity`` stands for a wrong order, a sold-out size, a full account and a busy
droplet alike, so its text decides. Of other texts only plain English is believed
(:mod:`providers.kit.plain_words`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from providers import contract, errors, rest
from providers.kit import plain_words

NOT_FOUND = "not_found"
ERRORED = "errored"

STATES: Mapping[str, contract.InstanceState] = MappingProxyType(
    {
        "new": contract.InstanceState.CREATING,
        "active": contract.InstanceState.RUNNING,
        "off": contract.InstanceState.STOPPED,
        "archive": contract.InstanceState.STOPPED,
    }
)

IDS: Mapping[str, type[errors.CloudError]] = MappingProxyType(
    {
        "unauthorized": errors.BadCredentials,
        "forbidden": errors.BadCredentials,
        NOT_FOUND: errors.BadOrder,
        "bad_request": errors.BadOrder,
        "unprocessable_entity": errors.BadOrder,
        "droplet_limit_exceeded": errors.QuotaExceeded,
        "too_many_requests": errors.Throttled,
        "conflict": errors.Throttled,
        # Something broke in the middle: nobody knows.
        "server_error": errors.Unreachable,
        "service_unavailable": errors.Unreachable,
    }
)

TEXTS: tuple[tuple[str, type[errors.CloudError]], ...] = (
    ("will exceed your droplet limit", errors.QuotaExceeded),
    ("size is not available in this region", errors.OutOfStock),
    ("size is unavailable", errors.OutOfStock),
    ("region is not available", errors.OutOfStock),
    # Another action runs on the droplet.
    ("already has a pending event", errors.Throttled),
    ("action in progress", errors.Throttled),
)
"""Texts of a 4xx that say more than its id does: the first one found in a message decides."""

_CLIENT_ERRORS = range(400, 500)
_GONE = 404


def error_class(status: int, code: str, message: str) -> type[errors.CloudError]:
    """Return which of our errors a vendor's error is.

    ``code`` is "" when the answer held no word of the vendor's (a gateway's page, no JSON): then
    only 401 and 429 are believed, and everything else means that nobody knows. An unknown word is
    our mistake when the status is 4xx, nobody's knowledge when it is not.
    """
    if code and status in _CLIENT_ERRORS:
        for text, sense in TEXTS:
            if text in message.lower():
                return sense
    known = IDS.get(code.lower())
    by_status = {
        401: errors.BadCredentials,
        408: errors.Unreachable,  # too late: nobody knows what became of it
        429: errors.Throttled,
    }
    if known is None:
        known = by_status.get(status)
    if known in (None, errors.BadOrder) and code and status in _CLIENT_ERRORS and status != _GONE:
        known = plain_words.meaning(message) or known
    if known is not None:
        return known
    return errors.BadOrder if code and status in _CLIENT_ERRORS else errors.Unreachable


def code_of(error: rest.SaidNoError) -> str:
    """Return the vendor's id for an error, "" where the answer held none.

    The tag endpoints say ``error`` with a sentence instead of ``id``: that is a bad request.
    """
    body = error.body or {}
    if isinstance(body.get("id"), str):
        return str(body["id"])
    return "bad_request" if isinstance(body.get("error"), str) else ""


def translate(error: rest.SaidNoError) -> errors.CloudError:
    """Return our own error for a vendor's refusal."""
    code = code_of(error)
    message = error.sentence("message", "error")
    sense = error_class(error.status, code, message)
    reason = f"{message} ({code})" if code else message
    request_id = str((error.body or {}).get("request_id") or error.headers.get("x-request-id", ""))
    if sense is errors.Throttled:
        return errors.Throttled(reason, retry_after_s=_wait_s(error), request_id=request_id)
    return sense(reason, request_id=request_id)


def _wait_s(error: rest.SaidNoError) -> float | None:
    """Return how long to wait: Retry-After comes with the limit of the minute only; the hour's says
    when the oldest request stops counting."""
    if error.wait_s is not None:
        return error.wait_s
    try:
        return rest.bounded_s(float(error.headers["ratelimit-reset"]) - error.seen_at)
    except (KeyError, ValueError):
        return None


def budget(headers: rest.Headers, now: float) -> contract.Budget | None:
    """Read the hourly budget off an answer's headers, None where they lack it.

    The hour slides: ``ratelimit-reset`` is when the oldest request stops counting, and the budget
    is whole an hour after the newest.
    """
    try:
        limit, remaining = (int(headers[f"ratelimit-{name}"]) for name in ("limit", "remaining"))
    except (KeyError, ValueError):
        return None
    return contract.Budget(
        limit=limit, remaining=max(0, remaining), reset_at=now + 3600.0, seen_at=now
    )
