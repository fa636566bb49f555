"""Show a report to a person's eyes; a console of :mod:`externalgrpc.commands.terminal` draws it."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from externalgrpc.diagnosis.findings import Finding, Report, Severity
from externalgrpc.support import plaintext

_MARKS = {
    Severity.TROUBLE: ("TROUBLE", "bold red"),
    Severity.WARNING: ("warning", "yellow"),
    Severity.NOTE: ("note", "cyan"),
    Severity.FINE: ("ok", "green"),
}
_WIDTH = len("not looked at")


def draw(report: Report) -> RenderableType:
    """Draw findings, worst first, then what was looked at, what was not, and the outcome."""
    report = plaintext.every(report)
    parts: list[RenderableType] = []
    for finding in report.findings:
        parts.append(_finding(finding))
        if finding.why or finding.cure:
            parts.append("")
    if parts and parts[-1] != "":
        parts.append("")
    parts.append(_row("looked at", "dim", Text("; ".join(report.looked_at), "dim"), _WIDTH))
    for missed in report.not_looked_at:
        result = Text.assemble((missed.what, "bold"), f", because {missed.because}")
        parts.append(_row("not looked at", "yellow", result, _WIDTH))
    parts += ["", _outcome(report)]
    return Group(*parts)


def answers(found: Iterable[Finding]) -> RenderableType:
    """Draw findings alone, in their order."""
    return Group(*(_finding(plaintext.every(each)) for each in found))


def _finding(finding: Finding) -> RenderableType:
    mark, style = _MARKS[finding.severity]
    head = Text.assemble((finding.subject, "bold"), f": {finding.what}")
    rows = [_row(mark, style, head)]
    if finding.why:
        rows.append(_row("why", "dim", Text(finding.why, "dim")))
    if finding.cure:
        rows.append(_row("cure", "dim", Text(finding.cure)))
    return Group(*rows)


def _row(label: str, style: str, text: Text, width: int = len("TROUBLE")) -> Table:
    """Lay a label beside text that wraps at its own left edge."""
    row = Table.grid(padding=(0, 2))
    row.add_column(no_wrap=True, style=style, min_width=width, justify="right")
    row.add_column(overflow="fold")
    row.add_row(label, text)
    return row


def _outcome(report: Report) -> Text:
    troubles = sum(each.severity is Severity.TROUBLE for each in report.findings)
    warnings = sum(each.severity is Severity.WARNING for each in report.findings)
    head = f"cluster {report.cluster}: "
    unseen = sum(each.failed for each in report.not_looked_at)
    blind = f"{unseen} {'thing' if unseen == 1 else 'things'} could not be looked at"
    if not troubles + warnings and unseen:
        return Text.assemble(head, (f"health is not known: {blind}", "bold yellow"))
    if not troubles + warnings:
        return Text.assemble(head, ("nothing is wrong in what was looked at", "bold green"))
    result = Text(head)
    if troubles:
        result.append(_count(troubles, "trouble"), "bold red")
        result.append(
            " that cost money or block scaling, "
            if troubles > 1
            else " that costs money or blocks scaling, "
        )
    result.append(_count(warnings, "warning"), "yellow")
    if unseen:
        result.append(f"; {blind}", "bold yellow")
    return result


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
