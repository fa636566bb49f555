from __future__ import annotations

import grpc
import pytest

from externalgrpc.model import fleet_errors
from externalgrpc.nodes import pods, pricing, template
from externalgrpc.rpc import error_codes
from providers import errors

ROWS = [
    (fleet_errors.UnknownGroup("x"), grpc.StatusCode.NOT_FOUND),
    (fleet_errors.NotOurs("x"), grpc.StatusCode.INVALID_ARGUMENT),
    (fleet_errors.OutOfBounds("x"), grpc.StatusCode.OUT_OF_RANGE),
    (fleet_errors.NotReady("x"), grpc.StatusCode.UNAVAILABLE),
    (pricing.NoPrice("x"), grpc.StatusCode.NOT_FOUND),
    (pods.UnreadablePod("x"), grpc.StatusCode.INVALID_ARGUMENT),
    (template.NoCandidate("x"), grpc.StatusCode.FAILED_PRECONDITION),
    (errors.OutOfStock("x"), grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.QuotaExceeded("x"), grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.Throttled("x"), grpc.StatusCode.UNAVAILABLE),
    (errors.Unreachable("x"), grpc.StatusCode.UNAVAILABLE),
    (errors.BadCredentials("x"), grpc.StatusCode.PERMISSION_DENIED),
    (errors.BadOrder("x"), grpc.StatusCode.FAILED_PRECONDITION),
    (errors.CloudError("x"), grpc.StatusCode.INTERNAL),
    (KeyError("x"), grpc.StatusCode.INTERNAL),
]


@pytest.mark.parametrize(("error", "code"), ROWS, ids=lambda value: str(type(value).__name__))
def test_every_error_has_its_code(error, code):
    assert error_codes.code_of(error) is code


def test_every_row_of_the_table_is_tested():
    tested = {type(error) for error, _ in ROWS}
    assert all(any(issubclass(kind, row) for kind in tested) for row, _ in error_codes.TABLE)
