"""Show a report to a person's eyes."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from externalgrpc.doctor.findings import Finding, Report, Severity

_MARKS = {
    Severity.TROUBLE: Text("TROUBLE", "bold red"),
    Severity.WARNING: Text("warning", "yellow"),
}


def draw(report: Report) -> RenderableType:
    """Draw findings, worst first, then what was looked at, what was not, and the outcome."""
    parts: list[RenderableType] = []
    for finding in report.findings:
        parts += [_finding(finding), ""]
    parts.append(_row("looked at", Text("; ".join(report.looked_at), "dim")))
    for missed in report.not_looked_at:
        told = Text.assemble((missed.what, "bold"), f", because {missed.because}")
        parts.append(_row("not looked at", told, "yellow"))
    parts += ["", _outcome(report)]
    return Group(*parts)


def _finding(finding: Finding) -> RenderableType:
    head = Text.assemble(
        _MARKS[finding.severity], "  ", (finding.subject, "bold"), f": {finding.what}"
    )
    rows = (_row(" why", Text(finding.why, "dim")), _row("cure", finding.cure))
    return Group(head, *(Padding(each, (0, 0, 0, 2)) for each in rows))


def _row(label: str, told: str | Text, style: str = "dim") -> Table:
    """Lay a label beside text that wraps at its own left edge."""
    row = Table.grid(padding=(0, 2))
    row.add_column(no_wrap=True, style=style)
    row.add_column(overflow="fold")
    # As Text: what clouds and people wrote is no markup.
    row.add_row(label, told if isinstance(told, Text) else Text(told))
    return row


def _outcome(report: Report) -> Text:
    troubles = sum(each.severity is Severity.TROUBLE for each in report.findings)
    warnings = len(report.findings) - troubles
    head = f"cluster {report.cluster}: "
    if not report.findings:
        return Text.assemble(head, ("nothing is wrong in what was looked at", "bold green"))
    told = Text(head)
    if troubles:
        told.append(_count(troubles, "trouble"), "bold red")
        told.append(
            " that cost money or block scaling, "
            if troubles > 1
            else " that costs money or blocks scaling, "
        )
    told.append(_count(warnings, "warning"), "yellow")
    return told


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
