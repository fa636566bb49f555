"""Stand in for what runs on the machines and looks after them.

A server that runs becomes a Node a little later, as its user-data orders; the Node of a server
that is gone is deleted a little later, as a cloud controller manager does.
"""

from __future__ import annotations

import re
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.e2e.cloud import Cloud, Server
from tests.e2e.cluster import Cluster, Object
from tests.e2e.vendors import HETZNER

POLL_S = 0.25
KERNEL_TAKES = 0.036
"""The part of the nominal memory that a kubelet was measured not to see."""
EVICTION_KI = 102_400

USER_DATA = """\
#!/bin/sh
exec kubelet --hostname-override=@@NODE_NAME@@ --node-labels='@@NODE_LABELS@@' \
--register-with-taints='@@TAINTS@@' \
--provider-id="@@PROVIDER_ID_SCHEME@@://$(curl -s http://169.254.169.254/instance-id)"
"""
"""What a group's user-data says: enough of a kubelet's command line to read back."""


class Machines:
    """Kubelets and node controllers of one fake cloud, in one thread of their own.

    ``join_s`` passes between a server's first being seen to run and its Node, ``leave_s`` between
    a server's end and its Node's. ``joins`` is asked once a server whether it will ever join.
    ``claims`` is asked what a kubelet says that its machine is; "" for the truth.
    """

    def __init__(
        self, cloud: Cloud, cluster: Cluster, *, join_s: float = 1.0, leave_s: float = 1.0
    ) -> None:
        self._cloud = cloud
        self._cluster = cluster
        self._join_s, self._leave_s = join_s, leave_s
        self.joins: Callable[[Server], bool] = lambda _server: True
        self.claims: Callable[[Server], str] = lambda _server: ""
        self._shapes = cloud.shapes()
        self._running_since: dict[int | str, float] = {}
        self._decided: dict[int | str, bool] = {}
        self._gone_since: dict[str, float] = {}
        self._registered: dict[str, int | str] = {}
        self._stop = threading.Event()
        self._broken: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="machines", daemon=True)

    def start(self) -> None:
        """Start."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and raise what went wrong meanwhile."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(60.0)
        self.check()

    def check(self) -> None:
        """Raise what went wrong, if anything did."""
        if self._broken is not None:
            raise AssertionError(f"the machines' stand-in broke: {self._broken!r}") from (
                self._broken
            )

    def stands(self, server: Server, *, labels: Mapping[str, str]) -> None:
        """Let a server that somebody else made be a Node already, and leave as any other."""
        self._registered[server.name] = server.id
        shape = self._shapes[server.machine_type]
        self._cluster.register(node(server, shape, labels=labels, taints=[]))

    def _run(self) -> None:
        try:
            while not self._stop.wait(POLL_S):
                servers = self._cloud.servers()
                now = time.monotonic()
                self._join(servers, now)
                self._leave({each.id for each in servers}, now)
        except Exception as error:  # noqa: BLE001 - raised again by check() in the test's thread
            self._broken = error

    def _join(self, servers: list[Server], now: float) -> None:
        for server in servers:
            if server.status != "running" or not server.group or server.name in self._registered:
                continue
            if server.id not in self._decided:
                self._decided[server.id] = self.joins(server)
            since = self._running_since.setdefault(server.id, now)
            if self._decided[server.id] and now - since >= self._join_s:
                shape = self._shapes[server.machine_type]
                result = node(server, shape, **ordered(server.user_data))
                result["spec"]["providerID"] = self.claims(server) or server.provider_id
                self._cluster.register(result)
                self._registered[server.name] = server.id

    def _leave(self, there: set[int | str], now: float) -> None:
        for name, number in tuple(self._registered.items()):
            if number in there:
                continue
            if now - self._gone_since.setdefault(name, now) >= self._leave_s:
                self._cluster.remove_node(name)
                del self._registered[name]


def node(
    server: Server,
    shape: Mapping[str, Any],
    *,
    labels: Mapping[str, str],
    taints: list[dict[str, str]],
) -> Object:
    """Make the Node that a kubelet and the cloud's controller manager make of a server."""
    memory_ki = int(float(shape["memory"]) * 1024**2 * (1 - KERNEL_TAKES))
    disk_ki = int(shape["disk"]) * 1000**3 // 1024
    common = {"cpu": str(shape["cores"]), "pods": "110"}
    arch = {"x86": "amd64", "arm": "arm64"}[shape["architecture"]]
    own = {
        "kubernetes.io/hostname": server.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": arch,
        "node.kubernetes.io/instance-type": server.machine_type,
        "topology.kubernetes.io/region": server.location,
    }
    if server.scheme == HETZNER.scheme:
        own["instance.hetzner.cloud/provided-by"] = "cloud"
        own["csi.hetzner.cloud/location"] = server.location
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": server.name, "labels": {**own, **labels}},
        "spec": {"providerID": server.provider_id, "taints": taints},
        "status": {
            "capacity": {
                **common,
                "memory": f"{memory_ki}Ki",
                "ephemeral-storage": f"{disk_ki}Ki",
            },
            "allocatable": {
                **common,
                "memory": f"{memory_ki - EVICTION_KI}Ki",
                "ephemeral-storage": f"{disk_ki * 9 // 10}Ki",
            },
            "conditions": [ready()],
        },
    }


def ready() -> dict[str, str]:
    """Make a Ready condition, as of now."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "posing as ready",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }


def ordered(user_data: str) -> dict[str, Any]:
    """Read the labels and taints out of a machine's user-data."""
    words = dict(re.findall(r"--([a-z-]+)=(\S+)", user_data))
    labels = "".join(shlex.split(words["node-labels"]))
    taints = "".join(shlex.split(words["register-with-taints"]))
    return {
        "labels": dict(each.split("=", 1) for each in labels.split(",") if each),
        "taints": list(_taints(taints)),
    }


def _taints(text: str) -> Iterator[dict[str, str]]:
    for each in text.split(","):
        if each:
            pair, _, effect = each.rpartition(":")
            key, _, value = pair.partition("=")
            yield {"key": key, "value": value, "effect": effect}
