"""One of several servers acts; another that takes over begins as after a restart.

While it stood by it saw machines come and go at the word of another, of which it knows no orders:
what it made of that is forgotten, and what it may ask for again is kept.
"""

from __future__ import annotations

import dataclasses
import math

from externalgrpc.fleet import index, listing, state


def stand_by(fleet: state.Fleet, why: str) -> state.Fleet:
    """Note why this process may not act now; empty: it may. Idempotent."""
    return fleet if fleet.standby == why else dataclasses.replace(fleet, standby=why)


def take_over(fleet: state.Fleet, *, now: float, unix_now: float) -> state.Fleet:
    """Begin to act: the last listings are as first ones, and orders wait for a settling time.

    Kept are the configuration, what was read of cluster and catalogues, what Nodes are known to be
    machines of ours, which protects them, and wishes of which nothing was sent.
    """
    launches = {
        name: launch
        for name, launch in fleet.launches.items()
        if launch.phase is state.Phase.HELD and launch.asked_at == state.NEVER
    }
    retired = {
        key: held
        for key, held in fleet.retired.items()
        if not held.own and held.deletion is state.Deletion.OWED and not held.attempts
    }
    accounts = {name: _fresh(account) for name, account in fleet.accounts.items()}
    fresh = state.Fleet(
        groups=fleet.groups,
        blocked=fleet.blocked,
        accounts=accounts,
        index=index.build(accounts.values(), retired),
        launches=launches,
        retired=retired,
        registered=fleet.registered,
        learned=fleet.learned,
        kubelets=fleet.kubelets,
        cluster=fleet.cluster,
        identity=fleet.identity,
        started_at=unix_now,
        nodes=fleet.nodes,
        nodes_stale=fleet.nodes_stale,
        minted={name: "" for name in launches if name in fleet.minted},
        asked={name: fleet.asked[name] for name in launches if name in fleet.asked},
        remarked=fleet.remarked,
        left_alone=fleet.left_alone,
        limits=fleet.limits,
        awaited=fleet.awaited,
        paused=fleet.paused,
        annotation=fleet.annotation,
        spending=fleet.spending,
    )
    for name, account in fleet.accounts.items():
        if account.snapshot is not None:
            fresh = listing.observe(fresh, account.snapshot, now=now, unix_now=unix_now)
            settles_at = now + account.settle_s
            known = dataclasses.replace(
                fresh.accounts[name], settles_at=settles_at, settled=False, listed_at=state.NEVER
            )
            fresh = dataclasses.replace(fresh, accounts={**fresh.accounts, name: known})
    return fresh


def _fresh(account: state.AccountState) -> state.AccountState:
    return dataclasses.replace(
        account,
        snapshot=None,
        settles_at=math.inf,
        settled=False,
        mark_at=state.NEVER,
        mark_failures=0,
        orders=(),
        untidy=frozenset(),
        tidy_at=state.NEVER,
        leftovers_at=state.NEVER,
    )
