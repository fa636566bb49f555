"""Read single values of the file: numbers, quantities, durations; strict, with a cure each.

Every type here is a pydantic annotation. What a person may write is decided here, once, for our
own keys and for the options of every cloud.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Final

import pydantic
from pydantic_core import PydanticCustomError

from externalgrpc.config import mistakes
from externalgrpc.model import quantity

LARGEST: Final = 2**53
"""The largest number any field takes: beyond it JSON readers lose digits."""

_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(h|ms|m|s)", re.ASCII)
_SECONDS: Final = {"h": Decimal(3600), "m": Decimal(60), "s": Decimal(1), "ms": Decimal("0.001")}
_LONGEST_S: Final = 366 * 24 * 3600
SHORTEST_REPAIR_S: Final = 300
"""A restart of a machine and an upgrade of its kubelet take minutes, in which its Node is not
ready; Kubernetes itself waits so long before it evicts pods."""

_INITIALS: Final = {"ipv4": "IPv4", "ipv6": "IPv6", "cpu": "CPU"}


def camel(name: str) -> str:
    """Spell a Python name as Kubernetes would: ``public_ipv4`` is ``publicIPv4``."""
    first, *rest = name.split("_")
    return first + "".join(_INITIALS.get(part) or part.capitalize() for part in rest)


def refusal(message: str, cure: str = "") -> PydanticCustomError:
    """Make an error that carries its own sentence and cure."""
    return PydanticCustomError("refused", "{message}", {"message": message, "cure": cure})


def describe(value: object) -> str:
    """Name a value in an error text: short, printable, and never a whole structure."""
    match value:
        case bool():
            return f"{str(value).lower()} (a boolean)"
        case int() | Decimal() | float():
            return f"{value} (a number)"
        case str():
            return mistakes.shorten(value)
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return "a value of another kind"


def _number(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else value


def _money(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,18})?", value, re.ASCII):
        return Decimal(value)
    return value


def _price(value: Decimal) -> Decimal:
    if not value.is_finite() or value <= 0:
        raise refusal(f"{value} is not above zero", "To order nothing say paused: true")
    return value


def _quantity(value: object, *, example: str) -> str:
    """Take a quantity as text or bare number, and refuse a negative one."""
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise refusal(f"must be a quantity, not {describe(value)}", f"Write it like {example}")
    text = str(value).strip()
    if text.startswith("-"):
        raise refusal("must not be negative")
    return text


def _cpu(value: object) -> int:
    text = _quantity(value, example="100m or 2")
    try:
        amount = quantity.millis(text)
    except quantity.BadQuantity as error:
        raise refusal(f"{mistakes.shorten(text)} is no cpu quantity", "Write 100m or 2") from error
    return _bounded(amount)


def _bytes(value: object) -> int:
    text = _quantity(value, example="256Mi")
    try:
        amount = quantity.units(text)
    except quantity.BadQuantity as error:
        raise refusal(f"{mistakes.shorten(text)} is no amount of bytes", "Write 256Mi") from error
    return _bounded(amount)


def _bounded(amount: int) -> int:
    if amount > LARGEST:
        raise refusal("is larger than any machine")
    return amount


def _duration(value: object) -> float:
    """Read a Go-style duration, in seconds; zero is refused: to CA it means "unset"."""
    cure = "Write it like 15m, 90s or 1h30m"
    if not isinstance(value, str):
        raise refusal(f"must be a duration with its unit, not {describe(value)}", cure)
    total, end = Decimal(0), 0
    while match := _PART.match(value, end):
        total += Decimal(match[1]) * _SECONDS[match[2]]
        end = match.end()
    if not value or end != len(value):
        raise refusal(f"{mistakes.shorten(value)} is no duration", cure)
    if not 0 < total <= _LONGEST_S:
        raise refusal(f"{value} is not between 1ms and a year", cure)
    return float(total)


def _repair_after(value: float) -> float:
    if value < SHORTEST_REPAIR_S:
        raise refusal(
            f"{value:g} s is too short: a machine that only starts again would be deleted",
            f"Say {SHORTEST_REPAIR_S // 60}m at least; 15m is usual",
        )
    return value


def _schema(kind: str | list[str], **more: Any) -> pydantic.WithJsonSchema:  # noqa: ANN401 - JSON
    return pydantic.WithJsonSchema({"type": kind, **more})


Number = Annotated[
    float,
    pydantic.BeforeValidator(_number),
    pydantic.Field(allow_inf_nan=False),
]
Integer = int
Money = Annotated[
    Decimal,
    pydantic.BeforeValidator(_money),
    _schema(["number", "string"], pattern=r"^[0-9]+(\.[0-9]+)?$"),
]
Price = Annotated[Money, pydantic.AfterValidator(_price)]
"""What may be spent, in the file's own currency; above zero."""
CpuMillis = Annotated[
    int,
    pydantic.BeforeValidator(_cpu),
    _schema(["string", "number"], examples=["100m", 2]),
]
Bytes = Annotated[
    int,
    pydantic.BeforeValidator(_bytes),
    _schema(["string", "integer"], examples=["256Mi", "2Gi"]),
]
Seconds = Annotated[
    float,
    pydantic.BeforeValidator(_duration),
    _schema("string", pattern=r"^([0-9]+(\.[0-9]+)?(h|ms|m|s))+$", examples=["15m", "1h30m"]),
]
RepairAfter = Annotated[Seconds, pydantic.AfterValidator(_repair_after)]
"""For how long a Node may be not ready before its machine is deleted."""
