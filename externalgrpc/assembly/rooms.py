"""Put together what keeps room in groups: see :mod:`externalgrpc.headroom`."""

from __future__ import annotations

from collections.abc import Callable

from externalgrpc.fleet import state
from externalgrpc.headroom import controller, wanted
from externalgrpc.joining import cluster
from externalgrpc.model import groups
from externalgrpc.rpc import describe
from externalgrpc.support import clock


def controller_of(
    config: groups.Config,
    cluster: cluster.Cluster,
    fleet: Callable[[], state.Fleet],
    describer: describe.Describer,
    time_source: clock.Clock,
) -> controller.Headroom:
    """Make the controller of a cluster; nothing is asked or written yet."""
    kubernetes = config.kubernetes
    assert kubernetes is not None  # noqa: S101 - the caller saw to it

    def promised(fleet: state.Fleet, group: groups.NodeGroup) -> wanted.Amount:
        gives, _ = describer.allocatable(fleet, group)
        return wanted.Amount(cpu_millis=gives.cpu_millis, memory_bytes=gives.memory_bytes)

    return controller.Headroom(
        controller.Parts(
            cluster_name=config.cluster,
            cluster=cluster,
            fleet=fleet,
            promised=promised,
            source=controller.source_of(kubernetes, cluster.api, time_source),
            time_source=time_source,
            bound=controller.bound_pods(cluster.api, time_source),
        )
    )
