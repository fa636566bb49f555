"""Ask for the VPSNodes of the cluster, and reckon with them as with groups of the file."""

from __future__ import annotations

import dataclasses
from typing import Final

from externalgrpc import config as configs
from externalgrpc.config import objects as config_objects
from externalgrpc.diagnosis.notes import Notes
from externalgrpc.diagnosis.probes import cluster_probe
from externalgrpc.kube import errors
from externalgrpc.model import groups
from externalgrpc.vpsnodes import composing, objects, spec

WHAT: Final = "VPSNodes"
TENANTS: Final = "namespaces of tenants"

TENANT: Final = "vps-autoscaler/tenant"
"""The label of a tenant's namespace (docs/kubero.md)."""

NAMESPACES: Final = "/api/v1/namespaces"

_SOLD: Final = composing.Verdict(ok=True, reason=composing.ACCEPTED)


def ask(of: cluster_probe.Reader, notes: Notes) -> tuple[objects.VpsNode, ...] | None:
    """List them; None where the cluster has no such kind, or does not let us look."""
    notes.progress(WHAT)
    try:
        found = tuple(
            each
            for raw in cluster_probe.every(of, objects.PATH)
            if (each := objects.read(raw)) is not None
        )
    except errors.NotFound:
        return None
    except errors.Unreachable:
        return None  # that nobody answers is said where the rest is asked
    except errors.KubeError as error:
        # Who may not list them gets no other answer; that there is no such kind anybody may know.
        if not _is_served(of):
            return None
        notes.missed(WHAT, str(error))
        return None
    notes.saw(WHAT)
    return found


def tenants(of: cluster_probe.Reader, notes: Notes) -> dict[str, str]:
    """Return which VPSNodes namespaces of tenants name, by namespace; "true" names none.

    Who may not list namespaces learns nothing of them, which is noted.
    """
    notes.progress(TENANTS)
    try:
        namespaces = cluster_probe.every(of, NAMESPACES)
    except (errors.Denied, errors.NotFound) as error:
        # The server's own account need not see them, and a cluster need not have tenants.
        notes.skipped(TENANTS, f"these credentials may not list namespaces ({error})")
        return {}
    except errors.KubeError as error:
        notes.missed(TENANTS, str(error))
        return {}
    notes.saw(TENANTS)
    found: dict[str, str] = {}
    for each in namespaces:
        about = each.get("metadata") or {}
        label = (about.get("labels") or {}).get(TENANT)
        if label and label != "true":
            found[str(about.get("name"))] = str(label)
    return found


def _is_served(of: cluster_probe.Reader) -> bool:
    try:
        of.get(f"/apis/{objects.VERSION}")
    except errors.NotFound:
        return False
    except errors.KubeError:
        return True
    return True


def composed(
    config: groups.Config, source: configs.Source, there: tuple[objects.VpsNode, ...]
) -> groups.Config:
    """Return the configuration that a server would have: the file's, and its VPSNodes."""

    def judge(name: str, given: objects.Spec) -> config_objects.Judged:
        entry = spec.entry(name, given, config.vps_nodes.defaults)
        return config_objects.judge(entry, source, config)

    made = composing.Composer(judge).compose(
        config, {each.name: each for each in there}, sold=lambda _group: _SOLD, unusable={}
    )
    # Who is asked has written the finalizers, or will have: nothing here waits for them.
    return dataclasses.replace(
        made.config,
        groups=tuple(dataclasses.replace(each, hold="") for each in made.config.groups),
    )
