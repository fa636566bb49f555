"""Speak HTTP and JSON with a cloud directly: one request, once, in bounded time.

For clouds whose SDKs repeat creates, wait for ever or take a 404 for data. What every such cloud
has in common is here; pages, words and budgets are the cloud's own and come in as a
:class:`Vendor`. Nothing here retries, follows redirects or logs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from providers import contract, errors, exchange, masking

_LONGEST_SENTENCE = 500
_SUCCESS = range(200, 300)
_NO_CONTENT = 204
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
        """Give the vendor's own text: the first of these keys that holds one, else the status."""
        for key in keys:
            text = (self.body or {}).get(key)
            if isinstance(text, str) and text.strip():
                return shortened(text)
        return f"{self} without a word of its own"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """What is a cloud's own: where it is, what its errors mean, and how it tells the budget."""

    endpoint: str
    translate: Callable[[SaidNoError], errors.CloudError]
    budget: Callable[[Headers, float], contract.Budget | None] = lambda _headers, _now: None


class Connection:
    """One login's connections; safe to use from several threads.

    ``hands`` bounds how many threads will use it at once. ``clock`` gives Unix seconds.
    Time and sizes are bounded in :mod:`providers.exchange`.
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
            "Authorization": f"Bearer {login.token}",
            "Accept": "application/json",
            "User-Agent": "vps-autoscaler",
        }
        self._line = exchange.Line(login, hands=hands, endpoint=self._base, clock=clock)

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
        url = f"{self._base}{path}"
        if params:
            url += f"?{urllib.parse.urlencode(params)}"
        sent, headers = b"", self._headers
        if body is not None:
            sent = json.dumps(body, ensure_ascii=False).encode("utf-8")
            headers = {**headers, "Content-Type": "application/json"}
        answer = self._line.exchange(method, url, headers, sent)
        self._budget = self._vendor.budget(answer.headers, answer.seen_at) or self._budget
        if answer.status == _NO_CONTENT:
            return {}
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
        if answer.payload is None:
            raise NoAnswerError(f"answered {answer.status} with {answer.flaw}")
        return answer.payload

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
        self._line.close()

    def _tell(
        self, told: errors.CloudError, operation: str, cause: Exception | None = None
    ) -> NoReturn:
        told.account, told.operation = self._login.account, operation
        if cause is None:
            raise told
        raise told from cause


def shortened(text: str) -> str:
    """Put a vendor's text into one line of bounded length, without secrets."""
    return masking.told(text, _LONGEST_SENTENCE)


def server_fault(status: int) -> bool:
    """Tell whether a status says that something broke over there."""
    return status >= _SERVER_ERROR
