"""Read a node group that is an object of the cluster, by the same rules as one of the file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from externalgrpc.config import (
    accounts,
    files,
    joining,
    lines,
    loading,
    mistakes,
    model,
    nodes,
    validate,
)
from externalgrpc.config.mistakes import Path
from externalgrpc.model import groups

_NODE: Final[Path] = ("nodes", 0)
_START: Final = lines.Position(1, 1)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """One thing that is wrong with an entry: at which of its keys ("" for all of it), and why."""

    key: str
    path: str
    message: str
    cure: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What came of an entry: its group and account, or everything that is wrong with it."""

    group: groups.NodeGroup | None = None
    account: groups.Account | None = None
    wrong: tuple[Wrong, ...] = ()


def judge(entry: Mapping[str, Any], source: loading.Source, config: groups.Config) -> Judged:
    """Make the group of an entry that is spelled as under ``nodes:``; contacts nobody.

    ``config`` is what ``source`` says, read: its accounts are what the entry may name, and an
    account that the entry implies is given back. Raises nothing but what a broken disk raises.
    """
    findings = validate.Findings(_tree(entry))
    read = validate.partial(model.NodeEntry, dict(entry), _NODE, findings)
    reader = nodes.Reader(
        cluster=config.cluster,
        logins=dict(config.accounts),
        around=accounts.Surroundings(
            directory=source.path.parent,
            environ=source.environ,
            installed=source.installed,
            files=files.Files(),
        ),
        findings=findings,
        kubernetes=config.kubernetes is not None,
    )
    made = reader.read([(0, read)]) if read is not None else ()
    found = findings.taken()
    if found or not made:
        return Judged(wrong=tuple(map(_wrong, found)))
    account = reader.logins[made[0].account]
    why = joining.cannot_join(made[0], source.installed[account.provider])
    if why:
        return Judged(wrong=(Wrong(key="join", path="join", message=why),))
    return Judged(group=made[0], account=account)


def _wrong(mistake: mistakes.Mistake) -> Wrong:
    path = mistake.path.removeprefix(mistakes.spell(_NODE)).removeprefix(".")
    if mistake.file:
        # Of a file that the entry names: say which, for the object cannot show it.
        path = f"{mistake.file}:{mistake.line}:{mistake.column} {path}".strip()
    key = path.partition(".")[0].partition("[")[0]
    return Wrong(key=key, path=path, message=mistake.message, cure=mistake.cure)


def _tree(entry: Mapping[str, Any]) -> lines.Tree:
    """Make of plain values what a file's would be, with no lines to point at."""
    values: dict[Path, lines.Position] = {(): _START, ("nodes",): _START}

    def walk(value: object, path: Path) -> None:
        values[path] = _START
        inside = (
            value.items()
            if isinstance(value, Mapping)
            else enumerate(value)
            if isinstance(value, list)
            else ()
        )
        for key, each in inside:
            walk(each, (*path, key))

    walk(entry, _NODE)
    return lines.Tree(file="", value={"nodes": [dict(entry)]}, keys=values, values=values)
