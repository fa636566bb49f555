"""Run what a rendered pod says, without a kubelet: its files, its arguments, its account.

Every mount becomes a folder below one of ours, and the paths in arguments and files follow.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from tests.chart import helm
from tests.e2e import programs

SERVER = "vps-autoscaler"
AUTOSCALER = "cluster-autoscaler"


class Pod:
    """The processes of one pod."""

    def __init__(
        self,
        spec: helm.Object,
        maps: list[helm.Object],
        folder: Path,
        secrets: dict[str, dict[str, str]] | None = None,
    ) -> None:
        """Lay out the volumes: the ConfigMaps that were rendered, and Secrets by their names."""
        self._spec = spec
        self._folder = folder
        self._mounts: dict[str, Path] = {}
        held = {each["metadata"]["name"]: each["data"] for each in maps}
        secrets = secrets or {}
        for container in spec["containers"]:
            for mount in container["volumeMounts"]:
                (volume,) = (v for v in spec["volumes"] if v["name"] == mount["name"])
                at = folder / volume["name"]
                at.mkdir(exist_ok=True)
                self._mounts[mount["mountPath"]] = at
                files = {
                    **held.get(volume.get("configMap", {}).get("name"), {}),
                    **secrets.get(volume.get("secret", {}).get("secretName"), {}),
                }
                for file, text in files.items():
                    (at / file).write_text(text)
        for at in set(self._mounts.values()):
            for path in at.iterdir():
                path.write_text(self._moved(path.read_text()))
        self.metrics = f"127.0.0.1:{programs.free_port()}"
        self.health = f"127.0.0.1:{programs.free_port()}"
        self.port = f"127.0.0.1:{programs.free_port()}"

    def _moved(self, text: str) -> str:
        """Let paths into mounts lead into our folders, each path once."""
        mounts = "|".join(sorted(map(re.escape, self._mounts), key=len, reverse=True))
        return re.sub(rf"(?<![\w.-])({mounts})/", lambda each: f"{self._mounts[each[1]]}/", text)

    def _container(self, name: str) -> helm.Object:
        (found,) = (each for each in self._spec["containers"] if each["name"] == name)
        return dict(found)

    @property
    def socket(self) -> str:
        """Return where the server listens."""
        (said,) = (
            each.partition("=")[2]
            for each in self._container(SERVER)["args"]
            if each.startswith("--listen=")
        )
        return self._moved(said)

    def join_as(self, kubeconfig: Path) -> None:
        """Name credentials in the configuration: a pod has them where it names none."""
        path = self._folder / "config" / "config"
        said = yaml.safe_load(path.read_text())
        said["kubernetes"]["kubeconfig"] = str(kubeconfig)
        path.write_text(yaml.safe_dump(said))

    def run(self, name: str) -> tuple[int, str]:
        """Run a container that ends; give its exit status and what it said."""
        container = self._container(name)
        program = self._folder / SERVER
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m externalgrpc "$@"\n')
        program.chmod(0o755)
        words = [*container["command"], *(self._moved(each) for each in container["args"])]
        path = os.pathsep.join([str(self._folder), os.environ["PATH"]])
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=100, env={**os.environ, "PATH": path}
        )
        return done.returncode, done.stdout + done.stderr

    def server(self, **environ: str) -> programs.Program:
        """Make the server's process, with the variables that the pod takes from Secrets."""
        container = self._container(SERVER)
        assert {each["name"] for each in container.get("env", ())} <= environ.keys()
        args = [self._moved(each) for each in container["args"]]
        for said, ours in (("0.0.0.0:9090", self.metrics), ("0.0.0.0:8086", self.port)):
            args = [each.replace(said, ours) for each in args]
        return programs.Program(
            SERVER, [sys.executable, "-m", "externalgrpc", *args], self._folder, environ
        )

    def autoscaler(
        self, binary: Path, kubeconfig: Path, namespace: str, *more: str
    ) -> programs.Program:
        """Make the autoscaler's process; it is the account of a kubeconfig."""
        _, *flags = self._container(AUTOSCALER)["command"]
        return programs.Program(
            AUTOSCALER,
            [
                str(binary),
                *(self._moved(each) for each in flags),
                f"--kubeconfig={kubeconfig}",
                f"--address={self.health}",
                *more,
            ],
            self._folder,
            {"POD_NAMESPACE": namespace},
        )


def account(kubeconfig: Path, token: str, to: Path) -> Path:
    """Write a kubeconfig with what a pod has of its account: its token, and its namespace."""
    document = yaml.safe_load(kubeconfig.read_text())
    document["users"] = [{"name": "admin", "user": {"token": token}}]
    document["contexts"][0]["context"]["namespace"] = helm.NAMESPACE
    to.write_text(yaml.safe_dump(document))
    return to
