"""Turn a launch into the order that is sent: with user-data that is rendered now, and fits."""

from __future__ import annotations

from collections.abc import Callable

from externalgrpc.bootstrap import machine, raw, rendering
from externalgrpc.fleet import requests, state
from externalgrpc.model import credentials, groups, installed_clouds, ordering
from externalgrpc.rpc import describe
from providers import contract, errors


def order(
    request: requests.Create,
    *,
    config: groups.Config,
    fleet: state.Fleet,
    cloud: str,
    provider: contract.Provider,
    join_credentials: Callable[[], credentials.JoinCredentials],
) -> contract.Order:
    """Make the order of a launch; ``cloud`` is the provider's name in the configuration.

    ``join_credentials`` is called at most once, and late: see
    :func:`externalgrpc.bootstrap.rendering.user_data`. Raises BadOrder.
    """
    try:
        user_data = rendering.user_data(
            request.group,
            provider,
            cluster=config.cluster,
            cloud=cloud,
            gpu_label=config.gpu_label,
            node_name=request.name,
            machine_type=request.machine_type,
            location=request.candidate.location,
            join_credentials=join_credentials,
            kubelets=describe.kubelets(fleet, request.group),
        )
    except (raw.UnsafeValue, machine.Unjoinable) as error:
        raise errors.BadOrder(str(error)) from error
    size = installed_clouds.user_data_bytes(provider, user_data)
    if size > provider.user_data_limit_bytes:
        raise errors.BadOrder(
            f"user-data has {size} bytes, {cloud} takes {provider.user_data_limit_bytes}"
        )
    return ordering.order_for(
        request.group,
        cluster=config.cluster,
        node_name=request.name,
        machine_type=request.machine_type,
        location=request.candidate.location,
        user_data=user_data,
        identity=fleet.identity or "",
    )
