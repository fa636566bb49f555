"""The one imperative object: it owns the Fleet and carries out what the Fleet asks.

Readers take :attr:`Reconciler.fleet` and need no lock: it is one immutable value. Writers replace
it under a lock that is held only while a pure function runs, never during I/O. Cloud calls run on
lanes and call back.
"""

from __future__ import annotations

import dataclasses
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from externalgrpc import fleet as fleets
from externalgrpc.control import account_runtime, audit_log, call, cloud_calls, outcomes
from externalgrpc.fleet import (
    journeys,
    marking,
    plan,
    quarantine,
    state,
    wishes,
)
from externalgrpc.model import fleet_errors, groups, names
from externalgrpc.nodes import kubeletconfig, template
from externalgrpc.support import clock
from providers import contract, errors

T = TypeVar("T")
_Runtimes: TypeAlias = Mapping[str, account_runtime.AccountRuntime]


class Reconciler:
    """Own the Fleet: grow, retire, shrink and refresh it, and do what it asks.

    ``prepare`` turns a launch into the order to send; it runs on a lane's thread and may block.
    ``wake`` is called whenever something may have fallen due: whoever runs :meth:`pump` listens.
    ``count`` counts what happened, by name and labels. ``beside`` asks a cloud two questions.
    ``may_act`` is asked right before anything is sent that changes something.
    """

    def __init__(
        self,
        *,
        time_source: clock.Clock,
        chance: random.Random,
        prepare: call.Prepare,
        wake: Callable[[], None],
        count: outcomes.Count = lambda _name, _labels: None,
        beside: call.Beside = call.one_by_one,
        may_act: call.MayAct = lambda: "",
    ) -> None:
        self._clock = time_source
        self._chance = chance
        self._prepare = prepare
        self._wake = wake
        self._outcomes = outcomes.Outcomes(count)
        self._beside = beside
        self._may_act = may_act
        self._lock = threading.Lock()
        self._runtimes: Mapping[str, account_runtime.AccountRuntime] = {}
        self._listed = threading.Condition()
        self.fleet = fleets.Fleet(started_at=time_source.unix())

    # ---- wishes -------------------------------------------------------------------------

    def configure(
        self,
        node_groups: Sequence[groups.NodeGroup],
        runtimes: Mapping[str, account_runtime.AccountRuntime],
        blocked: Mapping[str, str],
        *,
        cluster: str = "",
        limits: groups.Limits | None = None,
        paused: bool = False,
        spending: groups.Spending | None = None,
    ) -> None:
        """Take a configuration; what the fleet has stays. Idempotent.

        ``cluster`` is the name that our machines are marked with. ``paused`` is said of everything.
        """
        for name, runtime in runtimes.items():
            held = self._runtimes.get(name)
            if held is not None and held.account.provider != runtime.account.provider:
                audit_log.replaced(name)
        accounts = [account_runtime.state_of(runtime) for runtime in runtimes.values()]
        now, unix_now = self._clock.monotonic(), self._clock.unix()

        def configure(fleet: state.Fleet) -> state.Fleet:
            # With the fleet, under its lock: an id of one cloud must not be sent to another.
            self._runtimes = {**self._runtimes, **runtimes}
            fleet = dataclasses.replace(
                fleet,
                cluster=cluster,
                limits=limits or groups.Limits(),
                paused=paused,
                spending=spending or groups.Spending(),
            )
            fleet = fleets.configure(fleet, node_groups, accounts, blocked=blocked)
            return quarantine.review(marking.survey(fleet), now=now, unix_now=unix_now)

        audit_log.departed(*self._change(configure))
        self._wake()

    def identified(self, identity: str | None) -> None:
        """Take our cluster's identity among others of its name: None not yet known, "" has none."""
        now, unix_now = self._clock.monotonic(), self._clock.unix()
        self._change(lambda fleet: fleets.identify(fleet, identity, now=now, unix_now=unix_now))
        self._wake()

    def await_groups(self, why: str) -> None:
        """Note what of the groups is not known yet (:attr:`state.Fleet.awaited`); empty: all is."""
        self._change(lambda fleet: fleets.await_groups(fleet, why))
        with self._listed:
            self._listed.notify_all()

    def annotated(self, said: str | None) -> None:
        """Take what our ConfigMap says of a pause: a sentence that all is, "" not, None unread."""
        self._change(lambda fleet: fleets.annotated(fleet, said))
        self._wake()

    def stand_by(self, why: str) -> None:
        """Note why this server may not act now, so that nothing is planned; empty: it may."""
        self._change(lambda fleet: fleets.stand_by(fleet, why))
        self._wake()

    def take_over(self) -> None:
        """Begin to act after another server did: forget what is not known for sure any more."""
        now, unix_now = self._clock.monotonic(), self._clock.unix()
        self._change(lambda fleet: fleets.take_over(fleet, now=now, unix_now=unix_now))
        self._wake()

    def grow(self, group: str, delta: int, *, cover: bool) -> wishes.Grown:
        """Order ``delta`` machines for a group; see :func:`externalgrpc.fleet.wishes.grow`."""
        mint = names.mint(group, self._chance)
        try:
            _, _, grown = self._swap(
                lambda fleet: fleets.grow(
                    fleet,
                    group,
                    delta,
                    mint=mint,
                    now=self._clock.monotonic(),
                    unix_now=self._clock.unix(),
                    cover=cover,
                )
            )
        except fleet_errors.FleetError as error:
            self._outcomes.growth_refused(self.fleet, group, error)
            raise
        if grown.covered:
            self._outcomes.count("growth_covered", {"group": group})
        audit_log.grown(group, delta, grown)
        self._wake()
        return grown

    def retire(self, group: str, nodes: Sequence[fleets.NodeRef]) -> tuple[str, ...]:
        """Retire nodes of a group; see :func:`externalgrpc.fleet.wishes.retire`."""
        _, _, going = self._swap(
            lambda fleet: fleets.retire(
                fleet, group, nodes, now=self._clock.monotonic(), unix_now=self._clock.unix()
            )
        )
        audit_log.retired(group, going, [node.name for node in nodes])
        self._wake()
        return going

    def shrink(self, group: str, delta: int) -> tuple[str, ...]:
        """Withdraw launches that were not sent; see :func:`externalgrpc.fleet.wishes.shrink`."""
        _, _, withdrawn = self._swap(lambda fleet: fleets.shrink(fleet, group, delta))
        audit_log.shrunk(group, delta, withdrawn)
        self._wake()
        return withdrawn

    def autoscaler_started(self) -> None:
        """Note that a new autoscaler process came: it has forgotten what it asked for."""
        unix_now = self._clock.unix()
        _, after = self._change(lambda fleet: fleets.autoscaler_started(fleet, unix_now=unix_now))
        audit_log.autoscaler_started(after)

    def registered(self, seen: Mapping[str, str]) -> None:
        """Note the Nodes that claim machines of ours: their names, by provider id."""
        now, unix_now = self._clock.monotonic(), self._clock.unix()
        self._change(lambda fleet: fleets.register(fleet, seen, now=now, unix_now=unix_now))

    def see_nodes(self, nodes: Mapping[str, state.Seen]) -> None:
        """Take a complete list of the cluster's Nodes, by name."""
        now, unix_now = self._clock.monotonic(), self._clock.unix()
        self._change(lambda fleet: fleets.see_nodes(fleet, nodes, now=now, unix_now=unix_now))

    def lose_sight_of_nodes(self) -> None:
        """Note that the cluster's Nodes were not heard of for long."""
        self._change(fleets.lose_sight_of_nodes)

    def judge_joins(
        self,
        sights: Mapping[str, journeys.NodeObservation],
        *,
        patience_s: float,
        sure: bool = True,
    ) -> tuple[state.Fleet, state.Fleet]:
        """Watch machines become nodes, and terminate what failed to and CA left for ``patience_s``.

        ``sights`` holds what the cluster shows, by Node name and provider id; who is not ``sure``
        of it blames nobody. Returns the fleets before and after, so that both can be compared.
        """
        now, unix_now = self._clock.monotonic(), self._clock.unix()
        before, after = self._change(
            lambda fleet: fleets.judge_joins(fleet, sights, now=now, unix_now=unix_now, sure=sure)
        )
        audit_log.joins_went(before, after)
        if bool(before.outage) != bool(after.outage):
            audit_log.outage(after.outage)
        overdue = fleets.overdue(after, now, patience_s=patience_s)
        if overdue:
            audit_log.overdue([member.name for member in overdue])
            self._change(
                lambda fleet: fleets.terminated(
                    fleet, fleets.overdue(fleet, now, patience_s=patience_s), now=now, own=True
                )
            )
        self._wake()
        return before, after

    def repair(self, *, sure: bool) -> tuple[state.Fleet, state.Fleet]:
        """Retire machines whose Nodes are not ready for long: :mod:`externalgrpc.fleet.repair`.

        To be called when the Nodes were just heard of. Returns the fleets before and after.
        """
        now, unix_now = self._clock.monotonic(), self._clock.unix()
        before, after = self._change(
            lambda fleet: fleets.repair_nodes(fleet, now=now, unix_now=unix_now, sure=sure)
        )
        if after is not before:
            audit_log.repaired(before, after)
            self._wake()
        return before, after

    def learn(self, reports: Mapping[str, template.Learned]) -> None:
        """Take what ready Nodes have, by provider id; see
        :mod:`externalgrpc.fleet.observed_capacity`."""
        audit_log.learned(*self._change(lambda fleet: fleets.learn(fleet, reports)))

    def kubelets(self, config: kubeletconfig.KubeletConfig | None) -> None:
        """Take what the cluster sets for all of its kubelets."""
        self._change(lambda fleet: fleets.kubelets(fleet, config))

    def change(self, by: Callable[[state.Fleet], tuple[state.Fleet, T]]) -> T:
        """Put in place what a pure function makes of the fleet; gives what else came of it."""
        _, _, result = self._swap(by)
        self._wake()
        return result

    def nudge(self) -> None:
        """Look whether something has fallen due."""
        self._wake()

    # ---- carrying out ---------------------------------------------------------------------

    def pump(self) -> float:
        """Send what is due; return the monotonic instant at which something else falls due."""

        def due(fleet: state.Fleet) -> tuple[state.Fleet, tuple[plan.Plan, _Runtimes]]:
            planned = plan.plan(fleet, self._clock.monotonic())
            # With the plan, under its lock: the accounts that it was made for.
            return planned.fleet, (planned, self._runtimes)

        _, _, (planned, runtimes) = self._swap(due)
        for request in planned.requests:
            self._carry_out(cloud_calls.of(request), runtimes[request.account])
        return planned.wake_at

    def await_first_listings(self, timeout_s: float) -> bool:
        """Wait until every account was listed once and its catalogue read, or the time is over.

        And until all groups are known.
        """
        with self._listed:
            return self._listed.wait_for(self._all_seen, timeout_s)

    def close(self, timeout_s: float) -> None:
        """Stop sending; wait up to ``timeout_s`` seconds for creates and deletes under way."""
        deadline = self._clock.monotonic() + timeout_s
        for runtime in self._runtimes.values():
            runtime.lane.close(0.0)
        for name, runtime in self._runtimes.items():
            if not runtime.lane.close(max(0.0, deadline - self._clock.monotonic())):
                audit_log.left_under_way(name)
        for runtime in self._runtimes.values():
            runtime.provider.close()

    def runtimes(self) -> Mapping[str, account_runtime.AccountRuntime]:
        """Return the accounts at work."""
        return self._runtimes

    def _carry_out(self, of: call.Call[Any, Any], runtime: account_runtime.AccountRuntime) -> None:
        tools = call.Tools(
            runtime.provider, self._prepare, self._clock, self._beside, self._may_act
        )

        def job() -> object:
            if of.writes:
                # Before a token is minted, and once more right before the order is sent.
                tools.about_to_send()
            if why := of.not_wanted(self.fleet):
                raise errors.Throttled(f"not sent: {why}")
            return of.run(tools)

        def done(answer: object) -> None:
            self._answered(of, answer, runtime)

        send = runtime.lane.write if of.writes else runtime.lane.read
        cost = of.cost(self.fleet, contract.costs_of(runtime.provider))
        send(of.operation, job, done, cost=cost)

    def _answered(
        self, of: call.Call[Any, Any], answer: object, runtime: account_runtime.AccountRuntime
    ) -> None:
        at = call.Moment(self._clock.monotonic(), self._clock.unix(), self._chance)

        def fold(fleet: state.Fleet) -> state.Fleet:
            if self._runtimes[of.request.account].account.provider != runtime.account.provider:
                # The account is another cloud's by now: this says nothing of its machines.
                return fleet
            return of.fold(fleet, answer, at)

        try:
            self._outcomes.answered(of, answer)
            self._change(fold)
        except Exception as error:  # noqa: BLE001 - or the request would be under way for ever
            answer = self._outcomes.unusable(of, error)
            self._change(fold)
        self._outcomes.folded(of, answer)
        with self._listed:
            self._listed.notify_all()
        self._wake()

    # ---- state ------------------------------------------------------------------------------

    def _swap(
        self, change: Callable[[state.Fleet], tuple[state.Fleet, T]]
    ) -> tuple[state.Fleet, state.Fleet, T]:
        """Put another fleet in place: every change is made here, and heard of with its outcome.

        Gives the fleets before and after, with nobody else's change between them, and what else
        came of it.
        """
        with self._lock:
            before = self.fleet
            after, result = change(before)
            self.fleet = after
        self._outcomes.changed(before, after)
        return before, after, result

    def _change(
        self, change: Callable[[state.Fleet], state.Fleet]
    ) -> tuple[state.Fleet, state.Fleet]:
        """Change the fleet by what gives nothing else; give the fleets before and after."""
        before, after, _ = self._swap(lambda fleet: (change(fleet), None))
        return before, after

    def _all_seen(self) -> bool:
        return not self.fleet.awaited and all(
            account.snapshot is not None and account.catalogue is not None
            for account in self.fleet.accounts.values()
            if not account.departed
        )
