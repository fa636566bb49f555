"""Put an election together: the connection to the cluster, the Lease, and who we are."""

from __future__ import annotations

import os
import platform
import random
import uuid
from typing import TYPE_CHECKING, Final

from externalgrpc.kube import connection, lease
from externalgrpc.leading import announcing, election
from externalgrpc.model import groups
from externalgrpc.support import clock

if TYPE_CHECKING:
    from externalgrpc.leading import seat

NAMES: Final = {"follow": "cluster-autoscaler", "own": "vps-autoscaler"}
"""The Lease's name where none is said: Cluster Autoscaler's default, and ours."""

CannotConnect = connection.CannotConnect


def elect(
    replica: seat.Replica, kubernetes: groups.Kubernetes | None
) -> tuple[election.Election, announcing.Announcer | None]:
    """Make an election, over a connection of its own, and who marks it for the Service.

    Raises CannotConnect.

    Groups that join by themselves need no ``kubernetes:``: in a pod its own account will do.
    """
    time_source = clock.SuspendedTooClock()
    kubernetes = kubernetes or groups.Kubernetes()
    link = connection.connect(
        kubeconfig=kubernetes.kubeconfig,
        context=kubernetes.context,
        time_source=time_source,
        # An answer that comes later than that renews nothing any more.
        read_s=max(1.0, replica.duration_s / 3),
    )
    store = lease.Store(
        link.api,
        namespace=replica.namespace or link.namespace,
        name=replica.name or NAMES[replica.elect],
    )
    host = platform.node() or os.environ.get("HOSTNAME", "")
    way: election.Way
    if replica.elect == "follow":
        way = election.Follow(store, host)
    else:
        way = election.Hold(store, f"{host}_{uuid.uuid4()}", replica.duration_s)
    made = election.Election(way, time_source=time_source, chance=random.SystemRandom())
    if replica.elect == "follow" or not replica.service:
        return made, None
    fenced = connection.connect(
        kubeconfig=kubernetes.kubeconfig,
        context=kubernetes.context,
        time_source=time_source,
        may_write=made.refuses,
    )
    return made, announcing.Announcer(
        fenced.api,
        namespace=fenced.namespace,
        service=replica.service,
        endpoint=replica.endpoint,
        time_source=time_source,
        holds=lambda: not made.refuses(),
    )
