"""Render the user-data of a machine that joins with kubeadm."""

from __future__ import annotations

from typing import Any, Final

from externalgrpc.bootstrap import cloudconfig, kubelet, machine
from externalgrpc.model import credentials

OLDEST_MINOR: Final = 31
"""The first minor release whose kubeadm reads v1beta4; 1.37 reads nothing older."""

_PATCHES: Final = f"{cloudconfig.FOLDER}/patches"
_CA: Final = f"{cloudconfig.FOLDER}/ca.crt"
_DROP_IN: Final = f"[Service]\nExecStartPre=-{cloudconfig.SCRIPT} paths\n"
"""Before each start of a kubelet: its configuration names paths of the control plane's machine."""
_SOCKET: Final = "unix:///run/containerd/containerd.sock"


def unsupported(server_version: str, minor_number: int) -> str:
    """Return why machines cannot join a cluster of this release with kubeadm, or ""."""
    if minor_number >= OLDEST_MINOR:
        return ""
    return (
        f"the cluster runs Kubernetes {server_version}, and kubeadm reads the configuration that "
        f"we write (v1beta4) from 1.{OLDEST_MINOR} on: upgrade the cluster, or join with a "
        "userDataFile of your own"
    )


def user_data(of: machine.Machine, join_credentials: credentials.JoinCredentials) -> str:
    """Render the ``#cloud-config`` of one machine; the same input gives the same text.

    Raises Unjoinable when the cluster is too old.
    """
    if refusal := unsupported(join_credentials.server_version, join_credentials.minor_number):
        raise machine.Unjoinable(refusal)
    join = of.join
    packages = join.kubernetes_packages.replace("{minor}", join_credentials.minor)
    key = join.kubernetes_key.replace("{minor}", join_credentials.minor)
    endpoint = join.api_server or join_credentials.endpoint
    files = [
        cloudconfig.File(
            path="/etc/modules-load.d/vps-autoscaler.conf", content="overlay\nbr_netfilter\n"
        ),
        cloudconfig.File(
            path="/etc/sysctl.d/99-vps-autoscaler.conf",
            content="net.ipv4.ip_forward = 1\n"
            "net.bridge.bridge-nf-call-iptables = 1\n"
            "net.bridge.bridge-nf-call-ip6tables = 1\n",
        ),
        cloudconfig.File(
            path=f"{_PATCHES}/kubeletconfiguration+merge.json",
            content=cloudconfig.as_json(kubelet.patch(of.kept, of.kubelets)),
        ),
        cloudconfig.File(
            path="/etc/systemd/system/kubelet.service.d/90-vps-autoscaler.conf", content=_DROP_IN
        ),
        cloudconfig.secret("join.yaml", _join_configuration(of, join_credentials, endpoint)),
    ]
    if join.discovery == "file":
        files.append(cloudconfig.File(path=_CA, content=join_credentials.ca_pem.strip() + "\n"))
        files.append(cloudconfig.secret("discovery.conf", _discovery(join_credentials, endpoint)))
    return cloudconfig.text(
        of,
        "kubeadm",
        endpoint=endpoint,
        files=files,
        ipv6=join_credentials.ipv6,
        units=("containerd", "kubelet"),
        env={
            "MINOR": join_credentials.minor,
            "KUBERNETES": join.kubernetes,
            "KUBERNETES_URL": packages,
            "KUBERNETES_KEY": key or f"{packages.rstrip('/')}/Release.key",
            "CONTAINERD": join.containerd,
            "CONTAINERD_URL": join.containerd_packages,
            "CONTAINERD_KEY": join.containerd_key or f"{join.containerd_packages.rstrip('/')}/gpg",
            "SANDBOX": join.sandbox_image,
        },
    )


def _join_configuration(
    of: machine.Machine, join_credentials: credentials.JoinCredentials, endpoint: str
) -> dict[str, Any]:
    discovery: dict[str, Any]
    match of.join.discovery:
        case "file":
            discovery = {"file": {"kubeConfigPath": f"{cloudconfig.SECRETS}/discovery.conf"}}
        case "token":
            discovery = {
                "bootstrapToken": {
                    "token": join_credentials.token,
                    "apiServerEndpoint": endpoint.removeprefix("https://"),
                    "caCertHashes": list(join_credentials.ca_key_hashes),
                }
            }
    arguments = {
        "node-labels": of.node_labels,
        "provider-id": of.provider_id,
        **({"node-ip": "@NODE_IP@"} if of.private else {}),
        **({"cloud-provider": "external"} if of.join.external_cloud_provider else {}),
    }
    return {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "JoinConfiguration",
        "discovery": {**discovery, "tlsBootstrapToken": join_credentials.token},
        "nodeRegistration": {
            "name": of.node_name,
            "criSocket": _SOCKET,
            # An empty list means none; a missing one, kubeadm's own default.
            "taints": [
                {"key": each.key, "value": each.value, "effect": each.effect}
                for each in of.group.taints
            ],
            "kubeletExtraArgs": [
                {"name": name, "value": value} for name, value in arguments.items()
            ],
        },
        "patches": {"directory": _PATCHES},
        "timeouts": {"discovery": "1m0s"},
    }


def _discovery(join_credentials: credentials.JoinCredentials, endpoint: str) -> dict[str, Any]:
    """Return the kubeconfig that pins the cluster's CA; kubeadm takes the file in.

    It holds the token as well: where anonymous requests are refused altogether, kubeadm's first
    look at cluster-info must not be one.
    """
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "c",
                "cluster": {"server": endpoint, "certificate-authority": _CA},
            }
        ],
        "users": [{"name": "u", "user": {"token": join_credentials.token}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
