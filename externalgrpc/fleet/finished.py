"""Take what a cloud answered when a machine was to be finished."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from externalgrpc.fleet import (
    answers,
    claims,
    finishing,
    landing,
    proof,
    requests,
    state,
    stock,
)
from providers import contract, errors


def finished(
    fleet: state.Fleet,
    request: requests.Finish,
    answer: contract.Instance | errors.CloudError,
    *,
    mint: Iterator[str],
    now: float,
) -> state.Fleet:
    """Take the answer to a finish; a machine that was retired meanwhile is known no more.

    A machine that can never run gives way to the next candidate where its launch is one of this
    process; where nobody remembers the order, CA is shown the error once that is proved.
    """
    provider_id = request.instance.provider_id
    held = fleet.finishes.get(provider_id)
    if held is None:
        return fleet
    held = dataclasses.replace(held, under_way=False)
    match answer:
        case contract.Instance():
            return _done(fleet, request, answer, held, now=now)
        case errors.NoCapacity() | errors.BadOrder():
            return _given_up(fleet, request, answer, held, mint=mint, now=now)
        case errors.Throttled() | errors.Refused():
            # Nothing was done: the next try needs no newer listing, only patience.
            wait_s = stock.retry_wait_s(answer, held.waits + 1)
            held = dataclasses.replace(
                held, not_before=now + wait_s, waits=held.waits + 1, message=answer.message
            )
        case _:
            at = finishing.retry_at(held, now)
            held = dataclasses.replace(
                held,
                doubtful_since=now,
                not_before=at,
                times=held.times + 1,
                message=answer.message,
            )
    if held.times >= finishing.TRIES and _launch(fleet, request) is not None:
        return _given_up(fleet, request, answer, held, mint=mint, now=now)
    return finishing.put(fleet, provider_id, held)


def _done(
    fleet: state.Fleet,
    request: requests.Finish,
    answer: contract.Instance,
    held: state.Finish,
    *,
    now: float,
) -> state.Fleet:
    """Await the listing that shows it; one that says that it is unfinished still is tried again."""
    done = answer.state is not contract.InstanceState.UNFINISHED
    held = dataclasses.replace(
        held,
        times=held.times + 1,
        doubtful_since=now if done else state.NEVER,
        not_before=now if done else finishing.retry_at(held, now),
        message="" if done else "the cloud finished nothing",
    )
    fleet = finishing.put(fleet, answer.provider_id, held)
    launch = _launch(fleet, request)
    if launch is None or launch.instance is None:
        return fleet
    receipt = answer.receipt or launch.instance.receipt
    launch = dataclasses.replace(
        launch,
        instance=dataclasses.replace(answer, receipt=receipt),
        look_at=now + landing.FATE_AFTER_S,
    )
    return dataclasses.replace(fleet, launches={**fleet.launches, launch.name: launch})


def _given_up(
    fleet: state.Fleet,
    request: requests.Finish,
    error: errors.CloudError,
    held: state.Finish,
    *,
    mint: Iterator[str],
    now: float,
) -> state.Fleet:
    provider_id = request.instance.provider_id
    launch = _launch(fleet, request)
    if launch is None:
        failure = stock.failure_of(error)
        return finishing.put(fleet, provider_id, dataclasses.replace(held, failure=failure))
    fleet = stock.remember(fleet, launch, error, now=now)
    left = {key: each for key, each in fleet.finishes.items() if key != provider_id}
    fleet = dataclasses.replace(fleet, finishes=left)
    return answers.relaunch(fleet, launch, error, mint, now)


def _launch(fleet: state.Fleet, request: requests.Finish) -> state.Launch | None:
    """Give the accepted launch of a machine, where it is this process's and no Node of it came."""
    launch = fleet.launches.get(request.order.name)
    if launch is None or launch.phase is not state.Phase.ACCEPTED or launch.instance is None:
        return None
    group = fleet.groups.get(launch.group)
    if group is None or group.closing or launch.account != group.account:
        return None
    ours = proof.is_our_order(fleet, request.instance)
    return launch if ours and not claims.shows_life(fleet, request.instance) else None
