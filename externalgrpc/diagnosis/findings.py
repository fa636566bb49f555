"""Say what is wrong, why it matters and what to do: plain values that a command prints."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable
from typing import Any, Final

MOST_NAMES: Final = 6
UNSEEN: Final = 3
"""The exit code of an examination that saw no trouble and could not see everything."""


class Severity(enum.IntEnum):
    """How bad a finding is. TROUBLE costs money or blocks scaling; a WARNING may, one day.

    FINE says that something works, a NOTE what is as it should be and may surprise.
    """

    FINE = 0
    NOTE = 1
    WARNING = 2
    TROUBLE = 3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that there is to say, mostly because it is wrong.

    ``subject`` is the check that found it, or what it is about. ``what`` names names, ``why`` is
    one sentence, ``cure`` says what to do: a command or a setting where there is one.
    """

    severity: Severity
    subject: str
    what: str
    why: str = ""
    cure: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """Something that was not looked at, and the reason.

    ``failed`` says that it should have been and could not be; else nobody asked for it, or there
    is nothing of the kind.
    """

    what: str
    because: str
    failed: bool = True


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that was found, worst first, and what was and was not looked at."""

    cluster: str
    findings: tuple[Finding, ...]
    looked_at: tuple[str, ...]
    not_looked_at: tuple[Unseen, ...]

    @property
    def ok(self) -> bool:
        """Return whether nothing was found that costs money or blocks scaling."""
        return all(each.severity < Severity.TROUBLE for each in self.findings)

    @property
    def complete(self) -> bool:
        """Return whether all that should be looked at was; else silence about it is no health."""
        return not any(each.failed for each in self.not_looked_at)

    @property
    def exit_code(self) -> int:
        """Give 1 for troubles, 3 when none was found and not everything could be seen, else 0."""
        return 1 if not self.ok else 0 if self.complete else UNSEEN


def trouble(subject: str, what: str, why: str, cure: str) -> Finding:
    """Make a finding that costs money or blocks scaling."""
    return Finding(severity=Severity.TROUBLE, subject=subject, what=what, why=why, cure=cure)


def warning(subject: str, what: str, why: str, cure: str) -> Finding:
    """Make a finding that may become one, or that costs something else."""
    return Finding(severity=Severity.WARNING, subject=subject, what=what, why=why, cure=cure)


def worst_first(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort by severity; among equals the order of the checks stays."""
    return tuple(sorted(found, key=lambda each: -each.severity))


def names(values: Iterable[str]) -> str:
    """Write names in a row, and only count what is too much to read."""
    every = list(values)
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
        "complete": report.complete,
        "cluster": report.cluster,
        "findings": [plain_finding(each) for each in report.findings],
        "lookedAt": list(report.looked_at),
        "notLookedAt": [dataclasses.asdict(each) for each in report.not_looked_at],
    }


def plain_finding(finding: Finding) -> dict[str, str]:
    """Turn a finding into what JSON can hold; its severity is a word."""
    return {**dataclasses.asdict(finding), "severity": finding.severity.name.lower()}
