"""A machine in a folder: its files below one root, its programs fakes that behave.

cloud-init's part is played in Python (write the files, call what runcmd says), the join script
runs in a real bash with a PATH on which nothing lies but a few real text tools and the fakes. The
fakes keep what they know in files under ``sim``: a package manager that brings programs, a
metadata service that wants its headers, a network that is attached late, a clock that only
``sleep`` advances. Every call is written down.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.bootstrap import programs

REAL = (
    *("awk", "bash", "cat", "chmod", "cp", "cut", "dirname", "grep", "mkdir", "mv", "rm", "sed"),
    *("sh", "tail", "timeout", "touch", "tr"),
)

OS_RELEASES = {
    "debian-12": "ID=debian\nVERSION_ID=12\nVERSION_CODENAME=bookworm\n",
    "debian-13": "ID=debian\nVERSION_ID=13\nVERSION_CODENAME=trixie\n",
    "ubuntu-22.04": "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=22.04\nVERSION_CODENAME=jammy\n",
    "ubuntu-24.04": "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=24.04\nVERSION_CODENAME=noble\n",
    "fedora-43": "ID=fedora\nVERSION_ID=43\n",
}

PUBLIC_ONLY = "2: eth0    inet 203.0.113.7/32 brd 203.0.113.7 scope global eth0\n"
PRIVATE_NIC = "3: enp7s0    inet 10.0.0.5/32 scope global dynamic enp7s0\n"

CONTAINERD_2_3 = ("github.com/containerd/containerd/v2 v2.3.1 abc", "bin_dirs = ['/opt/cni/bin']")
CONTAINERD_2_0 = ("github.com/containerd/containerd/v2 v2.0.4 abc", "bin_dir = '/opt/cni/bin'")
CONTAINERD_1_7 = (
    "github.com/containerd/containerd 1.7.24~ds1 1.7.24~ds1-6",
    'bin_dir = "/usr/lib"',
)


class Guest:
    """One machine below ``folder``; Debian 12 with a fresh image unless another is given."""

    def __init__(self, folder: Path, *, os_release: str = "debian-12") -> None:
        self.root = folder / "root"
        self._sim = folder / "sim"
        self._bin = folder / "bin"
        for each in (self.root, self._sim, self._bin):
            each.mkdir()
        for name in REAL:
            found = shutil.which(name)
            assert found is not None, f"this machine has no {name}"
            (self._bin / name).symlink_to(found)
        (self._bin / "python3").symlink_to(sys.executable)
        (self._bin / "stat").symlink_to(shutil.which("stat") or "/usr/bin/stat")
        for name, body in programs.FAKES.items():
            self.program(name, f'echo "{name} $*" >>"$SIM/calls"\n{body}')
        (self._sim / "curl.py").write_text(programs.CURL)
        curl = self.program(
            "curl", 'echo "curl $*" >>"$SIM/calls"\nexec python3 "$SIM/curl.py" "$@"'
        )
        shutil.copy(curl, self._sim / "curl")
        for name, text in {"give": programs.GIVE, "start": programs.START}.items():
            (self._sim / name).write_text(text)
            (self._sim / name).chmod(0o755)
        self.sim(
            **{"calls": "", "clock": "0\n", "attached-at": "0\n", "late-addresses": ""},
            **{"addresses": PUBLIC_ONLY, "swap-units": "", "journal": "", "join-fails": "0\n"},
            **{"instance-id": "4711\n", "web.json": "{}", "ruleset": "", "routes": ""},
        )
        for nic in ("eth0", "eth1", "eth2", "eth3", "enp7s0"):
            self.nic(nic)
        for each in ("all", "default", "lo"):
            self.ipv6(each)
        self.file("/etc/os-release", OS_RELEASES[os_release])
        self.file("/etc/fstab", "/dev/vda1 / ext4 defaults 0 1\n/swapfile none swap sw 0 0\n")
        for folder_name in ("/etc/apt/sources.list.d", "/etc/systemd/system"):
            (self.root / folder_name[1:]).mkdir(parents=True)
        for console in ("/dev/ttyS0", "/dev/console"):
            self.file(console, "")

    def sim(self, **contents: str) -> None:
        """Set what the fakes know."""
        for name, text in contents.items():
            (self._sim / name.replace("__", "-")).write_text(text)

    def recorded(self, name: str) -> str:
        """Read what a fake wrote down."""
        return (self._sim / name).read_text()

    def serve(self, url: str, text: str, *, method: str = "GET", **wants: str) -> None:
        """Answer a request, if it carries the headers it should (``_`` stands for ``-``)."""
        web = json.loads(self.recorded("web.json"))
        headers = {key.replace("_", "-"): value for key, value in wants.items()}
        web[f"{method} {url}"] = {"text": text, "wants": headers}
        self.sim(**{"web.json": json.dumps(web)})

    def move(self, url: str, to: str) -> None:
        """Answer a request with a redirect."""
        web = json.loads(self.recorded("web.json"))
        web[f"GET {url}"] = {"text": "", "wants": {}, "moved": to}
        self.sim(**{"web.json": json.dumps(web)})

    def has(self, name: str, version: str, default_config: str = "") -> None:
        """Put a program on the image."""
        subprocess.run(
            [str(self._sim / "give"), name, version, default_config],
            check=True,
            env={**self._environment()},
        )

    def lacks(self, name: str) -> None:
        """Take a program off the image."""
        (self._bin / name).unlink()

    def file(self, path: str, text: str) -> None:
        """Put a file on the machine."""
        target = self.path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def nic(self, name: str, *, kind: str = "") -> None:
        """Have a network interface: a real one, or one of a kind that the kernel makes up."""
        self.file(f"/sys/class/net/{name}/uevent", f"DEVTYPE={kind}\n" if kind else "")
        if not kind:
            self.file(f"/sys/class/net/{name}/device/vendor", "0x1af4\n")

    def ipv6(self, name: str, *, accept_ra: int = 1) -> None:
        """Have IPv6 on an interface, forwarding nothing."""
        for key, value in {"accept_ra": accept_ra, "forwarding": 0}.items():
            self.file(f"/proc/sys/net/ipv6/conf/{name}/{key}", f"{value}\n")

    def path(self, path: str) -> Path:
        """Find a file of the machine."""
        return self.root / path.removeprefix("/")

    def read(self, path: str) -> str:
        """Read a file of the machine."""
        return self.path(path).read_text()

    def cloud_init(self, user_data: str) -> None:
        """Do what cloud-init does before runcmd: keep the user-data, write the files."""
        document = parsed(user_data)
        instance = "/var/lib/cloud/instances/4711"
        for name in ("user-data.txt", "user-data.txt.i", "cloud-config.txt", "obj.pkl"):
            self.file(f"{instance}/{name}", user_data)
        self.file(f"{instance}/scripts/runcmd", "#!/bin/sh\n")
        self.file(f"{instance}/sem/config_runcmd", "")
        for name in ("instance-data-sensitive.json", "combined-cloud-config.json"):
            self.file(f"/run/cloud-init/{name}", user_data)
        for each in document["write_files"]:
            self.file(each["path"], content(each))
            self.path(each["path"]).chmod(int(each["permissions"], 8))

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run what runcmd says, or the script with another argument."""
        return subprocess.run(
            ["bash", str(self.path("/usr/local/sbin/vps-autoscaler-join")), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**self._environment(), **environment},
        )

    def boot(self, user_data: str) -> subprocess.CompletedProcess[str]:
        """Boot with this user-data, to the end of the join."""
        self.cloud_init(user_data)
        return self.run()

    def start(self, unit: str) -> str:
        """Start a unit, as a boot does; give what its journal says of it."""
        self.sim(**{f"journal-of-{unit}": ""})
        command = [str(self._sim / "start"), unit]
        subprocess.run(command, check=True, timeout=60, env=self._environment())
        return self.recorded(f"journal-of-{unit}")

    @property
    def calls(self) -> list[str]:
        """Return what was called, in order."""
        return self.recorded("calls").splitlines()

    def called(self, beginning: str) -> list[str]:
        """Return the calls that begin like this."""
        return [each for each in self.calls if each.startswith(beginning)]

    @property
    def off(self) -> bool:
        """Return whether the machine powered itself off."""
        return "systemctl poweroff" in self.calls

    def secrets(self, secret: str) -> list[str]:
        """Name every file below the root that holds a secret."""
        return [
            str(each.relative_to(self.root))
            for each in sorted(self.root.rglob("*"))
            if each.is_file() and secret.encode() in each.read_bytes()
        ]

    def program(self, name: str, body: str) -> Path:
        """Put a program on the PATH, written in bash."""
        path = self._bin / name
        path.write_text(f"#!/bin/bash\n{body}\n")
        path.chmod(0o755)
        return path

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": str(self._bin),
            "SIM": str(self._sim),
            "BIN": str(self._bin),
            "JOIN_ROOT": str(self.root),
            "LANG": "C.UTF-8",
            "HOME": os.environ.get("HOME", "/"),
        }


def parsed(user_data: str) -> dict[str, Any]:
    """Read user-data as cloud-init does."""
    assert user_data.startswith("#cloud-config\n")
    document = yaml.safe_load(user_data)
    assert isinstance(document, dict)
    return document


def content(entry: Mapping[str, str]) -> str:
    """Return what an entry of write_files puts on disk."""
    if entry.get("encoding") == "gz+b64":
        return gzip.decompress(base64.b64decode(entry["content"])).decode()
    assert "encoding" not in entry
    return entry["content"]


def written(user_data: str) -> dict[str, str]:
    """Return every file that user-data writes, by path."""
    return {each["path"]: content(each) for each in parsed(user_data)["write_files"]}
