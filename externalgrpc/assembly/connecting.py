"""Connect a server to the cluster that its configuration names."""

from __future__ import annotations

import platform
import random
from typing import TYPE_CHECKING

from externalgrpc.assembly import parts as made_of
from externalgrpc.joining import cluster
from externalgrpc.model import groups

if TYPE_CHECKING:
    from externalgrpc.kube import cluster as kube
    from externalgrpc.kube import connection


class NoCluster(Exception):
    """The cluster of the configuration cannot be spoken with; the message says why."""


def link(config: groups.Config, parts: made_of.Parts) -> connection.Connection:
    """Load the credentials of the cluster that the configuration names; raises NoCluster."""
    from externalgrpc.kube import connection  # noqa: PLC0415 - raw groups never need it

    kubernetes = config.kubernetes
    assert kubernetes is not None  # noqa: S101 - the caller saw to it
    try:
        return connection.connect(
            kubeconfig=kubernetes.kubeconfig,
            context=kubernetes.context,
            time_source=parts.time_source,
            may_write=parts.may_act,
        )
    except connection.CannotConnect as error:
        raise NoCluster(f"kubernetes: {error}") from error


def connect(
    config: groups.Config, parts: made_of.Parts, listeners: kube.Listeners
) -> cluster.Cluster:
    """Connect to the cluster that the configuration names; raises NoCluster."""
    from externalgrpc.kube import cluster, events  # noqa: PLC0415 - raw groups never need it

    kubernetes = config.kubernetes
    assert kubernetes is not None  # noqa: S101 - the caller saw to it
    any_token = any(group.join_settings.discovery == "token" for group in config.groups) or any(
        each.get("joinOptions", {}).get("discovery") == "token"
        for each in config.vps_nodes.defaults.values()
    )
    return cluster.Cluster(
        link(config, parts),
        cluster.Settings(
            name=config.cluster,
            # A pod's host name is the pod's, so that Events show which of two servers wrote them.
            instance=f"{events.CONTROLLER}-{platform.node() or 'unnamed'}",
            endpoint=kubernetes.api_server,
            own_approval=kubernetes.own_approval,
            signing=any_token,
            config_map=kubernetes.config_map,
        ),
        listeners,
        time_source=parts.time_source,
        chance=random.Random(),  # noqa: S311 - it only spreads retries
    )
