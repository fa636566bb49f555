"""Nothing but a CloudError leaves an operation, with the account and the operation in it."""

from __future__ import annotations

import pytest

from providers import errors
from providers.kit import network, operation


class No(Exception):
    """A refusal of a vendor's; holds our error for it."""


def ended(raised: Exception, *, orders: bool = False, **changes: object) -> errors.CloudError:
    with (
        pytest.raises(errors.CloudError) as caught,
        operation.operation(
            "blue",
            "look_up",
            orders=orders,
            refusal=No,
            translate=lambda error: error.args[0],
            **changes,  # type: ignore[arg-type]
        ),
    ):
        raise raised
    assert (caught.value.account, caught.value.operation) == ("blue", "look_up")
    return caught.value


@pytest.mark.parametrize("kind", [errors.OutOfStock, errors.QuotaExceeded, errors.BadOrder])
def test_a_refusal_speaks_of_an_order_only_where_one_is_meant(
    kind: type[errors.CloudError],
) -> None:
    meant = ended(No(kind("sold out", request_id="r1")), orders=True)
    assert type(meant) is kind
    doubt = ended(No(kind("sold out", request_id="r1")))
    assert type(doubt) is errors.Unreachable
    assert (doubt.message, doubt.request_id) == ("sold out", "r1")


@pytest.mark.parametrize("kind", [errors.Throttled, errors.BadCredentials, errors.Unreachable])
def test_other_refusals_stay_what_they_are(kind: type[errors.CloudError]) -> None:
    assert type(ended(No(kind("no")))) is kind


@pytest.mark.parametrize("raised", [KeyError("id"), TypeError("x"), ValueError("x" * 900)])
def test_an_answer_that_cannot_be_read_is_unreachable(raised: Exception) -> None:
    error = ended(raised)
    assert type(error) is errors.Unreachable
    assert error.message.startswith("the answer could not be read: ")
    assert len(error.message) < operation.LONGEST_SENTENCE + 10
    assert error.__cause__ is raised


def test_a_field_that_an_answer_lacks_is_named() -> None:
    error = ended(KeyError("droplets"))
    assert error.message == "the answer could not be read: it lacks 'droplets'"


def test_no_answer_and_what_an_sdk_raises_are_unreachable() -> None:
    assert str(ended(network.NoAnswerError("silence"))) == "blue look_up: silence"
    assert type(ended(OSError("broken"), unreadable=(OSError,))) is errors.Unreachable


def test_our_own_errors_and_mistakes_of_the_program_pass() -> None:
    assert type(ended(errors.BadOrder("gone"))) is errors.BadOrder
    with (
        pytest.raises(RuntimeError),
        operation.operation(
            "blue", "create", orders=True, refusal=No, translate=lambda error: error.args[0]
        ),
    ):
        raise RuntimeError("ours")
