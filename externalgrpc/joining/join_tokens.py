"""Mint what machines join with, and revoke it once it has served or can serve no more."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from externalgrpc.control.reconciler import Reconciler
from externalgrpc.fleet import keys, state
from externalgrpc.joining import cluster
from externalgrpc.kube import errors as kube_errors
from externalgrpc.kube import facts, nodes, tokens
from externalgrpc.model import credentials
from providers import errors


class JoinTokens:
    """The tokens that this process minted; callable from many threads."""

    def __init__(self, of: cluster.Cluster, reconciler: Reconciler) -> None:
        self._cluster = of
        self._reconciler = reconciler
        self._minted: set[str] = set()
        self._lock = threading.Lock()

    def mint(
        self, node_name: str, group: str, *, provision_timeout_s: float
    ) -> credentials.JoinCredentials:
        """Mint what a machine joins with; blocks. Raises Throttled (later) or BadOrder."""
        try:
            join_credentials = self._cluster.credentials(
                node_name, group, provision_timeout_s=provision_timeout_s
            )
        except facts.Unusable as error:
            raise errors.BadOrder(f"no way to join: {error}") from error
        except tokens.Withdrawn as error:
            raise errors.BadOrder(f"given up meanwhile: {error}") from error
        except kube_errors.KubeError as error:
            raise errors.Throttled(f"no join token: {error}", retry_after_s=10.0) from error
        with self._lock:
            self._minted.add(node_name)
        return join_credentials

    def revoke(self, there: Mapping[str, nodes.Node]) -> None:
        """Revoke tokens of machines that are nodes or were given up."""
        with self._lock:
            minted = tuple(self._minted)
        # Read after them: whatever a token was minted for is in it, or was given up.
        fleet = self._reconciler.fleet
        for name in minted:
            launch = fleet.launches.get(name)
            flying = launch is not None and launch.phase is not state.Phase.FAILED
            shown = fleet.index.by_name.get(name)
            alive = shown is not None and not keys.is_retired(fleet, shown)
            given_up = name in fleet.unjoined and not fleet.unjoined[name].withheld
            if _is_node(fleet, there.get(name)) or not (flying or alive) or given_up:
                self._cluster.revoke(name)
                with self._lock:
                    self._minted.discard(name)


def _is_node(fleet: state.Fleet, node: nodes.Node | None) -> bool:
    """Return whether a Node of a machine's name is that machine, as far as it says."""
    if node is None:
        return False
    ordered = fleet.minted.get(node.name, "")
    return not node.provider_id or not ordered or node.provider_id == ordered
