"""Say what the registrar, and what else works beside it, asks of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    # A server without a cluster loads none of it.
    from externalgrpc.kube import api, events, nodes, reflector
    from externalgrpc.model import credentials
    from externalgrpc.nodes import kubeletconfig


class Cluster(Protocol):
    """What is asked of :class:`externalgrpc.kube.cluster.Cluster`."""

    @property
    def node_list(self) -> reflector.Listing[nodes.Node]:
        """Return the Nodes as they are known now."""
        ...

    @property
    def skew_s(self) -> float:
        """Return how far the API server's clock is ahead of ours, in seconds."""
        ...

    @property
    def home(self) -> events.Regarding:
        """Return the object on which Events about groups are written."""
        ...

    @property
    def api(self) -> api.Api:
        """Return the connection, for what else is kept in the cluster."""
        ...

    def identity(self) -> str | None:
        """Read what distinguishes the cluster from others of its name; blocks. None: not now."""
        ...

    def paused(self) -> str | None:
        """Read whether our ConfigMap pauses everything; blocks. Empty: not; None: not known now."""
        ...

    def kubelet_config(self) -> kubeletconfig.KubeletConfig | None:
        """Read what every kubelet keeps from pods; blocks. Raises KubeError."""
        ...

    def publish(self, event: events.Event) -> None:
        """Have an Event written."""
        ...

    def credentials(
        self, node_name: str, group: str, *, provision_timeout_s: float
    ) -> credentials.JoinCredentials:
        """Mint a machine's join credentials."""
        ...

    def revoke(self, node_name: str) -> None:
        """Have a machine's token deleted."""
        ...

    def end_token(self, node_name: str) -> None:
        """Delete a machine's token now, if there is one; blocks. Raises KubeError."""
        ...

    def adopt(self, node: nodes.Node, provider_id: str) -> None:
        """Have a Node without a providerID given the one of its machine."""
        ...

    def remove(self, node: nodes.Node, *, still: Callable[[nodes.Node], bool]) -> None:
        """Have a Node object deleted."""
        ...

    def start(self) -> None:
        """Begin to watch."""
        ...

    def stop(self, within_s: float = 10.0) -> None:
        """Stop watching."""
        ...
