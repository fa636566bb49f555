"""Run etcd, kube-apiserver and kube-scheduler on loopback.

There is no controller manager: Nodes, evicted pods and the rest are looked after by
:mod:`tests.e2e.machines`. Two admission plugins are off for want of it: ServiceAccount, whose
accounts nobody makes, and TaintNodesByCondition, whose taint nobody takes away.
"""

from __future__ import annotations

import secrets
import ssl
from pathlib import Path

import httpx
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.e2e import programs, waiting

_ADMISSION_OFF = "ServiceAccount,TaintNodesByCondition"


class ControlPlane:
    """A Kubernetes control plane of three processes, reached with one administrator's token."""

    def __init__(self, tools: Path, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._token = secrets.token_hex(16)
        self._port = programs.free_port()
        self.url = f"https://127.0.0.1:{self._port}"
        self.kubeconfig = folder / "kubeconfig"
        etcd_url = f"http://127.0.0.1:{programs.free_port()}"
        peer_url = f"http://127.0.0.1:{programs.free_port()}"
        self._etcd = programs.Program(
            "etcd",
            [
                str(tools / "etcd"),
                f"--data-dir={folder / 'etcd'}",
                f"--listen-client-urls={etcd_url}",
                f"--advertise-client-urls={etcd_url}",
                f"--listen-peer-urls={peer_url}",
                f"--initial-advertise-peer-urls={peer_url}",
                f"--initial-cluster=default={peer_url}",
                "--unsafe-no-fsync",
                "--log-level=warn",
            ],
            folder,
        )
        self._apiserver = programs.Program(
            "kube-apiserver",
            [
                str(tools / "kube-apiserver"),
                f"--etcd-servers={etcd_url}",
                "--bind-address=127.0.0.1",
                f"--secure-port={self._port}",
                f"--cert-dir={folder / 'certs'}",
                f"--token-auth-file={self._tokens()}",
                f"--service-account-key-file={self._key()}",
                f"--service-account-signing-key-file={self._key()}",
                "--service-account-issuer=https://e2e.test",
                "--service-cluster-ip-range=10.96.0.0/24",
                "--authorization-mode=RBAC",
                f"--disable-admission-plugins={_ADMISSION_OFF}",
            ],
            folder,
        )
        self._scheduler = programs.Program(
            "kube-scheduler",
            [
                str(tools / "kube-scheduler"),
                f"--config={folder / 'scheduler.yaml'}",
                "--secure-port=0",
            ],
            folder,
        )

    @property
    def programs(self) -> tuple[programs.Program, ...]:
        """Return the processes, in the order in which they start."""
        return (self._etcd, self._apiserver, self._scheduler)

    def start(self) -> None:
        """Start and wait until the API answers."""
        self._etcd.start()
        self._apiserver.start()
        certificate = self._folder / "certs" / "apiserver.crt"
        waiting.until(
            lambda: certificate.exists() and certificate.stat().st_size,
            "kube-apiserver makes its certificate",
            meanwhile=self.check,
        )
        with self.client() as api:
            waiting.until(lambda: _ready(api), "kube-apiserver is ready", meanwhile=self.check)
        self._write_kubeconfig(certificate)
        self._write_scheduler_config()
        self._scheduler.start()

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
        trust = ssl.create_default_context(cafile=self._folder / "certs" / "apiserver.crt")
        headers = {"Authorization": f"Bearer {self._token}"}
        return httpx.Client(base_url=self.url, headers=headers, verify=trust, timeout=30.0)

    def _tokens(self) -> Path:
        path = self._folder / "tokens.csv"
        path.write_text(f'{self._token},admin,admin,"system:masters"\n')
        return path

    def _key(self) -> Path:
        path = self._folder / "service-accounts.key"
        if not path.exists():
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            path.write_bytes(
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.TraditionalOpenSSL,
                    serialization.NoEncryption(),
                )
            )
        return path

    def _write_kubeconfig(self, certificate: Path) -> None:
        fields = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "e2e",
                    "cluster": {"server": self.url, "certificate-authority": str(certificate)},
                }
            ],
            "users": [{"name": "admin", "user": {"token": self._token}}],
            "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "admin"}}],
            "current-context": "e2e",
        }
        self.kubeconfig.write_text(yaml.safe_dump(fields))

    def _write_scheduler_config(self) -> None:
        """Let a pod that found no node be tried again soon, not after the usual ten seconds."""
        fields = {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "clientConnection": {"kubeconfig": str(self.kubeconfig)},
            "leaderElection": {"leaderElect": False},
            "podInitialBackoffSeconds": 1,
            "podMaxBackoffSeconds": 1,
        }
        (self._folder / "scheduler.yaml").write_text(yaml.safe_dump(fields))


def answers(api: httpx.Client, path: str = "/readyz") -> bool:
    """Return whether an API server answers OK; by itself it does when it is ready."""
    try:
        return api.get(path).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _ready(api: httpx.Client) -> bool:
    return answers(api) and answers(api, "/api/v1/namespaces/default")
