"""Remember what clouds said no to, and choose what to order next.

A no is remembered for all groups of an account and decays: what was sold out minutes ago is tried
again, last. A launch that was waiting when the no was said does not try the same thing again.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from externalgrpc.fleet import state
from externalgrpc.model import backoff, groups
from providers import errors

SOLD_OUT_S = 300.0
"""How long a refusal puts a candidate behind the others."""

RETRY_S = 5.0
"""A request that nobody could take is sent again after this long, doubling up to MAX_RETRY_S."""

MAX_RETRY_S = 60.0

MAX_RETRY_AFTER_S = 3600.0
"""A cloud that asks for more patience than this is asked again all the same."""


def failure_of(error: errors.CloudError) -> state.Failure:
    """Return an error in CA's terms: a class, a code from a fixed set, a sentence."""
    resources = state.ErrorClass.OUT_OF_RESOURCES
    match error:
        case errors.QuotaExceeded():
            return state.Failure(resources, "QuotaExceeded", error.message)
        case errors.NoCapacity():
            return state.Failure(resources, "OutOfStock", error.message)
        case errors.BadCredentials():
            return state.Failure(state.ErrorClass.OTHER, "BadCredentials", error.message)
        case errors.Refused():
            return state.Failure(state.ErrorClass.OTHER, "BadOrder", error.message)
        case _:
            return state.Failure(state.ErrorClass.OTHER, "CloudError", error.message)


def another_may_do(error: errors.CloudError) -> bool:
    """Return whether what refused one candidate leaves the others."""
    if isinstance(error, errors.QuotaExceeded):
        return error.scope is not errors.Scope.ACCOUNT
    return isinstance(error, errors.OutOfStock)


def retry_wait_s(error: errors.CloudError, attempts: int) -> float:
    """Return how long to wait before the same request is sent again, after so many attempts."""
    retry_after_s = error.retry_after_s if isinstance(error, errors.Throttled) else None
    if retry_after_s is not None and math.isfinite(retry_after_s):
        return min(max(retry_after_s, 1.0), MAX_RETRY_AFTER_S)
    return backoff.wait_s(attempts, base_s=RETRY_S, longest_s=MAX_RETRY_S)


def remember(
    fleet: state.Fleet, launch: state.Launch, error: errors.CloudError, *, now: float
) -> state.Fleet:
    """Remember a refusal where other launches can learn from it."""
    key: state.RefusedThing
    match error:
        case errors.QuotaExceeded(scope=errors.Scope.MACHINE_TYPE) if launch.candidate is not None:
            key = state.OverQuota(launch.account, machine_type=launch.candidate.machine_type)
        case errors.QuotaExceeded(scope=errors.Scope.LOCATION) if launch.candidate is not None:
            key = state.OverQuota(launch.account, location=launch.candidate.location)
        case errors.QuotaExceeded():
            key = state.OverQuota(launch.account)
        case errors.NoCapacity():
            key = state.SoldOut(launch.account, launch.candidate)
        case errors.BadCredentials():
            key = state.BadLogin(launch.account)
        case errors.Refused():
            key = state.BadOrder(launch.group, launch.candidate)
        case _:
            return fleet
    said = state.Refusal(now, failure_of(error))
    return dataclasses.replace(fleet, refusals={**fleet.refusals, key: said})


def account_refusal(fleet: state.Fleet, account: str) -> state.Refusal | None:
    """Find the last no to a whole account: over quota, or a login that is not accepted."""
    keys: tuple[state.RefusedThing, ...] = (state.OverQuota(account), state.BadLogin(account))
    said = [found for key in keys if (found := fleet.refusals.get(key)) is not None]
    return max(said, key=lambda refusal: refusal.at, default=None)


class Remembered(NamedTuple):
    """What a refusal that still counts was, and for how many seconds it does."""

    code: str
    left_s: float


def remembered(fleet: state.Fleet, now: float) -> Iterator[tuple[state.RefusedThing, Remembered]]:
    """Yield the refusals that still count, by what they were said of."""
    for thing, refusal in fleet.refusals.items():
        left_s = refusal.at + SOLD_OUT_S - now
        if left_s > 0:
            yield thing, Remembered(refusal.failure.code, left_s)


def left(
    fleet: state.Fleet, launch: state.Launch, node_group: groups.NodeGroup
) -> list[groups.Candidate]:
    """List the candidates that are sold and were not refused to this launch, in order."""
    catalogue = fleet.accounts[launch.account].catalogue
    return [
        candidate
        for candidate in node_group.candidates
        if catalogue is not None
        and candidate in catalogue.offers
        and candidate not in launch.refused
        and _refused_at(fleet, launch, candidate) <= launch.born
    ]


def choose(
    fleet: state.Fleet,
    launch: state.Launch,
    candidates: Iterable[groups.Candidate],
    now: float,
) -> groups.Candidate | None:
    """Pick the candidate to try: in order, those lately refused behind the others.

    None when there is none.
    """
    return min(
        candidates,
        key=lambda candidate: lately_refused(fleet, launch, candidate, now),
        default=None,
    )


def lately_refused(
    fleet: state.Fleet, launch: state.Launch, candidate: groups.Candidate, now: float
) -> bool:
    """Return whether a candidate was refused to anybody minutes ago."""
    return now - _refused_at(fleet, launch, candidate) < SOLD_OUT_S


def exhausted(
    fleet: state.Fleet, launch: state.Launch, node_group: groups.NodeGroup
) -> state.Failure:
    """Say of a launch with no candidate left what was said to each.

    It is a quota where one is among what was said and nothing was sold out: what is sold out comes
    back by itself, a quota is for a person to raise.
    """
    catalogue = fleet.accounts[launch.account].catalogue
    offers = catalogue.offers if catalogue is not None else {}
    parts: list[str] = []
    codes: set[str] = set()
    wrong = True
    for candidate in node_group.candidates:
        order, *others = (
            fleet.refusals.get(key) for key in keys_of(launch.group, launch.account, candidate)
        )
        said = order or max((each for each in others if each), key=lambda it: it.at, default=None)
        if candidate in offers and order is None:
            wrong = False
        if said is not None:
            codes.add(said.failure.code)
        why = said.failure.message if said is not None else "not sold here"
        parts.append(f"{candidate.machine_type} in {candidate.location}: {why}")
    message = "; ".join(parts)
    if wrong:
        return state.Failure(state.ErrorClass.OTHER, "BadOrder", message)
    code = "QuotaExceeded" if codes & {"QuotaExceeded", "OutOfStock"} == {"QuotaExceeded"} else ""
    return state.Failure(state.ErrorClass.OUT_OF_RESOURCES, code or "OutOfStock", message)


def _refused_at(fleet: state.Fleet, launch: state.Launch, candidate: groups.Candidate) -> float:
    if not fleet.refusals:
        return state.NEVER
    said = (fleet.refusals.get(key) for key in keys_of(launch.group, launch.account, candidate))
    return max((refusal.at for refusal in said if refusal is not None), default=state.NEVER)


def keys_of(
    group: str, account: str, candidate: groups.Candidate
) -> tuple[state.RefusedThing, ...]:
    """Return what a refusal of a candidate is remembered under; the order's own comes first."""
    return (
        state.BadOrder(group, candidate),
        state.SoldOut(account, candidate),
        state.OverQuota(account, machine_type=candidate.machine_type),
        state.OverQuota(account, location=candidate.location),
    )
