"""Read the user-data files of groups, and measure what a machine would get."""

from __future__ import annotations

import functools

from externalgrpc.bootstrap import joining as joins
from externalgrpc.bootstrap import machine, raw, userdata
from externalgrpc.config import (
    accounts,
    files,
    formats,
    joining,
    mistakes,
    model,
    validate,
)
from externalgrpc.config.mistakes import Mistake, Path
from externalgrpc.model import groups, installed_clouds


def read(
    entry: model.NodeDefaults,
    path: Path,
    around: accounts.Surroundings,
    findings: validate.Findings,
) -> str:
    """Read a group's user-data file and look for variables that stand for nothing."""
    at = (*path, "userDataFile")
    if entry.user_data_file is None:
        if entry.join == "raw":
            findings.missing(at, "join: raw needs the file that does it")
        return ""
    where = around.resolve(entry.user_data_file)
    message = f"the user-data file {mistakes.file_name(where)}"
    try:
        text = userdata.decoded(around.files.read(where))
    except files.Unreadable as error:
        findings.add(at, f"{message} {error}", "Create it, or correct the path")
        return ""
    except ValueError as error:
        findings.add(at, f"{message} {error}")
        return ""
    if not text.strip():
        findings.add(at, f"{message} is empty", "Write into it how a machine joins")
    for variable in raw.unknown(text):
        findings.add_elsewhere(
            Mistake(
                file=str(where),
                line=variable.line,
                column=variable.column,
                path=mistakes.shorten(f"@@{variable.name}@@"),
                message="is no variable",
                cure=validate.nearest(variable.name, raw.VARIABLES),
            )
        )
    return text


def place(entry: model.NodeDefaults, around: accounts.Surroundings) -> str:
    """Return the path of a group's user-data file; empty where it has none."""
    return str(around.resolve(entry.user_data_file)) if entry.user_data_file else ""


def measure(
    group: groups.NodeGroup,
    account: groups.Account,
    of: installed_clouds.Cloud,
    path: Path,
    findings: validate.Findings,
    *,
    cluster: str,
) -> None:
    """Render what a machine would get, whatever its cloud takes, and measure it."""
    limit = of.user_data_limit_bytes
    if not (findings.clean(path) and findings.clean(("cluster",))):
        return
    if group.join in joins.METHODS:
        try:
            size = joining.rendered_bytes(group, of)
        except (machine.Unjoinable, ValueError) as error:
            findings.add(path, f"cannot join: {error}")
            return
    elif group.user_data:
        for trouble in formats.fatal(group, cluster=cluster, provider=account.provider, of=of):
            findings.add_elsewhere(trouble)
        size = raw.worst_case_bytes(
            group,
            cluster=cluster,
            provider=account.provider,
            scheme=of.scheme,
            measure=functools.partial(installed_clouds.user_data_bytes, of),
        )
    else:
        return
    if size > limit:
        message = f"becomes {size} bytes of user-data; {account.provider} takes {limit}"
        cure = "Shorten it, or fetch the larger part at boot"
        findings.add((*path, "userDataFile" if group.user_data else "join"), message, cure)
