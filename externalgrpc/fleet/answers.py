"""Take what the cloud answered to one order or one look-up.

An answer may come late, after CA let the launch go or a listing showed its machine; each function
looks at what the fleet says now, not at what it said when the request was sent.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping

from externalgrpc.fleet import (
    claims,
    finishing,
    identity,
    landing,
    proof,
    retired,
    state,
    stock,
    vanishing,
)
from externalgrpc.model import backoff, groups
from providers import contract, errors

MAX_VANISHED = 3
"""How many machines one launch may lose after they were accepted before it fails for good."""


def ordered(
    fleet: state.Fleet, name: str, answer: contract.Instance | errors.CloudError, *, now: float
) -> state.Fleet:
    """Take the answer to a create."""
    launch = fleet.launches.get(name)
    if launch is None:
        return retired.ordered(fleet, name, answer, now=now)
    if isinstance(answer, contract.Instance):
        fleet = proof.bound(fleet, name, answer)
    if launch.phase is not state.Phase.ASKED:
        return _overtaken(fleet, launch, answer)
    if launch.instance is not None and not _names(answer, launch.instance):
        # Its machine was seen between two of its requests: it is there whatever this says, and its
        # name is never sent again. The rest of the create may still be done.
        half = launch.instance
        fleet = finishing.noted(fleet, half, launch.account, now=now, doubtful_since=now)
        return _put(fleet, _accepted(launch, half, now))
    if isinstance(answer, errors.CloudError):
        return _refused(fleet, launch, answer, now=now)
    fleet = finishing.noted(fleet, answer, launch.account, now=now)
    return _put(fleet, _accepted(launch, answer, now))


def looked_up(
    fleet: state.Fleet,
    name: str,
    answer: contract.Instance | errors.CloudError | None,
    *,
    mint: Iterator[str],
    now: float,
) -> state.Fleet:
    """Take the answer to the look-up of a launch, or of a retired name that may still land.

    None says that there is certainly no such machine: an order of unknown outcome may be sent
    again, an accepted one is relaunched under a new name. Where a Node of it was seen it is there,
    whatever the cloud says: it is looked up again.
    """
    launch = fleet.launches.get(name)
    if launch is None:
        return retired.looked_up(fleet, name, answer, now=now)
    accepted = launch.phase is state.Phase.ACCEPTED
    launch = dataclasses.replace(launch, looking=False, look_at=math.inf)
    if not _is_believed(fleet, launch, answer):
        # Whoever is asked for one machine and shows another: nothing it said till now counts.
        another = isinstance(answer, contract.Instance) and answer.node_name != name
        since = now if launch.outcome_unknown and another else launch.doubtful_since
        wait = dataclasses.replace(launch, look_at=now + stock.MAX_RETRY_S, doubtful_since=since)
        return _put(fleet, wait)
    match answer:
        case contract.Instance():
            if launch.phase is not state.Phase.ASKED:
                lost_at = launch.doubtful_since
                fleet = finishing.noted(
                    fleet, answer, launch.account, now=now, doubtful_since=lost_at
                )
            return _put(proof.bound(fleet, name, answer), _found(launch, answer, now))
        case None:
            return _certainly_none(fleet, launch, mint=mint, now=now)
        case errors.NoCapacity() | errors.BadOrder() if accepted:
            fleet = stock.remember(fleet, launch, answer, now=now)
            return relaunch(fleet, launch, answer, mint, now)
        case _:
            wait_s = stock.retry_wait_s(answer, 1)
            return _put(fleet, dataclasses.replace(launch, look_at=now + wait_s))


def missing_looked_up(
    fleet: state.Fleet,
    provider_id: str,
    answer: contract.Instance | errors.CloudError | None,
    *,
    now: float,
) -> state.Fleet:
    """Take the answer to the look-up of a member that a listing lacked."""
    held = fleet.missing.get(provider_id)
    if held is None:
        return fleet
    going = isinstance(answer, contract.Instance) and (
        answer.state is contract.InstanceState.DELETING
    )
    if answer is None or going:
        return vanishing.said_gone(fleet, held, now=now)
    missing = dict(fleet.missing)
    if isinstance(answer, contract.Instance):
        # It waits for the next listing: only that can show it as a member again.
        missing[provider_id] = dataclasses.replace(
            held, looking=False, look_at=math.inf, absences=0, gone_since=state.NEVER
        )
    else:
        wait_s = stock.retry_wait_s(answer, 1)
        missing[provider_id] = dataclasses.replace(held, looking=False, look_at=now + wait_s)
    return dataclasses.replace(fleet, missing=missing)


def _names(answer: contract.Instance | errors.CloudError, instance: contract.Instance) -> bool:
    return isinstance(answer, contract.Instance) and answer.provider_id == instance.provider_id


def _accepted(launch: state.Launch, instance: contract.Instance, now: float) -> state.Launch:
    return dataclasses.replace(
        launch,
        phase=state.Phase.ACCEPTED,
        instance=instance,
        doubtful_since=now,
        may_land=True,
        look_at=now + landing.FATE_AFTER_S,
    )


def _overtaken(
    fleet: state.Fleet, launch: state.Launch, answer: contract.Instance | errors.CloudError
) -> state.Fleet:
    """Take the answer to a create whose machine a listing showed first: keep its receipt."""
    held = launch.instance
    if held is None or not isinstance(answer, contract.Instance):
        return fleet
    if held.provider_id != answer.provider_id:
        return fleet
    receipted = dataclasses.replace(held, receipt=answer.receipt)
    return _put(fleet, dataclasses.replace(launch, instance=receipted))


def _refused(
    fleet: state.Fleet, launch: state.Launch, error: errors.CloudError, *, now: float
) -> state.Fleet:
    attempts = launch.attempts + 1
    if isinstance(error, errors.Throttled | errors.NoCapacity | errors.Refused):
        fleet = _not_made(fleet, launch)
    match error:
        case errors.Throttled():
            held = dataclasses.replace(
                launch,
                phase=state.Phase.HELD,
                not_before=now + stock.retry_wait_s(error, attempts),
                attempts=attempts,
                may_land=False,
            )
            return _put(fleet, held)
        case _ if stock.another_may_do(error):
            fleet = stock.remember(fleet, launch, error, now=now)
            next_one = dataclasses.replace(
                launch, phase=state.Phase.HELD, refused=_refusals(launch), may_land=False
            )
            return _put(fleet, next_one)
        case errors.NoCapacity() | errors.Refused():
            fleet = stock.remember(fleet, launch, error, now=now)
            failed = dataclasses.replace(
                launch,
                phase=state.Phase.FAILED,
                failure=stock.failure_of(error),
                may_land=False,
            )
            return _put(fleet, failed)
        case _:
            unsure = dataclasses.replace(
                launch,
                phase=state.Phase.UNSURE,
                doubtful_since=now,
                attempts=attempts,
                may_land=True,
            )
            return _put(fleet, unsure)


def _not_made(fleet: state.Fleet, launch: state.Launch) -> state.Fleet:
    """Take an order that made nothing out of those that the brake counts."""
    account = fleet.accounts[launch.account]
    orders = list(account.orders)
    if launch.asked_at not in orders:
        return fleet
    orders.remove(launch.asked_at)
    account = dataclasses.replace(account, orders=tuple(orders))
    return dataclasses.replace(fleet, accounts={**fleet.accounts, account.name: account})


def _found(launch: state.Launch, instance: contract.Instance, now: float) -> state.Launch:
    """Note that the machine is there; from time to time its fate is looked up again."""
    waited = max(now - launch.doubtful_since, landing.FATE_AFTER_S)
    if launch.phase is state.Phase.ASKED:
        return dataclasses.replace(launch, instance=instance)
    if launch.phase is state.Phase.ACCEPTED:
        return dataclasses.replace(launch, look_at=now + waited)
    return dataclasses.replace(
        launch,
        phase=state.Phase.ACCEPTED,
        instance=instance,
        failure=None,
        may_land=True,
        look_at=now + waited,
    )


def _certainly_none(
    fleet: state.Fleet, launch: state.Launch, *, mint: Iterator[str], now: float
) -> state.Fleet:
    if not _is_lacking(fleet, launch):
        # The look-up alone proves nothing: a listing that lacks it brings the next one.
        return _put(fleet, launch)
    if launch.outcome_unknown:
        fleet = proof.never_shown(fleet, launch)
    match launch.phase:
        case state.Phase.UNSURE:
            wait_s = backoff.wait_s(
                launch.attempts, base_s=stock.RETRY_S, longest_s=stock.MAX_RETRY_S
            )
            held = dataclasses.replace(
                launch, phase=state.Phase.HELD, not_before=now + wait_s, may_land=False
            )
            return _put(fleet, held)
        case state.Phase.FAILED:
            return _put(fleet, dataclasses.replace(launch, may_land=False))
        case state.Phase.ACCEPTED:
            gone = errors.CloudError(
                "the machine disappeared before it ran; the cloud does not say why"
            )
            return relaunch(fleet, launch, gone, mint, now)
        case state.Phase.HELD | state.Phase.ASKED:
            return _put(fleet, launch)


def _is_believed(
    fleet: state.Fleet,
    launch: state.Launch,
    answer: contract.Instance | errors.CloudError | None,
) -> bool:
    """Return whether a look-up speaks of the machine that was ordered.

    A label can be edited: a machine that bears the name need not be it. And what was seen as a
    Node is there, even if the cloud says that it is not.
    """
    if isinstance(answer, contract.Instance):
        return proof.may_be_of(fleet, launch.name, answer)
    if launch.instance is None:
        return True
    ordered = dataclasses.replace(launch.instance, node_name=launch.name, group=launch.group)
    return not claims.shows_life(fleet, ordered)


def _is_lacking(fleet: state.Fleet, launch: state.Launch) -> bool:
    """Return whether a listing that began after the settling time lacks a launch's machine."""
    account = fleet.accounts[launch.account]
    if account.snapshot is None or fleet.minted.get(launch.name) in fleet.index.by_provider_id:
        return False
    return account.snapshot.begun_at > launch.doubtful_since + account.settle_s


def relaunch(
    fleet: state.Fleet,
    launch: state.Launch,
    error: errors.CloudError,
    mint: Iterator[str],
    now: float,
) -> state.Fleet:
    """Give up an accepted order that failed: its name is retired, a new one takes its place.

    A name is never used for two machines: the first one may still be shown for a while. Where a
    fresh CA's growth was to be covered by the old name, the new one covers it. A machine that is in
    quarantine left the target when it came there: nothing takes its place, and it stays as it is.
    """
    if launch.instance is not None and launch.instance.provider_id in fleet.quarantine:
        kept = {key: held for key, held in fleet.launches.items() if key != launch.name}
        return dataclasses.replace(fleet, launches=kept)
    retirements = dict(fleet.retired)
    if launch.instance is not None:
        retirements[launch.name] = retired.owed(
            dataclasses.replace(launch.instance, node_name=launch.name, group=launch.group),
            launch.account,
            now,
            key=launch.name,
            own=True,
        )
    name = next(name for name in mint if not identity.name_is_taken(fleet, name))
    sold_out = stock.another_may_do(error)
    vanished = launch.vanished + 1
    may_pass = sold_out or type(error) is errors.CloudError
    fails = not may_pass or vanished >= MAX_VANISHED
    launches = {key: held for key, held in fleet.launches.items() if key != launch.name}
    launches[name] = state.Launch(
        name=name,
        group=launch.group,
        account=launch.account,
        born=launch.born,
        refused=_refusals(launch) if sold_out else launch.refused,
        vanished=vanished,
        phase=state.Phase.FAILED if fails else state.Phase.HELD,
        failure=stock.failure_of(error) if fails else None,
        candidate=launch.candidate if fails else None,
    )
    pending_at_start = dict(fleet.pending_at_start)
    covering = pending_at_start.get(launch.group, frozenset())
    if launch.name in covering:
        pending_at_start[launch.group] = covering - {launch.name} | {name}
    return dataclasses.replace(
        fleet,
        launches=launches,
        retired=retirements,
        pending_at_start=pending_at_start,
        minted={**fleet.minted, name: ""},
        asked=_handed_on(fleet.asked, launch.name, name),
    )


def _handed_on(asked: Mapping[str, float], before: str, after: str) -> Mapping[str, float]:
    """Let a machine that is ordered anew under another name have been asked for as it was."""
    return {**asked, after: asked[before]} if before in asked else asked


def _refusals(launch: state.Launch) -> frozenset[groups.Candidate]:
    return launch.refused if launch.candidate is None else launch.refused | {launch.candidate}


def _put(fleet: state.Fleet, launch: state.Launch) -> state.Fleet:
    return dataclasses.replace(fleet, launches={**fleet.launches, launch.name: launch})
