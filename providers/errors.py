"""List the errors that a cloud may raise.

::

    CloudError                 account, operation, request id; a message for a person
     +- NoCapacity             the cloud has none to give
     |   +- OutOfStock         this machine type, in this location, now
     |   +- QuotaExceeded      this account may not have more (of a scope)
     +- NotNow                 ask again later
     |   +- Throttled          refused before anything was done
     |   +- Unreachable        nobody knows whether it was done
     +- Refused                asking again changes nothing
         +- BadCredentials     the token is wrong, expired, or lacks a right
         +- BadOrder           what we asked for is wrong: our configuration is

Raise the leaves. What becomes of an order depends on which: after OutOfStock the group's next
machine type or location is tried, after a QuotaExceeded of a scope that leaves one, too, and the
autoscaler then hears "quota"; any other, BadCredentials and BadOrder fail it, and the autoscaler
backs off; Throttled is sent again later; Unreachable is looked for before it is sent again. So the
wrong error costs money or nodes, and a vendor's word that your table does not know must not be
guessed at: BadOrder when the vendor itself refused (a 4xx with an error in its own form),
Unreachable when not (5xx, a gateway's page, no JSON, silence). In a look-up, NoCapacity and
BadOrder speak of an order's fate: a look-up that is itself refused with an unknown word is
Unreachable.

The vendor's own error is chained (``raise ... from error``) and never leaks by itself; its text
belongs into the message, a token never does: a message becomes one line of bounded length in
which :mod:`providers.masking` has hidden what nobody may read.
"""

from __future__ import annotations

import enum

from providers import masking

LONGEST_MESSAGE = 1000
"""In characters. Vendors' texts have no bound, and this reaches the autoscaler and every log."""

_LONGEST_ID = 100


class CloudError(Exception):
    """Say what a cloud refused, in words for a person.

    ``account`` is the configured login, ``operation`` the method of
    :class:`providers.contract.Provider` ("create", "instances", ...), ``request_id`` the cloud's
    own id of the exchange where it gives one.
    """

    def __init__(
        self,
        message: str,
        *,
        account: str = "",
        operation: str = "",
        request_id: str = "",
    ) -> None:
        message = masking.one_line(message, LONGEST_MESSAGE)
        super().__init__(message)
        self.message = message
        self.account = account
        self.operation = operation
        self.request_id = masking.one_line(request_id, _LONGEST_ID)

    def __str__(self) -> str:
        where = " ".join(part for part in (self.account, self.operation) if part)
        reason = f"{where}: {self.message}" if where else self.message
        return f"{reason} (request {self.request_id})" if self.request_id else reason


class NoCapacity(CloudError):
    """The cloud has none to give; nothing was made."""


class OutOfStock(NoCapacity):
    """This machine type cannot be had in this location now; another candidate may do."""


class Scope(enum.Enum):
    """What a quota counts: everything of the account, one machine type, or one location."""

    ACCOUNT = "account"
    MACHINE_TYPE = "machine type"
    LOCATION = "location"


class QuotaExceeded(NoCapacity):
    """The account's own limit is reached.

    No candidate of the account will do, unless ``scope`` says that the limit is the ordered machine
    type's alone (or that of its kind), or the location's: then the next one of another is tried.
    """

    def __init__(
        self,
        message: str,
        *,
        scope: Scope = Scope.ACCOUNT,
        account: str = "",
        operation: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(message, account=account, operation=operation, request_id=request_id)
        self.scope = scope


class NotNow(CloudError):
    """The same call may succeed later."""


class Throttled(NotNow):
    """Refused before anything was done; ``retry_after_s`` seconds from now it may pass.

    For a rate limit, and for a machine that is locked or busy. None when unknown: the caller
    then waits as it sees fit. Vendors send negative and absurd figures: keep them within reason.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        account: str = "",
        operation: str = "",
        request_id: str = "",
    ) -> None:
        super().__init__(message, account=account, operation=operation, request_id=request_id)
        self.retry_after_s = retry_after_s


class Unreachable(NotNow):
    """No answer, or one that says nothing: nobody knows whether the call had its effect."""


class Refused(CloudError):
    """The same call will be refused again until a person changes something."""


class BadCredentials(Refused):
    """The token is wrong, expired, or lacks the right to do this."""


class BadOrder(Refused):
    """What was asked for is wrong: a type, image, key, network or option of our configuration."""
