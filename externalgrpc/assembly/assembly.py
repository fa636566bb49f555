"""A server's parts, and how they take a new configuration while they run."""

from __future__ import annotations

import dataclasses
import random
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from externalgrpc.assembly import connecting, opening, ordering
from externalgrpc.assembly import parts as made_of
from externalgrpc.config import cannot_join, formats
from externalgrpc.config import loading as config_source
from externalgrpc.control import (
    account_runtime,
    call,
    lane,
    metrics,
    reconciler,
    supply_metrics,
    ticker,
)
from externalgrpc.fleet import requests
from externalgrpc.model import credentials, groups, installed_clouds
from externalgrpc.rpc import describe
from externalgrpc.support import logs
from externalgrpc.trial import controller as trial
from providers import contract, errors

if TYPE_CHECKING:
    from externalgrpc.headroom import controller, status
    from externalgrpc.joining import fake_nodes, registrar
    from externalgrpc.kube import api
    from externalgrpc.kubero import pool_controller
    from externalgrpc.vpsnodes import controller as following

_LOG = logs.Log("assembly")

LAST_WORDS_S = 4.0
FEW_S = 8.0
"""How long a stop waits for an API server: at least, when creates took the rest, and at most."""


HEADROOM_S = 1.0
"""How long a stop waits for what keeps room: nothing of it is owed to anybody."""


class AnotherCluster(Exception):
    """A reload names another cluster than the one that is served."""


class Assembly:
    """A reconciler with its accounts, its ticker and what describes it."""

    def __init__(
        self,
        config: groups.Config,
        installed: Mapping[str, installed_clouds.Cloud],
        parts: made_of.Parts,
    ) -> None:
        self._installed = installed
        self._parts = parts
        self._config = self._file = config
        self._applying = threading.RLock()
        self._opened: dict[str, account_runtime.AccountRuntime] = {}
        self._providers: dict[str, contract.Provider] = {}
        self.metrics = metrics.Metrics()
        self._opener = opening.Opener(installed, parts, self.metrics.observer)
        self.ticker = ticker.Ticker(parts.time_source)
        self.reconciler = reconciler.Reconciler(
            time_source=parts.time_source,
            chance=parts.chance,
            prepare=self._prepare,
            wake=self.ticker.beat,
            count=self.metrics.count,
            beside=lane.side_by_side if parts.make_lane is None else call.one_by_one,
            may_act=parts.may_act,
        )
        self.describer = describe.Describer(config, {})
        self.metrics.watch(
            supply_metrics.Sources(
                fleet=lambda: self.reconciler.fleet,
                prices=self.describer.prices,
                budgets=lambda: opening.budgets(self.reconciler.runtimes()),
            ),
            parts.time_source,
        )
        self.registrar: registrar.Registrar | None = None
        self.headroom: controller.Headroom | None = None
        self.fake_nodes: fake_nodes.FakeNodes | None = None
        self.app_pools: pool_controller.Controller | None = None
        self._started = False
        if config.kubernetes is not None:
            from externalgrpc.joining import registrar  # noqa: PLC0415 - raw groups never need it

            self.reconciler.identified(None)
            self.reconciler.annotated(None)

            make = parts.connect or connecting.connect
            self.registrar = registrar.Registrar(
                lambda listeners: make(config, parts, listeners),
                self.reconciler,
                time_source=parts.time_source,
                remove_nodes=config.kubernetes.remove_nodes,
                pace=parts.joining,
                count=self.metrics.count,
                observe_phase=self.metrics.observe_join_phase,
                observe_wait=self.metrics.observe_wait,
            )
        self.trials = trial.Trials(
            self.reconciler,
            lambda: self.registrar.cluster if self.registrar is not None else None,
            self.describer.template_node,
            time_source=parts.time_source,
            chance=parts.chance,
            dry_run=parts.dry_run,
        )
        self.vps_nodes: following.Controller | None = None
        if self.registrar is not None and parts.source is not None and not parts.dry_run:
            self.vps_nodes = self._follow_vps_nodes(self.registrar.cluster.api, parts.source)
        self.apply(config)

    def apply(self, config: groups.Config) -> None:
        """Take what the file says, and the VPSNodes beside it; see :meth:`_take`.

        Raises AnotherCluster, and BrokenCloud or CloudError when an account of the file cannot be
        opened; then nothing changed.
        """
        with self._applying:
            before, self._file = self._file, config
            try:
                self._take(self._composed())
            except Exception:
                self._file = before
                self._composed()
                raise

    def recompose(self) -> None:
        """Take the VPSNodes as they are now, beside the file that is in force."""
        with self._applying:
            composed = self._composed()
            if composed != self._config:
                self._take(composed)
                _LOG.info("VPSNodes taken", groups=[group.name for group in composed.groups])

    def _composed(self) -> groups.Config:
        if self.vps_nodes is None:
            return self._file
        return self.vps_nodes.compose(self._file, self._open_needed)

    def _open_needed(self, account: groups.Account) -> str:
        """Open an account that only VPSNodes need, if it is not open; say why it cannot be."""
        name = account.name
        if name in self._file.accounts or name in self.reconciler.runtimes():
            return ""
        if name not in self._opened:
            try:
                self._opened[name] = self._opener.open(self._file.cluster, account)
            except (
                installed_clouds.BrokenCloud,
                installed_clouds.UnknownCloud,
                errors.CloudError,
            ) as error:
                return f"account {name} cannot be opened: {error}"
        return ""

    def _follow_vps_nodes(self, of: api.Api, source: config_source.Source) -> following.Controller:
        from externalgrpc.vpsnodes import controller as following  # noqa: PLC0415 - as above
        from externalgrpc.vpsnodes import status as condition  # noqa: PLC0415 - as above

        def rooms() -> Mapping[str, condition.Room]:
            return {
                name: condition.Room(room.condition, room.reason.value, room.steady)
                for name, room in self.rooms().items()
            }

        return following.Controller(
            of,
            self.reconciler,
            source,
            recompose=self.recompose,
            time_source=self._parts.time_source,
            chance=random.Random(),  # noqa: S311 - it only spreads retries
            of_pace=self._parts.writing,
            count=self.metrics.count,
            rooms=rooms,
        )

    def _take(self, config: groups.Config) -> None:
        """Take a configuration: open the accounts that are new or changed, hand on groups.

        An account that is no longer configured keeps its provider: its machines still count. One
        that logs in as before stays open, whatever else was said of it.
        """
        if config.cluster != self._config.cluster:
            raise AnotherCluster(
                f"the server looks after cluster {self._config.cluster}, the file says "
                f"{config.cluster}: every machine would be a stranger at once; name the cluster as "
                "it was, or start a server of its own for the other"
            )
        if config.kubernetes != self._config.kubernetes:
            _LOG.warning("kubernetes: has changed; it is taken at the next start")
        held = self.reconciler.runtimes()
        runtimes: dict[str, account_runtime.AccountRuntime] = {}
        replaced: list[account_runtime.AccountRuntime] = []
        for name, account in config.accounts.items():
            before = held.get(name)
            if before is not None and before.account.login == account.login:
                runtimes[name] = dataclasses.replace(before, account=account, pace=self._parts.pace)
            else:
                ready = self._opened.pop(name, None)
                runtimes[name] = ready or self._opener.open(config.cluster, account)
                if before is not None:
                    replaced.append(before)
        for before in replaced:
            before.lane.close(0.0)
            _LOG.info("account reopened", account=before.account.name)
        self._config = config
        self._providers.update({name: runtime.provider for name, runtime in runtimes.items()})
        self.describer.configure(config, self._providers)
        blocked = {
            group.name: why
            for group in config.groups
            if (why := cannot_join(group, self._cloud_of(config, group)))
        }
        for name, why in blocked.items():
            _LOG.error("group left out", group=name, reason=why)
        for group in config.groups:
            self._doubt(config, group)
        self.metrics.expect(group.name for group in config.groups)
        self.reconciler.configure(
            config.groups,
            runtimes,
            blocked,
            cluster=config.cluster,
            limits=config.limits,
            paused=config.paused,
            spending=config.spending,
        )
        if self._started:
            self.keep_room()
            self._make_nodes()
            self._make_app_pools()

    def _make_app_pools(self) -> None:
        """Give Kubero's apps pools of their own, once the file lets them have any."""
        vps_nodes, registrar = self.vps_nodes, self.registrar
        if self._file.app_pools is None or self.app_pools is not None:
            return
        if vps_nodes is None or registrar is None:
            return
        from externalgrpc.kubero import gauges, pool_controller  # noqa: PLC0415 - few need it

        self.app_pools = made = pool_controller.Controller(
            registrar.cluster.api,
            allowed=lambda: self._file.app_pools,
            nodes=lambda: vps_nodes.there,
            fleet=lambda: self.reconciler.fleet,
            time_source=self._parts.time_source,
            chance=random.Random(),  # noqa: S311 - it only spreads retries
            timing=self._parts.app_pools,
        )
        self.metrics.registry.register(gauges.AppPools(lambda: made.counts))
        made.start()

    def rooms(self) -> Mapping[str, status.Status]:
        """Return how the room is that groups keep, by the group's name."""
        return self.headroom.statuses if self.headroom is not None else {}

    def keep_room(self) -> None:
        """Keep room for the groups that ask for it; called again whenever groups change.

        A group may begin to ask while the server runs; VPSNodes are taken in a thread of their own.
        """
        with self._applying:
            if self.headroom is None and not self._asks_for_room():
                return
            if self.headroom is None:
                self.headroom = self._headroom()
            if self.headroom is not None:
                self.headroom.start()

    def _make_nodes(self) -> None:
        """Make Nodes for pretended machines where an account asks for it; called on every change.

        Only the memory cloud can ask (:class:`providers.contract.Posing`).
        """
        if self.registrar is None or self._parts.dry_run:
            return
        if any(group.trial_of for group in self._config.groups):
            return  # ``try`` without a server: the Nodes are those of a server's machines elsewhere
        from externalgrpc.assembly import posing  # noqa: PLC0415 - raw groups never need it

        with self._applying:
            self.fake_nodes = self.fake_nodes or posing.maker_of(
                self._config.cluster,
                self.registrar.cluster,
                self.reconciler,
                self.describer,
                self._installed,
            )
            if self.fake_nodes is not None:
                self.fake_nodes.start()

    def _asks_for_room(self) -> bool:
        return any(group.keeps_room for group in self.reconciler.fleet.groups.values())

    def _headroom(self) -> controller.Headroom | None:
        if self._parts.dry_run or self.registrar is None or self._config.kubernetes is None:
            _LOG.warning("no room is kept", reason="--dry-run, or kubernetes: is new in the file")
            return None
        from externalgrpc.assembly import rooms  # noqa: PLC0415 - few need it
        from externalgrpc.headroom import gauges  # noqa: PLC0415 - as above

        self.metrics.registry.register(gauges.Rooms(self.rooms))
        return rooms.controller_of(
            self._config,
            self.registrar.cluster,
            lambda: self.reconciler.fleet,
            self.describer,
            self._parts.time_source,
        )

    def _doubt(self, config: groups.Config, group: groups.NodeGroup) -> None:
        """Say what of a group's user-data nobody would run; it is ordered all the same."""
        cloud = self._cloud_of(config, group)
        if installed_clouds.joins_by_itself(cloud):
            return
        for doubt in formats.doubts(
            group,
            cluster=config.cluster,
            provider=config.accounts[group.account].provider,
            of=cloud,
        ):
            place = f"{group.user_data_file}:{doubt.line}:{doubt.column}"
            _LOG.warning("user-data", group=group.name, at=place, reason=doubt.message)

    def start(self) -> None:
        """Start to list and to carry out."""
        if self.registrar is not None:
            self.registrar.start()
        if self.vps_nodes is not None:
            self.vps_nodes.start()
        self.ticker.start(self.reconciler.pump)
        self._started = True
        self.keep_room()
        self._make_nodes()
        self._make_app_pools()

    def stop(self, grace_s: float) -> None:
        """Stop; wait up to ``grace_s`` seconds for creates and deletes under way.

        What a cluster is owed is tried in what is left of it, for :data:`LAST_WORDS_S` at least.
        """
        ends = self._parts.time_source.monotonic() + grace_s
        self.trials.close(grace_s / 2)
        self.ticker.stop()
        if self.headroom is not None:
            self.headroom.stop(HEADROOM_S)
        if self.fake_nodes is not None:
            self.fake_nodes.stop()
        if self.app_pools is not None:
            self.app_pools.stop(HEADROOM_S)
        if self.registrar is not None:
            self.registrar.stop_sweeping()
        if self.vps_nodes is not None:
            self.vps_nodes.stop(FEW_S / 4)
        self.reconciler.close(max(0.0, ends - self._parts.time_source.monotonic()))
        if self.registrar is not None:
            left_s = ends - self._parts.time_source.monotonic()
            self.registrar.close(max(LAST_WORDS_S, min(left_s, FEW_S)))

    def _cloud_of(self, config: groups.Config, group: groups.NodeGroup) -> installed_clouds.Cloud:
        return self._installed[config.accounts[group.account].provider]

    def _prepare(self, request: requests.Create) -> contract.Order:
        return ordering.order(
            request,
            config=self._config,
            fleet=self.reconciler.fleet,
            cloud=self.reconciler.runtimes()[request.account].account.provider,
            provider=self._providers[request.account],
            join_credentials=lambda: self._join_credentials(request),
        )

    def _join_credentials(self, request: requests.Create) -> credentials.JoinCredentials:
        """Return what a machine joins with; its token is minted now, as its order is sent."""
        if self.registrar is None:
            raise errors.BadOrder(
                "kubernetes: is in the configuration since the server started: start it again"
            )
        return self.registrar.join_credentials(
            request.name,
            request.group.name,
            provision_timeout_s=request.group.provision_timeout_s,
        )
