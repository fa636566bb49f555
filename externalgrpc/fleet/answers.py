"""The way up: what the cloud answered to one order, one look-up, one deletion.

An answer may come late, after CA let the launch go or a listing showed its machine; each function
looks at what the fleet says now, not at what it said when the request was sent.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from externalgrpc.fleet import listing, plan, state
from providers import contract, errors

RETRY_S = 5.0
"""A request that nobody could take is sent again after this long, doubling up to MAX_RETRY_S."""

MAX_RETRY_S = 60.0

MAX_VANISHED = 3
"""How many machines one launch may lose after they were accepted before it fails for good."""


def ordered(
    fleet: state.Fleet, name: str, answer: contract.Instance | errors.CloudError, *, now: float
) -> state.Fleet:
    """Take the answer to a create."""
    launch = fleet.launches.get(name)
    if launch is None:
        return _ordered_retired(fleet, name, answer, now)
    if launch.phase is not state.Phase.ASKED:
        # A listing was quicker than the reply, and what it shows is there.
        if launch.instance is None or not isinstance(answer, contract.Instance):
            return fleet
        same = launch.instance.provider_id == answer.provider_id
        receipt = answer.receipt if same else launch.instance.receipt
        return _put(
            fleet,
            dataclasses.replace(
                launch, instance=dataclasses.replace(launch.instance, receipt=receipt)
            ),
        )
    if isinstance(answer, contract.Instance):
        return _put(
            fleet,
            dataclasses.replace(
                launch,
                phase=state.Phase.ACCEPTED,
                instance=answer,
                doubtful_since=now,
                may_land=True,
                look_at=now + listing.FATE_AFTER_S,
            ),
        )
    return _refused(fleet, launch, answer, now=now)


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
    again, an accepted one is relaunched under a new name.
    """
    launch = fleet.launches.get(name)
    if launch is None:
        return _looked_up_retired(fleet, name, answer, now)
    launch = dataclasses.replace(launch, looking=False, look_at=float("inf"))
    match answer:
        case contract.Instance():
            if launch.phase in (state.Phase.UNSURE, state.Phase.FAILED):
                launch = dataclasses.replace(
                    launch, phase=state.Phase.ACCEPTED, instance=answer, failure=None
                )
            waited = max(now - launch.doubtful_since, listing.FATE_AFTER_S)
            return _put(fleet, dataclasses.replace(launch, look_at=now + waited))
        case None:
            return _certainly_none(fleet, launch, mint=mint, now=now)
        case errors.NoCapacity() | errors.BadOrder():
            return _relaunch(_remember(fleet, launch, answer, now), launch, answer, mint, now)
        case _:
            return _put(fleet, dataclasses.replace(launch, look_at=now + _wait(answer, 1)))


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
    missing = dict(fleet.missing)
    if answer is None:
        del missing[provider_id]
        lost = state.Gone(held.instance.group, let_go=False)
        gone = {**fleet.gone, provider_id: lost, state.key_of(held.instance): lost}
        return dataclasses.replace(fleet, missing=missing, gone=gone)
    if isinstance(answer, contract.Instance):
        # It waits for the next listing: only that can show it as a member again.
        missing[provider_id] = dataclasses.replace(held, looking=False, look_at=float("inf"))
    else:
        missing[provider_id] = dataclasses.replace(
            held, looking=False, look_at=now + _wait(answer, 1)
        )
    return dataclasses.replace(fleet, missing=missing)


def deleted(
    fleet: state.Fleet, key: str, error: errors.CloudError | None, *, now: float
) -> state.Fleet:
    """Take the answer to a delete; no error means that the cloud took it."""
    retirement = fleet.retired.get(key)
    if retirement is None or retirement.deletion is not state.Deletion.SENT:
        return fleet
    attempts = retirement.attempts + 1
    if error is None:
        retirement = dataclasses.replace(
            retirement,
            deletion=state.Deletion.DONE,
            doubtful_since=now,
            absences=0,
            attempts=attempts,
            told="",
        )
    else:
        retirement = dataclasses.replace(
            retirement,
            deletion=state.Deletion.OWED,
            not_before=now + _wait(error, attempts),
            attempts=attempts,
            told=error.message,
        )
    return dataclasses.replace(fleet, retired={**fleet.retired, key: retirement})


def failure_of(error: errors.CloudError) -> state.Failure:
    """Say an error in CA's terms: a class, a code from a fixed set, a sentence."""
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


def _refused(
    fleet: state.Fleet, launch: state.Launch, error: errors.CloudError, *, now: float
) -> state.Fleet:
    attempts = launch.attempts + 1
    match error:
        case errors.Throttled():
            held = dataclasses.replace(
                launch,
                phase=state.Phase.HELD,
                not_before=now + _wait(error, attempts),
                attempts=attempts,
                may_land=False,
            )
            return _put(fleet, held)
        case errors.NoCapacity() | errors.Refused():
            fleet = _remember(fleet, launch, error, now)
            refused = launch.refused
            if launch.candidate is not None and isinstance(error, errors.OutOfStock):
                refused |= {launch.candidate}
            failure = None if isinstance(error, errors.OutOfStock) else failure_of(error)
            return _put(
                fleet,
                dataclasses.replace(
                    launch,
                    phase=state.Phase.FAILED if failure else state.Phase.HELD,
                    failure=failure,
                    refused=refused,
                    may_land=False,
                ),
            )
        case _:
            unsure = dataclasses.replace(
                launch,
                phase=state.Phase.UNSURE,
                doubtful_since=now,
                attempts=attempts,
                may_land=True,
            )
            return _put(fleet, unsure)


def _remember(
    fleet: state.Fleet, launch: state.Launch, error: errors.CloudError, now: float
) -> state.Fleet:
    key = plan.refusal_key(launch, error)
    if key is None:
        return fleet
    refusal = state.Refusal(now, failure_of(error))
    return dataclasses.replace(fleet, refusals={**fleet.refusals, key: refusal})


def _certainly_none(
    fleet: state.Fleet, launch: state.Launch, *, mint: Iterator[str], now: float
) -> state.Fleet:
    if launch.phase is state.Phase.UNSURE:
        wait = min(RETRY_S * 2 ** max(launch.attempts - 1, 0), MAX_RETRY_S)
        held = dataclasses.replace(
            launch, phase=state.Phase.HELD, not_before=now + wait, may_land=False
        )
        return _put(fleet, held)
    if launch.phase is state.Phase.FAILED:
        return _put(fleet, dataclasses.replace(launch, may_land=False))
    if launch.phase is not state.Phase.ACCEPTED:
        return _put(fleet, launch)
    settled_at = launch.doubtful_since + fleet.accounts[launch.account].settle_s
    if now <= settled_at:
        return _put(fleet, dataclasses.replace(launch, look_at=settled_at + 1))
    gone = errors.CloudError("the machine disappeared before it ran; the cloud does not say why")
    return _relaunch(fleet, launch, gone, mint, now)


def _relaunch(
    fleet: state.Fleet,
    launch: state.Launch,
    error: errors.CloudError,
    mint: Iterator[str],
    now: float,
) -> state.Fleet:
    """Give up an accepted order that failed: its name is retired, a new one takes its place.

    A name is never used for two machines: the first one may still be shown for a while.
    """
    launches = {name: held for name, held in fleet.launches.items() if name != launch.name}
    retired = dict(fleet.retired)
    if launch.instance is not None:
        retired[launch.name] = state.Retirement(
            key=launch.name,
            name=launch.name,
            group=launch.group,
            account=launch.account,
            since=now,
            deletion=state.Deletion.OWED,
            instance_id=launch.instance.id,
            provider_id=launch.instance.provider_id,
        )
    taken = fleet.launches.keys() | retired.keys() | fleet.index.by_name.keys()
    name = next(name for name in mint if name not in taken)
    refused = launch.refused
    if launch.candidate is not None and isinstance(error, errors.OutOfStock):
        refused |= {launch.candidate}
    vanished = launch.vanished + 1
    lasting = isinstance(error, errors.OutOfStock) or type(error) is errors.CloudError
    fails = not lasting or vanished >= MAX_VANISHED
    launches[name] = state.Launch(
        name=name,
        group=launch.group,
        account=launch.account,
        born=launch.born,
        refused=refused,
        vanished=vanished,
        phase=state.Phase.FAILED if fails else state.Phase.HELD,
        failure=failure_of(error) if fails else None,
        candidate=launch.candidate if fails else None,
    )
    missing = {
        pid: held
        for pid, held in fleet.missing.items()
        if state.key_of(held.instance) != launch.name
    }
    return dataclasses.replace(fleet, launches=launches, retired=retired, missing=missing)


def _ordered_retired(
    fleet: state.Fleet, name: str, answer: contract.Instance | errors.CloudError, now: float
) -> state.Fleet:
    """Take the answer to a create whose launch was let go while it was under way."""
    retirement = fleet.retired.get(name)
    if retirement is None or retirement.deletion is not state.Deletion.AWAITED:
        return fleet
    retired = dict(fleet.retired)
    if isinstance(answer, contract.Instance):
        retired[name] = dataclasses.replace(
            retirement,
            deletion=state.Deletion.OWED,
            instance_id=answer.id,
            provider_id=answer.provider_id,
        )
    elif isinstance(answer, errors.NoCapacity | errors.Refused | errors.Throttled):
        del retired[name]
        gone = {**fleet.gone, name: state.Gone(retirement.group, let_go=True)}
        return dataclasses.replace(fleet, retired=retired, gone=gone)
    else:
        retired[name] = dataclasses.replace(retirement, doubtful_since=now)
    return dataclasses.replace(fleet, retired=retired)


def _looked_up_retired(
    fleet: state.Fleet,
    name: str,
    answer: contract.Instance | errors.CloudError | None,
    now: float,
) -> state.Fleet:
    retirement = fleet.retired.get(name)
    if retirement is None or retirement.deletion is not state.Deletion.AWAITED:
        return fleet
    retired = dict(fleet.retired)
    match answer:
        case contract.Instance():
            retired[name] = dataclasses.replace(
                retirement,
                looking=False,
                deletion=state.Deletion.OWED,
                instance_id=answer.id,
                provider_id=answer.provider_id,
            )
        case None:
            del retired[name]
            gone = {**fleet.gone, name: state.Gone(retirement.group, let_go=True)}
            return dataclasses.replace(fleet, retired=retired, gone=gone)
        case _:
            retired[name] = dataclasses.replace(
                retirement, looking=False, not_before=now + _wait(answer, 1)
            )
    return dataclasses.replace(fleet, retired=retired)


def _wait(error: errors.CloudError, attempts: int) -> float:
    if isinstance(error, errors.Throttled) and error.retry_after_s is not None:
        return max(error.retry_after_s, 1.0)
    return float(min(RETRY_S * 2 ** max(attempts - 1, 0), MAX_RETRY_S))


def _put(fleet: state.Fleet, launch: state.Launch) -> state.Fleet:
    return dataclasses.replace(fleet, launches={**fleet.launches, launch.name: launch})
