"""Errors of a request to the API server.

::

    KubeError              what was asked, in words; status (0: no answer)
     +- Unreachable        no answer, or the server is in trouble: nobody knows whether it was done
     +- Denied             we are not allowed to, or an admission policy refused
     +- NotFound           there is no such object
     +- Conflict           it exists already, or is not what it was when we looked
     +- Expired            the resource version is too old to go on from: list again
     +- Invalid            the server does not understand, or does not accept, what we sent
 +- NotLeading         nothing was sent: another server acts, or we do not know that we may
"""

from __future__ import annotations

import http


class KubeError(Exception):
    """A request that the API server did not carry out; the message is fit for a person.

    ``operation`` is method and path. Request bodies are never part of the message.
    """

    def __init__(self, message: str, *, operation: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.operation = operation
        self.status = status

    def __str__(self) -> str:
        return f"{self.operation}: {self.message}" if self.operation else self.message


class Unreachable(KubeError):
    """No answer came, or one that says that the server is in trouble."""


class Denied(KubeError):
    """The server knows us not, or does not let us."""


class NotFound(KubeError):
    """There is no such object."""


class Conflict(KubeError):
    """The object exists already, or is not what it was."""


class Expired(KubeError):
    """The resource version is too old."""


class Invalid(KubeError):
    """The server does not accept what we sent."""


class NotLeading(KubeError):
    """Nothing was sent: this server may not write now (:mod:`externalgrpc.leading`)."""


def of(status: int, message: str, operation: str) -> KubeError:
    """Make the error for an HTTP status that is no success."""
    kind: type[KubeError]
    match status:
        case http.HTTPStatus.UNAUTHORIZED | http.HTTPStatus.FORBIDDEN:
            kind = Denied
        case http.HTTPStatus.NOT_FOUND:
            kind = NotFound
        case http.HTTPStatus.CONFLICT:
            kind = Conflict
        case http.HTTPStatus.GONE:
            kind = Expired
        case http.HTTPStatus.TOO_MANY_REQUESTS | http.HTTPStatus.REQUEST_TIMEOUT:
            kind = Unreachable
        case _ if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
            kind = Unreachable
        case _:
            kind = Invalid
    return kind(f"{message} (HTTP {status})", operation=operation, status=status)
