"""Make of what apps ask for, and of the pools that are there, what is to be written. Pure.

An app's pool is a VPSNode that carries annotations of whose it is. What is refused is refused with
a sentence for the app's owner; a pool that is there stays as it was accepted, or is paused where
the operator allows it no more. Nothing here deletes: :mod:`externalgrpc.kubero.proof` says when.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from externalgrpc.kubero import apps
from externalgrpc.model import app_pools
from externalgrpc.support import plaintext
from externalgrpc.vpsnodes import objects

NAMESPACE: Final = "vps-autoscaler/app-namespace"
APP: Final = "vps-autoscaler/app-name"
UID: Final = "vps-autoscaler/app-uid"
PAUSED: Final = "vps-autoscaler/app-pool-paused"
"""Annotations of a pool: whose it is, and that it was paused here and by nobody else."""

POOL_LABEL: Final = "vps-autoscaler/app-pool"
"""A label of the object, for people who look for all of them."""

LABEL: Final = 63
"""Characters of a label's value, by Kubernetes."""

_MANAGED: Final = ("provider", "region", "instanceType", "autoScale", "labels", "taints")

NOT_ALLOWED: Final = "PoolNotAllowed"
INVALID: Final = "PoolInvalid"
LIMIT: Final = "PoolLimitReached"
NOT_PLACED: Final = "PoolNotSelected"
TAKEN: Final = "PoolNameTaken"
WAITING: Final = "PoolEmptying"


class Refused(ValueError):
    """Why an app gets no pool: a word of a closed list, and a sentence with the cure."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The app that a pool was made for."""

    namespace: str
    app: str
    uid: str

    @property
    def name(self) -> str:
        """Return ``namespace/app``."""
        return f"{self.namespace}/{self.app}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be written, by the pool's name, and which apps are refused, by the app's name."""

    write: Mapping[str, Mapping[str, Any]]
    refused: Mapping[str, Refused]


def name_of(namespace: str, app: str) -> str:
    """Return the pool's name, 36 characters: no part holds a slash, so no two apps share it."""
    return "app-" + hashlib.sha256(f"{namespace}/{app}".encode()).hexdigest()[:32]


def owner(of: objects.VpsNode) -> Owner | None:
    """Return whose pool it is; None for a VPSNode that is no app's, whatever else is on it."""
    namespace, app, uid = (of.annotations.get(key, "") for key in (NAMESPACE, APP, UID))
    if not (namespace and app and uid) or of.name != name_of(namespace, app):
        return None
    return Owner(namespace=namespace, app=app, uid=uid)


def plan(
    there: Iterable[apps.App],
    nodes: Mapping[str, objects.VpsNode],
    machines: Mapping[str, int],
    allowed: app_pools.AppPools,
) -> Plan:
    """Plan pools of all apps; ``machines`` counts those that each pool has, by name.

    The nodes that all pools may have never exceed ``allowed.max_nodes``, but for machines that are
    there already. Pools that are there come first, by name; then what apps ask for, by name.
    """
    ours = {name: of for name, of in sorted(nodes.items()) if owner(of) is not None}
    budget = _Budget(ours, machines, allowed)
    write: dict[str, Mapping[str, Any]] = {}
    refused: dict[str, Refused] = {}
    for each in sorted(there, key=lambda app: app.name):
        if each.ask is None:
            continue
        name = name_of(each.namespace, each.app)
        try:
            if name in write:
                raise _taken(name)
            _may_have(each, nodes.get(name))
            spec = _spec(each, each.ask, allowed)
            budget.reserve(name, spec["autoScale"]["maxNodes"])
        except Refused as refusal:
            refused[each.name] = refusal
            continue
        asked = Owner(namespace=each.namespace, app=each.app, uid=each.uid)
        write[name] = _object(name, asked, spec, paused=False)
    for name, of in ours.items():
        if name not in write and not of.deleting:
            whose = owner(of)
            assert whose is not None  # noqa: S101 - ours are those that have one
            kept = {key: of.spec[key] for key in _MANAGED if key in of.spec}
            write[name] = _object(name, whose, kept, paused=name in budget.beyond)
    return Plan(
        write={name: each for name, each in write.items() if _differs(each, nodes.get(name))},
        refused=refused,
    )


class _Budget:
    """Count the nodes that pools may have; a pool that does not fit is ``beyond``."""

    def __init__(
        self,
        ours: Mapping[str, objects.VpsNode],
        machines: Mapping[str, int],
        allowed: app_pools.AppPools,
    ) -> None:
        self._machines = machines
        self._most = allowed.max_nodes
        self._held = {name: machines.get(name, 0) for name in ours}
        self.beyond: set[str] = set()
        for name, of in ours.items():
            whose = owner(of)
            may = of.deleting or (whose is not None and _allows(of.spec, whose, allowed))
            if not may or not self._fits(name, _most(of.spec)):
                self.beyond.add(name)
            else:
                self._held[name] = max(self._held[name], _most(of.spec))

    def reserve(self, name: str, most: int) -> None:
        """Hold nodes for a pool in place of what it holds; raises Refused when too many are."""
        if not self._fits(name, most):
            others = sum(self._held.values()) - self._held.get(name, 0)
            raise Refused(
                LIMIT,
                f"All apps together may have {self._most} nodes, and {others} are taken by others: "
                "lower autoScaling.maxNodes, or ask the operator to raise appPools.maxNodes.",
            )
        self._held[name] = max(self._machines.get(name, 0), most)

    def _fits(self, name: str, most: int) -> bool:
        return sum(self._held.values()) - self._held.get(name, 0) + most <= self._most


def _may_have(app: apps.App, found: objects.VpsNode | None) -> None:
    """Refuse an app whose pool's name is another's, or whose pool is on its way out."""
    if found is None:
        return
    whose = owner(found)
    if whose is None or whose.name != app.name:
        raise _taken(found.name)
    if found.deleting or whose.uid != app.uid:
        raise Refused(
            WAITING,
            f"The VPSNode {found.name} is the pool of an earlier app of this name, or of this app "
            "before: a new one is made when its last machine is gone. Nothing is to be done.",
        )


def _taken(name: str) -> Refused:
    return Refused(
        TAKEN,
        f"The VPSNode {name} is not this app's pool, and is left alone: "
        "ask the operator to remove it, or give the app another name.",
    )


def _spec(app: apps.App, ask: apps.Ask, allowed: app_pools.AppPools) -> dict[str, Any]:
    """Return the spec of the pool that an app asks for; raises Refused."""
    if app.namespace not in allowed.namespaces:
        raise Refused(
            NOT_ALLOWED,
            f"Apps of the namespace {app.namespace} get no pools of their own: ask the operator to "
            "add it to appPools.namespaces, or remove autoScaling from the app.",
        )
    if len(app.app) > LABEL:
        raise Refused(
            INVALID,
            f"The app's name is longer than {LABEL} characters, which a label cannot hold: "
            "give the app a shorter name.",
        )
    sold = allowed.providers.get(ask.choice["provider"])
    if sold is None:
        raise _among("provider", ask.choice["provider"], allowed.providers)
    for key, among in (("region", sold.regions), ("instanceType", sold.instance_types)):
        if ask.choice[key] not in among:
            raise _among(key, ask.choice[key], among)
    scale = _scale(ask, allowed)
    if not app.placed:
        raise Refused(
            NOT_PLACED,
            "The app's nodeSelector does not lead to a pool of its own, so none is made: remove "
            "nodeSelector and tolerations from the app and write it again, in a namespace with the "
            "label vps-autoscaler/app-pools: true, so that the policies set them.",
        )
    selector = apps.labels(app.namespace, app.app)
    return {
        **ask.choice,
        "autoScale": scale,
        "labels": selector,
        "taints": [
            {"key": key, "value": value, "effect": "NoSchedule"} for key, value in selector.items()
        ],
    }


def _scale(ask: apps.Ask, allowed: app_pools.AppPools) -> dict[str, Any]:
    least, most = 0 if ask.least is None else ask.least, ask.most
    if most is None or most < 1:
        wrong = "is missing" if most is None else "is not a whole number of at least 1"
        raise Refused(
            INVALID,
            f"autoScaling.maxNodes {wrong}: write the most nodes that the app may have, "
            f"1 to {allowed.max_nodes_per_app}.",
        )
    if not 0 <= least <= most:
        raise Refused(
            INVALID,
            f"autoScaling.minNodes is not a whole number between 0 and maxNodes ({most}): "
            "write one, or remove it for 0.",
        )
    if most > allowed.max_nodes_per_app:
        raise Refused(
            LIMIT,
            f"autoScaling.maxNodes is {most}, and one app may have {allowed.max_nodes_per_app} "
            "nodes: lower it, or ask the operator to raise appPools.maxNodesPerApp.",
        )
    scale: dict[str, Any] = {"enabled": True, "minNodes": least, "maxNodes": most}
    if ask.target_cpu is not None:
        if not 0 <= ask.target_cpu <= 100:
            raise Refused(
                INVALID,
                "autoScaling.targetCPU is not a whole number of percent between 0 and 100: "
                "write one, or remove it for no target.",
            )
        scale["targetCPU"] = ask.target_cpu
    return scale


def _among(key: str, said: str, among: Iterable[str]) -> Refused:
    wrong = f'is "{plaintext.line(said)}", which no pool may have' if said else "is missing"
    return Refused(
        NOT_ALLOWED, f"customNodeSelector.{key} {wrong}: write one of {', '.join(sorted(among))}."
    )


def _allows(spec: objects.Spec, whose: Owner, allowed: app_pools.AppPools) -> bool:
    """Return whether a pool that is there is one that the operator would allow now."""
    provider = spec.get("provider")
    sold = allowed.providers.get(provider) if isinstance(provider, str) else None
    return (
        whose.namespace in allowed.namespaces
        and sold is not None
        and spec.get("region") in sold.regions
        and spec.get("instanceType") in sold.instance_types
        and _most(spec) <= allowed.max_nodes_per_app
    )


def _most(spec: objects.Spec) -> int:
    """Return the most nodes that a pool may have; a fixed one has as many as it says at least."""
    scale = spec.get("autoScale")
    scale = scale if isinstance(scale, dict) else {}
    said = [each for each in map(scale.get, ("minNodes", "maxNodes")) if type(each) is int]
    return max(said, default=1)


def _object(name: str, whose: Owner, spec: Mapping[str, Any], *, paused: bool) -> Mapping[str, Any]:
    annotations = {NAMESPACE: whose.namespace, APP: whose.app, UID: whose.uid}
    return {
        "apiVersion": objects.VERSION,
        "kind": objects.KIND,
        "metadata": {
            "name": name,
            "labels": {POOL_LABEL: "true"},
            "annotations": {**annotations, PAUSED: "true"} if paused else annotations,
        },
        "spec": {**spec, "paused": True} if paused else dict(spec),
    }


def _differs(wanted: Mapping[str, Any], found: objects.VpsNode | None) -> bool:
    """Return whether an object is not there, or not as it is wanted in the fields of ours."""
    if found is None:
        return True
    paused = PAUSED in wanted["metadata"]["annotations"]
    return (
        {key: found.spec.get(key) for key in _MANAGED}
        != {key: wanted["spec"].get(key) for key in _MANAGED}
        or (PAUSED in found.annotations) != paused
        or (paused and found.spec.get("paused") is not True)
    )
