"""Say what is wrong, why it matters and what to do: plain values that a command prints."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable
from typing import Any, Final

MOST_NAMES: Final = 6


class Severity(enum.IntEnum):
    """How bad a finding is. TROUBLE costs money or blocks scaling; a WARNING may, one day."""

    WARNING = 1
    TROUBLE = 2


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong.

    ``subject`` is the check that found it. ``what`` names names, ``why`` is one sentence, ``cure``
    says what to do: a command or a setting where there is one.
    """

    severity: Severity
    subject: str
    what: str
    why: str
    cure: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """Something that was not looked at, and the reason."""

    what: str
    because: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that was found, worst first, and what was and was not looked at."""

    cluster: str
    findings: tuple[Finding, ...]
    looked_at: tuple[str, ...]
    not_looked_at: tuple[Unseen, ...]

    @property
    def ok(self) -> bool:
        """Tell whether nothing was found that costs money or blocks scaling."""
        return all(each.severity < Severity.TROUBLE for each in self.findings)


def trouble(subject: str, what: str, why: str, cure: str) -> Finding:
    """Make a finding that costs money or blocks scaling."""
    return Finding(severity=Severity.TROUBLE, subject=subject, what=what, why=why, cure=cure)


def warning(subject: str, what: str, why: str, cure: str) -> Finding:
    """Make a finding that may become one, or that costs something else."""
    return Finding(severity=Severity.WARNING, subject=subject, what=what, why=why, cure=cure)


def worst_first(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort by severity; among equals the order of the checks stays."""
    return tuple(sorted(found, key=lambda each: -each.severity))


def names(told: Iterable[str]) -> str:
    """Write names in a row, and only count what is too much to read."""
    every = list(told)
    more = len(every) - MOST_NAMES
    return ", ".join(every[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def age(age_s: float) -> str:
    """Write a length of time as people do: 42s, 7m, 3h, 5d."""
    for unit_s, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if age_s >= 2 * unit_s:
            return f"{int(age_s // unit_s)}{unit}"
    return f"{int(age_s)}s"


def plain(report: Report) -> dict[str, Any]:
    """Turn a report into what JSON can hold; severities are words."""
    return {
        "ok": report.ok,
        "cluster": report.cluster,
        "findings": [
            {**dataclasses.asdict(each), "severity": each.severity.name.lower()}
            for each in report.findings
        ],
        "lookedAt": list(report.looked_at),
        "notLookedAt": [dataclasses.asdict(each) for each in report.not_looked_at],
    }
