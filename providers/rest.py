"""Speak HTTP with a cloud directly: one request, once, in bounded time; answers are JSON.

For clouds whose SDKs repeat creates, wait for ever or take a 404 for data. What every such cloud
has in common is here; pages, words and budgets are the cloud's own and come in as a
:class:`Vendor`. Nothing here retries, follows redirects or logs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from providers import contract, errors, masking
from providers.kit import exchange, operation

_SUCCESS = range(200, 300)
_NO_CONTENT = 204
_HEADER = re.compile(r"[\x20-\x7e]*")
_SECRET = re.compile(r"auth|token|key|secret|signature|cookie")
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})
_CLIENT_ERROR = 400
_SERVER_ERROR = 500

Headers = exchange.Headers
NoAnswerError = exchange.NoAnswerError
bounded_s = exchange.bounded_s


class SaidNoError(Exception):
    """The cloud answered with a status of 400 or more.

    ``body`` is the JSON object that it said so with, None when there was none (a gateway's page).
    ``wait_s`` is what its Retry-After asks for, within bounds, None when it has none; ``seen_at``
    is when it came (Unix seconds).
    """

    def __init__(
        self,
        *,
        status: int,
        reason: str,
        body: Mapping[str, Any] | None,
        headers: Headers,
        wait_s: float | None,
        seen_at: float,
    ) -> None:
        super().__init__(f"answered {status} {reason}".strip())
        self.status = status
        self.body = body
        self.headers = headers
        self.wait_s = wait_s
        self.seen_at = seen_at

    def sentence(self, *keys: str) -> str:
        """Return the vendor's own text: the first of these keys that holds one, else the status."""
        for key in keys:
            text = (self.body or {}).get(key)
            if isinstance(text, str) and text.strip():
                return shortened(text)
        return f"{self} without a word of its own"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A good answer: its JSON object ({} where it is empty), and its headers by lower-case names.

    Of the headers a ``location``, an ``x-total-count`` or the id of the request may be wanted. A
    Location is read for what it names; nobody goes where it leads. ``seen_at`` is in Unix seconds.
    """

    status: int
    body: dict[str, Any]
    headers: Headers
    seen_at: float


def bearer(login: contract.Login) -> dict[str, str]:
    """Return the header that most clouds take the token in."""
    return {"Authorization": f"Bearer {login.token}"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """What is a cloud's own: where it is, what its errors mean, and where it shows the budget.

    ``headers`` go with every request and say who asks: the token where the vendor wants it
    (``{"X-Auth-Token": login.token}``), a project of ``login.settings``, a version of the API.
    Their values are shown to nobody; they win over our own Accept and User-Agent.
    """

    endpoint: str
    translate: Callable[[SaidNoError], errors.CloudError]
    budget: Callable[[Headers, float], contract.Budget | None] = lambda _headers, _now: None
    headers: Callable[[contract.Login], Mapping[str, str]] = bearer


class Connection:
    """One login's connections; safe to use from several threads.

    ``hands`` bounds how many threads will use it at once. ``clock`` gives Unix seconds.
    Time and sizes are bounded in :mod:`providers.kit.exchange`.
    """

    def __init__(
        self,
        login: contract.Login,
        vendor: Vendor,
        *,
        hands: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._login = login
        self._vendor = vendor
        self._budget: contract.Budget | None = None
        self._base = (login.endpoint or vendor.endpoint).rstrip("/")
        self._headers = {
            "accept": "application/json",
            "user-agent": "vps-autoscaler",
            **_own_headers(vendor.headers(login), login),
        }
        self._line = exchange.Line(login, hands=hands, endpoint=self._base, clock=clock)

    @property
    def budget(self) -> contract.Budget | None:
        """Return the rate budget as the last answer showed it; None where it showed none."""
        return self._budget

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Send one request, once; return the JSON object of the answer, {} for a 204.

        Numbers with a point come as Decimal. Raises SaidNoError or NoAnswerError, which
        :meth:`operation` turns into ours.
        """
        return self.send(method, path, params=params, body=body).body

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | str | bytes | None = None,
        content_type: str = "",
        may_be_empty: bool = False,
    ) -> Reply:
        """Send one request, once, and return the whole of a good answer; raises as :meth:`ask`.

        A mapping goes as JSON; text (a user-data) and bytes go as they are, as ``text/plain`` and
        ``application/octet-stream`` unless ``content_type`` says better. An empty answer is an
        answer with 204, and where the vendor's document says so (``may_be_empty``); what else is
        no JSON object is none.
        """
        url = f"{self._base}{path}"
        if params:
            url += f"?{urllib.parse.urlencode(params)}"
        sent, kind = _written(body)
        headers = {**self._headers, "content-type": content_type or kind} if kind else self._headers
        _check_headers(headers)
        answer = self._line.exchange(method, url, headers, sent)
        self._budget = self._vendor.budget(answer.headers, answer.seen_at) or self._budget
        if answer.status >= _CLIENT_ERROR:
            raise SaidNoError(
                status=answer.status,
                reason=answer.reason,
                body=answer.payload,
                headers=answer.headers,
                wait_s=answer.wait_s,
                seen_at=answer.seen_at,
            )
        if answer.status not in _SUCCESS:
            raise NoAnswerError(
                f"answered {answer.status}: is the endpoint really the vendor's API?"
            )
        payload = answer.payload
        if answer.status == _NO_CONTENT or (may_be_empty and answer.empty):
            payload = {}
        if payload is None:
            raise NoAnswerError(f"answered {answer.status} with {answer.flaw}")
        return Reply(
            status=answer.status, body=payload, headers=answer.headers, seen_at=answer.seen_at
        )

    def get(self, path: str, **params: str | int) -> dict[str, Any]:
        """Read; see :meth:`ask`."""
        return self.ask("GET", path, params=params or None)

    @contextlib.contextmanager
    def operation(self, name: str, *, orders: bool = False) -> Iterator[None]:
        """Let nothing but a CloudError out, with our account and the operation in it.

        An answer that lacks what the API always sends makes nobody any wiser: Unreachable. So
        does a no that is about an order where nothing is ordered (``orders``): a look-up that
        raised it would speak of the fate of a machine.
        """
        with operation.operation(
            self._login.account,
            name,
            orders=orders,
            refusal=SaidNoError,
            translate=self._vendor.translate,
        ):
            yield

    def meaning(self, error: SaidNoError) -> errors.CloudError:
        """Return our own error for a vendor's refusal."""
        return self._vendor.translate(error)

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._line.close()


def _own_headers(fields: Mapping[str, str], login: contract.Login) -> dict[str, str]:
    """Take a vendor's headers by lower-case names; whatever credential is in them is masked.

    Raises BadOrder for one that is the connection's own business.
    """
    headers = {name.lower(): value for name, value in fields.items()}
    if taken := sorted(_OURS & headers.keys()):
        raise errors.BadOrder(
            f"the header {taken[0]} is set by the connection, not by the cloud's own headers",
            account=login.account,
            operation="open",
        )
    for name, value in headers.items():
        if _SECRET.search(name):
            # It may be something made of the token: no answer may give that back either.
            masking.know(value.rpartition(" ")[2])
    return headers


def _check_headers(headers: Mapping[str, str]) -> None:
    """Refuse what no header can carry, before a library quotes it in its complaint."""
    for name, value in headers.items():
        if not _HEADER.fullmatch(value):
            raise errors.BadCredentials(f"the header {name} holds characters that no header can")


def _written(body: Mapping[str, Any] | str | bytes | None) -> tuple[bytes, str]:
    """Return a body's bytes and what they are; no kind where there is no body."""
    match body:
        case None:
            return b"", ""
        case str():
            return body.encode("utf-8"), "text/plain; charset=utf-8"
        case bytes():
            return body, "application/octet-stream"
        case _:
            return json.dumps(body, ensure_ascii=False).encode("utf-8"), "application/json"


def shortened(text: str) -> str:
    """Put a vendor's text into one line of bounded length, without secrets."""
    return masking.one_line(text, operation.LONGEST_SENTENCE)


def object_in(answer: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the JSON object that an answer holds below a key: a machine, an order.

    Raises NoAnswerError where there is none: ``{"machine": null}`` is an answer that nobody can
    read, not the word of the cloud that the machine is gone.
    """
    value = answer.get(key)
    if not isinstance(value, dict):
        raise NoAnswerError(f"answered without an object {key!r}")
    return value


def server_fault(status: int) -> bool:
    """Return whether a status says that something broke over there."""
    return status >= _SERVER_ERROR
