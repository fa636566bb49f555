"""Run pods on a machine that nothing can pull an image for: the image is on its disk already.

It holds one program, a static busybox, which is sandbox and container alike.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

IMAGE = "proof.invalid/busybox:1"
ARCHIVE = "/opt/proof/busybox.tar"
PRE_JOIN = f"ctr -n k8s.io images import --no-unpack {ARCHIVE} >/dev/null"
"""The line of bash that hands it to containerd."""


def archive(busybox: Path, target: Path) -> None:
    """Write the image as an archive that containerd imports."""
    applets = ("sh", "sleep", "wget")
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(busybox, "bin/busybox")
        for each in applets:
            link = tarfile.TarInfo(f"bin/{each}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["/bin/sleep", "infinity"], "Env": ["PATH=/bin"]},
        "rootfs": {
            "type": "layers",
            "diff_ids": [f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"],
        },
    }
    manifest = [{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]
    files = {
        "config.json": json.dumps(config).encode(),
        "manifest.json": json.dumps(manifest).encode(),
        "layer.tar": layer.getvalue(),
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(target, "w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def probe(name: str, *, urls: dict[str, str], tolerates: str, host_network: bool) -> dict[str, Any]:
    """Describe a pod that tries addresses and ends; its last word is "name=open ..." for each."""
    tries = "; ".join(
        f"wget -q -T 15 -O /dev/null {url} && echo -n '{what}=open ' || echo -n '{what}=closed '"
        for what, url in urls.items()
    )
    container = {
        "name": "probe",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["/bin/sh", "-c", f"({tries}) >/dev/termination-log 2>/dev/null"],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "containers": [container],
            "restartPolicy": "Never",
            "hostNetwork": host_network,
            "tolerations": [{"key": tolerates, "operator": "Exists"}],
            "terminationGracePeriodSeconds": 0,
        },
    }


def last_word(pod: dict[str, Any]) -> str:
    """Return what a pod's container said as it ended, "" while it has not."""
    for each in pod.get("status", {}).get("containerStatuses", ()):
        ended = each["state"].get("terminated")
        if ended:
            return str(ended.get("message", "")).strip() or f"ended with {ended}"
    return ""
