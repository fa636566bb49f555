"""Keep the marks of machines true: take ``unjoined`` off what became a node, identify our own.

Only a machine that a Node of this cluster claims by name and providerID is touched; the two marks
are what a later process, or a second server, judges by.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from externalgrpc.fleet import claims, keys, quarantine, requests, state
from externalgrpc.model import backoff, foreign_words
from providers import contract, errors

RETRY_S = 10.0
MAX_RETRY_S = 3600.0
"""A login that may not change marks, or a cloud that does not, is asked less and less often."""

SHARE = 0.5
"""The part of the budget that changes of marks may take while there are any to make."""


def survey(fleet: state.Fleet) -> state.Fleet:
    """Find the machines whose marks will have to change once a Node claims them."""
    found = frozenset(
        instance.provider_id
        for account in fleet.accounts.values()
        if account.marking and account.snapshot is not None
        for instance in account.snapshot.instances
        if instance.unjoined or _lacks_identity(fleet, instance, account)
    )
    if found == fleet.unmarked:
        return fleet
    tries = {key: held for key, held in fleet.mark_tries.items() if key in found}
    return dataclasses.replace(fleet, unmarked=found, mark_tries=tries)


def plan(fleet: state.Fleet, agenda: requests.Agenda) -> state.Fleet:
    """Ask for the change of one machine's marks at a time and account, between the orders."""
    changed: dict[str, state.AccountState] = {}
    due = {name for name, held in fleet.accounts.items() if held.marking and fleet.unmarked}
    due = {name for name in due if agenda.due(fleet.accounts[name].mark_at)}
    if not due:
        return fleet
    tries = fleet.mark_tries

    def turn(provider_id: str) -> tuple[int, str]:
        return (tries[provider_id].times if provider_id in tries else 0, provider_id)

    shown, account_of = fleet.index.by_provider_id, fleet.index.account_of
    # Most wait for their Nodes: those are passed over before anything is put in order.
    claimed = [
        each for each in fleet.unmarked if each in shown and claims.claimed(fleet, shown[each])
    ]
    for provider_id in sorted(claimed, key=turn):
        instance, name = shown[provider_id], account_of.get(provider_id, "")
        account = fleet.accounts.get(name)
        if account is None or name in changed or name not in due:
            continue
        tried = tries.get(provider_id)
        if tried is not None and not agenda.due(tried.not_before):
            continue
        put, remove = _wanted(fleet, instance, account)
        if not (put or remove):
            continue
        agenda.ask(requests.Mark(name, provider_id, instance.id, put, remove))
        changed[name] = dataclasses.replace(account, mark_at=float("inf"))
    if not changed:
        return fleet
    return dataclasses.replace(fleet, accounts={**fleet.accounts, **changed})


def marked(
    fleet: state.Fleet,
    request: requests.Mark,
    error: errors.CloudError | None,
    *,
    now: float,
    wait_s: float,
) -> state.Fleet:
    """Take the answer to a change of marks; ``wait_s`` is how long to wait after an error.

    A machine whose marks were changed waits for its next turn, longer each time, whatever the
    answer was: others must not wait for one that takes none, or shows none for long.
    """
    account = fleet.accounts.get(request.account)
    if account is None:
        return fleet
    pace_s = max(0.5, account.costs.mark / (SHARE * account.rate_per_s))
    own = isinstance(error, errors.BadOrder)
    failures = account.mark_failures + (not own) if error is not None else 0
    doubled = _wait_s(failures) if failures else 0.0
    next_at = now + max(pace_s, wait_s, doubled)
    account = dataclasses.replace(account, mark_at=next_at, mark_failures=failures)
    tried = fleet.mark_tries.get(request.provider_id, state.Tries(0, now)).times + 1
    turn_at = now + _wait_s(tried)
    return dataclasses.replace(
        fleet,
        accounts={**fleet.accounts, account.name: account},
        # The next listing says whether it still wants to be changed.
        unmarked=fleet.unmarked - {request.provider_id} if error is None or own else fleet.unmarked,
        mark_tries={**fleet.mark_tries, request.provider_id: state.Tries(tried, turn_at)},
    )


def _wait_s(times: int) -> float:
    return backoff.wait_s(times, base_s=RETRY_S, longest_s=MAX_RETRY_S)


def _lacks_identity(
    fleet: state.Fleet, instance: contract.Instance, account: state.AccountState
) -> bool:
    """Return whether a machine lacks our identity and may have it; another's may, if adopted."""
    if not fleet.identity or instance.identity == fleet.identity:
        return False
    adopted = quarantine.word_on(account, instance) == foreign_words.ADOPT
    return adopted or not quarantine.is_foreign(fleet, instance)


def _wanted(
    fleet: state.Fleet, instance: contract.Instance, account: state.AccountState
) -> tuple[Mapping[contract.Mark, str], frozenset[contract.Mark]]:
    nothing: Mapping[contract.Mark, str] = {}
    of_ours = instance.group in fleet.groups and not keys.is_retired(fleet, instance)
    if not of_ours or not claims.claimed(fleet, instance):
        return nothing, frozenset()
    remove = frozenset({contract.Mark.UNJOINED}) if instance.unjoined else frozenset()
    foreign = quarantine.is_foreign(fleet, instance)
    if foreign and quarantine.word_on(account, instance) != foreign_words.ADOPT:
        # Whosever it is, it is a node: whoever takes it for his own must not think that it is none.
        return nothing, remove
    lacks = bool(fleet.identity) and instance.identity != fleet.identity
    put = {contract.Mark.IDENTITY: fleet.identity} if lacks and fleet.identity else nothing
    return put, remove
