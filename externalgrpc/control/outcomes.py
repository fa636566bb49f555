"""Hear what came of everything, and write and count it: the one place that listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from externalgrpc.control import audit_log, call
from externalgrpc.fleet import state
from externalgrpc.model import fleet_errors
from providers import errors

Count = Callable[[str, Mapping[str, str]], None]
"""Count what happened, by name and labels."""


class Outcomes:
    """Write answers and changes to the audit log, and count them."""

    def __init__(self, count: Count) -> None:
        self.count = count

    def answered(self, of: call.Call[Any, Any], answer: object) -> None:
        """Write what a cloud answered; raises whatever an answer of no use brings about."""
        audit_log.answered(of.line(answer))

    def unusable(self, of: call.Call[Any, Any], error: Exception) -> errors.Unreachable:
        """Write that an answer is none of the contract's values, and say what it counts as.

        A cloud from outside may give anything: nobody is any wiser, and the request is over.
        """
        audit_log.unusable(of.request.account, of.operation)
        return errors.Unreachable(
            f"the answer could not be used: {type(error).__name__}",
            account=of.request.account,
            operation=of.operation,
        )

    def folded(self, of: call.Call[Any, Any], answer: object) -> None:
        """Count an answer that the fleet has taken."""
        if of.counted:
            label, value = of.counted_by
            self.count(of.counted, {label: value, "outcome": call.kind(answer)})

    def growth_refused(
        self, fleet: state.Fleet, group: str, error: fleet_errors.FleetError
    ) -> None:
        """Count a growth that was refused; callers may name any group, ours have names."""
        known = group if group in fleet.groups else ""
        self.count("growth_refused", {"group": known, "code": type(error).__name__})

    def changed(self, before: state.Fleet, after: state.Fleet) -> None:
        """Write and count in what one change of the fleet differs."""
        if before is after:
            return
        for launch in audit_log.newly_failed(before, after):
            code = launch.failure.code if launch.failure is not None else ""
            self.count("launches_failed", {"group": launch.group, "code": code})
        audit_log.standing(before, after)
