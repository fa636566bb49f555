"""Speak HTTP and JSON with a cloud directly: one request, once, in bounded time.

For clouds whose SDKs repeat creates, wait for ever or take a 404 for data. What every such cloud
has in common is here; pages, words and budgets are the cloud's own and come in as a
:class:`Vendor`. Nothing here retries, follows redirects or logs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import email.utils
import json
import time
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, NoReturn

import httpx

from providers import contract, errors

LONGEST_WAIT_S = 60.0
SHORTEST_WAIT_S = 1.0
"""What a 429 may tell us to wait, in seconds: negative and absurd figures have been seen."""

_LONGEST_SENTENCE = 500
_SUCCESS = range(200, 300)
_NO_CONTENT = 204
_CLIENT_ERROR = 400
_SERVER_ERROR = 500

Headers = Mapping[str, str]
"""An answer's headers; their names are lower-case."""


class NoAnswerError(Exception):
    """No whole answer came; nobody knows whether the request had its effect."""


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
        """Give the vendor's own text: the first of these keys that holds one, else the status."""
        for key in keys:
            text = (self.body or {}).get(key)
            if isinstance(text, str) and text.strip():
                return shortened(text)
        return f"{self} without a word of its own"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """What is a cloud's own: where it is, what its errors mean, and how it tells the budget.

    An answer larger than ``largest_answer_bytes`` is not read to its end.
    """

    endpoint: str
    translate: Callable[[SaidNoError], errors.CloudError]
    budget: Callable[[Headers, float], contract.Budget | None] = lambda _headers, _now: None
    largest_answer_bytes: int = 64 * 1024 * 1024


class Connection:
    """One login's connections; safe to use from several threads.

    ``hands`` bounds how many threads will use it at once. ``clock`` gives Unix seconds.
    A request takes at most the login's connect timeout, its read timeout for each silence, and
    its read timeout again for the whole of the answer's body.
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
        self._clock = clock
        self._budget: contract.Budget | None = None
        self._client = httpx.Client(
            base_url=login.endpoint or vendor.endpoint,
            headers={
                "Authorization": f"Bearer {login.token}",
                "Accept": "application/json",
                "User-Agent": "vps-autoscaler",
            },
            timeout=httpx.Timeout(login.read_timeout_s, connect=login.connect_timeout_s),
            limits=httpx.Limits(max_connections=hands + 2),
            follow_redirects=False,
        )

    @property
    def budget(self) -> contract.Budget | None:
        """Tell the rate budget as the last answer showed it; None before, or where none is told."""
        return self._budget

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Send one request, once; give the JSON object of the answer, {} for a 204.

        Numbers with a point come as Decimal. Raises SaidNoError or NoAnswerError, which
        :meth:`operation` turns into ours.
        """
        try:
            with self._client.stream(method, path, params=params, json=body) as response:
                content = self._read(response)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoAnswerError(_why(error)) from error
        seen_at = self._clock()
        headers = dict(response.headers)
        self._budget = self._vendor.budget(headers, seen_at) or self._budget
        status = response.status_code
        if status == _NO_CONTENT:
            return {}
        answer = _json_object(content)
        if status >= _CLIENT_ERROR:
            raise SaidNoError(
                status=status,
                reason=response.reason_phrase,
                body=answer,
                headers=headers,
                wait_s=retry_after_s(headers.get("retry-after", ""), seen_at),
                seen_at=seen_at,
            )
        if status not in _SUCCESS:
            raise NoAnswerError(f"answered {status}: is the endpoint really the vendor's API?")
        if answer is None:
            what = "something that is no JSON object" if content else "nothing in it"
            raise NoAnswerError(f"answered {status} with {what}")
        return answer

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
        try:
            yield
        except errors.CloudError as error:
            self._tell(error, name)
        except SaidNoError as error:
            meant = self._vendor.translate(error)
            if not orders and isinstance(meant, errors.NoCapacity | errors.BadOrder):
                meant = errors.Unreachable(meant.message, request_id=meant.request_id)
            self._tell(meant, name, error)
        except NoAnswerError as error:
            self._tell(errors.Unreachable(str(error)), name, error)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            told = f"the answer could not be read: {error!r}"
            self._tell(errors.Unreachable(shortened(told)), name, error)

    def meaning(self, error: SaidNoError) -> errors.CloudError:
        """Tell which of our errors a vendor's no is."""
        return self._vendor.translate(error)

    def close(self) -> None:
        """Let go of connections; harmless twice."""
        self._client.close()

    def _tell(
        self, told: errors.CloudError, operation: str, cause: Exception | None = None
    ) -> NoReturn:
        told.account, told.operation = self._login.account, operation
        if self._login.token and self._login.token in told.message:
            told.message = told.message.replace(self._login.token, "(our token)")
            told.args = (told.message,)
            raise told from None  # whatever caused it holds the token too
        if cause is None:
            raise told
        raise told from cause

    def _read(self, response: httpx.Response) -> bytes:
        ends = time.monotonic() + self._login.read_timeout_s
        content = bytearray()
        for part in response.iter_bytes():
            content += part
            if len(content) > self._vendor.largest_answer_bytes:
                raise NoAnswerError(
                    f"answered with more than {self._vendor.largest_answer_bytes} bytes"
                )
            if time.monotonic() > ends:
                raise NoAnswerError(f"no whole answer within {self._login.read_timeout_s:g} s")
        return bytes(content)


def retry_after_s(told: str, now: float) -> float | None:
    """Read a Retry-After, in seconds or as a date, within bounds; None when it is neither."""
    try:
        wait_s = float(told)
    except ValueError:
        try:
            wait_s = email.utils.parsedate_to_datetime(told).timestamp() - now
        except (ValueError, OverflowError, TypeError):
            return None
    return bounded_s(wait_s)


def bounded_s(wait_s: float) -> float:
    """Put a wait within bounds; what is no number is the shortest."""
    return min(wait_s, LONGEST_WAIT_S) if wait_s > SHORTEST_WAIT_S else SHORTEST_WAIT_S


def shortened(text: str) -> str:
    """Put a text into one line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_SENTENCE else f"{line[:_LONGEST_SENTENCE]} ..."


def server_fault(status: int) -> bool:
    """Tell whether a status says that something broke over there."""
    return status >= _SERVER_ERROR


def _json_object(content: bytes) -> dict[str, Any] | None:
    def nonsense(word: str) -> NoReturn:
        raise ValueError(f"{word} is no JSON")

    try:
        parsed = json.loads(content, parse_float=Decimal, parse_constant=nonsense)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _why(error: Exception) -> str:
    kinds: Mapping[type[Exception], str] = {
        httpx.ConnectTimeout: "no connection in time",
        httpx.PoolTimeout: "no free connection in time",
        httpx.ReadTimeout: "no answer in time",
        httpx.WriteTimeout: "the request could not be sent in time",
        httpx.ConnectError: "no connection",
    }
    kind = kinds.get(type(error), "no whole answer")
    return shortened(f"{kind}: {error}" if str(error) else kind)
