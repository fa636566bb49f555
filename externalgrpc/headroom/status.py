"""Say how a group's room is: what a condition of Kubernetes says, and the figures behind it."""

from __future__ import annotations

import dataclasses
import enum


class Reason(enum.StrEnum):
    """Why a group's room is as it is: a closed list, fit for a condition's reason."""

    ON_TARGET = "OnTarget"
    """As many balloons as CPU use and the reserve want, none included."""
    AT_MAXIMUM = "AtMaximum"
    """More is wanted than the group's largest size, or the share of it, allows."""
    STARTING = "Starting"
    """Nothing was reckoned yet."""
    NO_METRICS = "NoMetrics"
    """Nobody says how much CPU is in use: held, or given up by now."""
    SOME_METRICS = "SomeMetrics"
    """Some nodes are not measured: the number may rise, and is not lowered."""
    NO_REQUESTS = "NoRequests"
    """What pods request is not known: held, or given up by now."""
    NO_MACHINE = "NoMachine"
    """What a machine of the group gives to pods is not known, or its DaemonSets leave nothing."""
    NOT_SERVED = "NotServed"
    """No autoscaler takes up what we write, and nothing else can be written."""
    REFUSED = "Refused"
    """The API server does not take what we write."""


class By(enum.StrEnum):
    """What balloons are made with."""

    BUFFER = "CapacityBuffer"
    PODS = "Deployment"


FINE = frozenset({Reason.ON_TARGET, Reason.STARTING})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A group's room. ``message`` is a sentence, with its cure where there is one.

    ``measured`` is how a message begins that has figures which move by themselves. Amounts are in
    millicores, None where they were not seen. ``target_percent`` is 0 for a group that only has a
    reserve.
    """

    reason: Reason
    message: str = ""
    balloons: int = 0
    balloon_millis: int = 0
    used_millis: int | None = None
    requested_millis: int | None = None
    target_percent: int = 0
    by: By = By.BUFFER
    measured: str = ""

    @property
    def steady(self) -> str:
        """Return the message without what was measured: it changes only when the answer does."""
        return self.message.removeprefix(self.measured)

    @property
    def condition(self) -> str:
        """Return the status of a condition: "True", "False" or "Unknown"."""
        if self.reason is Reason.STARTING:
            return "Unknown"
        return "True" if self.reason in FINE else "False"
