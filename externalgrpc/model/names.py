"""Mint node names: lower-case RFC 1123 labels that are unique by a random suffix.

The suffix is six of 27 letters and digits without vowels (no words) and without 0, 1 and l:
387 million to choose from. Names start with the group's name, which starts with a letter, and
hold no ``--``: the strictest cloud (Linode) asks for both.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

TRIAL_PREFIX = "vps-trial-"
"""How the group's mark of a trial machine begins; no configured group may be named so."""

SUFFIX_LETTERS = "bcdfghjkmnpqrstvwxz23456789"
SUFFIX_LENGTH = 6


def mint(group: str, chance: random.Random) -> Iterator[str]:
    """Give names for machines of a group, one after the other, for ever."""
    while True:
        yield f"{group}-{''.join(chance.choices(SUFFIX_LETTERS, k=SUFFIX_LENGTH))}"


def minted_for(group: str, name: str) -> bool:
    """Return whether a name has the form that :func:`mint` gives to a group's machines."""
    suffix = name.removeprefix(f"{group}-")
    return suffix != name and len(suffix) == SUFFIX_LENGTH and set(suffix) <= set(SUFFIX_LETTERS)


def longest(group: str) -> str:
    """Return a name as long as any that a group's machines get."""
    return f"{group}-{SUFFIX_LETTERS[0] * SUFFIX_LENGTH}"


def is_trial(group: str) -> bool:
    """Return, by a group's mark, whether a machine was ordered for a trial."""
    return group.startswith(TRIAL_PREFIX)


def trial_group(group: str, longest: int) -> str:
    """Name the trial of a group, in at most so many characters; long names share one."""
    return f"{TRIAL_PREFIX}{group}"[:longest].rstrip("-")
