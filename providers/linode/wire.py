"""Talk to the API through the vendor's SDK, with its traps closed.

``linode_api4`` has no time-outs, sends a POST again after a 408, a 429, a 502 or a lost
connection, and its lazy lists may raise in the middle. Its low-level client is used, with
:mod:`providers.kit.sdk` in its session: it sends once, in bounded time, and every exchange that is
not a whole, good answer raises :class:`SaidNoError` or :class:`NoAnswerError` there, before the SDK
sees it. Pages are counted here.
"""

from __future__ import annotations

import contextlib
import math
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import linode_api4
import requests

from providers import contract, errors
from providers.kit import exchange, operation, sdk
from providers.linode import vocabulary

ENDPOINT = "https://api.linode.com/v4"

_CLIENT_ERROR = 400
_LONGEST_SENTENCE = 500
_INSTANCES = "/linode/instances"

Row = Mapping[str, Any]

NoAnswerError = exchange.NoAnswerError


class SaidNoError(Exception):
    """The cloud said no; ``fields`` and ``sentences`` are empty when it had no words for it."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        sentences: tuple[str, ...],
        fields: frozenset[str],
        wait_s: float | None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.sentences = sentences
        self.fields = fields
        self.wait_s = wait_s

    @property
    def means_gone(self) -> bool:
        """Return whether this is the vendor's own word for "there is none"."""
        return vocabulary.means_gone(self.status, self.sentences)

    def as_cloud_error(self) -> errors.CloudError:
        """Return our own error for it."""
        sense = vocabulary.error_class(self.status, self.sentences)
        if sense is errors.Throttled:
            return errors.Throttled(self.message, retry_after_s=self.wait_s)
        if sense is errors.QuotaExceeded:
            return errors.QuotaExceeded(self.message, scope=vocabulary.quota_scope(self.sentences))
        return sense(self.message)


class Connection:
    """One login's connection; safe to use from several threads.

    ``hands`` bounds how many threads will use it at once. ``clock`` gives Unix seconds.
    """

    def __init__(self, login: contract.Login, *, hands: int, clock: Callable[[], float]) -> None:
        self._account = login.account
        self._token = login.token
        self._budget: contract.Budget | None = None
        endpoint = (login.endpoint or ENDPOINT).rstrip("/")
        self._client = linode_api4.LinodeClient(
            login.token,
            base_url=endpoint,
            user_agent="vps-autoscaler",
            retry=False,
        )
        session = self._client.session
        if not isinstance(session, requests.Session):
            raise TypeError(
                "this linode_api4 has no requests session: its retries of POST cannot be "
                "switched off, and it is not safe to use"
            )
        line = exchange.Line(login, hands=hands, endpoint=endpoint, clock=clock)
        sdk.take_over(session, sdk.Adapter(line, self._heard))
        self._session = session

    @property
    def budget(self) -> contract.Budget | None:
        """Return the budget of listings as the last listing showed it.

        Creates and single reads have limits of their own, which say nothing of this one.
        """
        return self._budget

    def get(self, path: str, *, filters: Mapping[str, object] | None = None, **query: int) -> Row:
        """Read once; ``filters`` goes into X-Filter. Raises SaidNoError or NoAnswerError."""
        asked = f"{path}?{urllib.parse.urlencode(query)}" if query else path
        return _object(self._client.get(asked, filters=filters))

    def maybe(self, path: str) -> Row | None:
        """Read what may not be there; only the vendor's own word for that is believed."""
        try:
            return self.get(path)
        except SaidNoError as error:
            if error.means_gone:
                return None
            raise

    def post(self, path: str, body: Mapping[str, object]) -> Row:
        """Send a body once; raises SaidNoError or NoAnswerError."""
        return _object(self._client.post(path, data=body))

    def put(self, path: str, body: Mapping[str, object]) -> Row:
        """Change something, once; raises SaidNoError or NoAnswerError."""
        return _object(self._client.put(path, data=body))

    def delete(self, path: str) -> None:
        """Delete something, once; raises SaidNoError or NoAnswerError."""
        self._client.delete(path)

    @contextlib.contextmanager
    def operation(self, name: str, *, certain: bool = True) -> Iterator[None]:
        """Let nothing but a CloudError out; ``certain`` is False where an order's fate is asked."""
        with operation.operation(
            self._account,
            name,
            orders=certain,
            refusal=SaidNoError,
            translate=SaidNoError.as_cloud_error,
            unreadable=(requests.RequestException,),  # a broken endpoint, before anything is sent
        ):
            exchange.check_token(self._token)
            yield

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._session.close()

    def _heard(self, request: requests.PreparedRequest, answer: exchange.Answer) -> None:
        """Keep the rate budget of a listing's headers; raise SaidNoError for a no."""
        if request.method == "GET" and request.path_url.split("?")[0].endswith(_INSTANCES):
            self._budget = _budget(answer) or self._budget
        if answer.status >= _CLIENT_ERROR:
            raise _said_no(answer)


def _budget(answer: exchange.Answer) -> contract.Budget | None:
    limit, remaining, reset_at = (
        _number(answer.headers.get(f"x-ratelimit-{name}"))
        for name in ("limit", "remaining", "reset")
    )
    if limit is None or remaining is None or reset_at is None:
        return None
    return contract.Budget(
        limit=int(limit),
        remaining=min(max(0, int(remaining)), int(limit)),
        reset_at=max(answer.seen_at, reset_at),
        seen_at=answer.seen_at,
    )


def _object(answer: object) -> Row:
    if not isinstance(answer, dict):
        raise NoAnswerError("answered something that is no JSON object")
    return answer


def _number(header: str | None) -> float | None:
    try:
        number = float(header or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _said_no(answer: exchange.Answer) -> SaidNoError:
    listed = (answer.payload or {}).get("errors")
    said = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    said = [row for row in said if isinstance(row.get("reason"), str) and row["reason"].strip()]
    message = "; ".join(_sentence(row) for row in said)[:_LONGEST_SENTENCE]
    return SaidNoError(
        message or f"answered {answer.status} {answer.reason} without a word of its own",
        status=answer.status,
        sentences=tuple(row["reason"] for row in said),
        fields=frozenset(str(row["field"]) for row in said if row.get("field")),
        wait_s=answer.wait_s,
    )


def _sentence(row: Row) -> str:
    field, reason = row.get("field"), str(row["reason"]).strip()
    return f"{field}: {reason}" if field else reason
