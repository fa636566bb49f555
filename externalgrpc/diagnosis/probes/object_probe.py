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
        # Who may not list them is told nothing else; that there is no such kind anybody may know.
        if not _is_served(of):
            return None
        notes.missed(WHAT, str(error))
        return None
    notes.saw(WHAT)
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
