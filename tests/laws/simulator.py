"""A whole server replayed in one thread, over a cloud in RAM.

The reconciler, the service and the provider are the real ones; time, chance and lanes are
simulated, and a seed replays a history exactly.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Any

from externalgrpc.control import account_runtime, call, reconciler
from externalgrpc.fleet import notnow, requests, state
from externalgrpc.joining import registrar
from externalgrpc.model import groups, ordering
from externalgrpc.rpc import describe, service
from providers import contract
from providers.memory import datacenter
from tests.laws import (
    apiserver,
    caps,
    lanes,
    laws,
    lies,
    life,
    operator,
    repairs,
    simulation,
    witness,
)

CLUSTER = "sim"


@dataclasses.dataclass(kw_only=True)
class Setting:
    """What outlives a process of ours: its cluster, its clouds, and the truth about machines.

    ``api`` is the way to the cluster with ``kubernetes:``, None without. ``key`` names the cluster
    that raw machines are made for. ``words`` is what the operator says of foreign machines, by
    account. ``order`` is asked about each order that reaches a cloud, ``excused`` about deletions
    of which nothing shows that they kill a node. ``old`` stands for a version without marks.
    ``steps`` is how often a create of several requests stops between two; None: it is one request.
    ``operator`` says what is paused, ``asked`` holds the names and ids of what CA deleted.
    """

    clouds: Mapping[str, datacenter.Datacenter]
    truth: life.Life = dataclasses.field(default_factory=life.Life)
    api: apiserver.ApiServer | None = None
    key: str = ""
    liars: Mapping[str, lies.Liar] = dataclasses.field(default_factory=dict)
    words: dict[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    believe_vanished: bool = False
    ordered: Callable[[contract.Order, lanes.WatchedCloud], None] = lambda _order, _cloud: None
    excused: Callable[[str], bool] = lambda _provider_id: False
    claimed: Callable[[str], bool] = lambda _provider_id: True
    edited: Set[str] = frozenset()
    old: bool = False
    steps: float | None = None
    operator: operator.Operator = dataclasses.field(
        default_factory=lambda: operator.Operator(capped=False)
    )
    asked: set[str] = dataclasses.field(default_factory=set)

    @property
    def joins(self) -> str:
        """Name the cluster that machines ordered now will join."""
        return self.api.of.key if self.api is not None else self.key


class Server:
    """One process of ours: killed, it leaves nothing but what the cloud holds.

    While it is ``asleep`` (SIGSTOP) what it sent has its effect, and it hears of nothing.
    """

    def __init__(
        self,
        sim: simulation.Simulation,
        setting: Setting,
        node_groups: Sequence[groups.NodeGroup],
        *,
        may_act: call.MayAct = lambda: "",
    ) -> None:
        self._sim = sim
        self.setting = setting
        self._clouds = setting.clouds
        self.alive = True
        self.asleep = False
        self._due = True
        self._pump_at = math.inf
        self._providers: dict[str, lanes.WatchedCloud] = {}
        self._runtimes: dict[str, account_runtime.AccountRuntime] = {}
        self.witness = witness.Witness()
        self.judge = life.Judge(setting.truth, setting.excused)
        self.caps = caps.Caps()
        self.repairs = repairs.Repairs(
            setting.truth,
            self.caps,
            lambda group, _account: self.stands_still(group, own=True),
            started_at=sim.now,
        )
        self.reconciler = reconciler.Reconciler(
            time_source=sim,
            chance=random.Random(sim.chance.random()),
            prepare=self._prepare,
            wake=self._wake,
            may_act=may_act,
        )
        self.registrar: registrar.Registrar | None = None
        if setting.api is not None:
            self.reconciler.identified(None)
            self.reconciler.annotated(None)
            setting.api.terminated = lambda each: self.judge.decided(each) is not None
            self.registrar = registrar.Registrar(
                setting.api.connect, self.reconciler, time_source=sim, remove_nodes=True
            )
        self.describer = describe.Describer(self._config(node_groups), {})
        self.configure(node_groups)
        self.service = service.CloudProvider(self.reconciler, self.describer)

    @property
    def fleet(self) -> state.Fleet:
        return self.reconciler.fleet

    def configure(self, node_groups: Sequence[groups.NodeGroup]) -> None:
        """Take a configuration, as a reload does."""
        before = self.fleet
        self._node_groups = tuple(node_groups)
        node_groups = self.setting.operator.groups(node_groups)
        used = {group.account for group in node_groups}
        for name in sorted(used - self._runtimes.keys()):
            self._runtimes[name] = self._runtime(name)
        for name, runtime in self._runtimes.items():
            self._runtimes[name] = dataclasses.replace(runtime, account=self._account(name))
        self.describer.configure(self._config(node_groups), self._providers)
        runtimes = {name: self._runtimes[name] for name in sorted(used)}
        self.reconciler.configure(
            node_groups,
            runtimes,
            {},
            cluster=CLUSTER,
            **self.setting.operator.everything(),
        )
        self.witness.reconfigured(before, self.fleet)

    def reload(self) -> None:
        """Take the same groups again, with what the operator says by now."""
        self.configure(self._node_groups)

    def stands_still(self, group: str, *, own: bool = False) -> bool:
        """Return whether a group is paused, as far as this server can know."""
        known = self.fleet.groups.get(group)
        said = self.setting.operator
        said.heard = self.fleet.annotation
        if known is None or known.departed:
            return said.stands_still("", "", own=own)
        return said.stands_still(group, known.account, own=own)

    def sweep(self) -> None:
        """Do what the registrar's thread does every few seconds."""
        if self.registrar is None or self.setting.api is None or not self.alive or self.asleep:
            return
        if self.fleet.identity is None:
            self.reconciler.identified(self.setting.api.identity())
        if (said := self.setting.api.paused()) is not None:
            self.reconciler.annotated(said)
        before = self.fleet
        self.registrar.sweep()
        self.repairs.check(before, self.fleet, self.setting.api.truth(), self._sim.now)
        self.witness.swept(before, self.fleet)

    def check(self) -> None:
        """Ask the laws."""
        self.witness.check(self.fleet)
        self.judge.follow(self.fleet)
        self.caps.check(self.fleet, self._sim.now)

    def creates(self, order: contract.Order, cloud: lanes.WatchedCloud) -> None:
        """Hold an order that reaches a cloud to the laws."""
        known = self.fleet.identity
        laws.require(known is not None, "no order is sent before the cluster is known", order)
        laws.require(order.identity == known, "every order carries the identity", order)
        still = self.alive and self.stands_still(order.group)
        laws.require(not still, "paused: no order is sent", order)
        self.setting.ordered(order, cloud)

    def finishes(self, order: contract.Order, instance: contract.Instance) -> None:
        """Hold a machine that is to be finished to the laws."""
        fleet = self.fleet
        provider_id = instance.provider_id
        laws.require(order.identity == fleet.identity, "what is finished is ours", order)
        laws.require(instance.identity == order.identity, "what is finished is ours", instance)
        laws.require(
            order.node_name == instance.node_name, "what is finished keeps its name", order
        )
        laws.require(
            provider_id not in fleet.quarantine or not self.alive,
            "what is in quarantine is not finished",
            provider_id,
        )
        still = self.alive and self.stands_still(order.group)
        laws.require(not still, "paused: nothing is finished", order)
        landing = any(cloud.landing[order.node_name] for cloud in self._providers.values())
        laws.require(not landing, "nothing is finished while its create may land", order)

    def is_edited(self, cloud: lanes.WatchedCloud, server: datacenter.Server) -> bool:
        """Return whether somebody has changed a machine's labels."""
        return f"{cloud.scheme}://{server.id}" in self.setting.edited

    def deletes(self, provider_id: str) -> None:
        """Hold a deletion that reaches a cloud to the laws."""
        self.judge.deletes(provider_id)
        laws.require(
            provider_id not in self.fleet.quarantine or not self.alive,
            "what is in quarantine is never deleted",
            provider_id,
        )
        self._own_word_is_lawful(provider_id)

    def _own_word_is_lawful(self, provider_id: str) -> None:
        """Check that while a group is paused nothing goes that CA did not ask for."""
        lied = any(liar.ever for liar in self.setting.liars.values())
        if not self.alive or lied or provider_id in self.setting.edited:
            return
        for _, machine in standing(self._clouds):
            if not provider_id.endswith(f"://{machine.id}"):
                continue
            if {provider_id, machine.name} & self.setting.asked:
                return
            still = self.stands_still(machine.name.rpartition("-")[0], own=True)
            law = "paused: nothing is deleted but what CA asked for"
            laws.require(not still, law, provider_id, machine)

    def marks(
        self,
        provider_id: str,
        put: Mapping[contract.Mark, str],
        remove: frozenset[contract.Mark],
    ) -> None:
        """Hold a change of marks that reaches a cloud to the laws."""
        claimed = self.setting.claimed(provider_id)
        laws.require(claimed, "only nodes of ours are marked", provider_id)
        allowed = put.keys() <= {contract.Mark.IDENTITY} and remove <= {contract.Mark.UNJOINED}
        laws.require(allowed, "only two of the marks are changed", put, remove)

    def unsent(self, fleet: state.Fleet) -> Iterator[str]:
        """Name the launches for which no create can be under way, by what the clouds know."""
        there = {machine.node_name for _, machine in standing(self._clouds)}
        for name, launch in fleet.launches.items():
            landing = any(cloud.landing[name] for cloud in self._providers.values())
            if launch.phase is state.Phase.HELD and name not in there and not landing:
                yield name

    def landing(self, prefix: str) -> int:
        """Count the creates of a group that may land after their answers were lost."""
        return sum(
            count
            for cloud in self._providers.values()
            for name, count in cloud.landing.items()
            if name.startswith(prefix)
        )

    def mend_steps(self) -> None:
        """Have creates of several requests stop between two no more."""
        for cloud in self._providers.values():
            if isinstance(cloud, lanes.SteppedCloud):
                cloud.cut_rate = 0.0

    def creates_under_way(self) -> dict[str, int]:
        """Count, by group, the creates that were sent and that no listing has shown."""
        shown = self.fleet.index.by_provider_id
        found = collections.Counter(
            launch.group
            for launch in self.fleet.launches.values()
            if launch.may_land
            and launch.phase is not state.Phase.ACCEPTED
            and self.fleet.minted.get(launch.name) not in shown
        )
        found.update(
            retirement.group
            for retirement in self.fleet.retired.values()
            if retirement.deletion is state.Deletion.AWAITED
        )
        return found

    def kill(self) -> None:
        """Kill the process without a word."""
        self.alive = False
        for runtime in self._runtimes.values():
            assert isinstance(runtime.lane, lanes.SimLane)
            runtime.lane.kill()

    def settle(self) -> None:
        """Do what the ticker does: pump when something has changed or falls due."""
        while self.alive and self._due and not self.asleep:
            self._due = False
            before = self.fleet
            wake_at = self.reconciler.pump()
            self.witness.planned(before, self.fleet)
            self._orders_are_lawful(before, self.fleet)
            laws.require(wake_at > self._sim.now, "what is due was planned", wake_at)
            if wake_at < self._pump_at or self._pump_at <= self._sim.now:
                self._pump_at = wake_at
                if wake_at < math.inf:
                    self._sim.at(wake_at - self._sim.now, "", self._wake)

    def _wake(self) -> None:
        self._due = True

    def _orders_are_lawful(self, before: state.Fleet, after: state.Fleet) -> None:
        for name, launch in after.launches.items():
            held = before.launches.get(name)
            if launch.phase is not state.Phase.ASKED or held is None or held.phase is launch.phase:
                continue
            laws.require(
                before.identity is not None, "no order is sent before the cluster is known", name
            )
            said = notnow.why_account(before, launch.account)
            laws.require(
                said is None or said.code == "OrderRate",
                "nothing is ordered where it is not now",
                name,
                said,
            )

    def _runtime(self, name: str) -> account_runtime.AccountRuntime:
        login = contract.Login(account=name, cluster=CLUSTER, token="")
        made = lanes.OldCloud if self.setting.old else lanes.WatchedCloud
        made = made if self.setting.steps is None else lanes.SteppedCloud
        liar = self.setting.liars.get(name) or lies.Liar()
        cloud = made(self._sim, login, self._clouds[name], watch=self, liar=liar)
        if isinstance(cloud, lanes.SteppedCloud):
            cloud.cut_rate = self.setting.steps or 0.0
        self._providers[name] = cloud
        lane = WitnessedLane(self._sim, name, cloud, self)
        return account_runtime.AccountRuntime(
            account=self._account(name), provider=cloud, lane=lane
        )

    def _account(self, name: str) -> groups.Account:
        return groups.Account(
            name=name,
            provider="memory",
            foreign=self.setting.words.get(name, {}),
            believe_vanished=self.setting.believe_vanished,
            **self.setting.operator.account(name),
        )

    def _prepare(self, request: requests.Create) -> contract.Order:
        return ordering.order_for(
            request.group,
            cluster=CLUSTER,
            node_name=request.name,
            machine_type=request.machine_type,
            location=request.candidate.location,
            user_data=self.setting.joins,
            identity=self.fleet.identity or "",
        )

    def _config(self, node_groups: Sequence[groups.NodeGroup]) -> groups.Config:
        accounts = {group.account for group in node_groups}
        return groups.Config(
            cluster=CLUSTER,
            accounts={name: groups.Account(name=name, provider="memory") for name in accounts},
            groups=tuple(node_groups),
        )


class WitnessedLane(lanes.SimLane):
    """A lane whose answers are held against the laws."""

    def __init__(
        self,
        sim: simulation.Simulation,
        account: str,
        cloud: lanes.WatchedCloud,
        server: Server,
    ) -> None:
        super().__init__(sim, account, cloud)
        self._server = server

    def _answer(self, job: lanes.Job, answer: Any) -> None:
        if self._server.asleep and not self._dead:
            self._sim.at(1.0, "", lambda: self._answer(job, answer))
            return
        before = self._server.fleet
        if before.standby:
            # What another does is no business of these laws.
            super()._answer(job, answer)
            return
        super()._answer(job, answer)
        if self._dead:
            return
        after = self._server.fleet
        watching = self._server.witness
        match job.operation:
            case "instances" if isinstance(answer, state.Snapshot):
                watching.listed(before, after, answer)
            case "instances" | "catalogue":
                laws.require(
                    laws.targets(before) == laws.targets(after),
                    "a failed listing and a catalogue change nothing",
                )
            case "look_up":
                watching.answered(before, after, lost=1)
            case _:
                watching.answered(before, after, answer=answer)


def standing(
    clouds: Mapping[str, datacenter.Datacenter],
) -> Iterator[tuple[datacenter.Datacenter, datacenter.Server]]:
    """Give every machine of our cluster that really stands and is not being deleted."""
    for cloud in simulation.once(clouds.values()):
        for server in cloud.servers():
            if server.cluster == CLUSTER and server.deleted_at is None:
                yield cloud, server
