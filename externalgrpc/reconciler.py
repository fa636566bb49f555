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

from externalgrpc import clock, events, groups, lane, names
from externalgrpc import fleet as fleets
from externalgrpc.fleet import catalogue, plan, state, view, wishes
from providers import contract, errors

_LOG = events.Log("reconciler")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """An account at work: its configuration, its provider and its lane."""

    account: groups.Account
    provider: contract.Provider
    lane: lane.Lane
    pace: state.Pace = dataclasses.field(default_factory=state.Pace)


class Reconciler:
    """Own the Fleet: grow, retire, shrink and refresh it, and do what it asks.

    ``prepare`` turns a launch into the order to send; it runs on a lane's thread and may block.
    ``wake`` is called whenever something may have fallen due: whoever runs :meth:`pump` listens.
    """

    def __init__(
        self,
        *,
        time_source: clock.Clock,
        chance: random.Random,
        prepare: Callable[[plan.Create], contract.Order],
        wake: Callable[[], None],
        count: Callable[[str, Mapping[str, str]], None] = lambda _name, _labels: None,
    ) -> None:
        self._clock = time_source
        self._chance = chance
        self._prepare = prepare
        self._wake = wake
        self._count = count
        self._lock = threading.Lock()
        self._seats: Mapping[str, Seat] = {}
        self._listed = threading.Condition()
        self.fleet = fleets.Fleet()

    # ---- wishes -------------------------------------------------------------------------

    def configure(
        self,
        node_groups: Sequence[groups.NodeGroup],
        seats: Mapping[str, Seat],
        blocked: Mapping[str, str],
    ) -> None:
        """Take a configuration; what the fleet has stays. Idempotent."""
        self._seats = {**self._seats, **seats}
        accounts = [_account_state(seat) for seat in seats.values()]
        self._change(lambda fleet: fleets.configure(fleet, node_groups, accounts, blocked=blocked))
        self._wake()

    def grow(self, group: str, delta: int, *, cover: bool) -> wishes.Grown:
        """Order ``delta`` machines for a group; see :func:`externalgrpc.fleet.wishes.grow`."""
        with self._lock:
            self.fleet, grown = fleets.grow(
                self.fleet,
                group,
                delta,
                mint=names.mint(group, self._chance),
                now=self._clock.monotonic(),
                unix_now=self._clock.unix(),
                cover=cover,
            )
        if grown.covered:
            _LOG.warning(
                "growth covered: a new autoscaler process asked again for machines in the air",
                group=group,
                delta=delta,
                covered=list(grown.covered),
                ordered=len(grown.ordered),
            )
            self._count("growth_covered", {"group": group})
        _LOG.info("group grows", group=group, delta=delta, names=list(grown.ordered))
        self._wake()
        return grown

    def retire(self, group: str, nodes: Sequence[fleets.NodeRef]) -> tuple[str, ...]:
        """Let nodes of a group go; see :func:`externalgrpc.fleet.wishes.retire`."""
        with self._lock:
            self.fleet, going = fleets.retire(self.fleet, group, nodes, now=self._clock.monotonic())
        _LOG.info(
            "nodes let go", group=group, names=list(going), asked=[node.name for node in nodes]
        )
        self._wake()
        return going

    def shrink(self, group: str, delta: int) -> tuple[str, ...]:
        """Withdraw launches that were not sent; see :func:`externalgrpc.fleet.wishes.shrink`."""
        with self._lock:
            self.fleet, withdrawn = fleets.shrink(self.fleet, group, delta)
        if len(withdrawn) < -delta:
            _LOG.warning(
                "target not lowered: the machines exist or are being made",
                group=group,
                delta=delta,
                withdrawn=list(withdrawn),
            )
        else:
            _LOG.info("launches withdrawn", group=group, names=list(withdrawn))
        self._wake()
        return withdrawn

    def autoscaler_started(self) -> None:
        """Note that a new autoscaler process came: it has forgotten what it asked for."""
        unix_now = self._clock.unix()
        self._change(lambda fleet: fleets.autoscaler_started(fleet, unix_now=unix_now))

    def registered(self, provider_id: str) -> None:
        """Note that a machine of ours was seen as a Node."""
        self._change(lambda fleet: fleets.register(fleet, (provider_id,)))

    def nudge(self) -> None:
        """Look whether something has fallen due."""
        self._wake()

    # ---- carrying out ---------------------------------------------------------------------

    def pump(self) -> float:
        """Send what is due; return the monotonic instant at which something else falls due."""
        with self._lock:
            before = self.fleet
            planned = plan.plan(before, self._clock.monotonic())
            self.fleet = planned.fleet
        self._tell_failures(before, planned.fleet)
        for request in planned.requests:
            self._carry_out(request)
        return planned.wake_at

    def await_first_listings(self, timeout_s: float) -> bool:
        """Wait until every account was listed once and its catalogue read, or the time is over."""
        with self._listed:
            return self._listed.wait_for(self._all_seen, timeout_s)

    def close(self, timeout_s: float) -> None:
        """Stop sending; wait up to ``timeout_s`` seconds for creates and deletes under way."""
        for name, seat in self._seats.items():
            if not seat.lane.close(timeout_s):
                _LOG.warning("requests left under way: the next listing decides", account=name)
        for seat in self._seats.values():
            seat.provider.close()

    def seats(self) -> Mapping[str, Seat]:
        """Give the accounts at work."""
        return self._seats

    def _carry_out(self, request: plan.Request) -> None:
        seat = self._seats[request.account]
        match request:
            case plan.ListInstances():
                self._list(seat)
            case plan.ReadCatalogue():
                self._read_catalogue(seat)
            case plan.Create():
                self._create(seat, request)
            case plan.LookUp():
                self._look_up(seat, request)
            case plan.LookUpMissing():
                self._look_up_missing(seat, request.instance)
            case plan.Delete():
                self._delete(seat, request)

    def _list(self, seat: Seat) -> None:
        name = seat.account.name

        def job() -> state.Snapshot:
            begun_at = self._clock.monotonic()
            found = seat.provider.instances()
            return state.Snapshot(account=name, begun_at=begun_at, instances=found)

        def done(answer: state.Snapshot | errors.CloudError) -> None:
            if isinstance(answer, errors.CloudError):
                _LOG.warning("listing failed", account=name, error=str(answer))
                trouble = answer.message
                self._change(lambda fleet: fleets.not_listed(fleet, name, trouble))
            else:
                _LOG.debug("listed", account=name, machines=len(answer.instances))
                now, unix_now = self._clock.monotonic(), self._clock.unix()
                before = self.fleet
                self._change(
                    lambda fleet: fleets.observe(fleet, answer, now=now, unix_now=unix_now)
                )
                self._tell_listing(before, self.fleet, name)
            self._seen()
            self._wake()

        shown = self.fleet.accounts[name].snapshot
        pages = 1 + len(shown.instances) // plan.PAGE if shown is not None else 1
        seat.lane.read("instances", job, done, cost=pages)

    def _read_catalogue(self, seat: Seat) -> None:
        name = seat.account.name

        def job() -> tuple[tuple[contract.MachineType, ...], tuple[contract.Offer, ...]]:
            return seat.provider.machine_types(), seat.provider.offers()

        def done(
            answer: tuple[tuple[contract.MachineType, ...], tuple[contract.Offer, ...]]
            | errors.CloudError,
        ) -> None:
            now = self._clock.monotonic()
            if isinstance(answer, errors.CloudError):
                _LOG.warning("catalogue not read", account=name, error=str(answer))
                trouble = answer.message
                self._change(lambda fleet: catalogue.not_read(fleet, name, trouble, now=now))
            else:
                types, offers = answer
                self._change(lambda fleet: catalogue.read(fleet, name, types, offers, now=now))
                self._tell_trouble(name)
            self._seen()
            self._wake()

        seat.lane.read("catalogue", job, done, cost=2)

    def _create(self, seat: Seat, request: plan.Create) -> None:
        name, candidate = request.name, request.candidate

        def job() -> contract.Instance:
            return seat.provider.create(self._prepare(request))

        def done(answer: contract.Instance | errors.CloudError) -> None:
            fields = {
                "account": request.account,
                "group": request.group.name,
                "name": name,
                "type": candidate.machine_type,
                "location": candidate.location,
            }
            if isinstance(answer, errors.CloudError):
                _LOG.warning("order not taken", **fields, error=str(answer), kind=_kind(answer))
            else:
                _LOG.info("order accepted", **fields, provider_id=answer.provider_id)
            self._count("orders", {"group": request.group.name, "outcome": _kind(answer)})
            now = self._clock.monotonic()
            self._change(lambda fleet: fleets.ordered(fleet, name, answer, now=now))
            self._wake()

        seat.lane.write("create", job, done)

    def _look_up(self, seat: Seat, request: plan.LookUp) -> None:
        def job() -> contract.Instance | None:
            return seat.provider.look_up(
                node_name=request.name, instance_id=request.instance_id, receipt=request.receipt
            )

        def done(answer: contract.Instance | errors.CloudError | None) -> None:
            _LOG.info("launch looked up", name=request.name, answer=_kind(answer))
            now = self._clock.monotonic()

            def change(fleet: state.Fleet) -> state.Fleet:
                launch = fleet.launches.get(request.name)
                mint = names.mint(launch.group if launch else "", self._chance)
                return fleets.looked_up(fleet, request.name, answer, mint=mint, now=now)

            self._change(change)
            self._wake()

        seat.lane.read("look_up", job, done)

    def _look_up_missing(self, seat: Seat, instance: contract.Instance) -> None:
        provider_id = instance.provider_id

        def job() -> contract.Instance | None:
            return seat.provider.look_up(
                node_name=instance.node_name, instance_id=instance.id, receipt=""
            )

        def done(answer: contract.Instance | errors.CloudError | None) -> None:
            _LOG.warning(
                "machine missing from a listing",
                name=instance.node_name,
                provider_id=provider_id,
                look_up=_kind(answer),
            )
            now = self._clock.monotonic()
            self._change(
                lambda fleet: fleets.missing_looked_up(fleet, provider_id, answer, now=now)
            )
            self._wake()

        seat.lane.read("look_up", job, done)

    def _delete(self, seat: Seat, request: plan.Delete) -> None:
        def job() -> None:
            seat.provider.delete(request.instance_id)

        def done(answer: errors.CloudError | None) -> None:
            if answer is None:
                _LOG.info("deletion accepted", name=request.key, id=request.instance_id)
            else:
                _LOG.warning("deletion not taken", name=request.key, error=str(answer))
            self._count("deletions", {"account": request.account, "outcome": _kind(answer)})
            now = self._clock.monotonic()
            self._change(lambda fleet: fleets.deleted(fleet, request.key, answer, now=now))
            self._wake()

        seat.lane.write("delete", job, done)

    # ---- state ------------------------------------------------------------------------------

    def _change(self, change: Callable[[state.Fleet], state.Fleet]) -> None:
        with self._lock:
            before = self.fleet
            self.fleet = change(before)
        self._tell_failures(before, self.fleet)

    def _all_seen(self) -> bool:
        return all(
            account.snapshot is not None and account.catalogue is not None
            for account in self.fleet.accounts.values()
        )

    def _seen(self) -> None:
        with self._listed:
            self._listed.notify_all()

    # ---- telling ----------------------------------------------------------------------------

    def _tell_failures(self, before: state.Fleet, after: state.Fleet) -> None:
        if before.launches is after.launches:
            return
        for name, launch in after.launches.items():
            if launch.failure is None or launch is before.launches.get(name):
                continue
            if (held := before.launches.get(name)) is not None and held.failure is not None:
                continue
            self._count("launches_failed", {"group": launch.group, "code": launch.failure.code})
            _LOG.warning(
                "launch failed",
                group=launch.group,
                name=name,
                code=launch.failure.code,
                reason=launch.failure.message,
            )

    def _tell_listing(self, before: state.Fleet, after: state.Fleet, account: str) -> None:
        known = {orphan.provider_id for orphan in view.orphans(before)}
        for orphan in view.orphans(after):
            if orphan.provider_id not in known:
                _LOG.warning(
                    "orphan: it carries our cluster's mark and no group that is configured",
                    account=account,
                    provider_id=orphan.provider_id,
                    name=orphan.node_name,
                    group=orphan.group,
                )

    def _tell_trouble(self, account: str) -> None:
        fleet = self.fleet
        for name, group in fleet.groups.items():
            if group.account == account and (trouble := view.trouble(fleet, name)):
                _LOG.error("group left out", group=name, reason=trouble)


def _kind(answer: object) -> str:
    if answer is None:
        return "none"
    return type(answer).__name__ if isinstance(answer, errors.CloudError) else "ok"


def _account_state(seat: Seat) -> state.AccountState:
    provider = seat.provider
    return state.AccountState(
        name=seat.account.name,
        provider=seat.account.provider,
        scheme=provider.scheme,
        settle_s=provider.settle_s,
        rate_per_s=provider.rate.requests / provider.rate.per_s * seat.account.budget_share,
        hands=provider.hands,
        pace=seat.pace,
    )
