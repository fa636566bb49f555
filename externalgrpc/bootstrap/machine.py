"""Collect what an order says about one machine, and refuse what could not join.

Everything that becomes part of a kubelet's flags is checked here: flags pass through a systemd
environment file and comma lists, where no quoting would help.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Final

from externalgrpc.bootstrap import labels
from externalgrpc.model import groups, join_settings
from externalgrpc.nodes import kubeletconfig
from providers import contract, metadata

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]{0,30}", re.ASCII)
_KEY: Final = re.compile(
    r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?",
    re.ASCII,
)
_VALUE: Final = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?", re.ASCII)
_EFFECTS: Final = frozenset({"NoSchedule", "PreferNoSchedule", "NoExecute"})


NO_IDS: Final = "machines of this cloud cannot learn their own id, so that no Node would be theirs"


class Unjoinable(ValueError):
    """Say why a machine that is ordered like this would never become a node."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One machine of a group, as it is about to be ordered.

    ``scheme`` is what stands left of ``://`` in the Node's providerID, and ``service`` how the
    machine learns the rest. ``cloud_labels`` is what
    :meth:`providers.contract.Provider.node_labels` says of this type and location, ``gpu_label``
    the configuration's. ``kubelets`` is the cluster's own kubelet-config, where it is known.
    Raises Unjoinable when a name, label or taint could not be a node's.
    """

    node_name: str
    group: groups.NodeGroup
    machine_type: contract.MachineType
    scheme: str
    service: metadata.Service
    gpu_label: str
    cloud_labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    join: join_settings.JoinSettings = dataclasses.field(default_factory=join_settings.JoinSettings)
    kubelets: kubeletconfig.KubeletConfig | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.node_name):
            raise Unjoinable("the machine's name cannot be a node's name")
        if not _SCHEME.fullmatch(self.scheme):
            raise Unjoinable("the scheme of the provider id is none")
        if not self.service.learnable:
            raise Unjoinable(NO_IDS)
        for key, value in self.labels.items():
            if not _KEY.fullmatch(key) or not _VALUE.fullmatch(value):
                raise Unjoinable(f"label {key!r} is not one that Kubernetes takes")
            if not labels.kubelet_may_set(key):
                raise Unjoinable(f"label {key} may not be set by a kubelet on its own node")
        for taint in self.group.taints:
            if not _KEY.fullmatch(taint.key) or not _VALUE.fullmatch(taint.value):
                raise Unjoinable(f"taint {taint.key!r} is not one that Kubernetes takes")
            if taint.effect not in _EFFECTS:
                raise Unjoinable(f"taint {taint.key} has an effect that Kubernetes does not know")

    @property
    def labels(self) -> dict[str, str]:
        """Return the labels that the kubelet is to set, sorted."""
        return labels.ordered(
            self.group, self.machine_type, self.cloud_labels, gpu_label=self.gpu_label
        )

    @property
    def node_labels(self) -> str:
        """Give them as --node-labels takes them."""
        return ",".join(f"{key}={value}" for key, value in self.labels.items())

    @property
    def provider_id(self) -> str:
        """Return the Node's providerID, with ``@ID@`` for what only the machine knows."""
        return self.service.provider_id(self.scheme, "@ID@")

    @property
    def kept(self) -> groups.KubeletReserve:
        """Return what the kubelet keeps from pods: the numbers of the template."""
        return kubeletconfig.kept(self.group.reserve, self.machine_type, self.kubelets)

    @property
    def private(self) -> bool:
        """Return whether the node's address is the private network's."""
        match self.join.node_address:
            case "private":
                return True
            case "default":
                return False
            case "auto":
                return bool(self.group.networks or self.join.private_subnet or self.join.gateway)

    @property
    def timeout_s(self) -> int:
        """Return the deadline of the join, in seconds: nobody waits longer than the group does."""
        return max(1, min(self.join.timeout_seconds, int(self.group.provision_timeout_s)))
