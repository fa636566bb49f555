"""Say below the tables of ``ls`` which machines are not touched and why, in few sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from externalgrpc.model import by_hand
from externalgrpc.pb import fleet_pb2 as pb

MOST_NAMES: Final = 6


def sentences(
    shown: pb.ShowResponse, *, wide: bool, age: Callable[[float], str]
) -> Iterator[RenderableType]:
    """Say what keeps machines from being members, and the line that deletes one by hand.

    ``age`` writes a length of time in seconds.
    """
    if shown.orders_held:
        yield _line("orders are held", shown.orders_held)
    if shown.outage:
        yield _line("outage", f"{shown.outage}: nobody is judged, no Node is removed")
    doubted: dict[tuple[str, str, bool], list[pb.Machine]] = {}
    for machine in shown.machines:
        if machine.doubt:
            key = (machine.doubt, machine.doubt_message, machine.excused)
            doubted.setdefault(key, []).append(machine)
    for (doubt, message, excused), machines in doubted.items():
        since = max(each.doubt_seconds_ago for each in machines)
        word = "; the configuration excuses it" if excused else ""
        yield _line(doubt, f"{_names(machines)}, for {age(since)}: {message}{word}")
    strange = [each for each in shown.machines if each.strange]
    if strange:
        yield _line(
            "second server?", f"{_names(strange)}: made since this server started, not by it"
        )
    if wide:
        for machine in shown.machines:
            if machine.withheld_because:
                failed = f"{machine.withheld_code}: {machine.withheld_message}"
                kept = f"{machine.name}: {failed} ({machine.withheld_because})"
                yield _line("not given up", kept)
    yield from _by_hand(
        [each for each in shown.machines if each.doubt or each.phase == "orphan"], wide=wide
    )


def rooms(shown: pb.ShowResponse, *, wide: bool) -> Iterator[RenderableType]:
    """Say of each group that keeps room what stands in the way; with ``wide``, how it is."""
    for group in shown.groups:
        if not group.HasField("headroom"):
            continue
        room = group.headroom
        if room.status == "False":
            yield _line(room.reason, f"{group.id}: {room.message}")
        elif wide:
            yield Text(f"room in {group.id}: {room.message} ({room.by})", style="dim")


def not_now(shown: pb.ShowResponse) -> Iterator[RenderableType]:
    """Say of accounts and groups for which nothing is ordered for now why, each thing once."""
    said = [(each.not_now_code, each.not_now_reason) for each in shown.accounts]
    said += [(each.not_now_code, each.not_now_reason) for each in shown.groups]
    for code, reason in dict.fromkeys(said):
        if code:
            yield _line(code, reason)


def spending(shown: pb.ShowResponse, *, money: Callable[[str], str]) -> Iterator[RenderableType]:
    """Say what is spent where something bounds it; ``money`` shortens an amount."""
    for each in shown.spending:
        of = "everything" if each.scope == "all" else f"{each.scope} {each.name}"
        most = f"of at most {money(each.cap_per_hour)} {each.currency} an hour"
        if each.unknown:
            yield _line("spent", f"{of}: {most}, nobody knows what: {each.unknown}")
        else:
            text = f"{of} costs {money(each.per_hour)} {most} ({each.what})"
            yield Text.assemble(("spent: ", "dim"), text)


def _by_hand(untouched: list[pb.Machine], *, wide: bool) -> Iterator[RenderableType]:
    if not untouched:
        return
    if len(untouched) == 1:
        line = by_hand.purge(untouched[0].provider_id)
    else:
        line = "vps-autoscaler purge --config FILE --machine PROVIDER_ID"
        line += "" if wide else " (ls --wide shows provider ids)"
    yield Text(f"nothing deletes these by itself; by hand: {line}", style="dim")


def _names(machines: Iterable[pb.Machine]) -> str:
    every = [each.name or each.provider_id for each in machines]
    more = len(every) - MOST_NAMES
    return ", ".join(every[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _line(code: str, sentence: str) -> Text:
    return Text.assemble((f"{code}: ", "red"), sentence)
