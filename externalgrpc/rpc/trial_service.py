"""Serve trials: what ``vps-autoscaler try`` asks of a running server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from externalgrpc.bootstrap import encoded, joining
from externalgrpc.model import groups
from externalgrpc.pb import fleet_pb2 as pb
from externalgrpc.rpc import calls
from externalgrpc.support import plaintext
from externalgrpc.trial import controller, report

if TYPE_CHECKING:
    from collections.abc import Mapping

_TAINTS = "@@TAINTS@@"


class TrialService:
    """Answer the RPCs of trials; what they raise becomes a status in :mod:`.calls`."""

    def __init__(self, trials: controller.Trials) -> None:
        self._trials = trials

    def StartTrial(self, request: pb.StartTrialRequest) -> pb.Trial:  # noqa: N802 - the RPC's name
        """Order one machine for a trial of a group."""
        return shown(self._trials.start(request.group))

    def GetTrial(self, _request: pb.GetTrialRequest) -> pb.Trial:  # noqa: N802
        """Return how the trial is that is under way, or was last."""
        return shown(self._trials.look())

    def EndTrial(self, _request: pb.EndTrialRequest) -> pb.Trial:  # noqa: N802
        """Begin to end the trial that is under way."""
        return shown(self._trials.end())

    def ClearTrial(self, request: pb.ClearTrialRequest) -> pb.ClearTrialResponse:  # noqa: N802
        """Delete what a trial of another process left."""
        self._trials.clear(request.provider_id)
        return pb.ClearTrialResponse()

    def handlers(self, made: calls.Calls) -> Mapping[str, calls.Handler]:
        """Make the handlers of the RPCs, by their names."""
        return {
            "StartTrial": made.unary("StartTrial", pb.StartTrialRequest, self.StartTrial),
            "GetTrial": made.unary("GetTrial", pb.GetTrialRequest, self.GetTrial),
            "EndTrial": made.unary("EndTrial", pb.EndTrialRequest, self.EndTrial),
            "ClearTrial": made.unary("ClearTrial", pb.ClearTrialRequest, self.ClearTrial),
        }


def shown(known: report.Report | None) -> pb.Trial:
    """Write a report for the wire; an empty message where there was no trial."""
    if known is None:
        return pb.Trial()
    order = list(report.Step)
    return pb.Trial(
        group=known.group,
        trial=known.trial,
        account=known.account,
        node_name=plaintext.line(known.node_name),
        provider_id=plaintext.line(known.provider_id),
        machine_type=plaintext.line(known.machine_type),
        location=plaintext.line(known.location),
        phase=known.phase.value,
        steps=[
            pb.TrialStep(name=step.value, at=known.steps[step])
            for step in sorted(known.steps, key=order.index)
        ],
        waits=plaintext.line(known.waits),
        code=plaintext.line(known.code),
        reason=plaintext.line(known.reason),
        watched=known.watched,
        compared=known.compared,
        differences=[
            pb.TrialDifference(
                what=plaintext.line(each.what),
                promised=plaintext.line(each.promised),
                found=plaintext.line(each.found),
                wrong=each.wrong,
            )
            for each in known.differences
        ],
        left=[plaintext.line(each) for each in known.left],
        proofs=[plaintext.line(each) for each in known.proofs],
    )


def untaintable(group: groups.NodeGroup, cloud: object) -> str:
    """Say why nothing of ours taints a group's Node as it registers; empty where it is tainted."""
    if group.join in joining.METHODS or getattr(cloud, "joins_by_itself", False):
        return ""
    if group.join == "image" or not group.user_data:
        return "its image makes the machine a node, and knows nothing of the trial's taint"
    found = [_TAINTS in group.user_data]

    def look(text: str) -> str:
        found.append(_TAINTS in text)
        return text

    encoded.change(group.user_data, look)
    return "" if any(found) else f"its user-data does not use {_TAINTS}"
