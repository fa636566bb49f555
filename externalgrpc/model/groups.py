"""The values that configuration is made of: node groups, accounts, and what they share.

Plain frozen values; :mod:`externalgrpc.config` is the only place that makes them from a file.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from externalgrpc.model import app_pools as app_pools_of
from externalgrpc.model import credentials, join_settings, rules

MAX_CLUSTER_NAME = 32
"""Longest cluster name: its mark must fit a 50-character tag (Linode's limit)."""

MAX_GROUP_NAME = 40
"""Longest group name: mark and node names must fit the strictest cloud."""

DEFAULT_ORDERS_PER_HOUR = 1_000
"""More machines in an hour than anybody needs who has not said so: a brake, not a budget."""

NODE_CPU_QUERY = "sum by (node) (rate(node_cpu_usage_seconds_total[2m]))"
"""Of the kubelet's /metrics/resource, scraped with the Node's name in the label node."""
HOURS_A_MONTH = 730
"""What a price an hour is multiplied with for one a month."""

DEFAULT_PROVISION_TIMEOUT_S = 900.0
"""Cluster Autoscaler's own --max-node-provision-time default."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Taint:
    """A node taint; ``effect`` is NoSchedule, PreferNoSchedule or NoExecute."""

    key: str
    value: str = ""
    effect: str


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Candidate:
    """One thing a group may order: a machine type in a location."""

    machine_type: str
    location: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class KubeletReserve:
    """What kubelet and kernel keep from pods; template and join read the same numbers.

    ``memory_overhead`` is the share of nominal memory that kernel and firmware take before
    kubelet sees it, ``disk_overhead`` what partitions and the file system take of the disk. The
    other figures are kubeadm's defaults: nothing reserved, eviction at 100 MiB of memory and 10 %
    of the root disk, 110 pods. ``given`` names the figures that the operator set; those that he
    did not give way to the cluster's own, see :func:`externalgrpc.nodes.kubeletconfig.kept`.
    """

    max_pods: int = 110
    cpu_millis: int = 0
    memory_bytes: int = 0
    disk_bytes: int = 0
    eviction_memory_bytes: int = 100 * 1024 * 1024
    eviction_disk_fraction: float = 0.10
    memory_overhead: float = 0.075
    disk_overhead: float = 0.05
    given: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AutoscalingOverrides:
    """What the operator sets of CA's per-group options; None leaves CA's default."""

    scale_down_utilization_threshold: float | None = None
    scale_down_gpu_utilization_threshold: float | None = None
    scale_down_unneeded_time_s: float | None = None
    scale_down_unready_time_s: float | None = None
    max_node_provision_time_s: float | None = None
    ignore_daemonsets_utilization: bool | None = None

    @property
    def any(self) -> bool:
        """Return whether the operator set anything at all."""
        return any(getattr(self, field.name) is not None for field in dataclasses.fields(self))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class JoinDeadlines:
    """How long each step to a ready node may take, in seconds since the step before.

    None sets no limit of its own, but for ``ready_s``, which is then the whole time that a
    machine has to become a node. ``csr_s`` is until the kubelet asks for its certificate.
    """

    running_s: float | None = None
    csr_s: float | None = None
    node_s: float | None = None
    ready_s: float | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Headroom:
    """Room that a group keeps free for pods to come: whole machines, or CPU in millicores.

    ``lower_after_s`` is how long less must be enough for a target of CPU use, before room is given
    up.
    """

    machines: int = 0
    cpu_millis: int = 0
    lower_after_s: float = 300.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SpendCap:
    """What machines may cost at most, an hour and a month, in the configuration's currency.

    A month is that of :data:`HOURS_A_MONTH`: what all of them would cost if they ran for it. None
    sets no bound; of two the stricter counts.
    """

    per_hour: Decimal | None = None
    per_month: Decimal | None = None

    @property
    def hourly(self) -> Decimal | None:
        """Return the stricter bound, an hour; None where there is none."""
        monthly = None if self.per_month is None else self.per_month / HOURS_A_MONTH
        given = [each for each in (self.per_hour, monthly) if each is not None]
        return min(given, default=None)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NodeGroup:
    """A pool of like machines, as the configuration describes it.

    ``candidates`` are tried in order. ``user_data`` is the text of ``userDataFile`` before its
    variables are filled in, ``user_data_file`` where that was read, ``user_data_format`` who reads
    it on the machine: ``cloud-init``, or ``other``.
    ``join`` says how a machine becomes a node: ``kubeadm`` or ``k3s``
    (we render what it needs, by ``join_settings``), ``raw`` (``user_data`` does it), ``image``
    (the image does it), or empty (no way is configured). ``options`` is an instance of the
    cloud's own group options. ``any_node_name`` says that nodes are named otherwise than their
    machines on purpose. ``surge`` is how many machines more than ``max_size`` may exist while
    others are being deleted; None for the usual (:attr:`most_machines`). While it is ``paused``
    nothing is ordered for it, and nothing of it deleted unless CA asks for that. ``cap`` bounds
    what its machines cost.

    ``target_cpu`` is the use of CPU, in percent, above which room is added; None for no target.
    ``repair_after_s`` is for how many seconds a Node may be not ready before its machine is
    deleted; None: it never is for that.

    Of a group that is a VPSNode (``vps_node``): ``hold`` says why no order may be sent yet (empty:
    it may), and ``deletion`` is the deletionPolicy of an object that is being deleted, empty while
    it is not.

    ``trial_of`` is set on no group of a configuration: it names the group of which this one is a
    trial (:mod:`externalgrpc.fleet.trials`), which the autoscaler is never shown.
    """

    name: str
    account: str
    candidates: tuple[Candidate, ...]
    min_size: int
    max_size: int
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    image: str = ""
    join: str = ""
    join_settings: join_settings.JoinSettings = dataclasses.field(
        default_factory=join_settings.JoinSettings
    )
    user_data: str = dataclasses.field(default="", repr=False)
    user_data_file: str = dataclasses.field(default="", compare=False)
    user_data_format: str = "cloud-init"
    ssh_keys: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    firewalls: tuple[str, ...] = ()
    placement_group: str = ""
    public_ipv4: bool = True
    public_ipv6: bool = True
    server_labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    reserve: KubeletReserve = KubeletReserve()
    overrides: AutoscalingOverrides = AutoscalingOverrides()
    join_deadlines: JoinDeadlines = JoinDeadlines()
    repair_after_s: float | None = None
    options: object = None
    any_node_name: bool = False
    surge: int | None = None
    target_cpu: int | None = None
    headroom: Headroom = Headroom()
    cap: SpendCap = SpendCap()
    departed: bool = False
    hold: str = ""
    paused: bool = False
    deletion: str = ""
    vps_node: bool = False
    trial_of: str = ""

    @property
    def closing(self) -> bool:
        """Return whether the group only lives on until it is empty: nothing is made for it."""
        return self.departed or bool(self.deletion)

    @property
    def keeps_room(self) -> bool:
        """Return whether balloons are kept for the group at all."""
        return bool(self.target_cpu or self.headroom.machines or self.headroom.cpu_millis)

    @property
    def provision_timeout_s(self) -> float:
        """Return how long a machine may take to register, in seconds."""
        return self.overrides.max_node_provision_time_s or DEFAULT_PROVISION_TIMEOUT_S

    @property
    def most_machines(self) -> int:
        """Return how many machines may exist at once, those that are being deleted included."""
        surge = self.surge if self.surge is not None else max(2, math.ceil(self.max_size / 4))
        return self.max_size + surge

    @property
    def region_free(self) -> bool:
        """Return whether the group spans several locations, so that its template names none."""
        return len({candidate.location for candidate in self.candidates}) > 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A configured login at one cloud.

    ``provider`` is the entry point's name. ``budget_share`` is the part of the account's rate
    budget that is ours (0 to 1]: others use the account too. ``foreign`` is the operator's word on
    machines of our cluster's name and another identity, by identity (``none`` for those without):
    adopt, ignore or gone. ``believe_vanished`` is his word that machines which vanished at large
    are gone. ``max_orders_per_hour`` is the brake; None for DEFAULT_ORDERS_PER_HOUR, or twice what
    all its groups may have, where that is more. ``paused`` and ``cap`` are as for a group.
    """

    name: str
    provider: str
    token: str = dataclasses.field(default="", repr=False)
    endpoint: str = ""
    budget_share: float = 1.0
    settings: object = None
    foreign: Mapping[str, str] = dataclasses.field(default_factory=dict)
    believe_vanished: bool = False
    max_orders_per_hour: int | None = None
    paused: bool = False
    cap: SpendCap = SpendCap()

    @property
    def login(self) -> Account:
        """Return what an open connection depends on: all but the words that are only read."""
        return dataclasses.replace(
            self,
            foreign={},
            believe_vanished=False,
            max_orders_per_hour=None,
            paused=False,
            cap=SpendCap(),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many machines that failed to join are given up at most.

    In ``within_s`` seconds so many of a group, and this part of an account's machines, though one
    at least.
    """

    given_up_a_group: int = 1
    given_up_share: float = 0.1
    within_s: float = 600.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What may be spent in all, in which currency, and what one unit of others is worth in it."""

    cap: SpendCap = SpendCap()
    currency: str = "EUR"
    rates: Mapping[str, Decimal] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Kubernetes:
    """The cluster that machines join, for groups with ``join: kubeadm`` or ``join: k3s``."""

    kubeconfig: str = dataclasses.field(
        default="",
        metadata={
            "description": "Credentials; relative to this file. In a pod of the cluster leave it "
            "out.",
            "path": True,
        },
    )
    context: str = dataclasses.field(
        default="", metadata={"description": "A context of the kubeconfig, where not its own."}
    )
    api_server: str = dataclasses.field(
        default="",
        metadata={
            "description": "Where machines reach the API server, https://host:6443; kubeadm's "
            "cluster-info says it when left out."
        },
    )
    own_approval: bool = dataclasses.field(
        default=False,
        metadata={
            "description": "Approve certificate requests ourselves, for the machine a token was "
            "minted for and no other (deploy/ has the roles)."
        },
    )
    remove_nodes: bool = dataclasses.field(
        default=True,
        metadata={
            "description": "Remove Node objects of machines that are gone; off where a cloud "
            "controller manager does it."
        },
    )
    config_map: str = dataclasses.field(
        default="vps-autoscaler",
        metadata={
            "description": "The ConfigMap, in our namespace, on which Events about groups are "
            "written: kubectl describe configmap shows them."
        },
    )

    prometheus: str = dataclasses.field(
        default="",
        metadata={
            "description": "The address of a Prometheus that knows how much CPU each node uses, "
            "for targetCPU: http://host:9090; metrics.k8s.io (metrics-server) when left out."
        },
    )
    prometheus_query: str = dataclasses.field(
        default=NODE_CPU_QUERY,
        metadata={
            "description": "What to ask it: cores in use, one sample for each node, whose name is "
            "in the label node."
        },
    )

    def __post_init__(self) -> None:
        if self.prometheus and (wrong := rules.http_address(self.prometheus)):
            raise ValueError(f"prometheus {wrong}")
        if self.api_server and (wrong := credentials.endpoint_problem(self.api_server)):
            raise ValueError(f"apiServer {wrong}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VpsNodes:
    """What VPSNode objects leave out, by cloud: keys of a node group as the file spells them.

    ``user_data`` is the text of each cloud's ``userDataFile``: what changes it is a change.
    """

    defaults: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    user_data: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything the file says, checked.

    ``rates`` gives, for each currency, how much of ``currency`` one unit of it is worth.
    ``cover_forgotten`` switches the cure for an autoscaler that forgets its launches. ``paused``
    and ``cap`` are as for a group, of everything. ``status_page`` None serves it where the metrics
    port is bound to loopback. ``app_pools`` None gives no app of Kubero's a pool of its own.
    """

    cluster: str
    accounts: Mapping[str, Account]
    groups: tuple[NodeGroup, ...]
    currency: str = "EUR"
    rates: Mapping[str, Decimal] = dataclasses.field(default_factory=dict)
    cover_forgotten: bool = True
    gpu_label: str = "vps-autoscaler/gpu"
    kubernetes: Kubernetes | None = None
    limits: Limits = Limits()
    vps_nodes: VpsNodes = VpsNodes()
    paused: bool = False
    cap: SpendCap = SpendCap()
    status_page: bool | None = None
    app_pools: app_pools_of.AppPools | None = None

    @property
    def spending(self) -> Spending:
        """Return what may be spent in all, and how prices are converted."""
        return Spending(cap=self.cap, currency=self.currency, rates=self.rates)
