"""Load a configuration: file -> frozen Config, or every mistake at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path as FilePath
from typing import Any, TypeVar

from externalgrpc.config import (
    accounts,
    app_pools,
    fields,
    files,
    lines,
    model,
    nodes,
    options,
    scalars,
    settings,
    validate,
)
from externalgrpc.config.mistakes import ConfigError, Mistake, Path
from externalgrpc.model import groups, installed_clouds, rules
from externalgrpc.support import regular_files

Entry = TypeVar("Entry", bound=model.Entry)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a configuration comes from and what it is read with.

    ``cluster`` is what the command line said, empty when nothing. ``installed`` maps the names
    of clouds to their classes (:func:`externalgrpc.model.installed_clouds.installed`).
    """

    path: FilePath
    cluster: str
    environ: Mapping[str, str]
    installed: Mapping[str, installed_clouds.Cloud]


def load(
    path: FilePath | str,
    *,
    cluster: str,
    environ: Mapping[str, str],
    clouds: Mapping[str, installed_clouds.Cloud],
) -> groups.Config:
    """Load a configuration file and the files that it names; contacts nobody.

    ``cluster`` is the one of the command line, empty when none was given. Raises ConfigError
    with every mistake, and nothing else.
    """
    source = Source(path=FilePath(path), cluster=cluster, environ=environ, installed=clouds)
    return read(source, files.Files())


def read(source: Source, seen: files.Files) -> groups.Config:
    """Load a configuration, noting in ``seen`` what every file held; raises ConfigError."""
    try:
        raw = seen.read(source.path)
    except files.Unreadable as error:
        piped = isinstance(error, regular_files.NotRegular)
        mistake = Mistake(
            file=str(source.path),
            line=1,
            column=1,
            path="",
            message=str(error),
            cure="It is read again when it changes: write it to a file and name that"
            if piped
            else "",
        )
        raise ConfigError([mistake]) from error
    findings = validate.Findings(lines.read(raw, str(source.path)))
    config = _config(source, seen, findings)
    found = findings.taken()
    if found:
        raise ConfigError(found)
    return config


def _config(source: Source, seen: files.Files, findings: validate.Findings) -> groups.Config:
    """Judge the whole file; the result counts only when nothing was found."""
    data = findings.tree.value
    top = dict(data) if isinstance(data, dict) else {}
    account_list, node_list = top.pop("accounts", []), top.pop("nodes", None)
    file = validate.partial(model.File, top, (), findings) or model.File.model_validate({})
    around = accounts.Surroundings(
        directory=source.path.parent,
        environ=source.environ,
        installed=source.installed,
        files=seen,
    )
    cluster = _cluster(source.cluster, file, findings)
    listed = _entries(model.AccountEntry, account_list, "accounts", findings)
    logins = accounts.configured(listed, around, findings)
    accounts.nodes_asked_for(
        logins, listed, source.installed, findings, kubernetes=file.kubernetes is not None
    )
    kubernetes = None
    if file.kubernetes is not None:
        described = options.read(
            groups.Kubernetes, file.kubernetes, ("kubernetes",), findings, resolve=around.resolve
        )
        kubernetes = described if isinstance(described, groups.Kubernetes) else groups.Kubernetes()
    reader = nodes.Reader(
        cluster=cluster,
        logins=logins,
        around=around,
        findings=findings,
        kubernetes=kubernetes is not None,
        listed=_names(account_list),
    )
    by_objects = file.vps_nodes is not None
    if node_list is None and not by_objects:
        findings.missing(("nodes",), "List the node groups under nodes:")
    elif node_list == [] and not by_objects:
        findings.add(("nodes",), "is empty", "List at least one node group")
    found = reader.read(_entries(model.NodeEntry, node_list or [], "nodes", findings))
    _caps_have_a_currency(findings)
    return groups.Config(
        cluster=cluster,
        accounts=reader.logins,
        groups=found,
        currency=_currency(file.currency, ("currency",), findings),
        rates=_rates(file, findings),
        cover_forgotten=file.cover_forgotten_machines,
        gpu_label=_gpu_label(file.gpu_label, findings),
        status_page=file.status_page,
        kubernetes=kubernetes,
        limits=settings.limits(file.limits),
        vps_nodes=_vps_nodes(file.vps_nodes, reader, findings),
        paused=file.paused,
        cap=settings.cap(file),
        app_pools=app_pools.read(
            file.app_pools, around, findings, kubernetes=kubernetes is not None
        ),
    )


def _vps_nodes(
    entry: model.VpsNodesEntry | None, reader: nodes.Reader, findings: validate.Findings
) -> groups.VpsNodes:
    """Take what VPSNodes leave out, as the file spells it; it is judged with each object again."""
    if entry is None:
        return groups.VpsNodes()
    at: Path = ("vpsNodes",)
    if not reader.kubernetes:
        message = "are objects of a cluster that the file does not name"
        findings.add(at, message, "Add kubernetes: to the file, or remove vpsNodes", key=True)
    at = (*at, "defaults")
    user_data = {
        provider: reader.defaults(provider, defaults, (*at, provider))
        for provider, defaults in entry.defaults.items()
    }
    tree: Any = findings.tree.value
    # A mapping of mappings: the entry was read from it.
    return groups.VpsNodes(
        defaults=dict(tree["vpsNodes"].get("defaults") or {}), user_data=user_data
    )


def _names(account_list: object) -> frozenset[str]:
    """Return the names of all accounts in the file, also of those that are wrong otherwise."""
    entries = account_list if isinstance(account_list, list) else []
    named = (each.get("name") for each in entries if isinstance(each, dict))
    return frozenset(each for each in named if isinstance(each, str))


def _entries(
    kind: type[Entry], data: object, key: str, findings: validate.Findings
) -> list[tuple[int, Entry]]:
    """Read a list of mappings, entry by entry, so that one mistake does not hide the next."""
    if not isinstance(data, list):
        if isinstance(data, scalars.Surprise):
            findings.add((key,), data.message, data.cure)
        else:
            message = f"must be a list, not {fields.describe(data)}"
            findings.add((key,), message, "Begin each entry with a dash")
        return []
    found: list[tuple[int, Entry]] = []
    for index, each in enumerate(data):
        entry = None if findings.full else validate.partial(kind, each, (key, index), findings)
        if entry is not None:
            found.append((index, entry))
    return found


def _cluster(given: str, file: model.File, findings: validate.Findings) -> str:
    at: Path = ("cluster",)
    if file.cluster is not None and given and file.cluster != given:
        message = f"{fields.describe(file.cluster)} is not what --cluster says ({given})"
        findings.add(at, message, "Keep one of the two")
    cluster = file.cluster if file.cluster is not None else given
    if not cluster and file.cluster is None:
        cure = "Add cluster: <name> or --cluster: it marks our machines as this cluster's"
        findings.missing(at, cure)
        return ""
    wrong = rules.name(cluster, groups.MAX_CLUSTER_NAME)
    if wrong:
        findings.add(at, f"{fields.describe(cluster)} {wrong}", "Choose another name")
    return cluster


def _currency(code: str, at: Path, findings: validate.Findings, *, key: bool = False) -> str:
    wrong = rules.currency(code)
    if wrong:
        findings.add(at, f"{fields.describe(code)} {wrong}", "Write it like EUR", key=key)
    return code


def _caps_have_a_currency(findings: validate.Findings) -> None:
    """Refuse a bound on money that does not say of which: the usual one need not be meant."""
    if findings.tree.has(("currency",)):
        return
    for path in findings.tree.values:
        if path and path[-1] in ("maxPricePerHour", "maxPricePerMonth") and len(path) in (1, 3):
            message = "is an amount of money, and the file does not say of which"
            cure = (
                "Add currency: EUR, or whichever is meant; exchangeRates: for clouds with another"
            )
            findings.add(path, message, cure, key=True)


def _rates(file: model.File, findings: validate.Findings) -> dict[str, Decimal]:
    for code, rate in file.exchange_rates.items():
        at = ("exchangeRates", code)
        _currency(code, at, findings, key=True)
        if rate <= 0:
            findings.add(at, f"{rate} is not above zero", f"Say what one {code} is worth")
        elif code == file.currency and rate != 1:
            findings.add(at, f"one {code} is one {code}", "Remove it, or change currency")
    return dict(file.exchange_rates)


def _gpu_label(label: str, findings: validate.Findings) -> str:
    wrong = rules.key(label) or rules.node_label(label)
    if wrong:
        findings.add(("gpuLabel",), f"{fields.describe(label)} {wrong}", "Choose another key")
    return label
