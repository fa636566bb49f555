"""Find what trials that were ended by force left behind, and delete it when a person says so."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from externalgrpc.commands import terminal
from externalgrpc.model import by_hand
from externalgrpc.rpc import trial_client
from externalgrpc.support import clock

if TYPE_CHECKING:
    from externalgrpc.pb import fleet_pb2 as pb

LOOK_S = 0.5
GONE_S = 600.0
"""How long listings may take to agree that what was deleted is gone."""


def offer(
    server: trial_client.TrialClient,
    shown: pb.ShowResponse,
    say: Callable[[str], None],
    *,
    yes: bool,
) -> None:
    """Show what earlier trials left; delete it if a person says so now."""
    left = _left(shown, say)
    ours = [each for each in left if not _doubt(each, shown)]
    if not ours:
        return
    if yes or not sys.stdin.isatty():
        say("left alone; vps-autoscaler try --clean deletes what earlier trials left")
    elif click.confirm(f"Delete what earlier trials left ({len(ours)})?"):
        _clear(server, ours, shown, say)


def clean(
    server: trial_client.TrialClient,
    shown: pb.ShowResponse,
    say: Callable[[str], None],
    *,
    yes: bool,
) -> None:
    """Show what earlier trials left, and delete it; raises Failure for what is not proved ours."""
    left = _left(shown, say)
    if not left:
        terminal.say("no trial has left anything")
        return
    ours = [each for each in left if not _doubt(each, shown)]
    if ours and not yes:
        if not sys.stdin.isatty():
            raise terminal.Failure("this is no terminal to ask at: add --yes to delete them")
        click.confirm(f"Delete {len(ours)} machines?", abort=True)
    _clear(server, left, shown, say)


def _left(shown: pb.ShowResponse, say: Callable[[str], None]) -> list[pb.Machine]:
    """Find what earlier trials left, and show it."""
    left = [each for each in shown.machines if each.phase == "trial"]
    for each in left:
        age = f"{each.age_seconds / 60:.0f} min old" if each.age_seconds >= 0 else "of unknown age"
        say(
            f"{'marked as' if _doubt(each, shown) else 'left by'} a trial: {each.provider_id}  "
            f"{each.name}  {each.group}  {age}  {each.identity or 'no identity'} "
            f"({_doubt(each, shown) or 'ours'})"
        )
    return left


def _doubt(machine: pb.Machine, shown: pb.ShowResponse) -> str:
    """Say why the server will not delete it; an older one does not say all of that."""
    if machine.doubt_message:
        return machine.doubt_message
    is_ours = bool(machine.identity) and machine.identity == shown.identity
    return "" if is_ours else "nothing proves that it is ours"


def _clear(
    server: trial_client.TrialClient,
    left: list[pb.Machine],
    shown: pb.ShowResponse,
    say: Callable[[str], None],
) -> None:
    """Have deleted what is proved to be ours, and see it gone; raises Failure for the rest."""
    refused: list[str] = []
    asked: set[str] = set()
    for each in left:
        line = by_hand.purge(each.provider_id)
        if doubt := _doubt(each, shown):
            refused.append(f"{each.provider_id}: {doubt}; by hand: {line}")
            continue
        try:
            server.clear(each.provider_id)
            asked.add(each.provider_id)
        except trial_client.Refused as error:
            refused.append(f"{error}; by hand: {line}")
    refused += [
        f"{each} is not known to be gone after {GONE_S:.0f} s; by hand: {by_hand.purge(each)}"
        for each in sorted(_still_there(server, asked, say))
    ]
    if refused:
        raise terminal.Failure("\n".join(refused), lines=True)


def _still_there(
    server: trial_client.TrialClient, asked: set[str], say: Callable[[str], None]
) -> set[str]:
    """Await that the server shows none of them any more: two complete listings agree then."""
    source, pause = clock.SystemClock(), threading.Event()
    ends_at = source.monotonic() + GONE_S
    there = set(asked)
    while there and source.monotonic() < ends_at:
        now = {each.provider_id for each in server.show().machines} & there
        for each in sorted(there - now):
            say(f"gone: {each}")
        there = now
        if there:
            pause.wait(LOOK_S)
    return there
