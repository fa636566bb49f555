"""Show what a server knows to a person's eyes: groups, machines, accounts.

All texts pass :mod:`externalgrpc.support.plaintext` before anything is laid out, whatever wrote
them. A console of :mod:`externalgrpc.commands.terminal` reads no markup in them.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf import message as protobuf
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from externalgrpc.commands import untouched
from externalgrpc.commands.fitting import Fitting
from externalgrpc.diagnosis import preflight, screen
from externalgrpc.fleet import notnow
from externalgrpc.nodes import price_list, pricing
from externalgrpc.pb import fleet_pb2 as pb
from externalgrpc.support import plaintext
from providers import contract

Message = TypeVar("Message", bound=protobuf.Message)

_STYLES = {
    "held": "yellow",
    "asked": "yellow",
    "unsure": "bold yellow",
    "accepted": "cyan",
    "creating": "cyan",
    "running": "green",
    "stopped": "red",
    "deleting": "magenta",
    "failed": "bold red",
    "orphan": "red",
    "trial": "red",
    "quarantine": "bold yellow",
}


# One word for one thing in all that a script reads: the configuration's, as in check and offers.
_WORDS = {
    "groups": {"id": "name", "min": "minSize", "max": "maxSize", "target": "targetSize"},
    "machines": {"machineType": "instanceType", "location": "region"},
}


def fleet(shown: pb.ShowResponse, *, wide: bool = False) -> RenderableType:
    """Draw everything, one table under the other."""
    shown = _readable(shown)
    parts: list[RenderableType] = [_heading(shown), Fitting(_groups(shown, wide=wide))]
    if shown.machines:
        parts.append(Fitting(_machines(shown, wide=wide)))
        parts += _failures(shown)
    parts += untouched.rooms(shown, wide=wide)
    parts += untouched.sentences(shown, wide=wide, age=seconds)
    parts.append(Fitting(_accounts(shown)))
    parts += untouched.not_now(shown)
    parts += untouched.spending(shown, money=_short)
    return Group(*parts)


def as_dict(shown: pb.ShowResponse) -> dict[str, Any]:
    """Return everything as plain values, with every field present; keys are those of the file."""
    result = json_format.MessageToDict(shown, always_print_fields_with_no_presence=True)
    for listed, words in _WORDS.items():
        result[listed] = [
            {words.get(key, key): value for key, value in each.items()} for each in result[listed]
        ]
    return result


def _readable(message: Message) -> Message:
    """Copy a message with every text in it escaped, also those of fields to come."""
    copy = type(message)()
    copy.CopyFrom(message)
    _escape(copy)
    return copy


def _escape(message: protobuf.Message) -> None:
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING:
            if isinstance(value, str):
                setattr(message, field.name, plaintext.line(value))
            else:
                value[:] = [plaintext.line(each) for each in value]
        elif field.type == field.TYPE_MESSAGE:
            for each in [value] if isinstance(value, protobuf.Message) else value:
                _escape(each)


def seconds(age_s: float) -> str:
    """Write an age as people do: 42s, 7m, 3h20m, 5d."""
    if age_s < 0:
        return "-"
    minutes, whole = int(age_s) // 60, int(age_s)
    if whole < 100:
        return f"{whole}s"
    if minutes < 100:
        return f"{minutes}m"
    if minutes < 48 * 60:
        return f"{minutes // 60}h{minutes % 60:02d}m"
    return f"{minutes // (24 * 60)}d"


def _heading(shown: pb.ShowResponse) -> Text:
    text = Text(f"cluster {shown.cluster}", style="bold")
    text.append(f"  vps-autoscaler {shown.version}, up {seconds(shown.uptime_seconds)}", "dim")
    if shown.dry_run:
        text.append("  DRY RUN: nothing is created or deleted", style="bold yellow")
    return text


def ruled(*columns: str) -> Table:
    """Make an empty table; figures stand on the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for column in columns:
        right = column in ("min", "target", "max", "age", "machines", "budget", "price/h")
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    return table


def _groups(shown: pb.ShowResponse, *, wide: bool) -> Table:
    columns = ["group", "account", "min", "target", "max", "price/h", "machines"]
    table = ruled(*columns, *(("a node gives",) if wide else ()), "candidates")
    for group in shown.groups:
        phases: dict[str, int] = {}
        for machine in shown.machines:
            if machine.group == group.id:
                phases[machine.phase] = phases.get(machine.phase, 0) + 1
        states = Text(", ").join(
            Text(f"{count} {phase}", style=_STYLES.get(phase, ""))
            for phase, count in phases.items()
        )
        candidates = ", ".join(group.candidates if wide else group.candidates[:2])
        if not wide and len(group.candidates) > 2:
            candidates += f" +{len(group.candidates) - 2}"
        paused = group.not_now_code if group.not_now_code == notnow.PAUSED else ""
        trouble = group.trouble or paused
        price = f"{_short(group.price_per_hour)} {group.currency}" if group.price_per_hour else "?"
        table.add_row(
            Text.assemble((group.id, "bold"), (" VPSNode" if group.vps_node else "", "dim")),
            group.account,
            str(group.min),
            str(group.target),
            str(group.max),
            price,
            states or Text("-", style="dim"),
            *((_gives(group.allocatable),) if wide else ()),
            Text(trouble, style="red") if trouble else candidates,
        )
    return table


def _short(price: str) -> str:
    """Shorten a price that a server gave; what is none is shown as it came."""
    try:
        return pricing.short(Decimal(price))
    except ArithmeticError:
        return price


def _gives(left: pb.Allocatable) -> str:
    how = "measured" if left.measured else "reckoned"
    return f"{left.cpu_millis / 1000:g} cpu, {left.memory_bytes / price_list.GIB:.2f} GiB ({how})"


def _machines(shown: pb.ShowResponse, *, wide: bool) -> Table:
    columns = ["machine", "group", "phase", "type", "region", "age"]
    more = ("node", "provider id", "addresses", "identity") if wide else ()
    table = ruled(*columns, *more, "trouble")
    for machine in shown.machines:
        row: list[RenderableType] = [
            machine.name or machine.provider_id,
            machine.group or "-",
            Text(machine.phase, style=_STYLES.get(machine.phase, "")),
            machine.machine_type or "-",
            machine.location or "-",
            seconds(machine.age_seconds),
        ]
        if wide:
            row += [
                _way(machine),
                machine.provider_id,
                ", ".join(machine.addresses),
                machine.identity or "-",
            ]
        code = machine.error_code or machine.doubt or (machine.withheld_code if wide else "")
        table.add_row(*row, Text(code, style="red"))
    return table


def _failures(shown: pb.ShowResponse) -> list[RenderableType]:
    """Return what went wrong below the machines, where there is room for sentences."""
    return [
        Text.assemble((f"{machine.error_code}: ", "red"), machine.error_message)
        if machine.name in machine.error_message
        else Text.assemble(
            (f"{machine.error_code}: ", "red"), f"{machine.name}: {machine.error_message}"
        )
        for machine in shown.machines
        if machine.error_code
    ]


def _way(machine: pb.Machine) -> str:
    """Return how far a machine has come to being a node, and for how long it has been there."""
    if machine.step:
        return f"{machine.step} for {seconds(machine.step_seconds_ago)}"
    return "yes" if machine.registered else "-"


def _accounts(shown: pb.ShowResponse) -> Table:
    table = ruled("account", "provider", "machines", "listed", "budget", "trouble")
    for account in shown.accounts:
        listed = account.listed_seconds_ago
        budget = (
            f"{account.budget_remaining}/{account.budget_limit}"
            if account.budget_limit >= 0
            else "-"
        )
        table.add_row(
            account.name,
            account.provider,
            str(account.machines),
            f"{seconds(listed)} ago" if listed >= 0 else "never",
            budget,
            Text(account.trouble or account.not_now_code, style="red"),
        )
    return table


def report(checked: preflight.Report) -> RenderableType:
    """Draw what a check found: accounts, groups with their candidates, then every finding."""
    found = screen.draw(checked.summary())
    checked = plaintext.every(checked)
    parts: list[RenderableType] = [Fitting(_checked_accounts(checked))] if checked.online else []
    return Group(*parts, Fitting(_checked_groups(checked)), found)


def _checked_accounts(checked: preflight.Report) -> Table:
    table = ruled("account", "provider", "machines", "types", "budget", "quota")
    for account in checked.accounts:
        table.add_row(
            account.name,
            account.provider,
            _known(account.machines),
            _known(account.machine_types),
            f"{account.budget.remaining}/{account.budget.limit}" if account.budget else "-",
            _quota(account.quota),
        )
    return table


def _checked_groups(checked: preflight.Report) -> Table:
    table = ruled("group", "account", "min", "max", "type", "region", "price/h", "stock")
    for group in checked.groups:
        head = [group.name, group.account, str(group.min_size), str(group.max_size)]
        if not group.candidates:
            table.add_row(*head, "-", "-", "-", "-")
        for candidate in group.candidates:
            price = candidate.price_per_hour
            table.add_row(
                *head,
                candidate.name,
                candidate.location,
                f"{pricing.short(price)} {checked.currency}" if price is not None else "?",
                _stock(candidate),
            )
            head = ["", "", "", ""]
    return table


def _stock(candidate: preflight.CandidateReport) -> Text:
    if candidate.machine_type is None or candidate.offer is None:
        return Text("not sold", style="red")
    return Text("yes", "green") if candidate.offer.in_stock else Text("sold out", "yellow")


def _known(value: object) -> str:
    return "-" if value is None else str(value)


def _quota(quota: contract.Quota | None) -> str:
    if quota is None:
        return "-"
    return f"{_known(quota.used)}/{_known(quota.limit)} {quota.note}".strip()


def deals(shown: Iterable[price_list.Deal], *, currency: str) -> RenderableType:
    """Draw a list of deals."""
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for column in ("account", "type", "region", "cpu", "GiB", "disk GB", "arch", "gpus"):
        right = column in ("cpu", "GiB", "disk GB", "gpus")
        drawn.add_column(column, justify="right" if right else "left", overflow="fold")
    drawn.add_column("price/h", justify="right")
    drawn.add_column("stock")
    for deal in map(plaintext.every, shown):
        kind = deal.machine_type
        drawn.add_row(
            deal.account,
            kind.name,
            deal.offer.location,
            f"{kind.cpu_millis / 1000:g}",
            f"{kind.memory_bytes / price_list.GIB:g}",
            f"{kind.disk_bytes / 10**9:.0f}",
            kind.arch,
            str(kind.gpus or "-"),
            "?" if deal.price is None else f"{pricing.short(deal.price)} {currency}",
            Text("yes", "green") if deal.offer.in_stock else Text("sold out", "yellow"),
        )
    return Fitting(drawn)
