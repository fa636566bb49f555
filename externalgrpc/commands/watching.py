"""Watch a running server from another terminal: a table that changes, or a line for each change."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from externalgrpc.commands import tables, terminal
from externalgrpc.pb import fleet_pb2 as pb
from externalgrpc.rpc import client
from externalgrpc.support import plaintext

LOOK_S = 1.0

Ask = Callable[[], pb.ShowResponse]
Pause = Callable[[float], object]
"""Wait so many seconds; true to end the watch."""


def follow(
    ask: Ask,
    *,
    wide: bool,
    as_json: bool,
    console: Console | None = None,
    pause: Pause | None = None,
) -> None:
    """Show what the server has, until Ctrl-C; raises CannotReach where it never answered.

    A server that goes away afterwards is said to be away, and asked again: it may be restarted.
    """
    console = console or terminal.console()
    pause = pause or threading.Event().wait
    first = ask()
    if console.is_terminal and not as_json:
        _table(ask, first, wide=wide, console=console, pause=pause)
    else:
        _lines(ask, first, as_json=as_json, pause=pause)


def changes(before: pb.ShowResponse, after: pb.ShowResponse) -> Iterator[str]:
    """Say in what two answers differ, one line each; ages and budgets are no difference."""
    groups = {each.id: each for each in before.groups}
    for group in after.groups:
        known = groups.pop(group.id, None)
        if known is None:
            yield f"group {group.id}: target {group.target}, of {group.min} to {group.max}"
        elif (known.target, known.min, known.max) != (group.target, group.min, group.max):
            was = f"target {known.target}, of {known.min} to {known.max}"
            yield f"group {group.id}: {was} -> target {group.target}, of {group.min} to {group.max}"
        if (known.trouble if known is not None else "") != group.trouble:
            yield f"group {group.id}: {_text(group.trouble) or 'well again'}"
    yield from (f"group {name}: gone" for name in groups)
    yield from _machines(before, after)
    accounts = {each.name: each for each in before.accounts}
    for account in after.accounts:
        was = _state(accounts.get(account.name, pb.Account()))
        if (now := _state(account)) != was:
            yield f"account {account.name}: {now or 'well again'}"
    for name, old, new in (
        ("orders are held", before.orders_held, after.orders_held),
        ("outage", before.outage, after.outage),
    ):
        if old != new:
            yield f"{name}: {_text(new) or 'over'}"


def _machines(before: pb.ShowResponse, after: pb.ShowResponse) -> Iterator[str]:
    # A launch is known by its name, and has the machine's provider id once there is one.
    machines = {each.name or each.provider_id: each for each in before.machines}
    for machine in after.machines:
        name = machine.name or machine.provider_id
        known = machines.pop(name, None)
        old, new = _way(known) if known is not None else "", _way(machine)
        if old != new:
            where = f", {machine.machine_type} in {machine.location}" if machine.location else ""
            yield f"machine {_text(name)}: {f'{old} -> ' if old else ''}{new}{_text(where)}"
        error = machine.error_code or machine.doubt
        if error and (known is None or error != (known.error_code or known.doubt)):
            message = machine.error_message or machine.doubt_message
            yield f"machine {_text(name)}: {_text(error)}: {_text(message)}"
    yield from (f"machine {_text(name)}: {_way(known)} -> gone" for name, known in machines.items())


def _way(machine: pb.Machine) -> str:
    step = machine.step or ("node" if machine.registered else "")
    return f"{machine.phase}/{step}" if step and step != machine.phase else machine.phase


def _state(account: pb.Account) -> str:
    return _text(account.trouble or account.not_now_reason)


def _text(theirs: str) -> str:
    return plaintext.line(theirs)


def _lines(ask: Ask, first: pb.ShowResponse, *, as_json: bool, pause: Pause) -> None:
    before, shown, away = pb.ShowResponse(), first, ""
    while True:
        lines = list(changes(before, shown))
        if as_json:
            if lines:
                terminal.say_lines(json.dumps(tables.as_dict(shown)))
        else:
            for line in lines:
                terminal.say(f"{_now()} {line}")
        before = shown
        if pause(LOOK_S):
            return
        try:
            shown, was = ask(), away
            away = ""
            if was:
                terminal.say(f"{_now()} the server answers again", err=True)
        except client.CannotReach as error:
            if not away:
                away = str(error)
                terminal.say(f"{_now()} {away}; asking again", err=True)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _table(ask: Ask, first: pb.ShowResponse, *, wide: bool, console: Console, pause: Pause) -> None:
    shown, away = first, ""

    def draw() -> RenderableType:
        table = tables.fleet(shown, wide=wide)
        if not away:
            return table
        return Group(table, Text(f"{plaintext.line(away)}; asking again", style="red"))

    with Live(get_renderable=draw, console=console, auto_refresh=False) as live:
        while not pause(LOOK_S):
            try:
                shown, away = ask(), ""
            except client.CannotReach as error:
                away = str(error)
            live.refresh()
