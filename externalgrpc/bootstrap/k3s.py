"""Render the user-data of a machine that joins a k3s cluster as an agent.

k3s has its own containerd and needs no packages, so this works wherever k3s does. It hands the
same kubelet flags on, so name, providerID, labels, taints and reservations are as with kubeadm.
"""

from __future__ import annotations

from typing import Any

from externalgrpc.bootstrap import cloudconfig, kubelet, machine
from externalgrpc.model import credentials


def user_data(of: machine.Machine, join_credentials: credentials.JoinCredentials) -> str:
    """Render the ``#cloud-config`` of one machine; the same input gives the same text.

    Raises Unjoinable when the server's version is not one of k3s and none is configured, or its
    certificates cannot be pinned.
    """
    version = of.join.k3s_version or join_credentials.server_version
    if "+k3s" not in version:
        raise machine.Unjoinable(
            f"the cluster runs {join_credentials.server_version}, which is no release of k3s: "
            "join with kubeadm, or set k3sVersion"
        )
    return cloudconfig.text(
        of,
        "k3s",
        endpoint=of.join.api_server or join_credentials.endpoint,
        files=[cloudconfig.secret("k3s.yaml", _config(of, join_credentials))],
        ipv6=join_credentials.ipv6,
        units=("k3s-agent",),
        env={"K3S_VERSION": version, "K3S_INSTALLER": of.join.k3s_installer},
    )


def _config(of: machine.Machine, join_credentials: credentials.JoinCredentials) -> dict[str, Any]:
    try:
        token = join_credentials.k3s_token
    except ValueError as error:
        raise machine.Unjoinable(str(error)) from error
    arguments = {
        "provider-id": of.provider_id,
        **kubelet.arguments(kubelet.reservations(of.kept)),
        **({"cloud-provider": "external"} if of.join.external_cloud_provider else {}),
    }
    return {
        "server": of.join.api_server or join_credentials.endpoint,
        "token": token,
        "node-name": of.node_name,
        "node-label": [f"{key}={value}" for key, value in of.labels.items()],
        "node-taint": [f"{each.key}={each.value}:{each.effect}" for each in of.group.taints],
        "kubelet-arg": [f"{name}={value}" for name, value in arguments.items()],
        # Without it flannel takes the default route's interface, and the overlay the public way.
        **({"node-ip": "@NODE_IP@", "flannel-iface": "@NIC@"} if of.private else {}),
    }
