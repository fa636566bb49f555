"""Read a cloud's own settings into its frozen dataclass, knowing nothing but the type hints.

A model is built on the fly: field names become camelCase keys, unknown keys are refused, types
are as strict as our own. Understood are str, int, float, bool, Decimal, Literal, enums (by
value), other dataclasses, ``X | None``, ``tuple[X, ...]``, ``frozenset[X]`` and
``Mapping[str, X]``, nested at will.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import functools
import types
import typing
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path as FilePath
from typing import Any

import pydantic

from externalgrpc.config import fields, model, validate
from externalgrpc.config.mistakes import Path

_SCALARS: dict[object, object] = {
    str: str,
    bool: bool,
    int: fields.Integer,
    float: fields.Number,
    Decimal: fields.Money,
}

_MAPPINGS = frozenset({dict, collections.abc.Mapping})


class Indescribable(TypeError):
    """Say that a cloud's options use a type that no file can express: the cloud's own mistake."""


@functools.lru_cache(maxsize=64)
def describe(cls: type) -> type[model.Entry]:
    """Build the model of a dataclass.

    Raises Indescribable when a field's type is not one of those understood.
    """
    return _describe(cls, ())


def read(
    cls: type,
    data: object,
    path: Path,
    findings: validate.Findings,
    *,
    resolve: Callable[[str], FilePath] = FilePath,
) -> object | None:
    """Read a mapping of the file into a dataclass; what is wrong is filed.

    A text whose field has ``metadata={"path": True}`` names a file: ``resolve`` says from where.
    Returns None when anything was wrong. A ValueError of the dataclass itself
    (``__post_init__``) is a mistake like any other.
    """
    try:
        described = describe(cls)
    except Indescribable as error:
        findings.add(path, f"cannot be read: {error}", "Tell the author of this cloud")
        return None
    entry = validate.partial(described, data, path, findings)
    if entry is None or not findings.clean(path):
        return None
    try:
        return _placed(_build(cls, entry), resolve)
    except (ValueError, TypeError) as error:
        findings.add(path, str(error) or "is refused by the cloud's own rules")
        return None


def _placed(value: Any, resolve: Callable[[str], FilePath]) -> object:  # noqa: ANN401 - a dataclass
    """Make the files that options name stand where the configuration says, whoever works where."""
    paths = {
        field.name: str(resolve(name))
        for field in dataclasses.fields(value)
        if field.metadata.get("path") and (name := getattr(value, field.name))
    }
    return dataclasses.replace(value, **paths) if paths else value


def needed(cls: type) -> bool:
    """Return whether a cloud's settings have one that must be given."""
    return dataclasses.is_dataclass(cls) and any(map(_needed, dataclasses.fields(cls)))


def _describe(cls: type, above: tuple[type, ...]) -> type[model.Entry]:
    if not dataclasses.is_dataclass(cls):
        raise Indescribable(f"{cls.__name__} is not a dataclass")
    if cls in above:
        raise Indescribable(f"{cls.__name__} contains itself")
    hints = typing.get_type_hints(cls, include_extras=False)
    described: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        if not field.init:
            continue
        hint = _hint(hints[field.name], (*above, cls), f"{cls.__name__}.{field.name}")
        needed = _needed(field)
        about = field.metadata.get("description")
        described[field.name] = (
            hint,
            pydantic.Field(... if needed else _shown(field.default), description=about),
        )
    return pydantic.create_model(cls.__name__, __base__=model.Entry, **described)


def _needed(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _shown(default: object) -> object:
    """Return the default that an editor may show; the dataclass supplies the real one."""
    if isinstance(default, Decimal):
        return str(default)
    return default if isinstance(default, (str, int, float, bool)) else None


def _hint(hint: Any, above: tuple[type, ...], where: str) -> Any:  # noqa: ANN401 - type hints
    """Translate a type hint into what the file may hold."""
    if hint in _SCALARS:
        return _SCALARS[hint]
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return typing.Literal[tuple(member.value for member in hint)]
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _describe(hint, above)
    if typing.get_origin(hint) is typing.Literal:
        return hint
    return _container(hint, above, where)


def _container(hint: Any, above: tuple[type, ...], where: str) -> Any:  # noqa: ANN401 - type hints
    """Translate the hint of something that holds other things."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    real = [each for each in inside if each is not type(None)]
    if origin in {typing.Union, types.UnionType} and len(real) == 1:
        return _hint(real[0], above, where)
    if origin is frozenset or (origin is tuple and inside[1:] == (Ellipsis,)):
        return list[_hint(inside[0], above, where)]  # type: ignore[misc]
    if origin in _MAPPINGS and inside[0] is str:
        return dict[str, _hint(inside[1], above, where)]  # type: ignore[misc]
    raise Indescribable(f"{where} has a type that no file can express: {hint}")


def _build(cls: type, entry: pydantic.BaseModel) -> object:
    """Make the dataclass from what was given; the rest are its own defaults."""
    hints = typing.get_type_hints(cls)
    given = {name: _value(hints[name], getattr(entry, name)) for name in entry.model_fields_set}
    return cls(**given)


def _value(hint: Any, value: Any) -> Any:  # noqa: ANN401 - any value of any hint
    """Turn what the file holds into what the hint asks for."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        return _value(next(each for each in inside if each is not type(None)), value)
    if isinstance(value, pydantic.BaseModel):
        return _build(hint, value)
    if isinstance(value, list):
        return origin(_value(inside[0], each) for each in value)
    if isinstance(value, dict):
        return {key: _value(inside[1], at) for key, at in value.items()}
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint(value)
    return value
