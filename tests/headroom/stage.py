"""A cluster in memory for the controller: Nodes, pods, metrics, an API server, an autoscaler."""

from __future__ import annotations

import dataclasses
import json
import types
from typing import Any

from externalgrpc.headroom import controller, wanted
from externalgrpc.kube import errors, events, nodes, pods, reflector, usage
from externalgrpc.model import groups
from tests.fleet import scene

GIB = 1 << 30
NAMESPACE = "ours"
BUFFERS = f"/apis/autoscaling.x-k8s.io/v1beta1/namespaces/{NAMESPACE}/capacitybuffers"
TEMPLATES = f"/api/v1/namespaces/{NAMESPACE}/podtemplates"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"

Object = dict[str, Any]


class Api:
    """An API server that holds what is applied; ``refused`` maps beginnings of paths to errors."""

    def __init__(self) -> None:
        self.items: dict[str, Object] = {}
        self.refused: dict[str, errors.KubeError] = {}
        self.undeletable = "nothing"
        self.writes: list[str] = []
        self.asked = 0

    def get(self, path: str, query: Any = None) -> Object:
        self.asked += 1
        self._check(path)
        return {"items": [each for key, each in self.items.items() if key.startswith(f"{path}/")]}

    def apply(self, path: str, body: Object, *, manager: str) -> Object:
        self._check(path)
        self.writes.append(f"APPLY {path}")
        made = json.loads(json.dumps(body))
        if path in self.items and "status" in self.items[path]:
            made["status"] = self.items[path]["status"]
        self.items[path] = made
        return made

    def delete(self, path: str) -> None:
        self._check(path)
        if path.startswith(self.undeletable):
            raise errors.Unreachable("not now")
        if path not in self.items:
            raise errors.NotFound("gone")
        self.writes.append(f"DELETE {path}")
        del self.items[path]

    def server_unix(self) -> float:
        return 1_000_000.0

    def _check(self, path: str) -> None:
        for begins, error in self.refused.items():
            if path.startswith(begins):
                raise error


class Stage:
    """A controller and all around it; verbs change what it sees, time moves only by rounds."""

    def __init__(self, *node_groups: groups.NodeGroup) -> None:
        self.api = Api()
        self.home = events.Regarding(kind="ConfigMap", name="pools", namespace=NAMESPACE)
        self.now = 1000.0
        self.cores: float | None = 0.0
        self.unmeasured: set[str] = set()
        self.why = "nobody measures"
        self.bound: dict[str, pods.Pod] = {}
        self.pods_known = True
        self.scene = scene.Scene(*node_groups)
        self.node_list = reflector.Listing(items={})
        self.autoscaler = True
        self.promised = wanted.Amount(cpu_millis=2000, memory_bytes=4 * GIB)
        self.started = 0
        self.controller = self.restarted()

    def restarted(self) -> controller.Headroom:
        """Make the controller of a new process."""
        self.controller = controller.Headroom(
            controller.Parts(
                cluster_name="c",
                cluster=self,
                fleet=lambda: self.scene.fleet,
                promised=lambda _fleet, _group: self.promised,
                source=self,
                time_source=types.SimpleNamespace(
                    monotonic=lambda: self.now, unix=lambda: 1_000_000.0 + self.now
                ),
                bound=types.SimpleNamespace(start=self._start, stop=lambda _within_s: None),
            )
        )
        return self.controller

    def _start(self) -> None:
        self.started += 1

    def machines(self, count: int, *, group: str = "g", ready_since: float = 1.0) -> None:
        """Have a group this many machines, all of them ready nodes."""
        shown = tuple(scene.machine(number, f"{group}-{number}") for number in range(count))
        self.scene.listed(*shown)
        self._nodes = {
            each.node_name: nodes.Node(
                name=each.node_name,
                uid=each.node_name,
                provider_id=each.provider_id,
                ready=True,
                ready_since=ready_since,
            )
            for each in shown
        }

    def pod(self, name: str, node: str, cpu_millis: int, **more: Any) -> None:
        """Bind a pod."""
        self.bound[name] = pods.Pod(
            name=name, uid=name, node=node, cpu_millis=cpu_millis, memory_bytes=0, **more
        )

    def read(self) -> dict[str, usage.Sample]:
        if self.cores is None:
            raise usage.NoUsage(self.why)
        millis = round(self.cores * 1000 / max(1, len(self._nodes)))
        return {
            name: usage.Sample(millis, 0.0) for name in self._nodes if name not in self.unmeasured
        }

    def rounds(self, count: int = 1) -> None:
        """Let rounds pass, a quarter of a minute each."""
        for _ in range(count):
            self.now += controller.ROUND_S
            self.node_list = reflector.Listing(
                items=dict(getattr(self, "_nodes", {})), complete=True, heard_at=self.now
            )
            listing = reflector.Listing(
                items=self.bound, complete=self.pods_known, heard_at=self.now
            )
            self.controller._parts.bound.listing = listing
            self.controller.round()
            if self.autoscaler:
                self._take_up()

    def _take_up(self) -> None:
        for path, each in self.api.items.items():
            if path.startswith(BUFFERS):
                each["status"] = {
                    "replicas": each["spec"]["replicas"],
                    "conditions": [
                        {"type": "ReadyForProvisioning", "status": "True"},
                        {"type": "Provisioning", "status": "True"},
                    ],
                }

    @property
    def replicas(self) -> int | None:
        """Return what the CapacityBuffer of the group says; None where there is none."""
        return self._spec(f"{BUFFERS}/vps-headroom-g")

    @property
    def pausing(self) -> int | None:
        """Return what the Deployment of the group says; None where there is none."""
        return self._spec(f"{DEPLOYMENTS}/vps-headroom-g")

    def _spec(self, path: str) -> int | None:
        return self.api.items[path]["spec"]["replicas"] if path in self.api.items else None

    @property
    def status(self) -> Any:
        return self.controller.statuses["g"]


def group(**fields: Any) -> groups.NodeGroup:
    """Make a group that asks for a target, unless another number is given."""
    asks = {"target_cpu": 70} if not fields.keys() & {"target_cpu", "headroom"} else {}
    return scene.group(labels={"pool": "g"}, **asks, **fields)


def changed(of: groups.NodeGroup, **fields: Any) -> groups.NodeGroup:
    return dataclasses.replace(of, **fields)
