"""Hold every request of ours, and every reply of a fake, to the vendor's own OpenAPI document.

The documents lie beside the repository and are not ours to copy: where they are absent,
:func:`load` gives None and the test that asked says what it leaves out. Known errors of a document
are written down as :class:`Known`, one by one, each with its reason.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import openapi_core
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from werkzeug.datastructures import Headers, ImmutableMultiDict

from providers.fakes import engine, faults

REFERENCE = Path(__file__).parents[3] / "shared" / "specs"
_SPOILED = {
    faults.FaultKind.HTML,
    faults.FaultKind.TRUNCATED,
    faults.FaultKind.EMPTY,
    faults.FaultKind.CHANGED,
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An error of a document that we live with.

    ``where`` is "request" or "reply"; ``route`` is searched for in "METHOD template" and
    ``problem`` in what the validator says, both regular expressions.
    """

    where: str
    route: str
    problem: str
    why: str

    def covers(self, where: str, route: str, problem: str) -> bool:
        """Return whether a problem is this one."""
        return (
            self.where == where
            and re.search(self.route, route) is not None
            and re.search(self.problem, problem) is not None
        )


@dataclasses.dataclass(slots=True)
class _Asked:
    """A request in the shape that openapi-core reads."""

    host_url: str
    path: str
    method: str
    parameters: RequestParameters
    body: bytes | None
    content_type: str

    @property
    def full_url_pattern(self) -> str:
        return self.host_url + self.path


@dataclasses.dataclass(frozen=True, slots=True)
class _Said:
    """A reply in the shape that openapi-core reads."""

    data: bytes | None
    status_code: int
    content_type: str
    headers: Headers


class Document:
    """One vendor's document; ``host_url`` is what stands before the paths that the fake serves."""

    def __init__(self, raw: dict[str, Any], known: Sequence[Known]) -> None:
        self._raw = raw
        self._openapi = openapi_core.OpenAPI.from_dict(raw)
        server = raw["servers"][0]["url"]
        self._host = re.match(r"https?://[^/]+", server).group()  # type: ignore[union-attr]
        self._known = known
        self._passed: set[object] = set()
        self.used: set[Known] = set()
        self.seen: set[str] = set()

    def problems(self, exchanges: Iterable[engine.Exchange]) -> list[str]:
        """Check exchanges; give one line for each thing that the document does not allow."""
        return [line for each in exchanges for line in self._check(each)]

    def enum(self, method: str, template: str, key: str, field: str) -> list[str]:
        """Return the words that a field of a listed thing may have."""
        operation = self._raw["paths"][template][method.lower()]
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        words: list[str] = schema["properties"][key]["items"]["properties"][field]["enum"]
        return words

    def _check(self, exchange: engine.Exchange) -> Iterator[str]:
        request, reply = exchange.request, exchange.reply
        asked = _Asked(
            host_url=self._host,
            path=request.path,
            method=request.method.lower(),
            parameters=RequestParameters(
                query=ImmutableMultiDict(request.query),
                header=Headers([*request.headers.items(), ("Authorization", "Bearer x")]),
            ),
            body=request.body or None,
            content_type=request.header("Content-Type") or "application/json",
        )
        route = f"{request.method} {exchange.template or request.path}"
        self.seen.add(route)
        question = (route, request.path, request.query, request.body, asked.content_type)
        for line in self._complaints(question, self._openapi.validate_request, asked):
            if not self._lives_with("request", route, line):
                yield f"request {route}: {line}"
        if not exchange.sent or exchange.fault in _SPOILED:
            return
        said = _Said(
            data=reply.payload() or None,
            status_code=reply.status,
            content_type=reply.content_type,
            headers=Headers(reply.headers),
        )
        answer = (route, said.status_code, said.content_type, said.data)
        for line in self._complaints(answer, self._openapi.validate_response, asked, said):
            if not self._lives_with("reply", route, line):
                yield f"reply {reply.status} {route}: {line}"

    def _lives_with(self, where: str, route: str, problem: str) -> bool:
        found = [known for known in self._known if known.covers(where, route, problem)]
        self.used.update(found)
        return bool(found)

    def _complaints(self, what: object, check: Callable[..., None], *checked: object) -> list[str]:
        """Check, unless the very same thing has passed before; give what is wrong."""
        if what in self._passed:
            return []
        try:
            check(*checked)
        except OpenAPIError as error:
            return list(_lines(error))
        self._passed.add(what)
        return []


def _lines(error: BaseException) -> Iterator[str]:
    """Give the leaves of a validation error: path and message, one each."""
    inner = list(getattr(error, "schema_errors", ()))
    if inner:
        for each in inner:
            where = "/".join(str(part) for part in each.absolute_path)
            yield f"{where or 'body'}: {each.message}"
    elif error.__cause__ is not None:
        yield from _lines(error.__cause__)
    else:
        yield f"{type(error).__name__}: {error}"


@functools.cache
def _raw(vendor: str) -> str:
    return (REFERENCE / f"{vendor}.json").read_text()


def load(vendor: str, known: Sequence[Known] = ()) -> Document | None:
    """Load a vendor's document, or None where it does not lie beside the repository."""
    if not (REFERENCE / f"{vendor}.json").exists():
        return None
    return Document(json.loads(_raw(vendor)), known)
