"""Suggest a region in place of one that a cloud does not have: by place, not by letters.

``us-south`` looks like ``us-east`` and is another city: who follows such a hint moves his pods to
the other coast. Only a slip of the keys, or another number of the same place, is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_LONG_ENOUGH: Final = 6
"""A stem so long may have one letter wrong; of shorter ones (fsn, ams) each is a place."""

_COMPASS: Final = ("north", "south", "east", "west", "central")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the cure for an unknown region: what was meant, what is around there, or all."""
    every = sorted(known)
    meant = [each for each in every if _same_place(name, each)]
    if meant:
        return f"Did you mean {' or '.join(meant)}?"
    area = _words(name)[0]
    around = [each for each in every if "-" in each and _words(each)[0] == area]
    if around and around != every:
        return f"There, in {area}: {', '.join(around)}"
    return f"Known: {', '.join(every)}" if every else "There are none to choose from"


def _same_place(name: str, other: str) -> bool:
    mine, its = _stem(name), _stem(other)
    if mine == its:
        return True
    directions = [[each for each in _COMPASS if each in text] for text in (mine, its)]
    if directions[0] and directions[0] != directions[1]:
        return False
    return _swapped(mine, its) or (len(mine) >= _LONG_ENOUGH and _one_apart(mine, its))


def _stem(name: str) -> str:
    """Return a region's name without case, dashes and the number at its end."""
    return re.sub(r"[^a-z]", "", name.lower())


def _words(name: str) -> list[str]:
    return name.lower().split("-")


def _swapped(one: str, other: str) -> bool:
    """Return whether two neighbouring letters were struck in the wrong order."""
    apart = [at for at in range(min(len(one), len(other))) if one[at] != other[at]]
    return (
        len(one) == len(other)
        and len(apart) == 2
        and apart[1] == apart[0] + 1
        and sorted(one) == sorted(other)
    )


def _one_apart(one: str, other: str) -> bool:
    """Return whether one letter is wrong, missing or too many."""
    short, long = sorted((one, other), key=len)
    if len(short) == len(long):
        return sum(a != b for a, b in zip(short, long, strict=True)) == 1
    return len(long) - len(short) == 1 and any(
        long[:at] + long[at + 1 :] == short for at in range(len(long))
    )
