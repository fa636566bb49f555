"""What a cloud without computers does besides: have Nodes made for machines that are pretended."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final, Protocol, runtime_checkable

from providers.contract.machines import Instance

FAKE_NODE: Final = "vps-autoscaler/fake-node"
"""The label of a Node that the server made; its value is the name of the cluster as the
configuration has it. Only what carries it, and :data:`POSED`, is ever removed by it."""

POSED: Final = ("kwok.x-k8s.io/node", "fake")
"""The annotation by which kwok takes a Node for its own; no kubelet's has it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Taint:
    """A taint of a Node; ``effect`` is NoSchedule, PreferNoSchedule or NoExecute."""

    key: str
    value: str
    effect: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NodeShape:
    """What a machine's Node promises: what the group's template promises of this very machine.

    Amounts are Kubernetes' quantities, by resource.
    """

    labels: Mapping[str, str]
    taints: tuple[Taint, ...]
    capacity: Mapping[str, str]
    allocatable: Mapping[str, str]


@runtime_checkable
class Posing(Protocol):
    """A cloud whose machines are only pretended, so that no kubelet makes their Nodes; optional.

    No real cloud has these methods: a Node that the server made beside a kubelet's would take pods
    that nothing runs. The server looks for them only at a cloud that ``joins_by_itself``.
    """

    @classmethod
    def makes_nodes(cls, settings: object) -> bool:
        """Return whether an account of these :attr:`Provider.account_options` asks for Nodes."""
        ...

    def posing(self) -> tuple[Instance, ...]:
        """List every machine of our cluster that is there, as the cloud itself knows it now.

        A machine that is not in it is gone or going, for certain: its Node is removed. Raises
        CloudError where nobody knows.
        """
        ...

    def node_object(self, instance: Instance, shape: NodeShape) -> Mapping[str, Any]:
        """Return the Node of a machine as JSON has it, with :data:`FAKE_NODE`; contacts nobody."""
        ...
