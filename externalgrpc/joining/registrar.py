"""Let machines into the cluster and see them out: join tokens, providerIDs, Nodes, the join watch.

A sweep, every few seconds and whenever a Node comes or becomes ready, compares the fleet with the
cluster's Nodes and does what is owed; it acts on nothing but a complete and fresh list of Nodes
and complete listings of machines.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping

from externalgrpc.control.reconciler import Reconciler
from externalgrpc.fleet import claims, joins, keys, quarantine, repair, state, view
from externalgrpc.joining import (
    cluster,
    join_events,
    join_tokens,
    observations,
    readings,
    stale_nodes,
)
from externalgrpc.kube import cluster as kube
from externalgrpc.kube import nodes, tokens
from externalgrpc.model import credentials
from externalgrpc.support import clock, logs
from providers import contract

_LOG = logs.Log("registrar")

FRESH_S = 120.0
"""Nodes that nobody has heard of for longer are no ground to act on."""

TOKENS_S = 2 * tokens.LONGEST_S
"""No token of a machine that is older lives any more, whoever minted it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often to sweep, to read whether we are paused and the kubelet-config, in seconds.

    ``gather_s`` is how long the news of a sweep that is due early are gathered. ``settle_s`` is how
    long the Nodes must have been seen without a gap before anybody counts as failed: kubelets that
    the API server could not hear report again, and CA shows the Nodes that it knows.
    ``patience_s`` is how long CA has to delete a machine that failed to join, before we do.
    """

    sweep_s: float = 3.0
    pause_s: float = 3.0
    gather_s: float = 0.2
    settle_s: float = 60.0
    kubelets_s: float = 300.0
    retry_s: float = 20.0
    patience_s: float = joins.PATIENCE_S


class Registrar:
    """Stand between a reconciler and a cluster; :meth:`sweep` does one round.

    ``connect`` makes the cluster, given who listens to it. ``count`` counts what happened and
    ``observe_phase`` takes how long the steps of joins took, in seconds, by group and phase, and
    ``observe_wait`` how long machines took from the autoscaler's request to a ready node.
    """

    def __init__(
        self,
        connect: Callable[[kube.Listeners], cluster.Cluster],
        reconciler: Reconciler,
        *,
        time_source: clock.Clock,
        remove_nodes: bool,
        pace: Pace | None = None,
        count: Callable[[str, Mapping[str, str]], None] = lambda _name, _labels: None,
        observe_phase: Callable[[str, str, float], None] = lambda _group, _phase, _seconds: None,
        observe_wait: Callable[[str, float], None] = lambda _group, _seconds: None,
    ) -> None:
        self._reconciler = reconciler
        self._clock = time_source
        self._remove_nodes = remove_nodes
        self._pace = pace or Pace()
        self._count = count
        self._took = observe_phase
        self._waited = observe_wait
        self._asked: dict[str, float] = {}
        self._joined: frozenset[str] = frozenset()
        self._misnamed: set[tuple[str, str]] = set()
        self._seeing_since: float | None = None
        self._heard_at = float("-inf")
        self._leftovers = stale_nodes.Leftovers()
        self._lock = threading.Lock()
        self._sweeping = threading.Lock()
        self._due = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._cluster = connect(
            kube.Listeners(node=self._changed, asking=self._asking, expected=self._expected)
        )
        self._tokens = join_tokens.JoinTokens(self._cluster, reconciler)
        self._readings = readings.Readings(
            self._cluster,
            reconciler,
            time_source=time_source,
            pause_s=self._pace.pause_s,
            kubelets_s=self._pace.kubelets_s,
            retry_s=self._pace.retry_s,
        )

    @property
    def cluster(self) -> cluster.Cluster:
        """Return the cluster that is spoken with."""
        return self._cluster

    @property
    def asking(self) -> frozenset[str]:
        """Name the machines of ours whose kubelets have asked for a certificate."""
        with self._lock:
            return frozenset(self._asked)

    def join_credentials(
        self, node_name: str, group: str, *, provision_timeout_s: float
    ) -> credentials.JoinCredentials:
        """Mint what a machine joins with; blocks. Raises Throttled (later) or BadOrder."""
        return self._tokens.mint(node_name, group, provision_timeout_s=provision_timeout_s)

    def start(self) -> None:
        """Watch the cluster, and sweep every few seconds on a thread of its own."""
        self._cluster.start()
        self._thread = threading.Thread(target=self._run, name="registrar", daemon=True)
        self._thread.start()

    def stop_sweeping(self) -> None:
        """Begin no more sweeps; returns at once."""
        self._stopping.set()
        self._due.set()

    def close(self, within_s: float = 8.0) -> None:
        """Let the cluster go, within so many seconds; what is owed to it is tried once more."""
        self.stop_sweeping()
        deadline = self._clock.monotonic() + within_s
        if self._thread is not None:
            # It may be reading from an API server that does not answer.
            self._thread.join(within_s / 2)
        self._cluster.stop(max(0.0, deadline - self._clock.monotonic()))

    def sweep(self) -> None:
        """Do what is owed: revoke, adopt, judge, learn, terminate, remove. Returns without waiting.

        One after the other: an older look at the Nodes must not overrule a newer one.
        """
        with self._sweeping:
            self._sweep()

    def _sweep(self) -> None:
        listing = self._cluster.node_list
        now = self._clock.monotonic()
        if not listing.complete or now - listing.heard_at > FRESH_S:
            self._seeing_since = None
            self._reconciler.lose_sight_of_nodes()
            return
        if self._seeing_since is None:
            self._seeing_since = now
        there = listing.items
        self._reconciler.see_nodes(
            {
                name: state.Seen(
                    node.provider_id,
                    node.ready,
                    unready_since=0.0 if node.ready else node.ready_since,
                    left_alone=node.left_alone,
                )
                for name, node in there.items()
            }
        )
        if self._reconciler.fleet.standby:
            # Another server judges, revokes and removes; this one keeps its eyes open. Repair hears
            # of the gap, and what people say to leave alone.
            self._repair(sure=False)
            self._learn(there)
            return
        self._register(self._reconciler.fleet, there)
        self._tokens.revoke(there)
        sure = now - self._seeing_since >= self._pace.settle_s
        self._judge(there, sure=sure)
        # A node is deleted on no older word than what was heard since the last sweep.
        if listing.heard_at > self._heard_at:
            self._repair(sure=sure)
        self._heard_at = listing.heard_at
        self._learn(there)
        if self._remove_nodes:
            due = self._leftovers.due(self._reconciler.fleet, there.values(), now=now)
            for leftover in due:
                self._cluster.remove(leftover.node, still=leftover.still)

    def _learn(self, there: Mapping[str, nodes.Node]) -> None:
        fleet = self._reconciler.fleet
        # What a Node says that claims another's machine teaches nothing.
        self._reconciler.learn(
            observations.reports(
                node
                for node in there.values()
                if (machine := fleet.index.by_provider_id.get(node.provider_id)) is None
                or claims.agrees(fleet, machine, node.name)
            )
        )

    def _run(self) -> None:
        read = self._readings
        while not self._stopping.is_set():
            for work in (read.identity, read.pause, read.kubelets, self.sweep):
                try:
                    work()
                except Exception:  # noqa: BLE001 - the next round comes; it is logged
                    _LOG.exception("sweep failed")
            if self._due.wait(self._pace.sweep_s):
                # An outage changes every Node: one sweep will do for many.
                self._stopping.wait(self._pace.gather_s)
            self._due.clear()

    # ---- what the cluster reports, on its threads ------------------------------------------------

    def _changed(self, before: nodes.Node | None, after: nodes.Node | None) -> None:
        if before is None or after is None or before.ready != after.ready:
            self._due.set()

    def _asking(self, node_name: str) -> None:
        with self._lock:
            self._asked.setdefault(node_name, self._clock.unix())
        self._due.set()

    def _expected(self, node_name: str) -> bool:
        """Return whether a machine of this name was ordered and is no node yet."""
        fleet = self._reconciler.fleet
        if node_name in fleet.retired or node_name in fleet.unjoined:
            return False
        shown = fleet.index.by_name.get(node_name)
        if shown is not None:
            return shown.group in fleet.groups and shown.provider_id not in fleet.registered
        launch = fleet.launches.get(node_name)
        return launch is not None and launch.phase is not state.Phase.FAILED

    # ---- what a sweep does --------------------------------------------------------------------

    def _judge(self, there: Mapping[str, nodes.Node], *, sure: bool) -> None:
        with self._lock:
            asked = dict(self._asked)
        before, after = self._reconciler.judge_joins(
            observations.observe(
                there.values(),
                asked,
                unix_now=self._clock.unix(),
                ahead_s=self._cluster.skew_s,
            ),
            patience_s=self._pace.patience_s,
            sure=sure,
        )
        for name in after.unjoined.keys() - before.unjoined.keys():
            code = after.unjoined[name].failure.code
            group = view.group_of(after, name)
            self._count("joins_failed", {"group": group, "code": code})
        for timing in join_events.timings(before, after):
            _LOG.info("join", group=timing.group, phase=timing.phase, seconds=timing.seconds)
            self._took(*timing)
        for wait in join_events.waits(before, after):
            self._waited(*wait)
        for event in join_events.changes(before, after, self._cluster.home):
            self._cluster.publish(event)
        if any(account.snapshot is None for account in after.accounts.values()):
            # The first listing says whose requests the others are.
            return
        with self._lock:
            for name in asked.keys() - after.journeys.keys() - after.launches.keys():
                del self._asked[name]

    def _repair(self, *, sure: bool) -> None:
        before, after = self._reconciler.repair(sure=sure)
        for held in repair.begun(before, after):
            self._count("repairs", {"group": held.group})
        for event in join_events.repairs(before, after, self._cluster.home):
            self._cluster.publish(event)

    def _register(self, fleet: state.Fleet, there: Mapping[str, nodes.Node]) -> None:
        """Note machines that are nodes, and name the machine of a Node that has no providerID."""
        shown = fleet.index
        young = self._clock.unix() - TOKENS_S
        joined: dict[str, contract.Instance] = {}
        misnamed: set[tuple[str, str]] = set()
        for node in there.values():
            machine = shown.by_provider_id.get(node.provider_id)
            if machine is not None and claims.agrees(fleet, machine, node.name):
                joined[node.provider_id] = machine
            elif machine is not None:
                misnamed.add((node.name, node.provider_id))
            elif not node.provider_id and (named := only_one(fleet, node.name)) is not None:
                self._cluster.adopt(node, named.provider_id)
        self._warn(misnamed)
        for provider_id in joined.keys() - self._joined:
            machine = joined[provider_id]
            if machine.node_name and (not machine.created_at or machine.created_at > young):
                _LOG.info("machine is a node", name=machine.node_name, provider_id=provider_id)
                # Its token may be one of the process before us: the id follows from the name.
                self._cluster.revoke(machine.node_name)
        self._joined = frozenset(joined)

    def _warn(self, misnamed: set[tuple[str, str]]) -> None:
        """Log once for each Node that claims another's machine; its claim is ignored."""
        for name, provider_id in sorted(misnamed - self._misnamed):
            machine = self._reconciler.fleet.index.by_provider_id[provider_id]
            _LOG.warning(
                "node claim ignored: the machine's mark has another name",
                node=name,
                provider_id=provider_id,
                mark=machine.node_name,
            )
            self._count("misnamed_nodes", {"group": machine.group})
        self._misnamed = misnamed


def only_one(fleet: state.Fleet, name: str) -> contract.Instance | None:
    """Find the machine of a Node that names none, if there is one of the name and it is ours.

    What a Node is given it keeps: not the machine of another Node, nor, while the one that was
    ordered under the name is not listed, another whose label says so.
    """
    named = fleet.index.by_name.get(name)
    if named is None or keys.is_retired(fleet, named) or quarantine.is_foreign(fleet, named):
        return None
    provider_id = named.provider_id
    was_another = fleet.registered.get(provider_id, name) != name
    if was_another or claims.by_provider_id(fleet).get(provider_id):
        return None
    if fleet.minted.get(name) not in (None, "", provider_id):
        return None
    same = sum(1 for each in fleet.index.by_provider_id.values() if each.node_name == name)
    return named if same == 1 else None
