"""Run our server as users do, and call it as the autoscaler does."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
import httpx
import yaml

from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.pb import externalgrpc_pb2_grpc, fleet_pb2
from externalgrpc.pb import k8s_core_v1_pb2 as core
from externalgrpc.rpc import client
from tests.e2e import programs

CLUSTER = "join"
GROUP = "workers"
_STEPS = "vps_autoscaler_join_phase_seconds"


class Server:
    """The server with one group; ``pool`` is the group as the configuration file has it."""

    tls = None

    def __init__(
        self,
        folder: Path,
        *,
        provider: str,
        endpoint: str,
        token: str,
        kubeconfig: Path,
        pool: Mapping[str, Any],
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "token").write_text(f"{token}\n")
        self.config = folder / "pools.yaml"
        account = {
            "name": "project",
            "provider": provider,
            "endpoint": endpoint,
            "tokenFile": "token",
            "options": {"settleS": 2.0},
        }
        fields = {
            "cluster": CLUSTER,
            "kubernetes": {"kubeconfig": str(kubeconfig)},
            "accounts": [account],
            "nodes": [{"name": GROUP, "account": "project", **pool}],
        }
        self.config.write_text(yaml.safe_dump(fields, sort_keys=False))
        metrics = f"127.0.0.1:{programs.free_port()}"
        self.metrics_url = f"http://{metrics}/metrics"
        argv = [sys.executable, "-m", "externalgrpc", "serve"]
        argv += [f"--config={self.config}", "--listen=127.0.0.1:0", f"--metrics={metrics}"]
        argv += ["--log-level=debug", "--no-live"]
        self.program = programs.Program("server", argv, folder, {"PYTHONPATH": os.getcwd()})  # noqa: PTH109
        self.address = ""

    def start(self) -> None:
        """Start and wait until it answers calls."""
        self.program.start()
        self.address = self.program.says(r" serving address=(\S+)$").group(1)

    def show(self) -> fleet_pb2.ShowResponse:
        """Ask it for all that it knows, as ``vps-autoscaler ls`` does."""
        with client.Connection(address=self.address).open() as channel:
            return client.show(channel, self.address)

    def machines(self) -> list[fleet_pb2.Machine]:
        """List the machines as it shows them to people."""
        return list(self.show().machines)

    def grow(self, delta: int) -> None:
        """Ask for machines, as CA does."""
        request = pb.NodeGroupIncreaseSizeRequest(id=GROUP, delta=delta)
        self._call(lambda stub: stub.NodeGroupIncreaseSize(request, timeout=10.0))

    def delete(self, name: str, provider_id: str) -> None:
        """Let a machine go, as CA does."""
        node = pb.ExternalGrpcNode(name=name, providerID=provider_id)
        request = pb.NodeGroupDeleteNodesRequest(id=GROUP, nodes=[node])
        self._call(lambda stub: stub.NodeGroupDeleteNodes(request, timeout=10.0))

    def instances(self) -> list[pb.Instance]:
        """List the group's machines, as CA sees them."""
        request = pb.NodeGroupNodesRequest(id=GROUP)
        return list(self._call(lambda s: s.NodeGroupNodes(request, timeout=10.0)).instances)

    def target(self) -> int:
        """Return the group's size, as CA sees it."""
        request = pb.NodeGroupTargetSizeRequest(id=GROUP)
        reply = self._call(lambda stub: stub.NodeGroupTargetSize(request, timeout=10.0))
        return int(reply.targetSize)

    def template(self) -> core.Node:
        """Return the node that CA simulates with."""
        request = pb.NodeGroupTemplateNodeInfoRequest(id=GROUP)
        reply = self._call(lambda stub: stub.NodeGroupTemplateNodeInfo(request, timeout=10.0))
        return core.Node.FromString(reply.nodeBytes)

    def join_seconds(self) -> dict[str, float]:
        """Return what each step of the one join took, by the server's own metrics."""
        text = httpx.get(self.metrics_url).raise_for_status().text
        sums = re.findall(rf'^{_STEPS}_sum{{.*phase="(\w+)".*}} (\S+)$', text, re.MULTILINE)
        return {phase: float(seconds) for phase, seconds in sums}

    def _call(self, call: Callable[[Any], Any]) -> Any:
        with grpc.insecure_channel(self.address) as channel:
            stub = externalgrpc_pb2_grpc.CloudProviderStub(channel)  # type: ignore[no-untyped-call]
            return call(stub)
