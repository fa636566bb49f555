"""Put together what makes Nodes for pretended machines: see :mod:`externalgrpc.joining`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import cast

from externalgrpc.control import account_runtime
from externalgrpc.control import reconciler as control
from externalgrpc.fleet import state
from externalgrpc.joining import cluster, fake_nodes
from externalgrpc.model import groups, installed_clouds
from externalgrpc.nodes import template
from externalgrpc.rpc import describe
from providers import contract


def asking(
    runtimes: Mapping[str, account_runtime.AccountRuntime],
    installed: Mapping[str, installed_clouds.Cloud],
) -> Iterator[contract.Posing]:
    """Yield the clouds whose accounts ask for Nodes; none of them is a real one."""
    for runtime in runtimes.values():
        account = runtime.account
        if installed_clouds.makes_nodes(installed[account.provider], account.settings):
            yield cast("contract.Posing", runtime.provider)


def maker_of(
    name: str,
    cluster: cluster.Cluster,
    reconciler: control.Reconciler,
    describer: describe.Describer,
    installed: Mapping[str, installed_clouds.Cloud],
) -> fake_nodes.FakeNodes | None:
    """Make what writes the Nodes; None while nobody asks. Nothing is asked or written yet."""
    if not any(True for _ in asking(reconciler.runtimes(), installed)):
        return None
    return fake_nodes.FakeNodes(
        cluster.api,
        name,
        sources=lambda: asking(reconciler.runtimes(), installed),
        shape=lambda machine: shape_of(reconciler.fleet, describer, machine),
        acts=lambda: not reconciler.fleet.standby,
    )


def shape_of(
    fleet: state.Fleet, describer: describe.Describer, machine: contract.Instance
) -> contract.NodeShape | None:
    """Return what the Node of a machine promises; None while its cloud's types are not known.

    The group's template, of the one type in the one location that the machine is.
    """
    group = fleet.groups.get(machine.group)
    if group is None:
        return None
    prospects = [
        each
        for each in describer.prospects(fleet, group)
        if (each.machine_type.name, each.location) == (machine.machine_type, machine.location)
    ]
    if not prospects or not prospects[0].machine_type.cpu_millis:
        return None  # a type that nobody knows has nothing
    # A group of several regions promises none; a machine stands in one.
    chosen = groups.Candidate(machine.machine_type, machine.location)
    alone = dataclasses.replace(group, candidates=(chosen,))
    node = template.node(alone, prospects[:1], gpu_label=describer.gpu_label)
    return contract.NodeShape(
        labels=dict(node.metadata.labels),
        taints=tuple(
            contract.Taint(key=each.key, value=each.value, effect=each.effect)
            for each in node.spec.taints
        ),
        capacity={name: each.string for name, each in node.status.capacity.items()},
        allocatable={name: each.string for name, each in node.status.allocatable.items()},
    )
