"""Describe how a machine learns its own id, which a join writes into its Node's providerID.

The class of a cloud says it once, as :attr:`providers.contract.Provider.metadata_service`. From it
the server renders what a machine asks when it joins, and what it keeps pods from; it is also why
the id that the API shows and the one that a machine finds can be held to be the same. A providerID
is never corrected: a Node with a wrong one belongs to no machine, for ever.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import re
import urllib.parse
from typing import Any, Final

LINK_LOCAL: Final = ("169.254.169.254", "fd00:a9fe:a9fe::1", "fe80::a9fe:a9fe")
"""Where metadata services usually are."""

TEXT: Final = "{}"
"""The template of a service that answers with the id and nothing else."""

_HARMLESS: Final = re.compile(r"[A-Za-z0-9._:/~+-]*", re.ASCII)
_URL: Final = re.compile(r"https?://[A-Za-z0-9\[][A-Za-z0-9.:\[\]-]*(/[!-~]*)?", re.ASCII)
_HEADER: Final = re.compile(r"[A-Za-z0-9-]+: [ -~]*[!-~]", re.ASCII)
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9-]+", re.ASCII)
_PATH: Final = r"[A-Za-z0-9_.-]+"
_HOLE: Final = re.compile(r"\{([^{}]*)\}", re.ASCII)
_TEMPLATE: Final = re.compile(rf"(?:[A-Za-z0-9._:/~+-]|\{{{_PATH}(?:\|{_PATH})*\}})+", re.ASCII)
_ELSEWHERE: Final = re.compile(r"\(\?|\[:|[*+?}]\?|[*+]\+|\\[A-Za-z0-9]|[\s'\"]|[^ -~]")
"""What Python's regular expressions and a shell's (POSIX, extended) do not read alike."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """How a cloud's machine learns its id, without a login of the cloud's.

    What it learns is :attr:`providers.contract.Instance.id`, letter by letter, and its providerID
    is ``<scheme>://<prefix><id>``.

    ``url`` is asked by GET, with ``headers`` ("Name: value"); "" where there is no such service.
    ``id`` is the template of the id over what is answered: ``{}`` stands for the whole answer,
    where that is text; ``{name}`` for a field of a JSON answer, where a dot leads further in and
    ``{a|b}`` takes the first that is there and not empty. So ``{zone|location.zone_id}/{id}``
    makes one id of two fields.

    ``token_url`` is asked before, by PUT with ``token_headers``, for a token that the GET must
    carry in ``token_header``.

    ``pattern`` is what every id of the cloud matches as a whole: a regular expression as Python and
    a shell's ``[[ =~ ]]`` read alike, without backslashes before letters. A machine that finds
    anything else says so on its console and does not join. An id is made of letters, digits and
    ``._:/~+-`` in any case, and so is ``prefix``.

    ``cloud_init`` says whether the instance-id that cloud-init knows is that id as well: it is
    taken where there is no service, or where it stays silent.

    ``block`` are the addresses, or networks, that ``blockMetadata`` keeps pods from: all of the
    cloud's own that answer a machine, IPv6 too. Those in ``url`` and ``token_url`` need not be said
    again. ``beside`` is the network of private addresses that stand beside the public one on the
    same NIC and lead somewhere, or "".

    ``decodes_base64`` says whether cloud-init on the cloud's usual images decodes user-data that
    is base64 as a whole (its datasource's ``maybe_b64decode``).

    Raises ValueError where it cannot be meant so.
    """

    url: str = ""
    headers: tuple[str, ...] = ()
    id: str = TEXT
    token_url: str = ""
    token_headers: tuple[str, ...] = ()
    token_header: str = ""
    prefix: str = ""
    pattern: str = "[A-Za-z0-9][A-Za-z0-9._-]*"
    cloud_init: bool = True
    block: tuple[str, ...] = LINK_LOCAL
    beside: str = ""
    decodes_base64: bool = False

    def __post_init__(self) -> None:
        for name in ("url", "token_url"):
            url = getattr(self, name)
            if url and not _URL.fullmatch(url):
                raise ValueError(f"{name} must be an http:// or https:// address, not {url!r}")
        if self.id != TEXT and not _TEMPLATE.fullmatch(self.id):
            raise ValueError(f"id must be {TEXT} or a template such as {{zone}}/{{id}}")
        if self.id != TEXT and not _HOLE.search(self.id):
            raise ValueError(f"id {self.id!r} names no field: every machine would have it")
        for header in (*self.headers, *self.token_headers):
            if not _HEADER.fullmatch(header):
                raise ValueError(f"a header is written 'Name: value', not {header!r}")
        if bool(self.token_url) != bool(_HEADER_NAME.fullmatch(self.token_header)):
            raise ValueError("token_url and token_header, a header's name, go together")
        if self.token_url and not self.url:
            raise ValueError("token_url is asked before url, which is missing")
        if not _HARMLESS.fullmatch(self.prefix):
            raise ValueError(f"prefix {self.prefix!r} may hold letters, digits and ._:/~+- only")
        self._check_pattern()
        for each in self.block:
            ipaddress.ip_network(each)
        if self.beside:
            ipaddress.IPv4Network(self.beside)

    def _check_pattern(self) -> None:
        if found := _ELSEWHERE.search(self.pattern):
            raise ValueError(f"pattern {self.pattern!r}: {found[0]!r} is not the same to a shell")
        try:
            compiled = re.compile(self.pattern)
        except re.error as error:
            raise ValueError(f"pattern {self.pattern!r} is none: {error}") from error
        if compiled.fullmatch(""):
            raise ValueError(f"pattern {self.pattern!r} takes an id that is empty")

    @property
    def learnable(self) -> bool:
        """Return whether a machine can learn its id at all."""
        return bool(self.url) or self.cloud_init

    @property
    def blocked(self) -> tuple[str, ...]:
        """Return what pods are kept from, the addresses in the URLs included."""
        hosts = [urllib.parse.urlsplit(each).hostname or "" for each in (self.url, self.token_url)]
        return tuple(dict.fromkeys((*self.block, *filter(_is_address, hosts))))

    def provider_id(self, scheme: str, instance_id: str) -> str:
        """Return the providerID of the machine that has this id."""
        return f"{scheme}://{self.prefix}{instance_id}"

    def problem(self, instance_id: str) -> str:
        """Return why an id is none of this cloud's, or ""."""
        if not re.fullmatch(self.pattern, instance_id):
            return f"{instance_id!r} does not match {self.pattern}"
        if not _HARMLESS.fullmatch(instance_id):
            return f"{instance_id!r} holds more than letters, digits and ._:/~+-"
        return ""

    def read(self, answer: str) -> str:
        """Return the id that an answer of the service holds, as a machine reads it.

        Raises ValueError where it holds none.
        """
        if self.id == TEXT:
            return answer.rstrip("\n")
        whole = json.loads(answer)

        def filled(hole: re.Match[str]) -> str:
            for path in hole[1].split("|"):
                if word := _word(whole, path):
                    return word
            raise ValueError(f"the answer has no {hole[1]}")

        return _HOLE.sub(filled, self.id)


def _word(at: Any, path: str) -> str:  # noqa: ANN401 - JSON
    """Follow a path into JSON; "" where it leads to no text and no whole number."""
    for key in path.split("."):
        at = at.get(key) if isinstance(at, dict) else ""
    return str(at) if isinstance(at, (str, int)) and not isinstance(at, bool) else ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
