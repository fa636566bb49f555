"""Mask what looks like a secret in user-data that is shown to a person.

Nobody can know what is a secret in a text that somebody else wrote. So this goes by key words, in
whatever case and spelling, looks into whatever can be taken apart (YAML, JSON, base64, gzip), and
masks rather too much: what a word promises, a form promises (a private key, a token of a known
vendor), or what a line hands to a program that takes passwords. It is for eyes, not a guarantee:
what a person named unlike any key word stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Final

import yaml

from externalgrpc.bootstrap import behind, cloudconfig, joining, keywords, packed, shortflags
from providers import masking

_FORMS: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\bK10[0-9a-f]{64}::[^\s\"']+"
    r"|(?i:AGE-SECRET-KEY-[0-9A-Z]+)"
    r"|\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*"
    r"|\b(?:dop_v1_|doo_v1_|dor_v1_|gh[pousr]_|github_pat_|glpat-|tskey-|xox[a-z]-|AKIA|hvs\.|sk-)"
    r"[\w-]{8,}"
    r"|\$(?:1|2[abxy]|5|6|7|y|gy|argon2[a-z]*)\$[\w./$=,+-]{8,}"
    r"|(?<=hooks\.slack\.com/services/)[\w/-]+|(?<=api\.telegram\.org/bot)[\w:-]+"
    r"|(?<=/api/webhooks/)[\w/-]+"
    r"|(?<![a-z0-9])[a-z0-9]{6}\.[a-z0-9]{16}(?![a-z0-9])",
    re.DOTALL,
)
_IN_URL: Final = re.compile(r"(?<=://)[^/\s@\"'<>]+(?=@)")
_SCHEME: Final = re.compile(r"(?i:\b(?:bearer|basic)\s+)([^\s\"',;]{6,})")

_KEY: Final = behind.KEY
_QUOTED: Final = behind.QUOTED
_SET: Final = re.compile(
    _KEY + r"(?P<gap>\\?[\"']?[ \t]*(?:=>|:=|\?=|\+=|=(?!=)|:(?!//|:))[ \t]*)"
    r"(?P<value>" + _QUOTED + r"|[^\s\"'][^\n]*|\"[^\n]*|'[^\n]*)"
)
_FLAG: Final = re.compile(
    r"(?<![\w-])(?P<key>--?[A-Za-z.][\w.-]{0,120})"
    r"(?P<gap>[\"']?[ \t]*(?:\\\n|,|\n[ \t]*-(?=[ \t]))?[ \t]+)(?P<value>"
    + _QUOTED
    + r"|[^\s,\"']+)"
)
_PAIR: Final = re.compile(
    r"\b(?:name|key)[\"']?[ \t]*[:=][ \t]*[\"']?(?P<key>[\w.-]{1,120})[\"']?[ \t]*,?\s*"
    r"[\"']?value[\"']?[ \t]*[:=][ \t]*(?P<value>" + _QUOTED + r"|[^\n]+)"
)
_INSIDE: Final = re.compile(
    r"(?<=[\[:,\s])(?:" + _QUOTED + r"|(?!\*\*\*)[^\s{}\[\],:\"']+)(?=\s*(?:[,}\]]|$))"
)
_USERS: Final = re.compile(
    r"(?<![\w-])(?P<flag>-u|--user|--proxy-user)(?P<gap>[ \t=]*)(?P<value>[^\s:]+:\S+)"
)
_SAID: Final = re.compile(
    # Matches without a tail, too: else each echo of a line would look through all of it.
    r"(?P<head>\b(?:echo|printf)\b[ \t]+)(?P<value>[^\n|>]++)(?P<tail>[|>][^\n]*)?"
)
_SUBSTITUTED: Final = re.compile(
    r"(?P<head>(?<![\w.-])(?P<key>[\w.-]{1,120})[ \t=]+<\([ \t]*(?:echo|printf)\b[ \t]+)"
    r"(?P<value>[^\n)]+)"
)
_HERE: Final = re.compile(
    r"^(?P<head>[^\n]*<<-?[ \t]*\\?[\"']?(?P<end>\w+)[\"']?[^\n]*\n)(?P<body>.*?)"
    r"(?P<tail>^[ \t]*(?P=end)[ \t]*$)",
    re.MULTILINE | re.DOTALL,
)
_HERE_STRING: Final = re.compile(r"(?P<head>^[^\n]*<<<[ \t]*)(?P<value>[^\n]+)", re.MULTILINE)
_BASE64: Final = re.compile(
    r"(?<![\w+/=])(?:[ \t]*[A-Za-z0-9+/]{40,}[ \t]*\r?\n)*[ \t]*[A-Za-z0-9+/]{16,}={0,2}(?![\w+/=])"
)
_MARKED_UP: Final = re.compile(r"[\n:={\[]|--")
_DEEPEST: Final = 6
_MOST_NODES: Final = 20_000


def mask(text: str) -> str:
    """Return a text with every secret in it that a key word or a form betrays as ``***``."""
    return masking.masked(_masked(text, 0))


def _masked(text: str, depth: int) -> str:
    """Mask in one text, and in the texts inside it."""
    if depth > _DEEPEST or not text.strip():
        return text
    documents = _documents(text)
    if documents:
        text = _structured(text, documents, depth)
    return _plain(text, depth)


def _documents(text: str) -> list[yaml.Node]:
    """Read a text as YAML, which JSON is; nothing where it is no mapping or list of its own."""
    if not re.search(r"[:\[{]|^- ", text, re.MULTILINE):
        return []
    try:
        found = [each for each in yaml.compose_all(text, yaml.SafeLoader) if each is not None]
    except (yaml.YAMLError, RecursionError, ValueError):
        return []
    return [each for each in found if isinstance(each, yaml.MappingNode | yaml.SequenceNode)]


def _structured(text: str, documents: list[yaml.Node], depth: int) -> str:
    """Mask the values in a text that were found by taking it apart; the rest stays as it is."""
    places: dict[tuple[int, int], str] = {}
    walk = _Walk(text, depth)
    for each in documents:
        for node, whole in walk.scalars(each, secret=False):
            start, end = node.start_mark.index, node.end_mark.index
            if (start, end) in places and not whole:
                continue
            shown = _whole(text[start:end]) if whole else walk.inside(node)
            if shown is not None:
                places[start, end] = shown
    for (start, end), shown in sorted(places.items(), reverse=True):
        text = text[:start] + shown + text[end:]
    return text


class _Walk:
    """Go through a document and find which of its scalars are secrets."""

    def __init__(self, text: str, depth: int) -> None:
        self._text = text
        self._depth = depth
        self._seen: set[tuple[int, bool]] = set()

    def scalars(self, node: yaml.Node, *, secret: bool) -> Iterator[tuple[yaml.ScalarNode, bool]]:
        """Give every scalar, and whether all of it is secret."""
        # An alias may be named a secret where its anchor is not.
        if (id(node), secret) in self._seen or len(self._seen) > _MOST_NODES:
            return
        self._seen.add((id(node), secret))
        if isinstance(node, yaml.ScalarNode):
            yield node, secret and not keywords.innocent(node.value)
        elif isinstance(node, yaml.SequenceNode):
            before = ""
            for each in node.value:
                flag = bool(re.fullmatch(r"--?[\w.-]+", before)) and keywords.betrays(before)
                yield from self.scalars(each, secret=secret or flag)
                before = each.value if isinstance(each, yaml.ScalarNode) else ""
        elif isinstance(node, yaml.MappingNode):
            about = _about(node)
            for key, value in node.value:
                name = key.value if isinstance(key, yaml.ScalarNode) else ""
                given = value.value if isinstance(value, yaml.ScalarNode) else ""
                item = bool(about) and name in {"content", "value", "contents", "data", "inline"}
                opaque = item and keywords.betrays(about) and not _MARKED_UP.search(given.strip())
                yield from self.scalars(
                    value, secret=secret or keywords.betrays(name, given) or opaque
                )

    def inside(self, node: yaml.ScalarNode) -> str | None:
        """Mask inside a scalar; None where there is nothing to mask."""
        value = str(node.value)
        if not _MARKED_UP.search(value) and not _BASE64.search(value):
            return None
        masked = _masked(value, self._depth + 1)
        if masked == value:
            return None
        raw = self._text[node.start_mark.index : node.end_mark.index]
        if node.style in {"|", ">"}:
            head, _, body = raw.partition("\n")
            first = next((line for line in body.split("\n") if line.strip()), "")
            indent = " " * (len(first) - len(first.lstrip(" ")))
            lines = [indent + line if line else line for line in masked.split("\n")]
            rest = body[len(body.rstrip()) :] or "\n"
            return f"{head.replace('>', '|')}\n" + "\n".join(lines).rstrip() + rest
        return json.dumps(masked, ensure_ascii=False) if node.style or "\n" in raw else masked


def _about(node: yaml.MappingNode) -> str:
    """Return the path or the name that a mapping says it is about, or ""."""
    return " ".join(
        value.value
        for key, value in node.value
        if isinstance(key, yaml.ScalarNode)
        and key.value in {"path", "name", "key", "filename"}
        and isinstance(value, yaml.ScalarNode)
    )


def _whole(raw: str) -> str:
    """Mask a whole value as it stands in a text; the lines after it stay where they are."""
    quote = raw[0] if raw[:1] == '"' else "'"
    return f"{quote}{keywords.MASK}{quote}{raw[len(raw.rstrip()) :]}"


def _plain(text: str, depth: int) -> str:
    """Mask in a text of no known structure, line by line."""
    text = _FORMS.sub(keywords.MASK, text)
    text = _BASE64.sub(lambda found: _encoded(found[0], depth), text)
    text = _IN_URL.sub(keywords.MASK, text)
    text = _HERE.sub(_heard, text)
    text = _HERE_STRING.sub(
        lambda found: found["head"] + keywords.MASK if _takes(found[0]) else found[0], text
    )
    text = _SAID.sub(_said, text)
    text = _SUBSTITUTED.sub(
        lambda found: found["head"] + keywords.MASK if keywords.betrays(found["key"]) else found[0],
        text,
    )
    text = _SCHEME.sub(lambda found: found[0].replace(found[1], keywords.MASK), text)
    text = _blocks(text)
    text = _PAIR.sub(_flag, text)
    text = _again(_FLAG, _flag, text)
    text = _again(_SET, _set, text)
    text = _USERS.sub(lambda found: f"{found['flag']}{found['gap']}{keywords.MASK}", text)
    return behind.mask(shortflags.mask(text))


def _again(pattern: re.Pattern[str], change: Callable[[re.Match[str]], str], text: str) -> str:
    """Replace matches that may begin inside what an earlier one has taken and not masked."""
    at = 0
    while found := pattern.search(text, at):
        new = change(found)
        if new == found[0]:
            at = found.start("value")
            continue
        text = text[: found.start()] + new + text[found.end() :]
        # What a line has behind the first secret may be the next.
        at = found.start() + new.index(keywords.MASK) + len(keywords.MASK)
    return text


def _set(found: re.Match[str]) -> str:
    """Mask the value of an assignment or of a key: to the end of a word, or of the line."""
    value = found["value"]
    if not keywords.betrays(found["key"], value) or keywords.innocent(value):
        return found[0]
    quoted = re.fullmatch(_QUOTED, value)
    if quoted:
        mark = value[0] if value[0] != "\\" else '\\"'
        close = value[-1] if value[0] != "\\" else '\\"'
        return f"{found['key']}{found['gap']}{mark}{keywords.MASK}{close}"
    if value[0] == "(":
        return f"{found['key']}{found['gap']}({keywords.MASK}){value.partition(')')[2]}"
    if value[0] in "[{":
        return f"{found['key']}{found['gap']}{_INSIDE.sub(keywords.MASK, value)}"
    tail = ""
    if ":" not in found["gap"] or not found["gap"][-1:].isspace():
        word = re.match(r"(?:\\.|\$\([^)\n]*\)|\"[^\"\n]*\"|'[^'\n]*'|[^\s;&|])+", value)
        word_end = word.end() if word else 0
        if keywords.innocent(value[:word_end]):
            return found[0]
        tail = re.search(r"[\"')}\]]*$", value[:word_end])[0] + value[word_end:]  # type: ignore[index]
    return f"{found['key']}{found['gap']}{keywords.MASK}{tail}"


def _flag(found: re.Match[str]) -> str:
    value = found["value"]
    flag = re.match(r"--?[A-Za-z][\w-]*(?:=|$)", value)
    if not keywords.betrays(found["key"], value) or flag or keywords.innocent(value):
        return found[0]
    return found[0][: found.start("value") - found.start()] + keywords.MASK


def _blocks(text: str) -> str:
    """Mask the lines below a key that betrays a secret and has its value there."""
    parts: list[str] = []
    hidden: int | None = None
    for line in text.split("\n"):
        indent = len(line) - len(line.lstrip(" \t"))
        if hidden is not None and (indent > hidden or not line.strip()):
            if line.strip() and keywords.MASK not in parts[-1]:
                parts.append(line[:indent] + keywords.MASK)
            elif not line.strip():
                parts.append(line)
            continue
        hidden = None
        key = re.match(
            r"[ \t]*(?:- )*[\"']?(" + _KEY + r")[\"']?[ \t]*:[ \t]*(?:[|>][-+0-9]*)?[ \t]*$", line
        )
        if key and keywords.betrays(key["key"]):
            hidden = indent
        parts.append(line)
    return "\n".join(parts)


def _takes(line: str) -> bool:
    """Return whether a line hands something to what takes or keeps secrets."""
    return any(keywords.betrays(word) for word in re.findall(r"[\w./-]+", line))


def _said(found: re.Match[str]) -> str:
    value, tail = found["value"], found["tail"]
    if tail and _takes(tail) and not keywords.innocent(value):
        blanks = value[len(value.rstrip(" \t")) :]
        return f"{found['head']}{keywords.MASK}{blanks}{tail}"
    return found[0]


def _heard(found: re.Match[str]) -> str:
    if not _takes(found["head"]):
        return found[0]
    if re.search(r"\.(?:ya?ml|json|conf|toml|env|sh)\b", found["head"]):
        return found[0]  # its keys say which of it is secret
    return f"{found['head']}{keywords.MASK}\n{found['tail']}"


def _encoded(raw: str, depth: int) -> str:
    """Mask an encoded text when there is a secret in it."""
    inner = packed.opened(raw)
    if inner is None or inner in _ours():
        return raw
    if _masked(inner, depth + 1) == inner and masking.masked(inner) == inner:
        return raw
    indent = raw[: len(raw) - len(raw.lstrip())]
    return f"{indent}{keywords.MASK}"


def _ours() -> frozenset[str]:
    """Return the scripts that we send, which everybody may read."""
    return frozenset(cloudconfig.script(method) for method in joining.METHODS)
