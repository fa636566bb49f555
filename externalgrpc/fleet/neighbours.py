"""Remember whose machines are in an account's project: asked at the start, and while it holds.

What holds orders back is asked for again now and then: it may have been put right.
"""

from __future__ import annotations

import dataclasses

from externalgrpc.fleet import state
from externalgrpc.model import backoff
from providers import contract

RETRY_S = 60.0
MAX_RETRY_S = 3600.0
AGAIN_S = 600.0
"""While orders are held for what was said."""


def read(
    fleet: state.Fleet,
    account: str,
    neighbours: tuple[contract.Neighbour, ...] | None,
    *,
    now: float,
) -> state.Fleet:
    """Take the answer; None when it could not be had: it is asked for again, later each time."""
    held = fleet.accounts.get(account)
    if held is None:
        return fleet
    if neighbours is None:
        failures = held.neighbours_failures + 1
        held = dataclasses.replace(
            held,
            asking_neighbours=False,
            neighbours_failures=failures,
            neighbours_at=now + backoff.wait_s(failures, base_s=RETRY_S, longest_s=MAX_RETRY_S),
        )
    else:
        held = dataclasses.replace(
            held, asking_neighbours=False, neighbours=neighbours, neighbours_at=now + AGAIN_S
        )
    return dataclasses.replace(fleet, accounts={**fleet.accounts, account: held})
