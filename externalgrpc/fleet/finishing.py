"""Finish what orders began: machines that exist, were never started, and run only if finished.

A create of several requests may stop between any two: the process dies, an answer is lost. What is
found so counts, is shown as being created, and is finished with its order rendered anew, one try at
a time, on evidence that is younger than the last answer. What cannot be finished, or not within the
time that its group gives a machine, is shown to CA with the error, under the same proof and the
same caps as a failed join (:mod:`externalgrpc.fleet.verdicts`); without the proof it stays.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from externalgrpc.fleet import (
    dispatch,
    keys,
    notnow,
    pausing,
    proof,
    requests,
    state,
    stock,
    verdicts,
    view,
)
from externalgrpc.model import backoff, groups
from providers import contract

TRIES = 5
"""So many tries whose outcome nobody knows, or that changed nothing, are enough."""

CODE = "Unfinished"
"""The code of a machine that could not be finished for no reason that has a code of its own."""

_UNFINISHED = contract.InstanceState.UNFINISHED


def noted(
    fleet: state.Fleet,
    instance: contract.Instance,
    account: str,
    *,
    now: float,
    doubtful_since: float = state.NEVER,
) -> state.Fleet:
    """Note a machine of which its create, or a look-up, said that it is unfinished.

    ``doubtful_since`` is when the answer of its create was lost, if it was: the rest of that may
    still be done.
    """
    if instance.state is not _UNFINISHED or instance.provider_id in fleet.finishes:
        return fleet
    fresh = state.Finish(account=account, since=now, seen_at=now, doubtful_since=doubtful_since)
    return put(fleet, instance.provider_id, fresh)


def survey(fleet: state.Fleet, account: str, *, now: float) -> state.Fleet:
    """Take what a listing of an account shows unfinished, and forget what is finished or gone.

    Of a launch whose create is under way nothing is taken: its answer decides. An orphan is shown
    as such, and nothing is done about it.
    """
    known = fleet.accounts.get(account)
    snapshot = known.snapshot if known is not None else None
    if snapshot is None or not (fleet.finishes or _any_unfinished(snapshot)):
        return fleet
    found = {key: held for key, held in fleet.finishes.items() if held.account in fleet.accounts}
    shown = {each.provider_id: each for each in snapshot.instances}
    for provider_id, held in fleet.finishes.items():
        lacks = held.account == account and provider_id not in shown
        if lacks and not _awaited(fleet, provider_id):
            del found[provider_id]
    for provider_id, instance in shown.items():
        if _account_for(fleet, instance) != account:
            continue
        launch = launch_of(fleet, instance)
        under_way = launch is not None and launch.phase is state.Phase.ASKED
        nobodys = instance.group not in fleet.groups or keys.is_retired(fleet, instance)
        if instance.state is not _UNFINISHED or under_way or nobodys:
            found.pop(provider_id, None)
            continue
        fresh = state.Finish(
            account=account,
            since=now,
            seen_at=snapshot.begun_at,
            # The rest of a create whose answer was lost may still be done, and that of another
            # process may be under way.
            doubtful_since=launch.doubtful_since if launch is not None else snapshot.begun_at,
        )
        held = found.get(provider_id, fresh)
        found[provider_id] = dataclasses.replace(held, account=account, seen_at=snapshot.begun_at)
    if found == fleet.finishes:
        return fleet
    return _forgiven(dataclasses.replace(fleet, finishes=found), fleet.finishes)


def plan(fleet: state.Fleet, agenda: requests.Agenda) -> state.Fleet:
    """Ask for what is to be finished, each account with no more hands than it has."""
    if not fleet.finishes:
        return fleet
    free = {name: account.hands for name, account in fleet.accounts.items()}
    for held in fleet.finishes.values():
        if held.under_way and held.account in free:
            free[held.account] -= 1
    changed: dict[str, state.Finish] = {}
    for provider_id, held in fleet.finishes.items():
        if held.under_way or free.get(held.account, 0) <= 0:
            continue
        wanted = wants(fleet, provider_id)
        if wanted is None or not agenda.due(held.not_before):
            continue
        free[held.account] -= 1
        agenda.ask(wanted)
        changed[provider_id] = dataclasses.replace(held, under_way=True)
    if not changed:
        return fleet
    return dataclasses.replace(fleet, finishes={**fleet.finishes, **changed})


def wants(fleet: state.Fleet, provider_id: str) -> requests.Finish | None:
    """Return the request that finishes a machine as things are now; None where it may not be sent.

    Asked again right before it is sent. The machine must be ours beyond doubt, as for an order: it
    counts, carries our identity and ``unjoined``, and no Node claims it. It was ordered already,
    so that the brake on orders does not hold it; whatever else says "not now" does.
    """
    held, instance = fleet.finishes.get(provider_id), _machine(fleet, provider_id)
    if held is None or held.failure is not None or instance is None:
        return None
    account, group = fleet.accounts.get(held.account), fleet.groups.get(instance.group)
    if account is None or group is None or _never(fleet, group, account):
        return None
    said = notnow.why(fleet, group.name)
    if (
        not account.settled
        or account.catalogue is None
        or instance.machine_type not in account.catalogue.machine_types
        or dispatch.unknown(fleet, account)
        or (said is not None and said.code != notnow.ORDER_RATE)
        or not _is_sure(held, account)
        or not _counts(fleet, instance)
        or not proof.looks_fresh(fleet, instance, account.name)
        or proof.is_strange(fleet, instance, account)
    ):
        return None
    return requests.Finish(
        requests.Create(
            account.name,
            instance.node_name,
            group,
            groups.Candidate(instance.machine_type, instance.location),
            account.catalogue.machine_types[instance.machine_type],
        ),
        instance,
    )


def judge(fleet: state.Fleet, account: str, *, now: float) -> state.Fleet:
    """Give up what cannot be finished, or was not in its time; show CA what may be shown of it."""
    if not fleet.finishes:
        return fleet
    court = verdicts.Court(fleet, now)
    finishes, unjoined = dict(fleet.finishes), dict(fleet.unjoined)
    for provider_id, held in fleet.finishes.items():
        instance = fleet.index.by_provider_id.get(provider_id)
        group = fleet.groups.get(instance.group) if instance is not None else None
        if held.account != account or held.under_way or instance is None or group is None:
            continue
        if held.failure is None and pausing.own_word(fleet, group.name, account):
            # Nobody could finish it meanwhile: its time begins when it may be.
            finishes[provider_id] = dataclasses.replace(held, since=now)
            continue
        failure = held.failure or _given_up(fleet, held, instance, group, now)
        member = view.find(fleet, group.name, keys.key_of(fleet, instance))
        if failure is None or member is None or member.provider_id != provider_id:
            continue
        finishes[provider_id] = dataclasses.replace(held, failure=failure)
        known = unjoined.get(member.name)
        if known is None or known.provider_id not in ("", provider_id):
            known = state.Unjoined(now, failure, verdicts.NOT_YET, provider_id)
        unjoined[member.name] = court.heard(known, instance, group, doubtful=bool(fleet.outage))
    if (finishes, unjoined, court.verdicts) == (fleet.finishes, fleet.unjoined, fleet.verdicts):
        return fleet
    return dataclasses.replace(fleet, finishes=finishes, unjoined=unjoined, verdicts=court.verdicts)


def put(fleet: state.Fleet, provider_id: str, held: state.Finish) -> state.Fleet:
    """Keep what is known of an unfinished machine."""
    return dataclasses.replace(fleet, finishes={**fleet.finishes, provider_id: held})


def launch_of(fleet: state.Fleet, instance: contract.Instance) -> state.Launch | None:
    """Return the launch of this process that a machine came of."""
    launch = fleet.launches.get(instance.node_name)
    return launch if launch is not None and proof.is_our_order(fleet, instance) else None


def _account_for(fleet: state.Fleet, instance: contract.Instance) -> str:
    """Name the account that finishes a machine: its group's, where that login shows it too.

    Two logins may look into one project, and the first one's row counts.
    """
    counted_by = fleet.index.account_of.get(instance.provider_id, "")
    group = fleet.groups.get(instance.group)
    if instance.state is not _UNFINISHED or group is None or group.account == counted_by:
        return counted_by
    own = fleet.accounts[group.account].snapshot
    shown = own.instances if own is not None else ()
    both = any(each.provider_id == instance.provider_id for each in shown)
    return group.account if both else counted_by


def _any_unfinished(snapshot: state.Snapshot) -> bool:
    return any(each.state is _UNFINISHED for each in snapshot.instances)


def _machine(fleet: state.Fleet, provider_id: str) -> contract.Instance | None:
    """Return an unfinished machine as the listing shows it, or as its create did."""
    found = fleet.index.by_provider_id.get(provider_id)
    if found is None:
        found = next(
            (
                launch.instance
                for launch in fleet.launches.values()
                if launch.instance is not None and launch.instance.provider_id == provider_id
            ),
            None,
        )
    return found if found is not None and found.state is _UNFINISHED else None


def _awaited(fleet: state.Fleet, provider_id: str) -> bool:
    """Return whether a machine that a listing lacks may be there all the same."""
    return provider_id in fleet.missing or _machine(fleet, provider_id) is not None


def _is_sure(held: state.Finish, account: state.AccountState) -> bool:
    """Return whether a machine was seen unfinished after all that was asked of it had its time."""
    if held.doubtful_since == state.NEVER:
        return True
    return held.seen_at >= held.doubtful_since + account.settle_s


def _counts(fleet: state.Fleet, instance: contract.Instance) -> bool:
    """Return whether a machine is a member under its own name, and not given up."""
    name, provider_id = instance.node_name, instance.provider_id
    if not name or provider_id in fleet.quarantine or keys.is_retired(fleet, instance):
        return False
    launch = fleet.launches.get(name)
    if launch is not None and launch.phase is not state.Phase.ACCEPTED:
        return False
    failed = fleet.unjoined.get(name)
    given_up = failed is not None and failed.provider_id in ("", provider_id)
    return not given_up and keys.key_of(fleet, instance) == name


def _never(fleet: state.Fleet, group: groups.NodeGroup, account: state.AccountState) -> str:
    """Say why no machine of a group is finished at an account, as configured; empty when it is."""
    if group.departed:
        return "its group is no longer in the configuration"
    if group.deletion:
        return "its VPSNode is being deleted"
    if group.account != account.name:
        return f"its group moved to account {group.account}"
    if not account.finishing:
        return "its cloud cannot finish machines"
    return fleet.blocked.get(group.name, "")


def _given_up(
    fleet: state.Fleet,
    held: state.Finish,
    instance: contract.Instance,
    group: groups.NodeGroup,
    now: float,
) -> state.Failure | None:
    """Return why a machine is not tried to be finished any longer; None while it is."""
    account, own = fleet.accounts[held.account], fleet.accounts[group.account].snapshot
    if group.account != account.name and (own is None or own.begun_at <= held.since):
        # The group's own login may look into the same project, and has not been heard since.
        return None
    why = _never(fleet, group, account)
    if not why and held.times >= TRIES and _is_sure(held, account):
        why = f"tried {held.times} times: {held.message or 'the cloud shows it as before'}"
    if not why and now - held.since > group.provision_timeout_s:
        why = f"not within {group.provision_timeout_s:.0f} s: " + (
            held.message or account.trouble or "it was not certain enough whose it is"
        )
    if not why:
        return None
    message = f"{instance.node_name or instance.provider_id} cannot be finished: {why}"
    return state.Failure(state.ErrorClass.OTHER, CODE, message)


def retry_at(held: state.Finish, now: float) -> float:
    """Return when a machine is tried again whose last try came to nothing."""
    return now + backoff.wait_s(held.times + 1, base_s=stock.RETRY_S, longest_s=stock.MAX_RETRY_S)


def _forgiven(fleet: state.Fleet, before: Mapping[str, state.Finish]) -> state.Fleet:
    """Take back what was said of machines that are finished after all, or no more."""
    over = {key for key, held in before.items() if held.failure and key not in fleet.finishes}
    left = {key: each for key, each in fleet.unjoined.items() if each.provider_id not in over}
    if len(left) == len(fleet.unjoined):
        return fleet
    return dataclasses.replace(fleet, unjoined=left)
