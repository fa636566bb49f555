"""Delete what the trials of other processes left, when a person says so."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from externalgrpc.control.reconciler import Reconciler
from externalgrpc.fleet import trials, view
from externalgrpc.model import fleet_errors
from externalgrpc.support import clock, logs
from externalgrpc.trial import cluster as asked

if TYPE_CHECKING:
    from externalgrpc.kube import nodes

_LOG = logs.Log("trial")

CHECK_S = 5.0
"""How often it is looked whether the machine is gone, so that its Node may go."""

CLEAR_TRIES = 120
"""How often it is looked whether the Node of a leftover is still there: for ten minutes."""


class Leftovers:
    """Machines that carry the mark of a trial and came of no order of this process.

    ``cluster`` is None where none is known; ``closing`` ends what is waited for.
    """

    def __init__(
        self,
        reconciler: Reconciler,
        cluster: Callable[[], asked.Cluster | None],
        *,
        time_source: clock.Clock,
        closing: threading.Event,
    ) -> None:
        self._reconciler = reconciler
        self._cluster = cluster
        self._clock = time_source
        self._closing = closing

    def clear(self, provider_id: str) -> None:
        """Delete what a trial of another process left: its machine, and the Node of that.

        Raises NotOurs where nothing proves that it is such; a Node of the machine that lacks the
        taint of trials says that it is not.
        """
        cluster = self._cluster()
        if cluster is not None:
            fleet = self._reconciler.fleet
            if fleet.nodes is None or fleet.nodes_stale:
                raise fleet_errors.NotReady(
                    f"{provider_id}: the cluster's Nodes are not known now, and one may be it"
                )
            shown = view.known(fleet, provider_id)
            for node in cluster.node_list.items.values():
                named = shown is not None and node.name == shown.node_name
                its = node.provider_id == provider_id or (named and not node.provider_id)
                if its and not _tainted(node):
                    raise fleet_errors.NotOurs(
                        f"{provider_id} is the Node {node.name}, which has no taint "
                        f"{trials.TAINT}: it may be somebody's working node"
                    )
        now = self._clock.monotonic()
        self._reconciler.change(lambda fleet: (trials.clear(fleet, provider_id, now=now), None))
        _LOG.info("leftover of a trial is deleted", provider_id=provider_id)
        if cluster is not None:
            work = threading.Thread(
                target=self._clear_node,
                args=(cluster, provider_id),
                name="trial-node",
                daemon=True,
            )
            work.start()

    def _clear_node(self, cluster: asked.Cluster, provider_id: str) -> None:
        """Have the Node of a leftover removed once its machine is gone; it must be tainted."""
        pause = threading.Event()
        for _ in range(CLEAR_TRIES):
            fleet = self._reconciler.fleet
            there = [
                node
                for node in cluster.node_list.items.values()
                if node.provider_id == provider_id and _tainted(node)
            ]
            if not there or self._closing.is_set():
                return
            if view.known(fleet, provider_id) is None:
                for node in there:
                    cluster.remove(node, still=_tainted)
            pause.wait(CHECK_S)


def _tainted(node: nodes.Node) -> bool:
    return any(taint.key == trials.TAINT for taint in node.taints)
