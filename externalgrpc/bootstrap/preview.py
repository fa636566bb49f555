"""Render what a group's next machine would get, without a server."""

from __future__ import annotations

import random
from typing import Any

from externalgrpc.bootstrap import joining, rendering
from externalgrpc.model import credentials, groups, names
from externalgrpc.nodes import template
from providers import contract


def user_data(config: groups.Config, group: groups.NodeGroup, provider: contract.Provider) -> str:
    """Render the user-data of one machine of a group, under a name as it might be minted.

    Where we render the join, cluster, token and release are examples: a token is minted when an
    order is sent, and never before. Raises Unjoinable or UnsafeValue when a machine like this
    would never become a node, which a configuration that loads never is.
    """
    first = group.candidates[0]
    of_type = contract.MachineType(
        name=first.machine_type, cpu_millis=0, memory_bytes=0, disk_bytes=0
    )
    node_name = next(names.mint(group.name, random.Random(0)))  # noqa: S311 - an example
    return ordered(
        config, group, provider, node_name=node_name, machine_type=of_type, location=first.location
    )


def ordered(
    config: groups.Config,
    group: groups.NodeGroup,
    provider: contract.Provider,
    *,
    node_name: str,
    machine_type: contract.MachineType,
    location: str,
    join_credentials: credentials.JoinCredentials | None = None,
) -> str:
    """Render what an order of one machine would bring along, by the configuration alone.

    ``join_credentials`` is what is known of the cluster; without it an example stands for it.
    Raises Unjoinable or UnsafeValue.
    """
    return rendering.user_data(
        group,
        provider,
        cluster=config.cluster,
        cloud=config.accounts[group.account].provider,
        gpu_label=config.gpu_label,
        node_name=node_name,
        machine_type=machine_type,
        location=location,
        join_credentials=lambda: join_credentials or joining.example(group.join),
    )


def node(
    config: groups.Config, group: groups.NodeGroup, provider: contract.Provider
) -> dict[str, Any]:
    """Render the template Node of a group as kubectl would print it; asks the cloud for types.

    Raises CloudError when the cloud cannot be asked, BadOrder when it knows none of the types.
    """
    from providers import errors  # noqa: PLC0415

    types = {each.name: each for each in provider.machine_types()}
    prospects = [
        template.Prospect(
            machine_type=contract.as_ordered(provider, types[each.machine_type], group.options),
            location=each.location,
            cloud_labels=provider.node_labels(types[each.machine_type], each.location),
        )
        for each in group.candidates
        if each.machine_type in types
    ]
    try:
        made = template.node(group, prospects, gpu_label=config.gpu_label)
    except template.NoCandidate as error:
        raise errors.BadOrder(str(error)) from error
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"labels": dict(sorted(made.metadata.labels.items()))},
        "spec": {
            "taints": [
                {"key": taint.key, "value": taint.value, "effect": taint.effect}
                for taint in made.spec.taints
            ]
        },
        "status": {
            "capacity": {key: amount.string for key, amount in made.status.capacity.items()},
            "allocatable": {key: amount.string for key, amount in made.status.allocatable.items()},
        },
    }
