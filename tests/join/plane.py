"""Run the control plane of a kubeadm cluster: kubeadm's certificates, objects and rights.

etcd, API server, controller manager and scheduler are processes of this network; machines reach
the API server where the emulator shows them this host.
"""

from __future__ import annotations

import base64
import ssl
from pathlib import Path

import httpx
import yaml

from tests.e2e import controlplane, programs, waiting

ROOT = Path(__file__).parents[2]
HOST = "10.0.2.2"
"""This host: as the emulator's machines see it, and, by one more address of lo, as we do."""

PORT = 6443
ACCOUNT = NAMESPACE = "vps-autoscaler"
PROGRAMS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubeadm",
    "kubelet",
    "kubectl",
)
MAX_PODS = 48
"""The cluster's own setting, which a group may leave as it is."""

_ETCD = "http://127.0.0.1:2379"
_SERVICES, _PODS = "10.96.0.0/16", "10.244.0.0/16"
_KUBEADM = f"""\
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {{advertiseAddress: {HOST}, bindPort: {PORT}}}
nodeRegistration: {{name: control, criSocket: "unix:///run/containerd/containerd.sock"}}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v@VERSION@
controlPlaneEndpoint: {HOST}:{PORT}
certificatesDir: @PKI@
etcd: {{external: {{endpoints: ["{_ETCD}"]}}}}
networking: {{serviceSubnet: {_SERVICES}, podSubnet: {_PODS}}}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
# kubeadm would write its certificatesDir here, which is this host's, not the machines'.
authentication: {{x509: {{clientCAFile: /etc/kubernetes/pki/ca.crt}}}}
maxPods: {MAX_PODS}
"""
_CERTIFICATES = "ca apiserver apiserver-kubelet-client front-proxy-ca front-proxy-client sa"
_KUBECONFIGS = "admin super-admin controller-manager scheduler"


class Plane:
    """A control plane; one for all scenarios."""

    def __init__(self, tools: Path, folder: Path, version: str) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.url = f"https://{HOST}:{PORT}"
        self.pki = folder / "pki"
        self.kubeconfig = folder / "super-admin.conf"
        self._tools = tools
        self._config = folder / "kubeadm.yaml"
        text = _KUBEADM.replace("@VERSION@", version).replace("@PKI@", str(self.pki))
        self._config.write_text(text)
        self.programs = tuple(self._program(name, *argv) for name, *argv in self._commands())

    def start(self) -> None:
        """Start; run kubeadm's phases; give our account its rights."""
        for each in _CERTIFICATES.split():
            self._phase("certs", each)
        for each in _KUBECONFIGS.split():
            self._phase("kubeconfig", each, f"--kubeconfig-dir={self.folder}")
        etcd, apiserver, *others = self.programs
        etcd.start()
        apiserver.start()
        with self.client() as api:
            waiting.until(
                lambda: controlplane.answers(api), "kube-apiserver is ready", meanwhile=self.check
            )
        for program in others:
            program.start()
        admin = f"--kubeconfig={self.kubeconfig}"
        self._phase("upload-config", "all", admin)
        self._phase("bootstrap-token", admin)
        # kubeadm makes a token of its own beside the rights; here each token belongs to a machine.
        own = "--field-selector=type=bootstrap.kubernetes.io/token"
        self.kubectl("-n", "kube-system", "delete", "secret", own)
        self.kubectl("create", "namespace", NAMESPACE)
        for name in ("rbac.yaml", "admission-policy.yaml"):
            self.kubectl("apply", "-f", str(ROOT / "deploy" / name))

    def stop(self) -> None:
        """Stop all of it, last started first."""
        for program in reversed(self.programs):
            program.stop()

    def check(self) -> None:
        """Raise when one of the processes died."""
        for program in self.programs:
            program.check()

    def client(self) -> httpx.Client:
        """Make a client with an administrator's rights."""
        trust = ssl.create_default_context(cafile=self.pki / "ca.crt")
        user = yaml.safe_load(self.kubeconfig.read_text())["users"][0]["user"]
        pair = self.folder / "administrator.pem"
        parts = (user["client-certificate-data"], user["client-key-data"])
        pair.write_bytes(b"".join(base64.b64decode(each) for each in parts))
        trust.load_cert_chain(pair)
        return httpx.Client(base_url=self.url, verify=trust, timeout=30.0)

    def kubectl(self, *argv: str, stdin: str | None = None) -> str:
        """Run kubectl as the administrator."""
        return self._run("kubectl", f"--kubeconfig={self.kubeconfig}", *argv, stdin=stdin)

    def account(self) -> Path:
        """Write a kubeconfig of our own account, which has the rights of deploy/ and no other."""
        token = self.kubectl("-n", NAMESPACE, "create", "token", ACCOUNT, "--duration=3h").strip()
        document = yaml.safe_load(self.kubeconfig.read_text())
        document["users"] = [{"name": ACCOUNT, "user": {"token": token}}]
        document["contexts"][0]["context"] |= {"user": ACCOUNT, "namespace": NAMESPACE}
        path = self.folder / "account.kubeconfig"
        path.write_text(yaml.safe_dump(document))
        return path

    def _commands(self) -> list[list[str]]:
        pki, manager = self.pki, self.folder / "controller-manager.conf"
        etcd = [
            "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={_ETCD}",
            f"--advertise-client-urls={_ETCD}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]
        apiserver = [
            "kube-apiserver",
            f"--advertise-address={HOST}",
            "--allow-privileged=true",
            "--authorization-mode=Node,RBAC",
            f"--client-ca-file={pki / 'ca.crt'}",
            "--enable-admission-plugins=NodeRestriction",
            "--enable-bootstrap-token-auth=true",
            f"--etcd-servers={_ETCD}",
            f"--kubelet-client-certificate={pki / 'apiserver-kubelet-client.crt'}",
            f"--kubelet-client-key={pki / 'apiserver-kubelet-client.key'}",
            f"--proxy-client-cert-file={pki / 'front-proxy-client.crt'}",
            f"--proxy-client-key-file={pki / 'front-proxy-client.key'}",
            f"--requestheader-client-ca-file={pki / 'front-proxy-ca.crt'}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--secure-port={PORT}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={pki / 'sa.pub'}",
            f"--service-account-signing-key-file={pki / 'sa.key'}",
            f"--service-cluster-ip-range={_SERVICES}",
            f"--tls-cert-file={pki / 'apiserver.crt'}",
            f"--tls-private-key-file={pki / 'apiserver.key'}",
        ]
        controllers = [
            "kube-controller-manager",
            f"--kubeconfig={manager}",
            f"--authentication-kubeconfig={manager}",
            f"--authorization-kubeconfig={manager}",
            "--bind-address=127.0.0.1",
            f"--client-ca-file={pki / 'ca.crt'}",
            f"--cluster-signing-cert-file={pki / 'ca.crt'}",
            f"--cluster-signing-key-file={pki / 'ca.key'}",
            "--controllers=*,bootstrapsigner,tokencleaner",
            f"--root-ca-file={pki / 'ca.crt'}",
            f"--service-account-private-key-file={pki / 'sa.key'}",
            "--use-service-account-credentials=true",
            "--allocate-node-cidrs=true",
            f"--cluster-cidr={_PODS}",
            f"--service-cluster-ip-range={_SERVICES}",
            "--leader-elect=false",
        ]
        scheduler = [
            "kube-scheduler",
            f"--kubeconfig={self.folder / 'scheduler.conf'}",
            "--bind-address=127.0.0.1",
            "--leader-elect=false",
        ]
        return [etcd, apiserver, controllers, scheduler]

    def _program(self, name: str, *argv: str) -> programs.Program:
        return programs.Program(name, [str(self._tools / name), *argv], self.folder)

    def _phase(self, *phase: str) -> None:
        self._run("kubeadm", "init", "phase", *phase, f"--config={self._config}")

    def _run(self, program: str, *argv: str, stdin: str | None = None) -> str:
        return programs.output(self._tools / program, *argv, stdin=stdin)
