"""Run our server as users do: a process, a file, a port or a socket."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc

from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.pb import externalgrpc_pb2_grpc, fleet_pb2
from externalgrpc.rpc import client
from tests.e2e import certificates, cloud, machines, programs
from tests.e2e.vendors import HETZNER, Vendor

_ACCOUNTS = {HETZNER.name: "project"}
"""What an account is called where that is not its cloud's name."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TLS:
    """What the two sides show each other, and whom they trust."""

    authority: Path
    server: certificates.Pair
    client: certificates.Pair


def pool(
    name: str,
    *,
    vendor: Vendor = HETZNER,
    machine_type: str = "",
    regions: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    taint: str = "",
    min_size: int = 0,
    max_size: int = 10,
    provision_s: int = 0,
    **more: Any,
) -> dict[str, Any]:
    """Describe a node group as the configuration file does; a taint is NoSchedule.

    ``provision_s`` is how long a machine may take to register, in seconds; 0 is CA's default.
    ``more`` is spelled as in the file.
    """
    overrides = {"maxNodeProvisionTime": f"{provision_s}s"} if provision_s else {}
    return {
        "name": name,
        "account": _ACCOUNTS.get(vendor.name, vendor.name),
        "instanceType": machine_type or vendor.machine_type,
        "regions": list(regions or [vendor.region]),
        "minSize": min_size,
        "maxSize": max_size,
        "image": vendor.image,
        "userDataFile": "join.sh",
        "labels": dict(labels or {}),
        "taints": [{"key": taint, "value": "yes", "effect": "NoSchedule"}] if taint else [],
        "autoscalingOptions": overrides,
        **more,
    }


class Server:
    """The server; killed and started again, it comes back at the same address.

    ``endpoints`` are by the cloud's name, one account each. ``rates`` are exchange rates into
    euros. ``options`` are every account's, as the configuration file spells them. ``kubeconfig``
    is what ``kubernetes:`` finds in the server's home, beside what ``kubernetes`` says; ``stamp``
    is added to what machines get. ``vps_nodes`` are the defaults of VPSNodes, by cloud;
    ``more`` are keys at the top of the file. ``module`` is what is run, ``flags`` are further ones
    of ``serve``.
    """

    def __init__(
        self,
        folder: Path,
        endpoints: Mapping[str, str],
        pools: Sequence[Mapping[str, Any]],
        *,
        listen: str = "127.0.0.1:0",
        tls: TLS | None = None,
        rates: Mapping[str, float] | None = None,
        kubeconfig: Path | None = None,
        kubernetes: Mapping[str, Any] | None = None,
        stamp: str = "",
        vps_nodes: Mapping[str, Any] | None = None,
        more: Mapping[str, Any] | None = None,
        module: str = "externalgrpc",
        flags: Sequence[str] = (),
        **options: Any,
    ) -> None:
        self.tls = tls
        self._listen = listen
        self._flags = flags
        self._folder = folder
        (folder / "token").write_text(f"{cloud.TOKEN}\n")
        (folder / "join.sh").write_text(machines.USER_DATA + stamp)
        self.config = folder / "pools.yaml"
        self._told = _file(endpoints, pools, {"settleS": 2.0, **options}, rates)
        if kubeconfig is not None:
            (folder / "kubeconfig").write_bytes(kubeconfig.read_bytes())
            self._told["kubernetes"] = {"kubeconfig": "~/kubeconfig", **(kubernetes or {})}
        if vps_nodes is not None:
            self._told["vpsNodes"] = {"defaults": vps_nodes}
        self._told.update(more or {})
        self._module = module
        self._write()
        self._home = {"HOME": str(folder)}
        self.program = programs.Program("server", [], folder, self._home)

    @property
    def address(self) -> str:
        """Return where it listens, as CA's cloud-config spells it."""
        return self._listen

    def start(self) -> None:
        """Start and wait until it answers calls."""
        self.program.argv = [
            sys.executable,
            "-m",
            self._module,
            "serve",
            f"--config={self.config}",
            f"--listen={self._listen}",
            "--log-level=debug",
            "--no-live",
            *self._tls_options(),
            *self._flags,
        ]
        self.program.start()
        self._listen = self.program.says(r" serving address=(\S+)$").group(1)

    def say(self, **words: Any) -> None:
        """Put an operator's words on every account into the file, and have it read again."""
        for account in self._told["accounts"]:
            account.update(words)
        self._write()
        self.program.nudge()

    def change(self, **keys: Any) -> None:
        """Put keys at the top of the file, and have it read again."""
        self._told.update(keys)
        self._write()
        self.program.nudge()

    def command(self, name: str, *arguments: str, code: int = 0) -> str:
        """Run one of our commands as its operator does, to end so; give what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "externalgrpc", name, *arguments],
            env={**os.environ, **self._home},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=60.0,
        )
        text = done.stdout.decode()
        assert done.returncode == code, f"{name} ended with {done.returncode}: {text}"
        return text

    def show(self) -> fleet_pb2.ShowResponse:
        """Ask it for all that it knows, as ``vps-autoscaler ls`` does."""
        with self._connection().open() as channel:
            return client.show(channel, self.address)

    def phases(self) -> list[str]:
        """Return what each of its machines is doing."""
        return [machine.phase for machine in self.show().machines]

    def targets(self) -> dict[str, int]:
        """Return the size of each group that has any."""
        return {group.id: group.target for group in self.show().groups if group.target}

    def doubts(self) -> dict[str, str]:
        """Return why machines are in quarantine, by their provider ids."""
        return {each.provider_id: each.doubt for each in self.show().machines if each.doubt}

    def not_now(self) -> str:
        """Return the code of why its first account orders nothing; empty when it may."""
        return self.show().accounts[0].not_now_code

    def most(self) -> dict[str, int]:
        """Return the size up to which CA is shown that each group may grow."""
        with self._connection().open() as channel:
            stub = externalgrpc_pb2_grpc.CloudProviderStub(channel)  # type: ignore[no-untyped-call]
            reply = stub.NodeGroups(pb.NodeGroupsRequest(), timeout=5.0)
        return {group.id: group.maxSize for group in reply.nodeGroups}

    def delete_nodes(self, group: str, *nodes: tuple[str, str]) -> grpc.StatusCode:
        """Ask it, as CA would, to delete (name, provider id); give the status."""
        request = pb.NodeGroupDeleteNodesRequest(
            id=group,
            nodes=[pb.ExternalGrpcNode(name=name, providerID=number) for name, number in nodes],
        )
        with self._connection().open() as channel:
            stub = externalgrpc_pb2_grpc.CloudProviderStub(channel)  # type: ignore[no-untyped-call]
            try:
                stub.NodeGroupDeleteNodes(request, timeout=5.0)
            except grpc.RpcError as error:
                code: grpc.StatusCode = error.code()
                return code
            return grpc.StatusCode.OK

    def _connection(self) -> client.Connection:
        if self.tls is None:
            return client.Connection(address=self.address)
        return client.Connection(
            address=self.address,
            ca=self.tls.authority,
            certificate=self.tls.client.certificate,
            key=self.tls.client.key,
        )

    def _tls_options(self) -> list[str]:
        if self.tls is None:
            return []
        return [
            f"--tls-cert={self.tls.server.certificate}",
            f"--tls-key={self.tls.server.key}",
            f"--tls-client-ca={self.tls.authority}",
        ]

    def _write(self) -> None:
        # JSON is YAML with every text quoted: an identity may look like a number (8e66728335).
        self.config.write_text(json.dumps(self._told, indent=2))


def _file(
    endpoints: Mapping[str, str],
    pools: Sequence[Mapping[str, Any]],
    options: Mapping[str, Any],
    rates: Mapping[str, float] | None,
) -> dict[str, Any]:
    accounts = [
        {
            "name": _ACCOUNTS.get(name, name),
            "provider": name,
            "endpoint": endpoint,
            "tokenFile": "token",
            "options": dict(options),
        }
        for name, endpoint in endpoints.items()
    ]
    fields: dict[str, Any] = {
        "cluster": cloud.CLUSTER,
        "accounts": accounts,
        "nodes": [dict(each) for each in pools],
    }
    if rates is not None:
        fields |= {"currency": "EUR", "exchangeRates": dict(rates)}
    return fields
