"""Serve kubelet and kubeadm of our own making as the Kubernetes project serves its packages.

One flat apt source for each minor release, at the path that pkgs.k8s.io uses, signed with a key
that lives for one run. Beside the release that is wanted stands a newer one that must not be taken.
"""

from __future__ import annotations

import gzip
import hashlib
import http.server
import os
import re
import shutil
import subprocess
import tempfile
import textwrap
import threading
from email.utils import formatdate
from pathlib import Path

_UNIT = """\
[Unit]
Description=kubelet: The Kubernetes Node Agent
Wants=network-online.target
After=network-online.target
[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10
[Install]
WantedBy=multi-user.target
"""
_DROP_IN = """\
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \
--kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS \
$KUBELET_EXTRA_ARGS
"""
_PLUGINS = "bridge host-local loopback portmap"
_SIGNER = "join proof <join@example.invalid>"


class Mirror:
    """An apt source, served on every address of this network by a thread of its own.

    ``version`` is what the programs call themselves, "1.36.2". ``fetched`` lists the paths that
    were asked for.
    """

    def __init__(self, tools: Path, folder: Path, version: str) -> None:
        self._tools, self._folder, self.version = tools, folder, version
        self.minor = ".".join(version.split(".")[:2])
        self.fetched: list[str] = []
        self._server: http.server.ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Make the packages, sign them, and serve."""
        place = self._folder / "served" / f"core:/stable:/v{self.minor}/deb"
        place.mkdir(parents=True)
        self._package(place, "kubelet", ("kubelet",), "iptables, kubernetes-cni, iproute2, mount")
        self._package(place, "kubeadm", ("kubeadm",), "kubelet")
        self._package(place, "kubernetes-cni", (), "containernetworking-plugins")
        for name in ("kubelet", "kubeadm"):
            self._package(place, name, (), "", version="99.0.0")
        self._sign(place)
        fetched, served = self.fetched, str(self._folder / "served")

        class Handler(http.server.SimpleHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def __init__(self, *value: object) -> None:
                super().__init__(*value, directory=served)  # type: ignore[arg-type]

            def log_message(self, format: str, *_args: object) -> None:  # noqa: A002
                fetched.append(self.path)

        self._server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Handler)  # noqa: S104
        threading.Thread(target=self._server.serve_forever, name="mirror", daemon=True).start()

    def stop(self) -> None:
        """Stop serving."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def url(self, host: str) -> str:
        """Return the source as joinOptions.kubernetesPackages takes it."""
        assert self._server is not None
        return f"http://{host}:{self._server.server_address[1]}/core:/stable:/v{{minor}}/deb/"

    def _package(
        self,
        place: Path,
        name: str,
        programs: tuple[str, ...],
        needs: str,
        *,
        version: str = "",
    ) -> None:
        stamp = f"{version or self.version}-1.1"
        with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            root = Path(scratch)
            if programs:
                (root / "usr/bin").mkdir(parents=True)
            for each in programs:
                shutil.copy(self._tools / each, root / "usr/bin" / each)
            if not version:
                self._units(root, name)
            (root / "DEBIAN").mkdir(parents=True)
            control = f"""\
                Package: {name}
                Version: {stamp}
                Architecture: amd64
                Maintainer: {_SIGNER}
                Description: {name} for the proof of a join
                """
            depends = f"Depends: {needs}\n" if needs else ""
            (root / "DEBIAN/control").write_text(textwrap.dedent(control) + depends)
            root.chmod(0o755)
            target = place / f"{name}_{stamp}_amd64.deb"
            argv = ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", str(root), str(target)]
            _run(argv)

    @staticmethod
    def _units(root: Path, name: str) -> None:
        if name == "kubelet":
            (root / "etc/kubernetes/manifests").mkdir(parents=True)
            _write(root / "usr/lib/systemd/system/kubelet.service", _UNIT)
        elif name == "kubeadm":
            path = "usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf"
            _write(root / path, _DROP_IN)
        elif name == "kubernetes-cni":
            (root / "opt/cni/bin").mkdir(parents=True)
            for each in _PLUGINS.split():
                (root / "opt/cni/bin" / each).symlink_to(f"/usr/lib/cni/{each}")

    def _sign(self, place: Path) -> None:
        index = "\n".join(_described(each) for each in sorted(place.glob("*.deb")))
        (place / "Packages").write_text(index)
        (place / "Packages.gz").write_bytes(gzip.compress(index.encode(), mtime=0))
        listed = "".join(
            f" {hashlib.sha256(each.read_bytes()).hexdigest()} {each.stat().st_size} {each.name}\n"
            for each in (place / "Packages", place / "Packages.gz")
        )
        release = self._folder / "Release"
        release.write_text(f"Origin: proof\nDate: {formatdate(usegmt=True)}\nSHA256:\n{listed}")
        # gpg's agent listens on a socket whose path must be short.
        with tempfile.TemporaryDirectory(prefix="gpg-") as home:
            gpg = ["gpg", "--homedir", home, "--batch", "--quiet"]
            _run([*gpg, "--passphrase", "", "--quick-gen-key", _SIGNER, "ed25519", "sign", "1d"])
            _run([*gpg, "--armor", "--output", str(place / "Release.key"), "--export"])
            _run([*gpg, "--clearsign", "--output", str(place / "InRelease"), str(release)])
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)


def version_of(tools: Path) -> str:
    """Ask the built kubelet for its release: "1.36.2"."""
    result = _run([str(tools / "kubelet"), "--version"])
    found = re.search(r"v(1\.\d+\.\d+)", result)
    assert found, f"a kubelet of no release: {result}"
    return found[1]


def _described(deb: Path) -> str:
    control = _run(["dpkg-deb", "-f", str(deb)])
    digest = hashlib.sha256(deb.read_bytes()).hexdigest()
    return f"{control}Filename: {deb.name}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _run(argv: list[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stdout}{done.stderr}"
    return done.stdout
