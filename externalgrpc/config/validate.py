"""Validate mappings of the file, collecting every mistake instead of stopping at the first."""

from __future__ import annotations

import copy
import difflib
import re
import typing
from collections.abc import Iterable, Mapping
from typing import TypeVar

import pydantic
from pydantic_core import ErrorDetails

from externalgrpc.config import fields, lines, mistakes, scalars
from externalgrpc.config.mistakes import Mistake, Path

Model = TypeVar("Model", bound=pydantic.BaseModel)


class Findings:
    """Collect mistakes about one file; the first one about a path is the one that is reported."""

    def __init__(self, tree: lines.Tree) -> None:
        self.tree = tree
        self._found: dict[object, Mistake] = {}
        self._touched: set[Path] = set()
        for path, mistake in tree.found:
            self._file(path, mistake)

    @property
    def full(self) -> bool:
        """Return whether more was found than will ever be reported."""
        return len(self._found) > mistakes.MAX_REPORTED

    def add(self, path: Path, message: str, cure: str = "", *, key: bool = False) -> None:
        """File a mistake about the value at a path, or about its key."""
        place = self.tree.position(path, key=key)
        mistake = Mistake(
            file=self.tree.file,
            line=place.line,
            column=place.column,
            path=mistakes.spell(path),
            message=message,
            cure=cure,
        )
        self._file(path, mistake)

    def add_elsewhere(self, mistake: Mistake) -> None:
        """File a mistake about another file that this one names."""
        self._found.setdefault(mistake, mistake)

    def missing(self, path: Path, cure: str) -> None:
        """File that a key is not there, unless it is there and wrong already."""
        if not self.tree.has(path):
            self.add(path, "is missing", cure)

    def taken(self) -> tuple[Mistake, ...]:
        """Return everything found so far."""
        return tuple(self._found.values())

    def clean(self, path: Path) -> bool:
        """Return whether nothing was found at a path or below it."""
        return path not in self._touched

    def _file(self, path: Path, mistake: Mistake) -> None:
        self._found.setdefault(path, mistake)
        self._touched.update(path[:end] for end in range(len(path) + 1))


def partial(model: type[Model], data: object, path: Path, findings: Findings) -> Model | None:
    """Read a mapping into a model whose fields are all optional.

    What is wrong is filed and left out, so that the rest can still be judged. Returns None when
    the value is no mapping at all.
    """
    if not isinstance(data, dict):
        findings.add(path, *_wrong_type(data, "a mapping"))
        return None
    rest: object = copy.deepcopy(data)
    for _ in range(len(data) + 1):
        try:
            return model.model_validate(rest)
        except pydantic.ValidationError as error:
            _report(error, model, path, findings)
            for detail in error.errors(include_url=False):
                _leave_out(rest, detail["loc"])
    return None


def _leave_out(data: object, loc: tuple[int | str, ...]) -> None:
    """Remove what is wrong: the innermost key on the way to it, as lists must keep their order."""
    last: tuple[dict[str, object], str] | None = None
    at: object = data
    for step in loc:
        if isinstance(at, dict) and isinstance(step, str) and step in at:
            last, at = (at, step), at[step]
        elif isinstance(at, list) and isinstance(step, int) and step < len(at):
            at = at[step]
        else:
            break
    if last is not None:
        last[0].pop(last[1], None)


def _report(
    error: pydantic.ValidationError,
    model: type[pydantic.BaseModel],
    path: Path,
    findings: Findings,
) -> None:
    """File every error of one validation, as long as anyone would read them."""
    for detail in error.errors(include_url=False):
        if findings.full:
            return
        at = _located(detail["loc"], path, findings.tree)
        if detail["type"] == "extra_forbidden":
            known = _known_keys(model, detail["loc"][:-1])
            findings.add(at, "is not a known key", nearest(str(at[-1]), known), key=True)
        else:
            findings.add(at, *_sentence(detail))


def _located(loc: tuple[int | str, ...], path: Path, tree: lines.Tree) -> Path:
    """Turn pydantic's location into a path of the file, as far as the file goes."""
    at = path
    for step in loc:
        if step == "[key]" or (not tree.has((*at, step)) and tree.has(at) and at != path):
            break
        at = (*at, step)
    return at


_EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "decimal_type": "a number",
    "is_instance_of": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}

_BOUNDS = frozenset({"greater_than", "greater_than_equal", "less_than", "less_than_equal"})


def _sentence(detail: ErrorDetails) -> tuple[str, str]:
    """Return what is wrong and what to do, from one of pydantic's errors."""
    kind, given = detail["type"], detail["input"]
    context: Mapping[str, object] = detail.get("ctx", {})
    result, cure = detail["msg"].removeprefix("Input "), ""
    if isinstance(given, scalars.Surprise):
        result, cure = given.message, given.cure
    elif kind == "refused":
        result, cure = str(context["message"]), str(context["cure"])
    elif kind == "missing":
        result, cure = "is missing", "Add it"
    elif kind in _EXPECTED:
        result, cure = _wrong_type(given, _EXPECTED[kind])
    elif kind == "literal_error":
        expected = str(context["expected"])
        result = f"{fields.describe(given)} is not one of {expected}"
        close = nearest(str(given), re.findall(r"'([^']*)'", expected))
        cure = close if close.startswith("Did") else ""
    elif kind == "too_short" and not given:
        result, cure = "is empty", "Give it at least one entry, or remove the line"
    elif kind in _BOUNDS:
        result = f"{given} is out of bounds: it {result}"
    return result, cure


def _wrong_type(given: object, expected: str) -> tuple[str, str]:
    if isinstance(given, scalars.Surprise):
        return given.message, given.cure
    cure = ""
    if expected == "a text" and not isinstance(given, (dict, list)):
        cure = "Put it in quotes"
    elif expected == "a list" and not isinstance(given, (dict, list)):
        cure = "Begin each entry with a dash, or write [it]"
    return f"must be {expected}, not {fields.describe(given)}", cure


def nearest(word: str, known: Iterable[str]) -> str:
    """Suggest the known word that is most like a mistyped one, or list them all."""
    words = sorted(known)
    lowered = {each.lower(): each for each in words}
    close = difflib.get_close_matches(word.lower()[:80], lowered, n=1, cutoff=0.6)
    if not close:
        # rates for exchangeRates: a part of one of our words, and of no other.
        whole = [key for key, each in lowered.items() if word.lower() in _words(each)]
        close = whole if len(whole) == 1 else []
    if close:
        return f"Did you mean {lowered[close[0]]}?"
    return f"Known: {', '.join(words)}" if words else "There are none to choose from"


def _words(key: str) -> list[str]:
    return [each.lower() for each in re.findall(r"[A-Z]*[a-z0-9]+|[A-Z]+", key)]


def _known_keys(model: type[pydantic.BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """Find the keys that the model at a location accepts."""
    at: type[pydantic.BaseModel] = model
    for step in loc:
        for name, field in at.model_fields.items():
            if step in {name, field.alias}:
                at = _model_inside(field.annotation) or at
    return [field.alias or name for name, field in at.model_fields.items()]


def _model_inside(annotation: object) -> type[pydantic.BaseModel] | None:
    """Find the model in an annotation such as ``list[TaintEntry]`` or ``X | None``."""
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return annotation
    for part in typing.get_args(annotation):
        found = _model_inside(part)
        if found is not None:
            return found
    return None
