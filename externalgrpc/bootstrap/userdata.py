"""Read user-data as cloud-init does, to say before any money is spent that it would not run.

cloud-init (user_data.py, handlers/__init__.py) goes by the very first characters, and ignores, with
a line in a log that nobody sees, what begins with anything else. A part of a MIME message says by
its type what it is; a plain one is looked at as if it stood alone.
"""

from __future__ import annotations

import dataclasses
import email
import email.message
import re
from collections.abc import Iterator, Mapping
from typing import Final

import yaml

from externalgrpc.bootstrap import encoded, packed

"""What ``userDataFormat`` of a group can be."""

_HEADERS: Final = (
    "#cloud-config-archive",
    "#cloud-config-jsonp",
    "#cloud-config",
    "#cloud-boothook",
    "#upstart-job",
    "#part-handler",
    "#include-once",
    "#include",
    "#!",
)
_SHAPES: Final[Mapping[str, type[yaml.Node]]] = {
    "#cloud-config": yaml.MappingNode,
    "#cloud-config-archive": yaml.SequenceNode,
    "#cloud-config-jsonp": yaml.SequenceNode,
}
"""What must follow on a header that announces a document."""

_JINJA: Final = re.compile(r"##\s*template:\s*jinja\s*(?:\n|\Z)", re.IGNORECASE)
_MIME_WITHIN: Final = 4096
"""cloud-init looks for MIME-Version in so much of the beginning."""

_TYPES: Final = {
    "text/cloud-config": "#cloud-config",
    "text/x-shellscript": "#!",
    "text/x-shellscript-per-boot": "#!",
    "text/x-shellscript-per-instance": "#!",
    "text/x-shellscript-per-once": "#!",
    "text/jinja2": "jinja",
}
_LOOKED_AT: Final = frozenset({"text/plain", "text/x-not-multipart", "application/octet-stream"})
_SETTING: Final = "or set userDataFormat: other where the image reads it (Talos, Ignition)"
_PACKERS: Final = {
    "xz": b"\xfd7zXZ\x00",
    "zstd": b"\x28\xb5\x2f\xfd",
    "bzip2": b"BZh",
    "zip": b"PK\x03\x04",
}
"""How files of other packers begin."""


_SHOWN: Final = 60


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is wrong with user-data, and where; ``line`` and ``column`` count from 1.

    ``fatal`` where cloud-init would refuse it; else nobody on the clouds' usual images runs it.
    """

    line: int
    column: int
    message: str
    cure: str
    fatal: bool = False


def decoded(raw: bytes) -> str:
    """Read a file as text: without its byte order mark, its lines ended as Linux ends them.

    Raises ValueError with the reason, as the rest of a sentence, where it is no text.
    """
    if packed.zipped(raw):
        raise ValueError("is gzip, and clouds take text only: give it unpacked")
    for name, magic in _PACKERS.items():
        if raw.startswith(magic):
            raise ValueError(f"is {name}, which cloud-init does not unpack: give it unpacked")
    if raw[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        raise ValueError("is UTF-16: save it as UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("is not UTF-8 text: save it as UTF-8") from error
    return text.replace("\r\n", "\n")


def judge(text: str, *, decodes_base64: bool) -> Iterator[Trouble]:
    """Say what cloud-init on the usual images of a cloud would not run of this user-data.

    ``text`` has its variables filled in. ``decodes_base64`` says whether the cloud's cloud-init
    decodes user-data that is base64 as a whole.
    """
    for part in encoded.parts(text):
        if re.match("(?:\ufeff#!|#![^\n]*\r)", part.inner):
            yield Trouble(
                line=text.count("\n", 0, part.start) + 1,
                column=part.start - text.rfind("\n", 0, part.start),
                message="the script in this base64 has a byte order mark or a carriage return in "
                "its first line: no Linux runs it",
                cure="Save it as UTF-8 with line feeds only, and encode it again",
            )
    if decodes_base64 and (inner := _as_base64(text)) is not None:
        for each in _judge(inner):
            yield dataclasses.replace(
                each, line=1, column=1, message=f"in its base64 {each.message}"
            )
        return
    yield from _judge(text)


def _judge(text: str) -> Iterator[Trouble]:
    if _is_mime(text):
        yield from _mime(text)
        return
    yield from _one(text)


def _one(text: str) -> Iterator[Trouble]:
    """Judge what is no MIME message."""
    kind = _kind(text)
    if kind in _SHAPES:
        yield from _document(text, kind)
    elif kind == "jinja":
        rest = text.split("\n", 1)[1] if "\n" in text else ""
        if not _kind(rest):
            yield _headless(rest, 1)
    elif not kind:
        yield _headless(text, 0)


def _kind(text: str) -> str:
    if _JINJA.match(text):
        return "jinja"
    start = text[:40].lower()
    return next((each for each in _HEADERS if start.startswith(each)), "")


def _headless(text: str, above: int) -> Trouble:
    """Say that nobody will run it, and what stands before the header where there is one."""
    if re.match("content-type:", text, re.IGNORECASE):
        return Trouble(
            line=1 + above,
            column=1,
            message="begins as a MIME message does, without a line MIME-Version: nobody runs it",
            cure="Put MIME-Version: 1.0 in front",
        )
    lines = text.split("\n")
    for number, line in enumerate(lines[:50], start=1):
        header = re.match(r"[ \t]*(#[ \t]*cloud[-_ ]config|#!)", line, re.IGNORECASE)
        if header and (number > 1 or header[0].lower() not in _HEADERS):
            message = (
                f"{header[0].strip()} stands here, and must be the very first characters: nobody "
                "runs it on the cloud's usual images"
            )
            header_is = "#!" if header[1] == "#!" else "#cloud-config"
            cure = f"Begin the file with {header_is}, {_SETTING}"
            column = len(line) - len(line.lstrip()) + 1
            return Trouble(line=number + above, column=column, message=message, cure=cure)
    message = (
        "begins with no header that cloud-init knows: nobody runs it on the cloud's usual images"
    )
    if _as_base64(text) is not None:
        message = "is base64, which this cloud's cloud-init does not decode: nobody runs it"
    return Trouble(
        line=1 + above,
        column=1,
        message=message,
        cure=f"Begin it with #cloud-config or #!, {_SETTING}",
    )


def _document(text: str, kind: str) -> Iterator[Trouble]:
    """Say why a cloud-config is none: it must be YAML, of its shape, and its keys plain."""
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        yield Trouble(
            line=mark.line + 1 if mark else 1,
            column=mark.column + 1 if mark else 1,
            message=f"this cloud-config is no YAML: {error.problem or error.context}",
            cure="cloud-init would ignore all of it",
            fatal=True,
        )
        return
    except (yaml.YAMLError, RecursionError) as error:
        at = getattr(error, "position", 0)
        yield Trouble(
            line=text.count("\n", 0, at) + 1,
            column=at - text.rfind("\n", 0, at),
            message="this cloud-config is no YAML: a character or a depth that YAML has not",
            cure="cloud-init would ignore all of it",
            fatal=True,
        )
        return
    if root is not None and not isinstance(root, _SHAPES[kind]):
        mark = root.start_mark
        yield Trouble(
            line=mark.line + 1,
            column=mark.column + 1,
            message=f"this {kind[1:]} is no {'mapping' if kind == '#cloud-config' else 'list'}",
            cure=f"Write keys such as runcmd: below {kind}"
            if kind == "#cloud-config"
            else f"Write a list below {kind}",
            fatal=True,
        )
    if root is not None:
        yield from _keys(root)
    if kind == "#cloud-config-archive" and isinstance(root, yaml.SequenceNode):
        yield from _archived(root)


def _archived(root: yaml.SequenceNode) -> Iterator[Trouble]:
    """Judge the parts of an archive where they stand.

    One without a type is what its first characters say, else a cloud-config.
    """
    for item in root.value:
        fields: dict[str, yaml.Node] = {"content": item}
        if isinstance(item, yaml.MappingNode):
            fields = {str(key.value): value for key, value in item.value}
        content, said = fields.get("content"), fields.get("type")
        if not isinstance(content, yaml.ScalarNode) or content.tag.endswith(":binary"):
            continue
        kind = str(said.value).lower() if said is not None and said.value else ""
        if kind in _LOOKED_AT or (not kind and _kind(content.value)):
            found = _one(content.value)
        elif kind in {"", "text/cloud-config"}:
            found = _document(content.value, "#cloud-config")
        else:
            continue
        above, block = content.start_mark.line + 1, content.style in {"|", ">"}
        for each in found:
            column = 1 if block else content.start_mark.column + 1
            yield dataclasses.replace(each, line=above + each.line * block, column=column)


def _keys(root: yaml.Node) -> Iterator[Trouble]:
    """Find keys that are no words, which YAML can write and cloud-init cannot read."""
    seen: set[int] = set()
    left = [root]
    while left:
        node = left.pop()
        if id(node) in seen or isinstance(node, yaml.ScalarNode):
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            yield from _twice(node)
        for each in node.value:
            if not isinstance(each, tuple):
                left.append(each)
                continue
            key, value = each
            left.append(value)
            if not isinstance(key, yaml.ScalarNode):
                mark = key.start_mark
                yield Trouble(
                    line=mark.line + 1,
                    column=mark.column + 1,
                    message="this cloud-config is no YAML that can be read: a key is no word",
                    cure="Put {{ }} in quotes, and begin the file with ## template: jinja",
                    fatal=True,
                )


def _is_mime(text: str) -> bool:
    """Return whether cloud-init takes a text for a MIME message."""
    return "mime-version:" in text[:_MIME_WITHIN].lower()


def _mime(text: str) -> Iterator[Trouble]:
    """Judge every part of a MIME message, with the lines of the whole."""
    message = email.message_from_string(text)
    if message.get_content_maintype() == "multipart" and not message.is_multipart():
        yield Trouble(
            line=1,
            column=1,
            message="this MIME message has no part: its boundary is not found",
            cure="Separate its parts by the boundary that Content-Type names",
            fatal=True,
        )
        return
    for part in message.walk():
        if not part.is_multipart():
            yield from _mime_part(text, part)


def _mime_part(text: str, part: email.message.Message) -> Iterator[Trouble]:
    body = part.get_payload()
    raw = part.get_payload(decode=True)
    if not isinstance(body, str) or not isinstance(raw, bytes):
        return
    above = text.count("\n", 0, max(0, text.find(body)))
    plain = (
        body if part.get("Content-Transfer-Encoding", "7bit").lower() in {"7bit", "8bit"} else ""
    )
    if packed.zipped(raw):
        raw = packed.unzipped(raw) or b""
    inner = plain or raw.decode("utf-8", "replace")
    kind = part.get_content_type().lower()
    if kind in _LOOKED_AT:
        found = list(_one(inner))
    elif kind == "text/cloud-config":
        found = list(_document(inner, "#cloud-config"))
    elif kind in _TYPES and _kind(inner) != _TYPES[kind]:
        message = f"this part is {kind} and does not begin with {_TYPES[kind]}: nobody runs it"
        found = [Trouble(line=1, column=1, message=message, cure=f"Begin it with {_TYPES[kind]}")]
    else:
        found = []
    for each in found:
        line = above + each.line if plain else above + 1
        yield dataclasses.replace(each, line=line, column=each.column if plain else 1)


def _as_base64(text: str) -> str | None:
    """Return what a text says that is base64 as a whole; None where it is not."""
    if not re.fullmatch(r"[A-Za-z0-9+/\s]{16,}={0,2}\s*", text):
        return None
    return packed.opened(text)


def _twice(node: yaml.MappingNode) -> Iterator[Trouble]:
    """Find keys that a mapping gives again: the last one counts, what the first says is lost."""
    first: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag.endswith(":merge"):
            continue
        mark = key.start_mark
        given = (key.tag, key.value)  # 1 and "1" are two keys
        if given in first:
            yield Trouble(
                line=mark.line + 1,
                column=mark.column + 1,
                message=f"{key.value[:_SHOWN] or 'an empty key'} is given twice, and cloud-init "
                f"takes the last: what line {first[given] + 1} says of it is lost",
                cure="Put both into one",
            )
        first[given] = mark.line
