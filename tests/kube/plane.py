"""Run a real API server that a kubeadm cluster would know as its own, and act as our account on it.

kubeadm's own phases make what its clusters have: cluster-info, kubelet-config, kubeadm-config, the
rights of joining machines.
"""

from __future__ import annotations

import base64
from pathlib import Path

import httpx
import yaml

from externalgrpc.kube import api, connection
from externalgrpc.support import clock
from tests.e2e import controlplane, programs, waiting
from tests.kube import requests

ROOT = Path(__file__).parents[2]
NAMESPACE = "vps-autoscaler"
ACCOUNT = "vps-autoscaler"
PROGRAMS = ("etcd", "kube-apiserver", "kube-scheduler", "kubectl", "kubeadm")

Object = api.Object

_MERGE = {"Content-Type": "application/merge-patch+json"}
_KUBEADM = """\
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: {version}
controlPlaneEndpoint: {endpoint}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
maxPods: 64
systemReserved: {{cpu: 100m, memory: 200Mi, ephemeral-storage: 1Gi}}
kubeReserved: {{cpu: 150m, memory: 300Mi}}
evictionHard: {{memory.available: 150Mi, nodefs.available: 12%}}
"""


class Plane(controlplane.ControlPlane):
    """A control plane with bootstrap tokens and kubeadm's objects, and our files of deploy/."""

    def __init__(self, tools: Path, folder: Path) -> None:
        super().__init__(tools, folder)
        self._tools = tools
        self.folder = folder
        argv = self.apiserver.argv
        argv[argv.index("--authorization-mode=RBAC")] = "--authorization-mode=Node,RBAC"
        argv += ["--enable-bootstrap-token-auth", "--enable-admission-plugins=NodeRestriction"]

    @property
    def apiserver(self) -> programs.Program:
        """Return the API server's process."""
        return next(each for each in self.programs if each.name == "kube-apiserver")

    def start(self) -> None:
        """Start; run kubeadm's phases; apply our rights."""
        super().start()
        self.kubeadm()
        self.kubectl("create", "namespace", NAMESPACE)
        self.kubectl("apply", "-f", str(ROOT / "deploy" / "rbac.yaml"))

    def restart_api(self) -> None:
        """Kill the API server and start it again; returns when it answers."""
        self.apiserver.kill()
        self.apiserver.start()
        with self.client() as api:
            waiting.until(
                lambda: controlplane.answers(api), "the API server is back", meanwhile=self.check
            )

    def kubectl(self, *argv: str, stdin: str | None = None) -> str:
        """Run kubectl as the administrator."""
        return self._run("kubectl", f"--kubeconfig={self.kubeconfig}", *argv, stdin=stdin)

    def kubeadm(self) -> None:
        """Make the objects of a kubeadm cluster."""
        with self.client() as api:
            version = api.get("/version").json()["gitVersion"]
        config = self.folder / "kubeadm.yaml"
        endpoint = self.url.removeprefix("https://")
        config.write_text(_KUBEADM.format(version=version, endpoint=endpoint))
        for phase in ("upload-config kubeadm", "upload-config kubelet", "bootstrap-token"):
            self._run(
                "kubeadm",
                "init",
                "phase",
                *phase.split(),
                f"--config={config}",
                f"--kubeconfig={self.kubeconfig}",
            )

    def account(self) -> Path:
        """Write a kubeconfig with a token of our service account."""
        token = self.kubectl("-n", NAMESPACE, "create", "token", ACCOUNT, "--duration=2h").strip()
        document = yaml.safe_load(self.kubeconfig.read_text())
        document["users"] = [{"name": "admin", "user": {"token": token}}]
        document["contexts"][0]["context"]["namespace"] = NAMESPACE
        path = self.folder / "account.kubeconfig"
        path.write_text(yaml.safe_dump(document))
        return path

    def link(self) -> connection.Connection:
        """Connect as our service account."""
        return connection.connect(kubeconfig=str(self.account()), time_source=clock.SystemClock())

    def bearer(self, token: str) -> httpx.Client:
        """Make a client that shows a token of somebody's."""
        client = self.client()
        client.headers["Authorization"] = f"Bearer {token}"
        return client

    def ourselves(self) -> httpx.Client:
        """Make a bare client that is our service account."""
        document = yaml.safe_load(self.account().read_text())
        return self.bearer(document["users"][0]["user"]["token"])

    def kubelet(self, name: str) -> httpx.Client:
        """Make a client that is a node's kubelet to the API server, or root on its machine."""
        client = self.client()
        client.headers["Impersonate-User"] = f"system:node:{name}"
        client.headers["Impersonate-Group"] = "system:nodes"
        return client

    def make_node(self, name: str, *, provider_id: str = "", ready: bool = True) -> Object:
        """Make a Node as its kubelet would."""
        spec = {"providerID": provider_id} if provider_id else {}
        fields: Object = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name},
            "spec": spec,
        }
        with self.client() as api:
            made = api.post("/api/v1/nodes", json=fields)
            assert made.is_success, made.text
            self.set_ready(name, ready=ready)
            return dict(made.json())

    def set_ready(self, name: str, *, ready: bool) -> None:
        """Say what a kubelet says of its node."""
        now = "2026-11-23T12:00:00Z"
        status = {
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True" if ready else "Unknown",
                    "lastHeartbeatTime": now,
                    "lastTransitionTime": now,
                    "reason": "Test",
                    "message": "",
                }
            ],
            "capacity": {"cpu": "2", "memory": "4000Mi", "pods": "110"},
            "allocatable": {"cpu": "2", "memory": "3900Mi", "pods": "110"},
        }
        with self.client() as api:
            path = f"/api/v1/nodes/{name}/status"
            done = api.patch(path, json={"status": status}, headers=_MERGE)
            assert done.is_success, done.text

    def _run(self, program: str, *argv: str, stdin: str | None = None) -> str:
        return programs.output(self._tools / program, *argv, stdin=stdin)


def opaque(name: str = "some-secret") -> Object:
    """Make a Secret that is no token."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque"}


def await_fence(plane: Plane) -> None:
    """Wait until the admission policy refuses what it should: it takes a moment to be known."""
    path = "/api/v1/namespaces/kube-system/secrets?dryRun=All"
    with plane.ourselves() as api:
        waiting.until(
            lambda: api.post(path, json=opaque()).status_code != httpx.codes.CREATED,
            "the admission policy is in force",
        )


def await_approval(plane: Plane) -> None:
    """Wait until our account may approve, and the policy that limits it is in force."""
    asked = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": "probe"},
        "spec": {
            "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
            "usages": ["digital signature", "client auth"],
            "request": base64.b64encode(requests.pem("probe")).decode(),
        },
    }
    path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    with plane.client() as admin, plane.ourselves() as api:
        made = admin.post(path, json=asked).json()
        made["status"] = {"conditions": [{"type": "Approved", "status": "True", "reason": "Probe"}]}
        approval = f"{path}/probe/approval?dryRun=All"
        waiting.until(
            lambda: "machines of its own group only" in api.put(approval, json=made).text,
            "our account may approve, and not everybody",
        )
        admin.delete(f"{path}/probe")
