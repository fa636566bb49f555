"""Turn whatever goes wrong in an operation at a cloud into one of our own errors."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from providers import errors, masking
from providers.kit import network

LONGEST_SENTENCE = 500
"""In characters: so much of a vendor's text goes into a message."""

_UNREADABLE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


@contextlib.contextmanager
def operation(
    account: str,
    name: str,
    *,
    orders: bool,
    refusal: type[Exception],
    translate: Callable[[Any], errors.CloudError],
    unreadable: tuple[type[Exception], ...] = (),
) -> Iterator[None]:
    """Let nothing but a CloudError out, with the account and the operation in it.

    ``refusal`` is how the cloud's connection raises the vendor's no, which ``translate`` turns into
    our error. One that is about an order, where none is meant (``orders`` False), is Unreachable:
    a look-up that raised it would speak of the fate of a machine. So is an answer that lacks what
    the API always sends; ``unreadable`` are exceptions of an SDK that mean the same.
    """
    broken: tuple[type[Exception], ...] = (*_UNREADABLE, *unreadable)
    try:
        yield
    except errors.CloudError as error:
        error.account, error.operation = account, name
        raise
    except refusal as error:
        problem = translate(error)
        if not orders and isinstance(problem, errors.NoCapacity | errors.BadOrder):
            problem = errors.Unreachable(problem.message, request_id=problem.request_id)
        problem.account, problem.operation = account, name
        raise problem from error
    except network.NoAnswerError as error:
        raise errors.Unreachable(str(error), account=account, operation=name) from error
    except broken as error:
        why = f"it lacks {error}" if isinstance(error, KeyError) else repr(error)
        message = masking.one_line(f"the answer could not be read: {why}", LONGEST_SENTENCE)
        raise errors.Unreachable(message, account=account, operation=name) from error
