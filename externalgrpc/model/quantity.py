"""Read and write Kubernetes quantities ("500m", "2Gi", "1e3") without losing a byte.

The grammar and the two edges are those of apimachinery's ``resource.Quantity``: what is finer
than a billionth is rounded away from zero, what is larger than an int64 is capped.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Final

LARGEST: Final = 2**63 - 1
"""The largest magnitude a quantity can have; anything above counts as this."""

_SHAPE: Final = re.compile(
    r"(?P<sign>[+-]?)"
    r"(?P<whole>[0-9]*)(?:\.(?P<part>[0-9]*))?"
    r"(?:(?P<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?P<exponent>[+-]?[0-9]+))?",
    re.ASCII,
)
_LONGEST: Final = 256
_KIBI: Final = 1024
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


class BadQuantity(ValueError):
    """Say that a text is no Kubernetes quantity."""


def parse(text: str) -> Fraction:
    """Read a quantity in units (cores, bytes, pieces), exactly.

    Raises :class:`BadQuantity` for anything that Kubernetes would refuse.
    """
    if len(text) > _LONGEST:
        raise BadQuantity(f"{text[:20]!r}... is too long for a quantity")
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise BadQuantity(f"{text!r} is not a quantity such as 500m, 2 or 1.5Gi")
    whole, part = match["whole"], match["part"] or ""
    if not whole and not part:
        raise BadQuantity(f"{text!r} is not a quantity: it holds no digit")
    value = _bounded(int(whole + part), len(part), match["suffix"], match["exponent"])
    return -value if match["sign"] == "-" else value


def millis(text: str) -> int:
    """Read a quantity in thousandths, rounded up as Kubernetes does ("100m" is 100)."""
    return math.ceil(parse(text) * 1000)


def units(text: str) -> int:
    """Read a quantity in whole units (bytes, pieces), rounded up as Kubernetes does."""
    return math.ceil(parse(text))


def of_millis(amount: int) -> str:
    """Write thousandths: 2000 is "2", 1500 is "1500m"."""
    return str(amount // 1000) if amount % 1000 == 0 else f"{amount}m"


def of_bytes(amount: int) -> str:
    """Write bytes: in Ki where that is exact, as kubelet reports memory."""
    return f"{amount // _KIBI}Ki" if amount and amount % _KIBI == 0 else str(amount)


def _bounded(digits: int, places: int, suffix: str | None, exponent: str | None) -> Fraction:
    if digits == 0:
        return Fraction(0)
    power = int(exponent) if exponent else _DECIMAL.get(suffix or "", 0)
    # Beyond this no text of _LONGEST characters can come back between the two edges, and
    # 10 ** power would be a number that nobody wants in memory.
    power = max(-2 * _LONGEST, min(power, 2 * _LONGEST)) - places
    value = Fraction(digits) * Fraction(10) ** power * 2 ** _BINARY.get(suffix or "", 0)
    if value >= LARGEST:
        return Fraction(LARGEST)
    return Fraction(math.ceil(value * 10**9), 10**9)
