"""Ask a cloud once and give its answer, bounded in time, in size and in shape: the one place.

Every byte between us and a cloud passes here, whichever library puts the request together (our
own :mod:`providers.rest`, or a vendor's SDK through :mod:`providers.kit.sdk`). A cloud, or whoever
answers in its place, may be broken or hostile: nothing that it sends holds a thread for longer
than the deadline, takes more memory than the limits allow, or takes our token elsewhere.
"""

from __future__ import annotations

import dataclasses
import email.utils
import json
import os
import re
import ssl
import time
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import certifi
import httpcore

from providers import contract, errors, masking
from providers.kit import jsontext, network

LARGEST_ANSWER_BYTES = 8 * 1024 * 1024
"""Of a body as it comes, and of what it is when unpacked. The largest page that a vendor sends
(500 machines, 200 sizes) has about one megabyte."""

LONGEST_WAIT_S = 60.0
SHORTEST_WAIT_S = 1.0
"""How long a 429 may make us wait, in seconds: negative and absurd figures have been seen."""

READERS = 3
"""Connections beside those of the hands: a listing, the types and the prices at once."""

_READS = {"GET", "HEAD", "OPTIONS"}
_IDLE_S = 10.0
_TOKEN = re.compile(r"[\x21-\x7e]+")
_GZIP = {"gzip", "x-gzip"}
_GZIP_WINDOW = 31

NoAnswerError = network.NoAnswerError

Headers = Mapping[str, str]
"""An answer's headers; their names are lower-case."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer. ``seen_at`` is when it came, in Unix seconds.

    ``payload`` is the JSON object in it, None where there is none that can be read; ``flaw`` says
    why then, in words that go on from "answered with". ``content`` is empty in that case, so that
    nobody else tries; ``empty`` says that nothing came.
    """

    status: int
    reason: str
    headers: Headers
    content: bytes
    payload: dict[str, Any] | None
    flaw: str
    seen_at: float
    empty: bool = False

    @property
    def wait_s(self) -> float | None:
        """Return what its Retry-After asks for in seconds, within bounds; None when it has none."""
        return retry_after_s(self.headers.get("retry-after", ""), self.seen_at)


class Line:
    """One login's connections; safe to use from several threads.

    ``hands`` bounds how many threads will use it at once; a call that hangs holds its own
    connection and nothing else. ``clock`` gives Unix seconds. An exchange takes at most the
    login's read timeout as a whole, connecting, headers and body included, and its connect
    timeout for connecting.
    """

    def __init__(
        self,
        login: contract.Login,
        *,
        hands: int,
        endpoint: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._token = login.token
        self._whole_s = login.read_timeout_s
        self._clock = clock
        self._may_send = login.may_send
        self._network = network.Network(login.connect_timeout_s)
        self._pool = httpcore.ConnectionPool(
            ssl_context=_trust() if endpoint.startswith("https://") else None,
            proxy=_proxy(endpoint),
            max_connections=hands + READERS,
            keepalive_expiry=_IDLE_S,
            network_backend=self._network,
        )

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        """Send one request, once, and read its whole answer; raises NoAnswerError.

        Nothing is followed, repeated or remembered: no redirect, no cookie.
        """
        check_token(self._token)
        sent = {name.lower(): value for name, value in headers.items()}
        sent |= {"accept-encoding": "gzip"}
        try:
            with (
                self._network.within(self._whole_s, self._fence(method)),
                self._pool.stream(
                    method,
                    url,
                    headers=list(sent.items()),
                    content=body or None,
                    extensions={"timeout": {"pool": self._whole_s}},
                ) as response,
            ):
                raw = _read(response)
                _hang_up_on_more(response, raw)
        except httpcore.PoolTimeout as error:
            raise NoAnswerError("no free connection in time") from error
        except (
            httpcore.NetworkError,
            httpcore.ProtocolError,
            httpcore.ProxyError,
            httpcore.UnsupportedProtocol,
            ValueError,  # an address that is none
        ) as error:
            why = f"no whole answer: {error}" if str(error) else "no whole answer"
            raise NoAnswerError(masking.one_line(why, 300)) from error
        return self._answer(response, raw)

    def _fence(self, method: str) -> Callable[[], None]:
        """Return what is called right before bytes of a request are sent."""

        def fence() -> None:
            if method.upper() not in _READS and (why := self._may_send()):
                raise NoAnswerError(f"not sent: {why}")

        return fence

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._pool.close()

    def _answer(self, response: httpcore.Response, raw: bytes) -> Answer:
        headers: dict[str, str] = {}
        for name, value in response.headers:
            headers.setdefault(name.decode("latin-1").lower(), self._text(value))
        payload, flaw = None, "nothing in it"
        content = _unpacked(raw, headers.get("content-encoding", "identity"))
        if content:
            try:
                payload = jsontext.read_object(content, hide=self._token)
            except jsontext.NotReadable as error:
                content, flaw = b"", str(error)
        if b"\\" in content or self._token.encode() in content:
            # What was cleaned away must not come back when an SDK reads it again.
            content = json.dumps(payload, default=float).encode("ascii")
        return Answer(
            status=response.status,
            reason=self._text(response.extensions.get("reason_phrase", b""))[:100],
            headers=headers,
            content=content,
            payload=payload,
            flaw="" if payload is not None else flaw,
            seen_at=self._clock(),
            empty=not raw,
        )

    def _text(self, value: bytes) -> str:
        text = value.decode("latin-1")
        return text.replace(self._token, masking.TOKEN) if self._token in text else text


def check_token(token: str) -> None:
    """Refuse what no header can carry, before a library quotes it in its complaint."""
    if not _TOKEN.fullmatch(token):
        raise errors.BadCredentials("the token is empty or holds characters that no token has")


def retry_after_s(header: str, now: float) -> float | None:
    """Read a Retry-After, in seconds or as a date, within bounds; None when it is neither."""
    try:
        wait_s = float(header)
    except ValueError:
        try:
            wait_s = email.utils.parsedate_to_datetime(header).timestamp() - now
        except (ValueError, OverflowError, TypeError):
            return None
    return bounded_s(wait_s)


def bounded_s(wait_s: float) -> float:
    """Put a wait within bounds; what is no number is the shortest."""
    return min(wait_s, LONGEST_WAIT_S) if wait_s > SHORTEST_WAIT_S else SHORTEST_WAIT_S


def _read(response: httpcore.Response) -> bytes:
    raw = bytearray()
    for part in response.iter_stream():
        raw += part
        if len(raw) > LARGEST_ANSWER_BYTES:
            raise NoAnswerError(f"answered with more than {LARGEST_ANSWER_BYTES} bytes")
    return bytes(raw)


def _hang_up_on_more(response: httpcore.Response, raw: bytes) -> None:
    """Close a connection on which more came than the answer: the next would be taken from it."""
    stream = response.extensions.get("network_stream")
    if not isinstance(stream, network.Stream) or not raw:
        return
    chunked = any(name.lower() == b"transfer-encoding" for name, _ in response.headers)
    if not stream.ending.endswith(b"\r\n\r\n" if chunked else raw[-len(stream.ending) :]):
        stream.close()


def _unpacked(raw: bytes, coding: str) -> bytes:
    """Undo the one packing that we ask for, within the same limit; raises NoAnswerError."""
    coding = coding.strip().lower()
    if not raw or coding in {"identity", ""}:
        return raw
    if coding not in _GZIP:
        raise NoAnswerError(
            masking.one_line(f"answered with {coding}, which was not asked for", 100)
        )
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    try:
        content = unpacker.decompress(raw, LARGEST_ANSWER_BYTES + 1)
    except zlib.error as error:
        raise NoAnswerError(f"answered with broken gzip: {error}") from error
    if len(content) > LARGEST_ANSWER_BYTES:
        raise NoAnswerError(f"answered with more than {LARGEST_ANSWER_BYTES} bytes, unpacked")
    if not unpacker.eof or unpacker.unused_data:
        raise NoAnswerError("answered with broken gzip: it ends too early or too late")
    return content


def _trust() -> ssl.SSLContext:
    """Trust whom the environment says, as the vendors' libraries do, else what is usual."""
    bundles = (os.environ.get(name) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"))
    return ssl.create_default_context(cafile=next(filter(None, bundles), None) or certifi.where())


def _proxy(endpoint: str) -> httpcore.Proxy | None:
    """Return the proxy that the environment names for an endpoint (HTTPS_PROXY, NO_PROXY, ...)."""
    try:
        parts = urllib.parse.urlsplit(endpoint)
    except ValueError:
        return None  # the first exchange says so
    proxies = urllib.request.getproxies()
    address = proxies.get(parts.scheme) or proxies.get("all", "")
    if not address or urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    where = urllib.parse.urlsplit(address if "://" in address else f"http://{address}")
    if where.scheme != "http":
        raise ValueError(f"the proxy of the environment is no http:// one: {where.scheme}://")
    auth = None
    if where.username is not None:
        auth = (urllib.parse.unquote(where.username), urllib.parse.unquote(where.password or ""))
    port = f":{where.port}" if where.port else ""
    return httpcore.Proxy(f"http://{where.hostname}{port}", auth=auth)
