"""A real API server, a release of the chart on it, and the processes of its pod."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.chart import helm, rendered_pod
from tests.e2e import binaries, controlplane
from tests.kube import plane as planes

RELEASE = "grow"
FULL = "grow-vps-autoscaler"
NAMESPACE = helm.NAMESPACE
NAMESPACED_BY_US = (
    "deployments,configmaps,serviceaccounts,roles,rolebindings,services,networkpolicies,pods"
)
CLUSTER_WIDE = (
    "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings"
)
JOINING: helm.Object = {
    "config": {
        "cluster": "play",
        "kubernetes": {"ownApproval": True},
        "nodes": [
            {
                "name": "web",
                "provider": "memory",
                "instanceType": "small",
                "region": "north",
                "join": "image",
                "minSize": 1,
                "maxSize": 5,
            }
        ],
    },
    "autoscaler": {"verbosity": 4, "extraArgs": {"scan-interval": "2s"}},
}


class Plane(planes.Plane):
    """A kubeadm cluster without our manifests, and a namespace that takes locked pods only."""

    def start(self) -> None:
        controlplane.ControlPlane.start(self)
        self.kubeadm()
        self.kubectl("create", "namespace", NAMESPACE)
        self.kubectl(
            "label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted"
        )

    def helm(self, *argv: str, values: helm.Object | None = None) -> str:
        """Run helm as the administrator; it must succeed."""
        more = [] if values is None else ["--values=-"]
        done = helm.run(
            *argv,
            *more,
            f"--kubeconfig={self.kubeconfig}",
            f"--namespace={NAMESPACE}",
            stdin=None if values is None else json.dumps(values),
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ours(self) -> list[str]:
        """Name all that carries the release's label, in every namespace."""
        label = f"--selector=app.kubernetes.io/instance={RELEASE}"
        return [
            line
            for what in (["-A", NAMESPACED_BY_US], [CLUSTER_WIDE])
            for line in self.kubectl("get", *what, label, "-o=name").split()
        ]

    def token(self) -> str:
        """Make a token of the release's account."""
        return self.kubectl("-n", NAMESPACE, "create", "token", FULL, "--duration=2h").strip()

    @contextlib.contextmanager
    def as_account(self) -> Iterator[httpx.Client]:
        """Make a client that is the release's account."""
        with self.bearer(self.token()) as api:
            yield api


def made_of(values: str | helm.Object) -> list[helm.Object]:
    """Render the release."""
    return helm.objects(values, release=RELEASE)


def pod_of(made: list[helm.Object], folder: Path, **secrets: dict[str, str]) -> rendered_pod.Pod:
    """Lay out the pod of a rendered Deployment."""
    (deployment,) = helm.kind(made, "Deployment")
    return rendered_pod.Pod(
        deployment["spec"]["template"]["spec"], helm.kind(made, "ConfigMap"), folder, secrets
    )


def healthy(address: str) -> bool:
    """Ask as the probes do."""
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"http://{address}/healthz", timeout=5.0).is_success
    return False


def autoscalers() -> list[Path]:
    """Return the real autoscalers that are at hand."""
    try:
        return list(binaries.find(os.environ))
    except binaries.MissingError:
        return []
