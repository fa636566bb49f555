"""Read appPools: what apps of Kubero may order as pools of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from externalgrpc.config import accounts, fields, options, validate
from externalgrpc.config.mistakes import Path
from externalgrpc.model import app_pools, rules

_AT: Path = ("appPools",)


def read(
    data: Mapping[str, Any] | None,
    around: accounts.Surroundings,
    findings: validate.Findings,
    *,
    kubernetes: bool,
) -> app_pools.AppPools | None:
    """Take the bounds; None when the file has none, or when anything is wrong with them."""
    if data is None:
        return None
    if not kubernetes:
        message = "are for apps of a cluster that the file does not name"
        findings.add(_AT, message, "Add kubernetes: to the file, or remove appPools", key=True)
    found = options.read(app_pools.AppPools, data, _AT, findings)
    if not isinstance(found, app_pools.AppPools):
        return None
    for index, namespace in enumerate(found.namespaces):
        if wrong := rules.value(namespace) or ("" if namespace else "is empty"):
            at = (*_AT, "namespaces", index)
            findings.add(at, f"{fields.describe(namespace)} {wrong}", "Name a namespace")
    for provider, sold in found.providers.items():
        path: Path = (*_AT, "providers", provider)
        accounts.cloud(provider, path, around, findings)
        for key, among in (("regions", sold.regions), ("instanceTypes", sold.instance_types)):
            if not among:
                cure = f"Name what apps may order, or remove {provider}"
                findings.add((*path, key), "is empty, and allows nothing", cure)
            for index, each in enumerate(among):
                if wrong := rules.ware(each):
                    at = (*path, key, index)
                    findings.add(at, f"{fields.describe(each)} {wrong}", "Name what is sold")
    return found
