"""Talk to the API through the vendor's SDK, with its traps closed.

``hcloud`` waits for ever by default, sends a POST again after a time-out, a conflict or a 502,
and shows neither status nor headers. All three are cured below it, by :mod:`providers.kit.sdk` in
its session: every exchange that is not a whole, good answer raises :class:`SaidNoError` or
:class:`NoAnswerError` there, which the SDK's retry loop does not know and lets pass.

The SDK's high-level objects are not used: they fetch themselves anew when an attribute is empty,
and break on a field that the vendor adds to a page's description.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import hcloud
import requests

from providers import contract, errors
from providers.hetzner import vocabulary
from providers.kit import exchange, operation, sdk

ENDPOINT = "https://api.hetzner.cloud/v1"

_CLIENT_ERROR = 400

NoAnswerError = exchange.NoAnswerError


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
        """Return our own error for it."""
        sense = vocabulary.error_class(self.status, self.code, self.message)
        if sense is errors.Throttled:
            return errors.Throttled(
                self.message, retry_after_s=self.retry_after_s, request_id=self.request_id
            )
        return sense(self.message, request_id=self.request_id)


class Connection:
    """One login's connection; safe to use from several threads.

    ``hands`` bounds how many threads will use it at once. ``clock`` gives Unix seconds.
    """

    def __init__(self, login: contract.Login, *, hands: int, clock: Callable[[], float]) -> None:
        self._account = login.account
        self._token = login.token
        self._budget: contract.Budget | None = None
        endpoint = (login.endpoint or ENDPOINT).rstrip("/")
        self._client = hcloud.Client(
            login.token,
            api_endpoint=endpoint,
            application_name="vps-autoscaler",
        )
        session = getattr(getattr(self._client, "_client", None), "_session", None)
        if not isinstance(session, requests.Session):
            raise TypeError(
                f"hcloud {hcloud.__version__} keeps its session elsewhere: its retries of POST "
                "cannot be switched off, and it is not safe to use"
            )
        self._session = session
        line = exchange.Line(login, hands=hands, endpoint=endpoint, clock=clock)
        sdk.take_over(session, sdk.Adapter(line, self._heard))

    @property
    def budget(self) -> contract.Budget | None:
        """Return the rate budget as the last answer showed it."""
        return self._budget

    def ask(self, method: str, path: str, **value: object) -> dict[str, Any]:
        """Send one request, once; return the parsed answer.

        Raises SaidNoError or NoAnswerError, which :meth:`operation` turns into ours.
        """
        try:
            answer: object = self._client.request(method, path, **value)
        except hcloud.HCloudException as error:
            raise NoAnswerError(f"answered something that is no JSON: {error}") from error
        except requests.RequestException as error:
            raise NoAnswerError(f"no answer: {error}") from error
        if not isinstance(answer, dict):
            raise NoAnswerError("answered something that is no JSON object")
        return answer

    def get(self, path: str, **params: object) -> dict[str, Any]:
        """Read; see :meth:`ask`."""
        return self.ask("GET", path, params=params)

    @contextlib.contextmanager
    def operation(self, name: str) -> Iterator[None]:
        """Let nothing but a CloudError out, with our account and the operation in it."""
        with operation.operation(
            self._account,
            name,
            orders=name != "look_up",
            refusal=SaidNoError,
            translate=SaidNoError.as_cloud_error,
        ):
            exchange.check_token(self._token)
            yield

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._session.close()

    def _heard(self, _request: requests.PreparedRequest, answer: exchange.Answer) -> None:
        """Keep the rate budget of the headers; raise SaidNoError for a no.

        A 429 does not say how long to wait. The bucket refills all the time, and RateLimit-Reset
        says when it is full again (an hour, when it was empty): what matters is when the next
        request finds room.
        """
        budget = _budget(answer)
        self._budget = budget or self._budget
        if answer.status < _CLIENT_ERROR:
            return
        wait_s = answer.wait_s
        if wait_s is None and budget is not None:
            refill_s = (budget.reset_at - budget.seen_at) / max(1, budget.limit - budget.remaining)
            wait_s = exchange.bounded_s(refill_s)
        raise _said_no(answer, wait_s)


def _budget(answer: exchange.Answer) -> contract.Budget | None:
    try:
        limit, remaining, reset_at = (
            float(answer.headers[f"ratelimit-{name}"]) for name in ("limit", "remaining", "reset")
        )
        return contract.Budget(
            limit=int(limit),
            remaining=max(0, int(remaining)),
            reset_at=max(answer.seen_at, reset_at),
            seen_at=answer.seen_at,
        )
    except (KeyError, ValueError, OverflowError):
        return None


def _said_no(answer: exchange.Answer, wait_s: float | None) -> SaidNoError:
    said = (answer.payload or {}).get("error")
    if not isinstance(said, dict) or not said.get("code"):
        said = {"message": f"answered {answer.status} {answer.reason} without a word of its own"}
    return SaidNoError(
        status=answer.status,
        code=str(said.get("code", "")),
        message=_sentence(said),
        request_id=answer.headers.get("x-correlation-id", ""),
        retry_after_s=wait_s,
    )


def _sentence(fields: Mapping[str, Any]) -> str:
    """Put message, code and what the details name into one line."""
    parts = [str(fields.get("message", "")).strip() or "no reason given"]
    details = fields.get("details")
    if isinstance(details, dict):
        for field in _rows(details.get("fields")):
            listed = field.get("messages")
            messages = ", ".join(str(each) for each in listed) if isinstance(listed, list) else ""
            parts.append(f"{field.get('name')}: {messages}" if messages else "")
        limits = [str(each.get("name")) for each in _rows(details.get("limits"))]
        parts.append(f"limit: {', '.join(limits)}" if limits else "")
    sentence = "; ".join(part for part in parts if part)
    return f"{sentence} ({fields['code']})" if fields.get("code") else sentence


def _rows(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
