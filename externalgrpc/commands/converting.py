"""Write our configuration file from what another autoscaler had, and say what it lost.

The text that comes of it loads: it is given to the loader, and what that refuses is left out, with
the loader's own words as the loss.
"""

from __future__ import annotations

import dataclasses
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from externalgrpc import config
from externalgrpc.bootstrap import userdata
from externalgrpc.commands import setups
from externalgrpc.config import mistakes
from externalgrpc.model import groups, installed_clouds
from externalgrpc.support import plaintext
from providers import contract

SUFFIX: Final = ".user-data"
_NEEDED: Final = frozenset({"name", "instanceType", "region", "minSize", "maxSize"})
"""Without these there is no group."""
_ROUNDS: Final = 2000


class Inconvertible(Exception):
    """Say, for a person, why nothing comes of it."""


@dataclasses.dataclass(slots=True)
class Group:
    """A group as it will be written; ``losses`` are sentences about it."""

    theirs: str
    entry: dict[str, Any]
    user_data: str = dataclasses.field(default="", repr=False)
    losses: list[str] = dataclasses.field(default_factory=list)

    @property
    def name(self) -> str:
        """Give its name here."""
        return str(self.entry["name"])

    @property
    def file(self) -> str:
        """Return the name of its user-data's file; "" where it has none."""
        return f"{self.name}{SUFFIX}" if self.user_data else ""


@dataclasses.dataclass(slots=True)
class Draft:
    """All that will be written; ``losses`` belong to no group.

    ``folder`` is where the user-data will lie, as seen from the file, "" beside it.
    """

    cluster: str
    account: dict[str, Any]
    groups: list[Group]
    losses: list[str]
    folder: str = ""

    def sentences(self) -> Iterator[str]:
        """Say everything that is lost, group by group."""
        yield from self.losses
        for each in self.groups:
            yield from (f"{each.name}: {loss}" for loss in each.losses)


def draft(
    converted: contract.Converted,
    *,
    cluster: str,
    provider: str,
    label: str,
    decodes_base64: bool = False,
    folder: str = "",
) -> Draft:
    """Put what a cloud read into our words; ``label`` is the other autoscaler's for groups.

    ``decodes_base64`` says whether the cloud's cloud-init decodes user-data. ``folder`` is where
    the user-data will lie, as seen from the file, "" beside it.
    """
    found: list[Group] = []
    taken: set[str] = set()
    for pool in converted.pools:
        name = _name(pool.name, taken)
        taken.add(name)
        group = Group(pool.name, {"name": name, "account": provider}, pool.user_data)
        if name != pool.name:
            select = f" --label {label}={pool.name}" if label else ""
            group.losses.append(
                f"it was called {pool.name!r}, which is no name here: its machines are adopted by "
                f"vps-autoscaler adopt {name} --config FILE{select}"
            )
        group.losses += pool.losses
        group.entry |= pool.settings
        group.entry["join"] = "raw" if pool.user_data else "image"
        if group.file:
            group.entry["userDataFile"] = group.file
            for trouble in userdata.judge(pool.user_data, decodes_base64=decodes_base64):
                _pass_on(group, trouble.message)
                break
        else:
            group.losses.append(
                "it had no user-data, so its image must join by itself: say join and userDataFile "
                "if it does not"
            )
        found.append(group)
    account = {"name": provider, "provider": provider, **converted.account}
    return Draft(cluster, account, found, list(converted.losses), folder)


def _pass_on(group: Group, why: str) -> None:
    """Have user-data passed on unread."""
    group.entry["userDataFormat"] = "other"
    group.losses.append(
        "its user-data is not what cloud-init reads, so it is passed on as it is (userDataFormat: "
        f"other), which is right for Talos and Ignition alone: {why}"
    )


def _name(theirs: str, taken: set[str]) -> str:
    """Make a name that a group may have: lower-case letters, digits and single dashes."""
    name = re.sub(r"-+", "-", re.sub(r"[^a-z0-9-]", "-", theirs.lower())).strip("-")
    if not name[:1].isalpha():
        name = f"pool-{name}".strip("-")
    name = name[: groups.MAX_GROUP_NAME].strip("-")
    number, unique = 2, name
    while unique in taken:
        ending = f"-{number}"
        unique = name[: groups.MAX_GROUP_NAME - len(ending)].strip("-") + ending
        number += 1
    return unique


def fit(
    written: Draft,
    header: Sequence[str],
    clouds: Mapping[str, installed_clouds.Cloud],
    token_variable: str,
) -> str:
    """Leave out what the loader refuses, saying so, and give the text of the file.

    Raises Inconvertible when nothing is left.
    """
    for _ in range(_ROUNDS):
        if not written.groups:
            raise Inconvertible("no pool could be converted:\n" + "\n".join(written.sentences()))
        # Judged with the user-data beside it: it is written nowhere else before all is well.
        text = render(written, header)
        refused = _first_mistake(text, written, clouds, token_variable)
        if refused is None:
            return render(written, header, written.folder)
        _leave_out(written, refused)
    raise Inconvertible("too much of it cannot be converted")


def _first_mistake(
    text: str,
    written: Draft,
    clouds: Mapping[str, installed_clouds.Cloud],
    token_variable: str,
) -> mistakes.Mistake | None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "pools.yaml"
        place.write_text(text)
        for each in written.groups:
            if each.file:
                (Path(folder) / each.file).write_bytes(each.user_data.encode())
        try:
            config.load(place, cluster="", environ={token_variable: "not-a-token"}, clouds=clouds)
        except config.ConfigError as error:
            return error.mistakes[0]
    return None


def _leave_out(written: Draft, refused: mistakes.Mistake) -> None:
    said = f"{refused.message}. {refused.cure}" if refused.cure else refused.message
    for number, group in enumerate(written.groups):
        if group.file and Path(refused.file).name == group.file:
            what = f"{refused.path}: {said}" if refused.path else said
            return _leave_out_of(written, number, ("userDataFile",), what)
    document = _document(written)
    for path in _paths(document):
        if mistakes.spell(path) != refused.path or not path:
            continue
        if path[0] == "nodes" and len(path) > 1 and isinstance(path[1], int):
            return _leave_out_of(written, path[1], path[2:], said)
        if path[0] == "accounts" and path[2:3] and path[2] in written.account:
            del written.account[str(path[2])]
            written.losses.append(f"the account's {path[2]} is left out: {said}")
            return None
    raise Inconvertible(f"{refused.path}: {said}" if refused.path else said)


def _leave_out_of(written: Draft, number: int, path: tuple[str | int, ...], said: str) -> None:
    group = written.groups[number]
    key = path[0] if path else "name"
    if key == "userDataFile" and "userDataFormat" not in group.entry:
        _pass_on(group, said)
        return
    if key in _NEEDED or key in ("join", "userDataFile", "userDataFormat", "account"):
        del written.groups[number]
        written.losses.append(f"the pool {group.theirs!r} is not converted: {said}")
        return
    held = group.entry[str(key)]
    if len(path) > 1 and isinstance(held, dict | list) and len(held) > 1:
        del held[path[1]]  # type: ignore[arg-type]  # a key of the one, or a place in the other
    else:
        del group.entry[str(key)]
    spelled = mistakes.spell(path[:2])
    group.losses.append(f"{spelled} is left out: {said}")


def _document(written: Draft) -> dict[str, Any]:
    return {
        "cluster": written.cluster,
        "kubernetes": {},
        "accounts": [written.account],
        "nodes": [each.entry for each in written.groups],
    }


def _paths(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Give the path of every value of a document, the deepest last."""
    yield path
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _paths(each, (*path, key))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _paths(each, (*path, number))


def render(written: Draft, header: Sequence[str], folder: str = "") -> str:
    """Write the file: every loss is a comment above what it is about."""
    lines = [_comment(each) for each in header]
    lines += [_comment(f"Lost: {each}") for each in written.losses]
    document = _document(written)
    nodes = document.pop("nodes")
    lines += ["", _dumped(document), "nodes:"]
    for group, entry in zip(written.groups, nodes, strict=True):
        lines += ["", *(_comment(f"Lost: {each}") for each in group.losses)]
        placed = {"userDataFile": f"{folder}/{group.file}"} if folder and group.file else {}
        dumped = _dumped({**entry, **placed}).splitlines()
        lines += [f"- {dumped[0]}", *(f"  {line}" for line in dumped[1:])]
    return "\n".join(lines) + "\n"


def _dumped(value: object) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, width=4096)
    return text.rstrip("\n")


def _comment(sentence: str) -> str:
    return f"# {plaintext.line(sentence)}"


def header(found: setups.Found, token_variable: str) -> list[str]:
    """Say above the file where it comes from, what is not in it, and what comes next."""
    token = f"it was in {found.token}; give it" if found.token else "give it"
    lines = [
        f"Written by vps-autoscaler convert, from {found.origin}. Read every line that says Lost.",
        f"The token is not here: {token} by accounts[].tokenFile, or as {token_variable}.",
    ]
    if flags := found.kept_flags():
        lines.append(
            "These flags of the autoscaler go on to work, with --cloud-provider=externalgrpc and "
            f"without --nodes: {' '.join(flags)}"
        )
    lines.append("Next: vps-autoscaler check --config FILE --online, then docs/migrating.md.")
    return lines
