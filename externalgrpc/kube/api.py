"""Speak JSON with an API server: plain dictionaries, a time-out on everything, no retries.

The official client's generated models refuse objects that its release finds odd (a Node condition
without status), and any object in a user's cluster may be odd one day. So only its configuration
and its connection pool are used (:mod:`externalgrpc.kube.connection`), and readers of the
dictionaries take nothing for granted.
"""

from __future__ import annotations

import contextlib
import email.utils
import json
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import urllib3

from externalgrpc.kube import errors, fenced_pool
from externalgrpc.support import clock

Object = dict[str, Any]
"""A Kubernetes object as JSON has it."""

CONNECT_S: Final = 5.0
READ_S: Final = 20.0

SILENCE_S: Final = 100.0
"""A watch that says nothing for so long is taken for dead.

The server sends a bookmark about once a minute, so a live one is never as silent.
"""

_MERGE_PATCH: Final = "application/merge-patch+json"
_APPLY_PATCH: Final = "application/apply-patch+yaml"
"""JSON is YAML too."""

_CHUNK_BYTES: Final = 1 << 16


class Change(NamedTuple):
    """One line of a watch: ADDED, MODIFIED, DELETED, BOOKMARK or ERROR, and what it is about."""

    kind: str
    object: Object


class Watch:
    """A watch under way: iterate over its changes; :meth:`cut` ends it from another thread.

    Iterating raises Unreachable when the connection breaks or falls silent, and ends when the
    server ends the watch.
    """

    def __init__(self, reply: urllib3.BaseHTTPResponse, operation: str) -> None:
        self._reply = reply
        self._operation = operation

    def __iter__(self) -> Iterator[Change]:
        rest = b""
        try:
            for chunk in self._reply.stream(_CHUNK_BYTES):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (self._change(line) for line in lines if line.strip())
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise errors.Unreachable(
                f"the watch broke: {_reason(error)}", operation=self._operation
            ) from error
        finally:
            self._reply.close()

    def cut(self) -> None:
        """End the watch now; callable from any thread, harmless when it is over."""
        with contextlib.suppress(ValueError, RuntimeError, OSError):
            self._reply.shutdown()

    def close(self) -> None:
        """Let the connection go; for the thread that iterates."""
        self._reply.close()

    def _change(self, line: bytes) -> Change:
        text = _decoded(line, self._operation)
        thing = text.get("object")
        return Change(str(text.get("type")), thing if isinstance(thing, dict) else {})


class Api:
    """A connection to one API server; callable from many threads.

    Every method raises :class:`externalgrpc.kube.errors.KubeError`. ``authorization`` gives the
    value of that header, or "" where the connection itself says who we are; it may read files.
    ``silence_s`` is how long a watch may say nothing, ``read_s`` how long any other answer may
    take. ``may_write`` is asked before each request that is no GET, and again when its bytes go
    out: why it must not be sent now, empty when it may. The pool is fresh, and this one's alone.
    """

    def __init__(
        self,
        pool: urllib3.PoolManager,
        host: str,
        *,
        authorization: Callable[[], str],
        time_source: clock.Clock,
        silence_s: float = SILENCE_S,
        read_s: float = READ_S,
        may_write: Callable[[], str] = lambda: "",
    ) -> None:
        self._read_s = read_s
        self._may_write = may_write
        self._silence_s = silence_s
        fenced_pool.fence(pool, may_write)
        self._pool = pool
        self._host = host.rstrip("/")
        self._authorization = authorization
        self._credentials = threading.Lock()
        self._clock = time_source
        self._skew_s = 0.0

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Object:
        """Read an object or a page of a list."""
        return self._call("GET", path, query=query)

    def post(self, path: str, body: Object) -> Object:
        """Create an object."""
        return self._call("POST", path, body=body)

    def put(self, path: str, body: Object) -> Object:
        """Replace an object."""
        return self._call("PUT", path, body=body)

    def patch(self, path: str, body: Object) -> Object:
        """Merge into an object (RFC 7386)."""
        return self._call("PATCH", path, body=body, kind=_MERGE_PATCH)

    def apply(self, path: str, body: Object, *, manager: str, force: bool = True) -> Object:
        """Apply an object on the server's side, as the owner of exactly the fields in it.

        What the same manager applied before and leaves out now is removed; a field of another's is
        taken over, or without ``force`` refused (Conflict). Creates the object where it is not
        there and we may create it: a uid in ``body`` holds it to the one that was seen.
        """
        query = {"fieldManager": manager, "force": "true" if force else "false"}
        return self._call("PATCH", path, query=query, body=body, kind=_APPLY_PATCH)

    def delete(self, path: str, *, uid: str = "", resource_version: str = "") -> None:
        """Delete an object, and only the one that has this uid and version, where they are given.

        Raises NotFound when it is gone already, Conflict when it is not that one.
        """
        wanted = {"uid": uid, "resourceVersion": resource_version}
        preconditions = {name: value for name, value in wanted.items() if value}
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if preconditions:
            body["preconditions"] = preconditions
        self._call("DELETE", path, body=body)

    def watch(self, path: str, query: Mapping[str, str]) -> Watch:
        """Open a watch; it lasts until the server ends it, breaks, or falls silent."""
        operation = f"WATCH {path}"
        reply = self._send(
            "GET", path, operation, query={**query, "watch": "true"}, read_s=self._silence_s
        )
        if reply.status != 200:
            self._refuse(reply, operation)
        return Watch(reply, operation)

    def server_unix(self) -> float:
        """Return the API server's Unix time in seconds: ours, corrected by its last answer.

        To about a second, once anything was asked; our own time before.
        """
        return self._clock.unix() + self._skew_s

    @property
    def skew_s(self) -> float:
        """Return how far the server's clock is ahead of ours, in seconds."""
        return self._skew_s

    def close(self) -> None:
        """Close idle connections."""
        self._pool.clear()

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        kind: str = "application/json",
    ) -> Object:
        operation = f"{method} {path}"
        reply = self._send(method, path, operation, query=query, body=body, kind=kind)
        if not 200 <= reply.status < 300:
            self._refuse(reply, operation)
        return _decoded(self._read(reply, operation), operation)

    def _send(
        self,
        method: str,
        path: str,
        operation: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        kind: str = "",
        read_s: float = 0.0,
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": "application/json", "User-Agent": "vps-autoscaler"}
        if body is not None:
            headers["Content-Type"] = kind
        with self._credentials:
            if authorization := self._authorization():
                headers["Authorization"] = authorization
        url = f"{self._host}{path}"
        if query:
            url += "?" + urllib.parse.urlencode(query)
        content = None if body is None else json.dumps(body).encode()
        if method != "GET" and (why := self._may_write()):
            raise errors.NotLeading(f"not sent: {why}", operation=operation)
        try:
            reply = self._pool.request(
                method,
                url,
                body=content,
                headers=headers,
                timeout=urllib3.Timeout(
                    connect=min(CONNECT_S, self._read_s), read=read_s or self._read_s
                ),
                retries=False,
                redirect=False,
                preload_content=False,
            )
        except fenced_pool.Fenced as error:
            raise errors.NotLeading(f"not sent: {error}", operation=operation) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise errors.Unreachable(_reason(error), operation=operation) from error
        self._note_time(reply.headers.get("Date", ""))
        return reply

    def _refuse(self, reply: urllib3.BaseHTTPResponse, operation: str) -> None:
        try:
            message = _decoded(self._read(reply, operation), operation).get("message")
        except errors.Invalid:
            message = None
        raise errors.of(reply.status, str(message or reply.reason or "no reason given"), operation)

    def _read(self, reply: urllib3.BaseHTTPResponse, operation: str) -> bytes:
        try:
            return reply.read()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise errors.Unreachable(
                f"the answer broke off: {_reason(error)}", operation=operation
            ) from error
        finally:
            reply.release_conn()

    def _note_time(self, date: str) -> None:
        with contextlib.suppress(ValueError, TypeError):
            unix = email.utils.parsedate_to_datetime(date).timestamp()
            self._skew_s = unix + 0.5 - self._clock.unix()


def segment(name: str) -> str:
    """Write a name as one segment of a path, whatever it holds."""
    return urllib.parse.quote(name, safe="")


def _decoded(text: bytes, operation: str) -> Object:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise errors.Invalid("the answer is not JSON", operation=operation) from error
    if not isinstance(document, dict):
        raise errors.Invalid("the answer is no object", operation=operation)
    return document


def _reason(error: Exception) -> str:
    # A connection's own words name its object and address first: the last part says what is wrong.
    match error:
        case urllib3.exceptions.NewConnectionError() | urllib3.exceptions.ConnectTimeoutError():
            return "cannot connect"
        case urllib3.exceptions.ReadTimeoutError():
            return "no answer in time"
        case urllib3.exceptions.SSLError():
            return f"TLS failed: {error}"
        case urllib3.exceptions.ProtocolError():
            return "the connection was closed"
        case _:
            return type(error).__name__
