"""Hold what of ours is in the cluster, and let it have the last word on a status: pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from externalgrpc.headroom import choice, sentences, writing
from externalgrpc.headroom.status import By, Status


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class There:
    """What was found of ours in a round, and what balloons are made with."""

    buffers: Mapping[str, choice.Buffer] | None
    deployments: Mapping[str, writing.Pods]
    choice: choice.Choice

    def count(self, name: str) -> int:
        """Return how many balloons a group has by what is there."""
        buffer = (self.buffers or {}).get(name)
        deployment = self.deployments.get(name)
        return max(buffer.replicas if buffer else 0, deployment.replicas if deployment else 0)

    def judged(self, status: Status, name: str, now: float) -> Status:
        """Let what the cluster says of a group's objects have the last word."""
        if self.choice.by is By.PODS:
            deployment = self.deployments.get(name)
            if deployment is not None and deployment.message:
                return sentences.no_pods(status, deployment.message)
            return status
        buffer = (self.buffers or {}).get(name)
        if buffer is not None and buffer.message:
            return sentences.not_taken(status, buffer.message)
        return sentences.waiting(status) if self.choice.waits(now) else status
