"""Answer NodeGroupGetOptions: nothing unless the operator overrides, and then everything.

An answer without options makes every release of Cluster Autoscaler (CA) use its own defaults. An
answer with options replaces all of them: no field is merged, releases up to 1.34 panic on a
duration that is missing, later ones read it as zero. So each override is laid over the defaults
that the caller sent, and both generations of every duration are filled in.

Two releases read from the options what the protocol cannot carry:

* up to 1.28 the provision time (k/a#5935): it would be zero, every scale-up would time out at
  once and its machines be deleted. Overrides are withheld from them.
* from 1.35 the startup time (k/a#10245): it is zero, so a node that registered and is not ready
  yet counts as unready instead of starting, and CA may add another. Overrides are answered, since
  the operator asked for them; the log must say so.

This is the most frequent call of a loop (four fifths at 1.36): :data:`DEFAULTS` is the reply in
bytes for everyone whose group overrides nothing; it needs no message.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import Final

from google.protobuf import duration_pb2

from externalgrpc.model import groups
from externalgrpc.pb import externalgrpc_pb2 as wire
from externalgrpc.rpc import autoscaler_release

DEFAULTS: Final = b""
"""The serialized reply without options: CA uses its own."""

_NANOS_PER_S: Final = 10**9


class Caution(enum.Enum):
    """What the operator should hear, once, about overrides towards this caller."""

    NONE = ""
    WITHHELD = (
        "this autoscaler is 1.28 or older and would give up every new machine at once if it were"
        " given options (kubernetes/autoscaler#5935): it gets its own defaults"
    )
    UNRECOGNISED = (
        "this caller sent no defaults of a release that we know, so that the options it is not"
        " overridden in cannot be filled in: it gets its own defaults"
    )
    NO_STARTUP_TIME = (
        "this autoscaler is 1.35 or newer and takes nodes that are still starting for unready ones"
        " wherever options are overridden (kubernetes/autoscaler#10245): it may add a node too many"
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """The serialized NodeGroupAutoscalingOptionsResponse, and what to log for the operator."""

    data: bytes
    caution: Caution


def reply(
    request: wire.NodeGroupAutoscalingOptionsRequest, overrides: groups.AutoscalingOverrides
) -> Reply:
    """Answer a request for the options of a group that has these overrides."""
    if not overrides.any:
        return Reply(DEFAULTS, Caution.NONE)
    match autoscaler_release.generation_of(request):
        case autoscaler_release.Generation.UP_TO_1_28:
            return Reply(DEFAULTS, Caution.WITHHELD)
        case autoscaler_release.Generation.UNKNOWN:
            return Reply(DEFAULTS, Caution.UNRECOGNISED)
        case autoscaler_release.Generation.FROM_1_29 | autoscaler_release.Generation.FROM_1_34_2:
            caution = Caution.NONE
        case autoscaler_release.Generation.FROM_1_35:
            caution = Caution.NO_STARTUP_TIME
    answer = wire.NodeGroupAutoscalingOptionsResponse(
        nodeGroupAutoscalingOptions=overlay(request.defaults, overrides)
    )
    return Reply(answer.SerializeToString(), caution)


def overlay(
    defaults: wire.NodeGroupAutoscalingOptions, overrides: groups.AutoscalingOverrides
) -> wire.NodeGroupAutoscalingOptions:
    """Lay overrides over a caller's complete defaults; fill both generations of every duration.

    Where the defaults came in both generations the newer one counts.
    """
    unneeded_ns = _nanos(
        overrides.scale_down_unneeded_time_s,
        defaults.scaleDownUnneededDuration
        if defaults.HasField("scaleDownUnneededDuration")
        else defaults.legacyScaleDownUnneededTime,
    )
    unready_ns = _nanos(
        overrides.scale_down_unready_time_s,
        defaults.scaleDownUnreadyDuration
        if defaults.HasField("scaleDownUnreadyDuration")
        else defaults.legacyScaleDownUnreadyTime,
    )
    provision_ns = _nanos(
        overrides.max_node_provision_time_s,
        defaults.MaxNodeProvisionDuration
        if defaults.HasField("MaxNodeProvisionDuration")
        else defaults.legacyMaxNodeProvisionTime,
    )
    utilization = overrides.scale_down_utilization_threshold
    gpu_utilization = overrides.scale_down_gpu_utilization_threshold
    ignore_daemonsets = overrides.ignore_daemonsets_utilization
    return wire.NodeGroupAutoscalingOptions(
        scaleDownUtilizationThreshold=(
            defaults.scaleDownUtilizationThreshold if utilization is None else utilization
        ),
        scaleDownGpuUtilizationThreshold=(
            defaults.scaleDownGpuUtilizationThreshold
            if gpu_utilization is None
            else gpu_utilization
        ),
        legacyScaleDownUnneededTime=wire.LegacyDuration(duration=unneeded_ns),
        legacyScaleDownUnreadyTime=wire.LegacyDuration(duration=unready_ns),
        legacyMaxNodeProvisionTime=wire.LegacyDuration(duration=provision_ns),
        zeroOrMaxNodeScaling=defaults.zeroOrMaxNodeScaling,
        ignoreDaemonSetsUtilization=(
            defaults.ignoreDaemonSetsUtilization if ignore_daemonsets is None else ignore_daemonsets
        ),
        scaleDownUnneededDuration=_duration(unneeded_ns),
        scaleDownUnreadyDuration=_duration(unready_ns),
        MaxNodeProvisionDuration=_duration(provision_ns),
    )


def _nanos(override_s: float | None, default: wire.LegacyDuration | duration_pb2.Duration) -> int:
    if override_s is not None:
        return round(override_s * _NANOS_PER_S)
    if isinstance(default, wire.LegacyDuration):
        return default.duration
    return default.seconds * _NANOS_PER_S + default.nanos


def _duration(length_ns: int) -> duration_pb2.Duration:
    seconds, nanos = divmod(length_ns, _NANOS_PER_S)
    return duration_pb2.Duration(seconds=seconds, nanos=nanos)
