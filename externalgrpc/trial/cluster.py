"""Say what a trial asks of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from externalgrpc.kube import nodes, reflector


class Cluster(Protocol):
    """What is asked of :class:`externalgrpc.kube.cluster.Cluster`."""

    @property
    def node_list(self) -> reflector.Listing[nodes.Node]:
        """Return the Nodes as they are known now."""
        ...

    def remove(self, node: nodes.Node, *, still: Callable[[nodes.Node], bool]) -> None:
        """Have a Node object deleted."""
        ...

    def end_token(self, node_name: str) -> None:
        """Delete a machine's token now, if there is one; blocks. Raises KubeError."""
        ...
