"""Describe the file: every key, its type and what it is for.

Every key is optional here, so that one mistake does not hide the next; what must be there is
listed for editors (``required``) and demanded where entries are turned into frozen values.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from externalgrpc.config import fields, spellings
from externalgrpc.model import groups

Share = fields.Number
Sizes = fields.Integer
Texts = list[str]

Labels = Annotated[dict[str, str], pydantic.BeforeValidator(spellings.labels)]

Paused = Annotated[
    bool,
    Field(description="Order nothing here, and delete nothing unless the autoscaler asks for it."),
]
HourlyCap = Annotated[
    fields.Price | None,
    Field(
        description="No order is sent with which the machines here would cost more an hour, in "
        "currency, at the prices known then."
    ),
]
MonthlyCap = Annotated[
    fields.Price | None,
    Field(
        description=f"The same for a month of {groups.HOURS_A_MONTH} hours; the stricter counts."
    ),
]

LARGEST_GROUP = 10_000
"""More machines than one Kubernetes cluster holds."""


def _required(*names: str) -> Any:  # noqa: ANN401 - pydantic's own type for schema additions
    return {"required": list(names)}


def _one_of(*names: str) -> Any:  # noqa: ANN401 - as above
    return {"oneOf": [_required(name) for name in names]}


class Entry(pydantic.BaseModel):
    """A mapping of the file: camelCase keys, nothing unknown, no type turned into another."""

    model_config = pydantic.ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        alias_generator=fields.camel,
        hide_input_in_errors=True,
    )


class TaintEntry(Entry):
    """A taint that the group's nodes register with."""

    model_config = pydantic.ConfigDict(json_schema_extra=_required("key", "effect"))

    key: str | None = None
    value: str = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None


class KubeletEntry(Entry):
    """What kubelet and kernel keep from pods; must be what the machines really run with."""

    max_pods: Sizes | None = Field(
        default=None, ge=1, le=10_000, description="Most pods on a node (110)."
    )
    cpu: fields.CpuMillis | None = Field(
        default=None, description="systemReserved + kubeReserved cpu."
    )
    memory: fields.Bytes | None = Field(
        default=None,
        description="systemReserved + kubeReserved memory, without the eviction threshold.",
    )
    ephemeral_storage: fields.Bytes | None = Field(
        default=None, description="systemReserved + kubeReserved disk."
    )
    eviction_memory: fields.Bytes | None = Field(
        default=None, description="evictionHard memory.available (100Mi)."
    )
    eviction_disk_percent: Share | None = Field(
        default=None, ge=0, lt=100, description="evictionHard nodefs.available, in percent (10)."
    )
    memory_overhead_percent: Share | None = Field(
        default=None,
        ge=0,
        lt=100,
        description="What kernel and firmware take of the nominal memory, in percent (7.5).",
    )
    disk_overhead_percent: Share | None = Field(
        default=None,
        ge=0,
        lt=100,
        description="What partitions and the file system take of the disk, in percent (5).",
    )


class AutoscalingEntry(Entry):
    """Cluster Autoscaler's options for this group; what is not set stays CA's own default."""

    scale_down_utilization_threshold: Share | None = Field(default=None, ge=0, le=1)
    scale_down_gpu_utilization_threshold: Share | None = Field(default=None, ge=0, le=1)
    scale_down_unneeded_time: fields.Seconds | None = None
    scale_down_unready_time: fields.Seconds | None = None
    max_node_provision_time: fields.Seconds | None = None
    ignore_daemon_sets_utilization: bool | None = None


class JoinDeadlinesEntry(Entry):
    """How long each step to a ready node may take, since the step before."""

    running: fields.Seconds | None = Field(
        default=None, description="Until the machine runs, since its creation."
    )
    csr: fields.Seconds | None = Field(
        default=None,
        description="Until its kubelet asks for a certificate (join: kubeadm), since it runs.",
    )
    node: fields.Seconds | None = Field(
        default=None, description="Until its Node is there, since the step before."
    )
    ready: fields.Seconds | None = Field(
        default=None,
        description="Until its Node is ready for the first time (maxNodeProvisionTime).",
    )


class RepairEntry(Entry):
    """When a machine is deleted whose Node is no longer ready, so that another takes its place."""

    not_ready_for: fields.RepairAfter | None = Field(
        default=None,
        description="How long a Node must be not ready, or absent though it was seen, before its "
        f"machine is deleted without a drain: {fields.SHORTEST_REPAIR_S // 60}m at least "
        "(needs kubernetes:). Without it no machine is.",
    )


class LimitsEntry(Entry):
    """How many machines that failed to join, or are repaired, go at most in a stretch of time."""

    given_up_per_group: Sizes | None = Field(
        default=None, ge=0, description="So many of a group (1); 0 gives none up."
    )
    given_up_percent: Share | None = Field(
        default=None,
        ge=0,
        le=100,
        description="This part of an account's machines, in percent (10); one at least.",
    )
    within: fields.Seconds | None = Field(
        default=None, description="The stretch of time that the two bounds are for (10m)."
    )


class HeadroomEntry(Entry):
    """Room that is kept free for pods to come: so many machines, or so much CPU."""

    nodes: Sizes | None = Field(
        default=None, ge=0, le=LARGEST_GROUP, description="So many empty machines."
    )
    cpu: fields.CpuMillis | None = Field(
        default=None, description="So much CPU, and the memory that machines have with it."
    )
    lower_after: fields.Seconds | None = Field(
        default=None,
        description="How long less must be enough for targetCPU before room is given up (5m).",
    )


class NodeDefaults(Entry):
    """What every machine of a group is made with, whatever its type, place and number."""

    surge: Sizes | None = Field(
        default=None,
        ge=0,
        le=LARGEST_GROUP,
        description="So many machines more than maxSize may exist while others are being deleted "
        "(a quarter of maxSize, two at least).",
    )
    account: str | None = Field(
        default=None, description="One of accounts, where a cloud has several."
    )
    image: str | None = Field(
        default=None, description="Operating system image, in the cloud's words."
    )
    join: Literal["kubeadm", "k3s", "raw", "image"] | None = Field(
        default=None,
        description="How a machine becomes a node: kubeadm or k3s (needs kubernetes:), raw "
        "(userDataFile does it) or image (the image does it). Implied: raw by userDataFile, else "
        "kubeadm by kubernetes:.",
    )
    join_options: dict[str, Any] = Field(
        default_factory=dict, description="Settings of join: kubeadm and join: k3s."
    )
    any_node_name: bool = Field(
        default=False,
        description="Nodes are named otherwise than their machines on purpose: only their "
        "providerID counts (join: raw and image).",
    )
    user_data_file: str | None = Field(
        default=None,
        description="cloud-init or script; relative to this file; @@NAME@@ variables filled.",
    )
    user_data_format: Literal["cloud-init", "other"] = Field(
        default="cloud-init",
        description="Who reads the user-data on the machine: cloud-init, or other (Talos, "
        "Ignition), which is not looked into.",
    )
    ssh_keys: Texts = Field(
        default_factory=list, description="Keys to put on the machine, in the cloud's words."
    )
    networks: Texts = Field(
        default_factory=list, description="Private networks, in the cloud's words."
    )
    firewalls: Texts = Field(default_factory=list, description="Firewalls, in the cloud's words.")
    placement_group: str | None = Field(default=None, description="Spread machines over hosts.")
    public_ipv4: bool = Field(
        default=True, description="Whether machines get a public IPv4 address."
    )
    public_ipv6: bool = Field(
        default=True, description="Whether machines get a public IPv6 address."
    )
    server_labels: Labels = Field(
        default_factory=dict, description="Labels on the cloud's own server."
    )
    kubelet: KubeletEntry = Field(default_factory=KubeletEntry)
    autoscaling_options: AutoscalingEntry = Field(default_factory=AutoscalingEntry)
    join_deadlines: JoinDeadlinesEntry = Field(default_factory=JoinDeadlinesEntry)
    repair: RepairEntry = Field(default_factory=RepairEntry)
    target_cpu: Sizes | None = Field(
        default=None,
        ge=1,
        le=100,
        description="Keep the use of CPU on the group's nodes at so many percent or below "
        "(needs kubernetes:).",
    )
    headroom: HeadroomEntry = Field(default_factory=HeadroomEntry)
    options: dict[str, Any] = Field(
        default_factory=dict, description="The cloud's own settings of a group."
    )


class NodeEntry(NodeDefaults):
    """A group of like machines."""

    model_config = pydantic.ConfigDict(
        json_schema_extra={
            **_required("name", "maxSize"),
            "allOf": [
                _one_of("instanceType", "instanceTypes"),
                _one_of("region", "regions"),
                {"anyOf": [_required("provider"), _required("account")]},
            ],
        }
    )

    name: str | None = Field(
        default=None,
        description="Lower-case name; part of every node name; fixed once machines exist.",
    )
    min_size: Sizes = Field(default=0, ge=0, le=LARGEST_GROUP, description="Fewest machines.")
    max_size: Sizes | None = Field(
        default=None, ge=0, le=LARGEST_GROUP, description="Most machines."
    )
    paused: Paused = False
    max_price_per_hour: HourlyCap = None
    max_price_per_month: MonthlyCap = None
    instance_type: str | None = Field(default=None, description="The machine type to order.")
    instance_types: Texts | None = Field(
        default=None, min_length=1, description="Machine types, tried in order; all of one shape."
    )
    provider: str | None = Field(default=None, description="The cloud, where no account says it.")
    region: str | None = Field(default=None, description="Where to order.")
    regions: Texts | None = Field(
        default=None,
        min_length=1,
        description="Places, tried in order; several make pods region-free.",
    )
    labels: Labels = Field(default_factory=dict, description="Labels that the group's nodes carry.")
    taints: Annotated[list[TaintEntry], pydantic.BeforeValidator(spellings.taints)] = Field(
        default_factory=list, description="Taints that the group's nodes register with."
    )


class VpsNodesEntry(Entry):
    """What VPSNode objects of the cluster leave out."""

    defaults: dict[str, NodeDefaults] = Field(
        default_factory=dict,
        description="By cloud: image, join, keys, networks and the like of every VPSNode there.",
    )


class AccountEntry(Entry):
    """A login at one cloud."""

    model_config = pydantic.ConfigDict(json_schema_extra=_required("name", "provider"))

    name: str | None = Field(default=None, description="What nodes[].account says.")
    provider: str | None = Field(default=None, description="The cloud.")
    token_file: str | None = Field(
        default=None, description="File with the token; read again when it changes."
    )
    endpoint: str | None = Field(
        default=None, description="Address of the API, where not the vendor's."
    )
    allow_http: bool = Field(
        default=False,
        description="Take an endpoint of http:// that is not on loopback: everybody on the way "
        "reads the token.",
    )
    budget_share: Share | None = Field(
        default=None, gt=0, le=1, description="Our part of the account's rate limit (1)."
    )
    max_orders_per_hour: Sizes | None = Field(
        default=None,
        ge=1,
        description="The brake: so many machines are ordered within an hour "
        f"({groups.DEFAULT_ORDERS_PER_HOUR}, or twice what all groups of the account may have).",
    )
    paused: Paused = False
    max_price_per_hour: HourlyCap = None
    max_price_per_month: MonthlyCap = None
    foreign: dict[str, Literal["adopt", "ignore", "gone"]] = Field(
        default_factory=dict,
        description="Your word on machines of our cluster's name by the identity that they carry "
        "(10 hexadecimal digits, or none): adopt, ignore or gone.",
    )
    believe_vanished: bool = Field(
        default=False,
        description="Your word that machines which vanished at large are gone.",
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="The cloud's own settings of a login."
    )


class File(Entry):
    """The configuration of vps-autoscaler."""

    model_config = pydantic.ConfigDict(
        title="vps-autoscaler configuration",
        json_schema_extra={"anyOf": [_required("nodes"), _required("vpsNodes")]},
    )

    cluster: str | None = Field(
        default=None,
        description=f"Marks our machines; at most {groups.MAX_CLUSTER_NAME} characters.",
    )
    accounts: list[AccountEntry] = Field(
        default_factory=list, description="Logins; one per provider is implied when absent."
    )
    nodes: list[NodeEntry] | None = Field(
        default=None, min_length=1, description="The node groups."
    )
    vps_nodes: VpsNodesEntry | None = Field(
        default=None, description="Groups that are VPSNode objects of the cluster (kubernetes:)."
    )
    app_pools: dict[str, Any] | None = Field(
        default=None,
        description="Give apps of Kubero that ask for it a pool of their own, within these bounds.",
    )
    kubernetes: dict[str, Any] | None = Field(
        default=None, description="The cluster that machines join, for join: kubeadm and k3s."
    )
    currency: str = Field(default="EUR", description="The currency that prices are told in.")
    exchange_rates: dict[str, fields.Money] = Field(
        default_factory=dict, description="What one unit of another currency is worth in ours."
    )
    cover_forgotten_machines: bool = Field(
        default=True,
        description="Let machines that a restarted autoscaler forgot answer its first growth.",
    )
    limits: LimitsEntry = Field(default_factory=LimitsEntry)
    paused: Paused = False
    max_price_per_hour: HourlyCap = None
    max_price_per_month: MonthlyCap = None
    gpu_label: str = Field(
        default="vps-autoscaler/gpu", description="Label key of nodes with GPUs."
    )
    status_page: bool | None = Field(
        default=None,
        description="Serve the status page on the metrics port: to whoever reaches it (true), to "
        "nobody (false); absent, where that port is bound to loopback.",
    )
