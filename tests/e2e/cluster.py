"""Speak to the Kubernetes API: pods that want machines, and Nodes."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from tests.e2e import waiting

Object = dict[str, Any]

_NODES = "/api/v1/nodes"
_PODS = "/api/v1/namespaces/default/pods"
_SETS = "/apis/apps/v1/namespaces/default/replicasets"
_OURS = "/api/v1/namespaces/default/configmaps"
_STATUS = "/api/v1/namespaces/kube-system/configmaps/cluster-autoscaler-status"
_MERGE = {"Content-Type": "application/merge-patch+json"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What a pod asks for: cores, labels of its node, the key of a taint that it tolerates.

    ``tolerations`` are more of these, as a pod has them.
    """

    cpu: str = "1500m"
    memory: str = "512Mi"
    selector: Mapping[str, str] = dataclasses.field(default_factory=dict)
    tolerates: str = ""
    tolerations: Sequence[Mapping[str, str]] = ()


class Cluster:
    """The pods of one namespace and all Nodes."""

    def __init__(self, api: httpx.Client) -> None:
        self._api = api

    def nodes(self) -> dict[str, Object]:
        """Return every Node by its name."""
        items = self._done(self._api.get(_NODES))["items"]
        return {item["metadata"]["name"]: item for item in items}

    def pods(self) -> dict[str, Object]:
        """Return every pod by its name."""
        items = self._done(self._api.get(_PODS))["items"]
        return {item["metadata"]["name"]: item for item in items}

    def pending(self) -> list[str]:
        """Name the pods that have no node."""
        return [name for name, pod in self.pods().items() if not pod["spec"].get("nodeName")]

    def add_pods(self, owner: str, count: int, want: Want) -> None:
        """Add pods as a ReplicaSet of this name would: CA evicts only what somebody owns."""
        uid = self._owner(owner)
        there = sum(name.startswith(f"{owner}-") for name in self.pods())
        for number in range(there, there + count):
            self._done(self._api.post(_PODS, json=_pod(owner, uid, number, want)))

    def delete_pods(self, owner: str) -> None:
        """Delete the pods of an owner; they are gone at once."""
        for name in self.pods():
            if name.startswith(f"{owner}-"):
                self.delete_pod(name)

    def delete_pod(self, name: str) -> None:
        """Delete a pod, whose kubelet is asked nothing; one that is gone is success."""
        fields = {"gracePeriodSeconds": 0}
        self._gone(self._api.request("DELETE", f"{_PODS}/{name}", json=fields))

    def register(self, node: Object) -> None:
        """Make a Node and say what its kubelet would say of it; one that is there is success."""
        reply = self._api.post(_NODES, json=node)
        if reply.status_code != httpx.codes.CONFLICT:
            self._done(reply)
        path = f"{_NODES}/{node['metadata']['name']}/status"
        status = {"status": node["status"]}
        self._done(self._api.patch(path, json=status, headers=_MERGE))

    def annotate_us(self, **annotations: str | None) -> None:
        """Annotate the server's own ConfigMap, which need not be there; None takes one off."""
        said = {"metadata": {"name": "vps-autoscaler"}}
        reply = self._api.post(_OURS, json={"apiVersion": "v1", "kind": "ConfigMap", **said})
        if reply.status_code != httpx.codes.CONFLICT:
            self._done(reply)
        prefixed = {f"vps-autoscaler/{key}": value for key, value in annotations.items()}
        fields = {"metadata": {"annotations": prefixed}}
        self._done(self._api.patch(f"{_OURS}/vps-autoscaler", json=fields, headers=_MERGE))

    def unready(self, name: str) -> None:
        """Say of a Node what the node controller says of one whose kubelet is silent."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        condition = {
            "type": "Ready",
            "status": "Unknown",
            "reason": "NodeStatusUnknown",
            "message": "posing as silent",
            "lastTransitionTime": now,
        }
        fields = {"status": {"conditions": [condition]}}
        path = f"{_NODES}/{name}/status"
        self._done(self._api.patch(path, json=fields, headers=_MERGE))

    def cordon(self, name: str) -> None:
        """Keep new pods off a Node."""
        fields = {"spec": {"unschedulable": True}}
        self._done(self._api.patch(f"{_NODES}/{name}", json=fields, headers=_MERGE))

    def remove_node(self, name: str) -> None:
        """Delete a Node and its pods, as the controllers of a cloud do."""
        self._gone(self._api.delete(f"{_NODES}/{name}"))
        for pod_name, pod in self.pods().items():
            if pod["spec"].get("nodeName") == name:
                self.delete_pod(pod_name)

    def clear(self) -> None:
        """Delete what a scenario left: pods, owners, Nodes, the autoscaler's status."""
        for path in (_PODS, _SETS):
            self._done(self._api.request("DELETE", path, json={"gracePeriodSeconds": 0}))
        self._done(self._api.delete(_NODES))
        self._gone(self._api.delete(_STATUS))
        # Whoever paused everything has paused the next test too.
        self._gone(self._api.delete(f"{_OURS}/vps-autoscaler"))
        waiting.until(lambda: not (self.pods() or self.nodes()), "the cluster is empty")

    def _owner(self, name: str) -> str:
        labels = {"app": name}
        template = {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "sleep", "image": "none"}]},
        }
        fields = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {"name": name},
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
        }
        reply = self._api.post(_SETS, json=fields)
        if reply.status_code == httpx.codes.CONFLICT:
            reply = self._api.get(f"{_SETS}/{name}")
        return str(self._done(reply)["metadata"]["uid"])

    @staticmethod
    def _done(reply: httpx.Response) -> Any:
        assert reply.is_success, f"{reply.request.method} {reply.request.url}: {reply.text}"
        return reply.json()

    def _gone(self, reply: httpx.Response) -> None:
        if reply.status_code != httpx.codes.NOT_FOUND:
            self._done(reply)


def _pod(owner: str, uid: str, number: int, want: Want) -> Object:
    tolerations = [{"key": want.tolerates, "operator": "Exists"}] if want.tolerates else []
    tolerations += map(dict, want.tolerations)
    requests = {"cpu": want.cpu, "memory": want.memory}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{owner}-{number}",
            "labels": {"app": owner},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": owner,
                    "uid": uid,
                    "controller": True,
                }
            ],
        },
        "spec": {
            "containers": [{"name": "c", "image": "none", "resources": {"requests": requests}}],
            "nodeSelector": dict(want.selector),
            "tolerations": tolerations,
            "terminationGracePeriodSeconds": 0,
        },
    }
