"""Say what befalls an exchange, and order through it as the fleet does.

The rule: a create of unknown outcome is looked up by its node name once the cloud has settled, and
sent again only when there is certainly no such machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from providers import contract, errors
from providers.fakes import engine

KIND = engine.FaultKind
TROUBLES: tuple[dict[str, Any], ...] = (
    {"kind": KIND.LOST},
    {"kind": KIND.HANG},
    {"kind": KIND.HTML, "status": 502},
    {"kind": KIND.HTML, "status": 504},
    {"kind": KIND.EMPTY, "status": 202},
    {"kind": KIND.ERROR, "status": 500},
    {"kind": KIND.THROTTLED},
    {"kind": KIND.CUT},
    {"kind": KIND.TRUNCATED},
)
"""What befalls an exchange; the last two only ever come after the work was done."""


POINTS: tuple[tuple[dict[str, Any], bool, int], ...] = (
    *((trouble, after, 1) for trouble in TROUBLES for after in (False, True)),
    *((TROUBLES[0], after, 3) for after in (False, True)),
    *((TROUBLES[2], after, 2) for after in (False, True)),
)
"""What strikes (after the work or before), and how many exchanges in a row. A 429 after the work
is left out: it says that nothing was done, and a cloud that lies there cannot be helped."""
POINTS = tuple(
    (trouble, after, times)
    for trouble, after, times in POINTS
    if not (after and trouble["kind"] is KIND.THROTTLED)
    and (after or trouble["kind"] not in {KIND.CUT, KIND.TRUNCATED})
)


def patience_s(trouble: dict[str, Any]) -> float:
    """Return the read timeout to meet a trouble with: short where it is silence."""
    return 0.5 if trouble["kind"] is KIND.HANG else 10.0


def point_name(value: object) -> str:
    """Name a part of a point for a test's id."""
    if isinstance(value, dict):
        return name(value)
    return {True: "after", False: "before"}[value] if isinstance(value, bool) else f"x{value}"


def name(trouble: dict[str, Any]) -> str:
    """Name a trouble for a test's id."""
    return "-".join(str(getattr(value, "value", value)) for value in trouble.values())


def order(
    provider: contract.Provider,
    wanted: contract.Order,
    settle: Callable[[], None],
    *,
    tries: int = 10,
) -> contract.Instance:
    """Order one machine by the rule; ``settle`` lets the cloud's settling time pass."""
    for _ in range(tries):
        try:
            return provider.create(wanted)
        except errors.Throttled:
            settle()
            continue
        except errors.Unreachable:
            settle()
        found = _look_up(provider, wanted.node_name, settle, tries)
        if found is not None:
            return found
    raise AssertionError("the order never came to an end")


def _look_up(
    provider: contract.Provider, node_name: str, settle: Callable[[], None], tries: int
) -> contract.Instance | None:
    for _ in range(tries):
        try:
            return provider.look_up(node_name=node_name, instance_id="", receipt="")
        except errors.NotNow:
            settle()
    raise AssertionError("the look-up never came to an end")
