"""Ask the API server about a pod, with a person's own credentials, and the server about groups.

Everything is a GET, or an RPC that changes nothing. What is not to be had is noted.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import grpc

from externalgrpc.diagnosis.facts import scaled
from externalgrpc.diagnosis.findings import names
from externalgrpc.diagnosis.notes import Notes
from externalgrpc.diagnosis.pods import autoscaler, matching, terms, wanted
from externalgrpc.diagnosis.pods.seen import Claim, Seen
from externalgrpc.diagnosis.probes import cluster_probe
from externalgrpc.kube import api, errors
from externalgrpc.model import loose
from externalgrpc.pb import fleet_pb2 as pb
from externalgrpc.rpc import client

STATUS_NAMESPACES: Final = ("kube-system", "vps-autoscaler")
"""Where Cluster Autoscaler writes its status: by default, and as deploy/ runs it."""

_DAEMONS: Final = f"{cluster_probe.APPS}/daemonsets"
_CLASSES: Final = "/apis/storage.k8s.io/v1/storageclasses"


_PATIENCE: Final = 3
"""So many templates that are not to be had end the asking for more."""


class NoPod(Exception):
    """There is no such pod; the message says where one of the name is."""


class Server(NamedTuple):
    """What a running server said; ``silent`` is why it said nothing."""

    shown: pb.ShowResponse | None
    channel: grpc.Channel | None
    silent: str = ""


def pod(of: cluster_probe.Reader, namespace: str, name: str) -> wanted.Pod:
    """Read a pod; raises NoPod, or KubeError when it is not to be had."""
    try:
        return wanted.read(of.get(f"{_in(namespace)}/pods/{api.segment(name)}"))
    except errors.NotFound:
        pass
    elsewhere = _elsewhere(of, name)
    hint = f"; there is one in {', '.join(elsewhere)}: name it with -n" if elsewhere else ""
    raise NoPod(f"there is no pod {name} in namespace {namespace}{hint}")


def look(
    of: cluster_probe.Reader,
    found: wanted.Pod,
    server: Server,
    *,
    namespace: str,
    now: float,
) -> Seen:
    """Ask for the rest. ``namespace`` is where the autoscaler's status is looked for first."""
    notes = Notes()
    if server.shown is None:
        notes.missed("the running server", server.silent)
    status, where = _status(of, namespace, notes)
    daemons = notes.look("DaemonSets", lambda: _daemons(of)) or ()
    templates = _templates(server, notes)
    return Seen(
        pod=found,
        now=now,
        shown=server.shown,
        templates={name: matching.with_daemons(node, daemons) for name, node in templates.items()},
        claims=tuple(_claim(of, found, each, notes) for each in found.claims),
        status=status,
        status_in=where,
        events=notes.look("Events on the pod", lambda: _events(of, found)) or (),
        not_looked_at=notes.unseen,
    )


def _elsewhere(of: cluster_probe.Reader, name: str) -> tuple[str, ...]:
    """Name the namespaces that have a pod of a name, as far as one may know."""
    query = {"fieldSelector": f"metadata.name={name}", "limit": "20"}
    try:
        items = loose.sequence(of.get("/api/v1/pods", query).get("items"))
    except errors.KubeError:
        return ()  # that it is not where it was looked for is the answer all the same
    about = [loose.mapping(each.get("metadata")) for each in items]
    return tuple(loose.text(each.get("namespace")) for each in about if each.get("name") == name)


def _templates(server: Server, notes: Notes) -> dict[str, matching.Node]:
    """Ask for the template of each group that is served, as the autoscaler does."""
    found: dict[str, matching.Node] = {}
    if server.shown is None or server.channel is None:
        return found
    missed: dict[str, str] = {}
    for each in scaled(server.shown):
        if each.departed:
            continue
        try:
            found[each.id] = matching.node_of(client.template(server.channel, each.id))
        except client.CannotReach as error:
            missed[each.id] = str(error)
            if len(missed) == _PATIENCE:
                break  # each may take its whole time-out, and a person waits
    if missed:
        which = f"templates of groups, such as {names(missed)}"
        notes.missed(which, next(iter(missed.values())))
    return found


def _status(
    of: cluster_probe.Reader, namespace: str, notes: Notes
) -> tuple[autoscaler.Status | None, str]:
    what = f"the autoscaler's own words, ConfigMap {autoscaler.CONFIG_MAP}"
    spaces = tuple(dict.fromkeys((*([namespace] if namespace else ()), *STATUS_NAMESPACES)))
    notes.progress(what)
    refused: errors.KubeError | None = None
    for each in spaces:
        try:
            obj = of.get(f"{_in(each)}/configmaps/{autoscaler.CONFIG_MAP}")
        except errors.NotFound:
            continue
        except errors.KubeError as error:
            refused = error
            continue
        read = autoscaler.read_status(obj)
        if read is None:
            notes.missed(what, f"that in {each} is in no form that a release of it writes")
        else:
            notes.saw(what)
        return read, each
    if refused is not None:
        notes.missed(what, str(refused))
    else:
        notes.missed(
            what,
            f"it is not there, in {' or '.join(spaces)}: no autoscaler runs, it writes none, or "
            "it runs elsewhere (--autoscaler-namespace)",
        )
    return None, ""


def _events(of: cluster_probe.Reader, found: wanted.Pod) -> tuple[autoscaler.Event, ...]:
    query = {"fieldSelector": f"involvedObject.kind=Pod,involvedObject.name={found.name}"}
    items = of.get(f"{_in(found.namespace)}/events", query).get("items")
    return autoscaler.read_events(loose.sequence(items), found.uid)


def _daemons(of: cluster_probe.Reader) -> tuple[wanted.Needs, ...]:
    templates = (
        loose.mapping(loose.mapping(each.get("spec")).get("template"))
        for each in cluster_probe.every(of, _DAEMONS)
    )
    return tuple(wanted.needs(loose.mapping(each.get("spec"))) for each in templates)


def _claim(of: cluster_probe.Reader, found: wanted.Pod, name: str, notes: Notes) -> Claim:
    path = f"{_in(found.namespace)}/persistentvolumeclaims/{api.segment(name)}"
    try:
        claim = of.get(path)
    except errors.NotFound:
        return Claim(name=name, trouble=f"its claim {name} is not there")
    except errors.KubeError as error:
        notes.missed(f"its claim {name}", str(error))
        return Claim(name=name)
    spec = loose.mapping(claim.get("spec"))
    volume = loose.text(spec.get("volumeName"))
    if volume:
        return _bound(of, name, volume, notes)
    return _unbound(of, name, loose.text(spec.get("storageClassName")), notes)


def _bound(of: cluster_probe.Reader, claim: str, volume: str, notes: Notes) -> Claim:
    what = f"the volume of claim {claim}"
    there = notes.look(what, lambda: of.get(f"/api/v1/persistentvolumes/{api.segment(volume)}"))
    affinity = loose.mapping(loose.mapping((there or {}).get("spec")).get("nodeAffinity"))
    required = loose.mapping(affinity.get("required"))
    return Claim(
        name=claim, fits=terms.read(required.get("nodeSelectorTerms")) if required else None
    )


def _unbound(of: cluster_probe.Reader, claim: str, storage_class: str, notes: Notes) -> Claim:
    if not storage_class:
        return Claim(
            name=claim, trouble=f"its claim {claim} has no StorageClass, and is bound to no volume"
        )
    what = f"the StorageClass of claim {claim}"
    path = f"{_CLASSES}/{api.segment(storage_class)}"
    try:
        there = of.get(path)
    except errors.NotFound:
        return Claim(
            name=claim,
            trouble=f"its claim {claim} asks for StorageClass {storage_class}, which is not there",
        )
    except errors.KubeError as error:
        notes.missed(what, str(error))
        return Claim(name=claim)
    if there.get("volumeBindingMode") != "WaitForFirstConsumer":
        return Claim(
            name=claim,
            trouble=f"its claim {claim} is not bound yet: StorageClass {storage_class} makes the "
            "volume before there is a node, and has not",
        )
    topologies = there.get("allowedTopologies")
    return Claim(name=claim, fits=terms.read_topologies(topologies) if topologies else None)


def _in(namespace: str) -> str:
    return f"/api/v1/namespaces/{api.segment(namespace)}"
