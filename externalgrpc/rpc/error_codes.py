"""One table: from an error to a gRPC status code."""

from __future__ import annotations

import grpc

from externalgrpc.model import fleet_errors
from externalgrpc.nodes import pods, pricing, template
from providers import errors

TABLE: tuple[tuple[type[Exception], grpc.StatusCode], ...] = (
    (fleet_errors.UnknownGroup, grpc.StatusCode.NOT_FOUND),
    (fleet_errors.NotOurs, grpc.StatusCode.INVALID_ARGUMENT),
    (fleet_errors.OutOfBounds, grpc.StatusCode.OUT_OF_RANGE),
    (fleet_errors.NotReady, grpc.StatusCode.UNAVAILABLE),
    (pricing.NoPrice, grpc.StatusCode.NOT_FOUND),
    (pods.UnreadablePod, grpc.StatusCode.INVALID_ARGUMENT),
    (template.NoCandidate, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.NoCapacity, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.NotNow, grpc.StatusCode.UNAVAILABLE),
    (errors.BadCredentials, grpc.StatusCode.PERMISSION_DENIED),
    (errors.Refused, grpc.StatusCode.FAILED_PRECONDITION),
)


def code_of(error: Exception) -> grpc.StatusCode:
    """Return the status code of an error; INTERNAL for one that nobody expected."""
    for kind, code in TABLE:
        if isinstance(error, kind):
            return code
    return grpc.StatusCode.INTERNAL
