"""Talk to the API through the vendor's SDK, with its traps closed.

``hcloud`` waits for ever by default, sends a POST again after a time-out, a conflict or a 502,
and shows neither status nor headers. All three are cured below it, by an adapter of our own in
its session: every exchange that is not a whole, good answer raises :class:`SaidNoError` or
:class:`NoAnswerError` there, which the SDK's retry loop does not know and lets pass.

The SDK's high-level objects are not used: they fetch themselves anew when an attribute is empty,
and break on a field that the vendor adds to a page's description.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import hcloud
import requests
import requests.adapters

from providers import contract, errors
from providers.hetzner import words

ENDPOINT = "https://api.hetzner.cloud/v1"
LONGEST_THROTTLE_S = 60.0
PER_PAGE = 50

_SUCCESS = range(200, 300)
_NO_CONTENT = 204


class NoAnswerError(Exception):
    """No whole answer came; nobody knows whether the request had its effect."""


class SaidNoError(Exception):
    """The cloud said no, in its own words; ``code`` is "" when there were none."""

    def __init__(
        self, *, status: int, code: str, message: str, request_id: str, retry_after_s: float | None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.request_id = request_id
        self.retry_after_s = retry_after_s

    def as_cloud_error(self) -> errors.CloudError:
        """Give our own error for it."""
        sense = words.error_class(self.status, self.code, self.message)
        if sense is errors.Throttled:
            return errors.Throttled(
                self.message, retry_after_s=self.retry_after_s, request_id=self.request_id
            )
        return sense(self.message, request_id=self.request_id)


class _OneTry(requests.adapters.HTTPAdapter):
    """Send once; raise unless the answer is whole, good and ours to read."""

    def __init__(self, heard: Callable[[requests.Response], float | None], pool: int) -> None:
        super().__init__(pool_maxsize=pool, max_retries=0)
        self._heard = heard

    def send(
        self,
        request: requests.PreparedRequest,
        *rest: Any,  # noqa: ANN401  (whatever the library passes is passed on)
        **named: Any,  # noqa: ANN401
    ) -> requests.Response:
        """Send a request and read the whole answer; raises SaidNoError or NoAnswerError."""
        try:
            response = super().send(request, *rest, **named)
            # Read here: requests would read later, where the SDK could take it for its own.
            body = response.content
        except requests.RequestException as error:
            raise NoAnswerError(_why(error)) from error
        wait_s = self._heard(response)
        status = response.status_code
        if status not in _SUCCESS:
            raise _said_no(response, _json_object(body), wait_s)
        if not body and status != _NO_CONTENT:
            raise NoAnswerError(f"answered {status} with nothing in it")
        return response


class Connection:
    """One login's connection; safe to use from several threads.

    ``hands`` bounds how many threads will use it at once. ``clock`` gives Unix seconds.
    """

    def __init__(self, login: contract.Login, *, hands: int, clock: Callable[[], float]) -> None:
        self._account = login.account
        self._clock = clock
        self._budget: contract.Budget | None = None
        self._client = hcloud.Client(
            login.token,
            api_endpoint=(login.endpoint or ENDPOINT).rstrip("/"),
            application_name="vps-autoscaler",
            timeout=(login.connect_timeout_s, login.read_timeout_s),
        )
        session = getattr(getattr(self._client, "_client", None), "_session", None)
        if not isinstance(session, requests.Session):
            raise TypeError(
                f"hcloud {hcloud.__version__} keeps its session elsewhere: its retries of POST "
                "cannot be switched off, and it is not safe to use"
            )
        self._session = session
        # An entry in ~/.netrc would take the place of our token; this keeps requests from looking.
        session.auth = _unchanged
        for scheme in ("https://", "http://"):
            session.mount(scheme, _OneTry(self._heard, pool=hands + 2))

    @property
    def budget(self) -> contract.Budget | None:
        """Tell the rate budget as the last answer showed it."""
        return self._budget

    def ask(self, method: str, path: str, **told: object) -> dict[str, Any]:
        """Send one request, once; give the parsed answer.

        Raises SaidNoError or NoAnswerError, which :meth:`operation` turns into ours.
        """
        try:
            answer: object = self._client.request(method, path, **told)
        except hcloud.HCloudException as error:
            raise NoAnswerError(f"answered something that is no JSON: {error}") from error
        except requests.RequestException as error:
            raise NoAnswerError(_why(error)) from error
        if not isinstance(answer, dict):
            raise NoAnswerError("answered something that is no JSON object")
        return answer

    def get(self, path: str, **params: object) -> dict[str, Any]:
        """Read; see :meth:`ask`."""
        return self.ask("GET", path, params=params)

    def pages(self, path: str, key: str, **params: object) -> list[dict[str, Any]]:
        """Read a whole list or raise NoAnswerError: never a part.

        A list that was seen to change while it was read is an error too: its length, as each page
        tells it, must stay, and as many different rows must come. (A deletion and a creation
        between two pages hide from that count; who misses a row looks it up by id.)
        """
        rows: dict[int, dict[str, Any]] = {}
        lengths: set[int] = set()
        page: int | None = 1
        while page is not None:
            told = self.get(path, page=page, per_page=PER_PAGE, **params)
            rows.update((int(row["id"]), row) for row in told[key])
            pagination = told["meta"]["pagination"]
            if pagination.get("total_entries") is not None:
                lengths.add(int(pagination["total_entries"]))
            following = pagination["next_page"]
            if following is not None and following != page + 1:
                raise NoAnswerError(f"page {page} of {path} is followed by page {following}")
            page = following
        if lengths and lengths != {len(rows)}:
            raise NoAnswerError(
                f"{path} changed while it was read: {len(rows)} rows came, "
                f"{' then '.join(str(each) for each in sorted(lengths))} were announced"
            )
        return list(rows.values())

    @contextlib.contextmanager
    def operation(self, name: str) -> Iterator[None]:
        """Let nothing but a CloudError out, with our account and the operation in it."""
        try:
            yield
        except errors.CloudError as error:
            error.account, error.operation = self._account, name
            raise
        except SaidNoError as error:
            told = error.as_cloud_error()
            if name == "look_up" and isinstance(told, errors.NoCapacity | errors.BadOrder):
                # In a look-up these speak of the order's fate; a refused question tells nothing.
                told = errors.Unreachable(told.message, request_id=told.request_id)
            told.account, told.operation = self._account, name
            raise told from error
        except NoAnswerError as error:
            raise errors.Unreachable(str(error), account=self._account, operation=name) from error
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise errors.Unreachable(
                f"the answer could not be read: {error!r}", account=self._account, operation=name
            ) from error

    def close(self) -> None:
        """Let go of connections; harmless twice."""
        self._session.close()

    def _heard(self, response: requests.Response) -> float | None:
        """Keep the rate budget that the headers tell; give the seconds to wait after a 429.

        The bucket refills all the time, and RateLimit-Reset says when it is full again (an hour,
        when it was empty): waiting for that would be far too long, so a minute is the most.
        """
        seen_at = self._clock()
        try:
            limit, remaining, reset_at = (
                float(response.headers[f"RateLimit-{name}"])
                for name in ("Limit", "Remaining", "Reset")
            )
            self._budget = contract.Budget(
                limit=int(limit),
                remaining=max(0, int(remaining)),
                reset_at=max(seen_at, reset_at),
                seen_at=seen_at,
            )
        except (KeyError, ValueError, OverflowError):
            return None
        return min(max(reset_at - seen_at, 1.0), LONGEST_THROTTLE_S)


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        payload = json.loads(body)
    except ValueError:
        return None
    return payload if isinstance(payload, dict) else None


def _said_no(
    response: requests.Response, payload: Mapping[str, Any] | None, wait_s: float | None
) -> SaidNoError:
    told = (payload or {}).get("error")
    status = response.status_code
    if not isinstance(told, dict) or not told.get("code"):
        told = {"message": f"answered {status} {response.reason} without a word of its own"}
    return SaidNoError(
        status=status,
        code=str(told.get("code", "")),
        message=_sentence(told),
        request_id=response.headers.get("X-Correlation-Id", ""),
        retry_after_s=wait_s,
    )


def _sentence(told: Mapping[str, Any]) -> str:
    """Put message, code and what the details name into one line."""
    parts = [str(told.get("message", "")).strip() or "no reason given"]
    details = told.get("details")
    if isinstance(details, dict):
        for field in details.get("fields") or ():
            messages = ", ".join(str(each) for each in field.get("messages") or ())
            parts.append(f"{field.get('name')}: {messages}" if messages else "")
        limits = [str(each.get("name")) for each in details.get("limits") or ()]
        parts.append(f"limit: {', '.join(limits)}" if limits else "")
    sentence = "; ".join(part for part in parts if part)
    return f"{sentence} ({told['code']})" if told.get("code") else sentence


def _why(error: requests.RequestException) -> str:
    """Say what broke without the library's wrapping of it."""
    cause: object = error.args[0] if error.args else error
    reason = getattr(cause, "reason", None) or cause
    if isinstance(error, requests.ConnectTimeout):
        return f"no connection in time: {reason}"
    if isinstance(error, requests.ReadTimeout):
        return f"no answer in time: {reason}"
    return f"no answer: {reason}"
