"""Define Hetzner's own words and what each means to us: states, errors, zones.

Error codes are those of the API's documentation and of replies seen in the wild. A word that is
not here is not guessed at: see :func:`error_class`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from providers import contract, errors

NOT_FOUND = "not_found"
TAKEN = "uniqueness_error"
NO_PLACE = "placement_error"

STATES: Mapping[str, contract.InstanceState] = MappingProxyType(
    {
        "initializing": contract.InstanceState.CREATING,
        "starting": contract.InstanceState.CREATING,
        "running": contract.InstanceState.RUNNING,
        # These three end with the server as it was, or off: it lives until it is shown as off.
        "stopping": contract.InstanceState.RUNNING,
        "migrating": contract.InstanceState.RUNNING,
        "rebuilding": contract.InstanceState.RUNNING,
        "off": contract.InstanceState.STOPPED,
        "deleting": contract.InstanceState.DELETING,
        # The vendor's own "we do not know".
        "unknown": contract.InstanceState.RUNNING,
    }
)

CODES: Mapping[str, type[errors.CloudError]] = MappingProxyType(
    {
        # There is none to be had.
        "resource_unavailable": errors.OutOfStock,
        NO_PLACE: errors.OutOfStock,
        "resource_limit_exceeded": errors.QuotaExceeded,
        # A network is full: no candidate that hangs on it will do until addresses come free.
        "no_subnet_available": errors.QuotaExceeded,
        "ip_not_available": errors.QuotaExceeded,
        # Refused before anything was done.
        "rate_limit_exceeded": errors.Throttled,
        "conflict": errors.Throttled,
        "locked": errors.Throttled,
        "maintenance": errors.Throttled,
        "unavailable": errors.Throttled,
        # Something broke in the middle: nobody knows.
        "server_error": errors.Unreachable,
        "service_error": errors.Unreachable,
        "bad_gateway": errors.Unreachable,
        "timeout": errors.Unreachable,
        # The token.
        "unauthorized": errors.BadCredentials,
        "token_readonly": errors.BadCredentials,
        "forbidden": errors.BadCredentials,
        # What we asked for.
        "invalid_input": errors.BadOrder,
        "json_error": errors.BadOrder,
        NOT_FOUND: errors.BadOrder,
        TAKEN: errors.BadOrder,
        "protected": errors.BadOrder,
        "unsupported_error": errors.BadOrder,
        "method_not_allowed": errors.BadOrder,
        "deprecated_api_endpoint": errors.BadOrder,
        "primary_ip_assigned": errors.BadOrder,
        "primary_ip_version_mismatch": errors.BadOrder,
        "server_already_attached": errors.BadOrder,
        "networks_overlap": errors.BadOrder,
    }
)

TEXTS: tuple[tuple[str, type[errors.CloudError]], ...] = (
    # invalid_input, when a type is not sold in a location; another location may have it.
    ("unsupported location for server type", errors.OutOfStock),
    ("server location disabled", errors.OutOfStock),
)
"""Texts that say more than their code does: the first one found in a message decides."""

ZONES: Mapping[str, str] = MappingProxyType(
    {
        "fsn1": "fsn1-dc14",
        "nbg1": "nbg1-dc3",
        "hel1": "hel1-dc2",
        "ash": "ash-dc1",
        "hil": "hil-dc1",
        "sin": "sin-dc1",
    }
)
"""What the vendor's cloud controller manager still puts into the zone label: the name of the
data centre that a location had while the API knew data centres."""

ARCHITECTURES: Mapping[str, str] = MappingProxyType({"x86": "amd64", "arm": "arm64"})

_SERVER_FAULT = 500


def error_class(status: int, code: str, message: str) -> type[errors.CloudError]:
    """Return which of our errors a vendor's error is.

    ``code`` is "" when the answer held no word of the vendor's (a gateway's page, no JSON): then
    only 401 and 429 are believed, and everything else means that nobody knows. An unknown word is
    our mistake when the status is 4xx, nobody's knowledge when it is not.
    """
    for text, sense in TEXTS:
        if text in message.lower():
            return sense
    known = CODES.get(code)
    if known is not None:
        return known
    by_status = {
        401: errors.BadCredentials,
        408: errors.Unreachable,  # too late: nobody knows what became of it
        429: errors.Throttled,
    }
    if status in by_status:
        return by_status[status]
    return errors.BadOrder if code and status < _SERVER_FAULT else errors.Unreachable


def fate_class(code: str, message: str) -> type[errors.CloudError]:
    """Return which of our errors it is when an order fails after it was accepted.

    The next candidate should be tried unless the words say that our order or our quota is at
    fault, so anything else counts as none to be had.
    """
    sense = next((sense for text, sense in TEXTS if text in message.lower()), CODES.get(code))
    if sense is not None and issubclass(sense, (errors.NoCapacity, errors.BadOrder)):
        return sense
    return errors.OutOfStock
