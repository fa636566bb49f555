"""Serve the fleet's own view: all that the server knows, for ``ls`` and the live table.

Texts of clouds are escaped here already: a protobuf text that UTF-8 cannot hold raises, and one
machine's name must not keep anybody from seeing the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

import grpc

from externalgrpc.control.reconciler import Reconciler
from externalgrpc.fleet import (
    claims,
    dispatch,
    explanation,
    joins,
    keys,
    notnow,
    pausing,
    proof,
    repair,
    spending,
    state,
    trials,
    view,
)
from externalgrpc.headroom import status
from externalgrpc.model import groups
from externalgrpc.nodes import pricing
from externalgrpc.pb import fleet_pb2 as pb
from externalgrpc.rpc import calls, describe, trial_service
from externalgrpc.support import clock, plaintext
from externalgrpc.trial import controller
from providers import contract

SERVICE = "vpsautoscaler.v1.Fleet"


class Show:
    """Answer ``Fleet.Show`` from memory."""

    def __init__(
        self,
        reconciler: Reconciler,
        describer: describe.Describer,
        time_source: clock.Clock,
        *,
        version: str,
        dry_run: bool = False,
        rooms: Callable[[], Mapping[str, status.Status]] = lambda: {},
        trial: controller.Trials | None = None,
    ) -> None:
        self._reconciler = reconciler
        self._describer = describer
        self._clock = time_source
        self._version = version
        self._dry_run = dry_run
        self._rooms = rooms
        self.trials = trial_service.TrialService(trial) if trial is not None else None
        self._started_at = time_source.monotonic()

    def Show(self, _request: pb.ShowRequest) -> pb.ShowResponse:  # noqa: N802 - the RPC's name
        """Return groups, machines, accounts and orphans as they are known now."""
        fleet = self._reconciler.fleet
        now, unix_now = self._clock.monotonic(), self._clock.unix()
        reply = pb.ShowResponse(
            cluster=self._describer.config.cluster,
            version=self._version,
            uptime_seconds=now - self._started_at,
            dry_run=self._dry_run,
            groups=[self._group(fleet, group, now) for group in fleet.groups.values()],
            identity=fleet.identity or "",
            orders_held=next(
                filter(None, (dispatch.unknown(fleet, each) for each in fleet.accounts.values())),
                "",
            ),
            outage=fleet.outage,
            paused=plaintext.line(pausing.everything(fleet)),
            spending=_spending(fleet),
        )
        for name in fleet.groups:
            for member in view.members(fleet, name):
                reply.machines.append(_member(fleet, name, member, now, unix_now))
            for machine in view.quarantined(fleet, name):
                reply.machines.append(_in_quarantine(fleet, machine, now, unix_now))
            for machine in view.leaving(fleet, name):
                reply.machines.append(_machine(fleet, machine, "deleting", unix_now))
        for orphan in view.orphans(fleet):
            reply.machines.append(_machine(fleet, orphan, "orphan", unix_now))
        for left in trials.leftovers(fleet):
            shown = _machine(fleet, left, "trial", unix_now)
            shown.doubt_message = plaintext.line(trials.unproved(fleet, left))
            reply.machines.append(shown)
        for going in trials.clearing(fleet):
            reply.machines.append(_going(going))
        reply.accounts.extend(self._account(fleet, name, now) for name in fleet.accounts)
        return reply

    def _group(self, fleet: state.Fleet, group: groups.NodeGroup, now: float) -> pb.Group:
        try:
            price: Decimal | None = pricing.group_price_per_hour(
                self._describer.prices(fleet), group
            )
        except pricing.NoPrice:
            price = None
        said = notnow.why(fleet, group.name)
        return pb.Group(
            id=group.name,
            account=group.account,
            min=group.min_size,
            max=group.max_size,
            target=view.target(fleet, group.name),
            candidates=[f"{c.machine_type}/{c.location}" for c in group.candidates],
            trouble=plaintext.line(
                (f"a trial of {group.trial_of}" if group.trial_of else "")
                or view.trouble(fleet, group.name)
                or joins.held_back(fleet, group.name, now)
                or ("its VPSNode is being deleted" if group.deletion else group.hold)
            ),
            departed=group.closing,
            vps_node=group.vps_node,
            price_per_hour="" if price is None else pricing.exact(price),
            currency=self._describer.config.currency,
            allocatable=self._allocatable(fleet, group),
            headroom=_headroom(self._rooms().get(group.name)),
            not_now_code=said.code if said is not None else "",
            not_now_reason=plaintext.line(said.reason) if said is not None else "",
            why=_why(explanation.why_no_node(fleet, group.name, now=now)),
            trial_of=group.trial_of,
            untaintable=trial_service.untaintable(group, self._describer.cloud(group)),
            billing=contract.billing_of(self._describer.cloud(group)),
        )

    def _allocatable(self, fleet: state.Fleet, group: groups.NodeGroup) -> pb.Allocatable:
        gives, measured = self._describer.allocatable(fleet, group)
        return pb.Allocatable(
            cpu_millis=gives.cpu_millis,
            memory_bytes=gives.memory_bytes,
            disk_bytes=gives.disk_bytes,
            pods=gives.pods,
            measured=measured,
        )

    def _account(self, fleet: state.Fleet, name: str, now: float) -> pb.Account:
        account = fleet.accounts[name]
        runtime = self._reconciler.runtimes().get(name)
        budget = runtime.provider.budget() if runtime is not None else None
        said = notnow.why_account(fleet, name)
        return pb.Account(
            name=name,
            provider=account.provider,
            listed_seconds_ago=now - account.snapshot.begun_at if account.snapshot else -1.0,
            trouble=plaintext.line(account.trouble or account.catalogue_trouble),
            machines=len(account.snapshot.instances) if account.snapshot else 0,
            budget_remaining=budget.remaining if budget else -1,
            budget_limit=budget.limit if budget else -1,
            not_now_code=said.code if said is not None else "",
            not_now_reason=plaintext.line(said.reason) if said is not None else "",
        )


def _spending(fleet: state.Fleet) -> list[pb.Spend]:
    ledger = spending.Ledger(fleet)
    shown: list[pb.Spend] = []
    for scope in spending.capped(fleet):
        spent, most = ledger.spent(scope), spending.cap(fleet, scope).hourly
        unknown = spent.unpriced[0] if spent.unpriced else ""
        shown.append(
            pb.Spend(
                scope=scope.kind,
                name=scope.name,
                per_hour="" if unknown else pricing.exact(spent.per_hour),
                cap_per_hour=pricing.exact(most) if most is not None else "",
                currency=fleet.spending.currency,
                what=spending.described(spent),
                unknown=plaintext.line(unknown),
            )
        )
    return shown


def register(server: grpc.Server, made: calls.Calls, shown: Show) -> None:
    """Add the service to a server."""
    handlers = {"Show": made.unary("Show", pb.ShowRequest, shown.Show)}
    if shown.trials is not None:
        handlers.update(shown.trials.handlers(made))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))


def _why(answer: explanation.Answer) -> pb.Answer:
    return pb.Answer(
        code=plaintext.line(answer.code),
        sentence=plaintext.line(answer.sentence),
        cure=plaintext.line(answer.cure),
    )


def _headroom(room: status.Status | None) -> pb.Headroom | None:
    if room is None:
        return None
    return pb.Headroom(
        reason=room.reason.value,
        message=plaintext.line(room.message),
        status=room.condition,
        balloons=room.balloons,
        balloon_cpu_millis=room.balloon_millis,
        used_cpu_millis=-1 if room.used_millis is None else room.used_millis,
        requested_cpu_millis=-1 if room.requested_millis is None else room.requested_millis,
        target_percent=room.target_percent,
        by=room.by.value,
    )


def _member(
    fleet: state.Fleet, group: str, member: view.Member, now: float, unix_now: float
) -> pb.Machine:
    instance = member.instance or (member.launch.instance if member.launch else None)
    if instance is not None:
        shown = _machine(fleet, instance, _phase(member), unix_now)
    else:
        shown = pb.Machine(
            name=plaintext.line(member.name),
            provider_id=plaintext.line(member.provider_id),
            phase=_phase(member),
        )
    shown.group = group
    shown.name = plaintext.line(member.name)
    if member.launch is not None:
        shown.age_seconds = now - member.launch.born
        shown.account = member.launch.account
        if member.launch.candidate is not None and not shown.machine_type:
            shown.machine_type = member.launch.candidate.machine_type
            shown.location = member.launch.candidate.location
    journey = fleet.journeys.get(member.name)
    if journey is not None:
        shown.step = journey.step.name.lower()
        shown.step_seconds_ago = max(0.0, unix_now - journey.since)
    failure = member.failure or repair.trouble(fleet, member.provider_id, now)
    if failure is not None:
        shown.error_code = failure.code
        shown.error_message = plaintext.line(failure.message)
    failed = fleet.unjoined.get(member.name)
    if failed is not None and failed.withheld:
        shown.withheld_code = failed.failure.code
        shown.withheld_message = plaintext.line(failed.failure.message)
        shown.withheld_because = failed.withheld
    return shown


def _going(held: state.Retirement) -> pb.Machine:
    return pb.Machine(
        name=plaintext.line(held.name),
        group=plaintext.line(held.group),
        account=held.account,
        provider_id=plaintext.line(held.provider_id),
        phase="deleting",
        age_seconds=-1.0,
        error_message=plaintext.line(held.message),
    )


def _in_quarantine(
    fleet: state.Fleet, instance: contract.Instance, now: float, unix_now: float
) -> pb.Machine:
    held = fleet.quarantine[instance.provider_id]
    shown = _machine(fleet, instance, "quarantine", unix_now)
    shown.doubt = held.doubt.value
    shown.doubt_message = plaintext.line(held.message)
    shown.doubt_seconds_ago = max(0.0, now - held.since)
    shown.excused = held.ignored
    return shown


def _phase(member: view.Member) -> str:
    if member.instance is not None:
        return member.instance.state.value
    return member.launch.phase.value if member.launch is not None else "unknown"


def _machine(
    fleet: state.Fleet, instance: contract.Instance, phase: str, unix_now: float
) -> pb.Machine:
    account = fleet.index.account_of.get(instance.provider_id, "")
    claimed = claims.claimed(fleet, instance)
    return pb.Machine(
        name=plaintext.line(keys.key_of(fleet, instance)),
        group=plaintext.line(instance.group),
        account=account,
        provider_id=plaintext.line(instance.provider_id),
        machine_type=plaintext.line(instance.machine_type),
        location=plaintext.line(instance.location),
        phase=phase,
        age_seconds=max(0.0, unix_now - instance.created_at) if instance.created_at else -1.0,
        addresses=[plaintext.line(each) for each in instance.addresses],
        registered=instance.provider_id in fleet.registered,
        identity=plaintext.line(instance.identity),
        unjoined=instance.unjoined,
        strange=account in fleet.accounts
        and proof.is_strange(fleet, instance, fleet.accounts[account]),
        rival=plaintext.line(claims.rival(fleet, instance)),
        unmarked=claimed and instance.provider_id in fleet.unmarked,
    )
