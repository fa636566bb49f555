"""Carry what a vendor's SDK on ``requests`` sends over our own
:class:`providers.kit.exchange.Line`.

Such an SDK keeps its way of putting a request together; its connections, timeouts, redirects,
cookies and repetitions are not used. What comes back is whole, good and bounded, or it raises
below the SDK, which then has nothing to repeat.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import requests
import requests.adapters
import urllib3

from providers.kit import exchange

_SUCCESS = range(200, 300)
_CLIENT_ERROR = 400
_NO_CONTENT = 204


class Adapter(requests.adapters.HTTPAdapter):
    """Send once, and let only a good answer through.

    ``judge`` sees every answer first, with what was asked, and raises its own error for a no
    (a status of 400 or more); :class:`providers.kit.exchange.NoAnswerError` is raised for the rest.
    """

    def __init__(
        self,
        line: exchange.Line,
        judge: Callable[[requests.PreparedRequest, exchange.Answer], None],
    ) -> None:
        super().__init__(max_retries=0)
        self._line = line
        self._judge = judge

    def send(
        self,
        request: requests.PreparedRequest,
        *_rest: Any,  # noqa: ANN401  (timeouts, certificates, proxies: all ours)
        **_named: Any,  # noqa: ANN401
    ) -> requests.Response:
        """Send a request and return its answer, which holds nothing but a status and a body."""
        body = request.body or b""
        if isinstance(body, str):
            body = body.encode("utf-8")
        if not isinstance(body, bytes):
            raise TypeError(f"a request's body is a {type(body).__name__}")
        headers = {name: _text(value) for name, value in request.headers.items()}
        answer = self._line.exchange(request.method or "", request.url or "", headers, body)
        self._judge(request, answer)
        if answer.status not in _SUCCESS:
            raise exchange.NoAnswerError(
                f"answered {answer.status}: is the endpoint really the vendor's API?"
            )
        if answer.payload is None and answer.status != _NO_CONTENT:
            raise exchange.NoAnswerError(f"answered {answer.status} with {answer.flaw}")
        response = self.build_response(
            request,
            urllib3.HTTPResponse(
                body=io.BytesIO(answer.content),
                status=answer.status,
                reason=answer.reason,
                preload_content=False,
            ),
        )
        response.encoding = "utf-8"
        return response

    def close(self) -> None:
        """Close the connections; may be called twice."""
        super().close()
        self._line.close()


def take_over(session: requests.Session, adapter: Adapter) -> None:
    """Send all that an SDK's session sends through ours, and keep it from reading ~/.netrc.

    An entry in that file would take the place of our token.
    """
    session.auth = _unchanged
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
