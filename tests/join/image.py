"""Build the system that the test's machines boot: a Debian as clouds sell it, with containerd.

As a program: build it unless it is there, and print the folder that holds ``disk``, ``kernel`` and
``initrd``. Needs root, debootstrap, mke2fs and a Debian mirror (DEBIAN_MIRROR, else debootstrap's
own). Nothing is mounted: the file system is made from a folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.join import pods

SUITE = "trixie"
DISK_BYTES = 10 * 1000**3
"""As large as the disk that the fake cloud sells, in bytes; the file is sparse."""

PACKAGES = (
    "busybox-static",
    "ca-certificates",
    "cloud-init",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "curl",
    "dbus",
    "dhcpcd-base",
    "e2fsprogs",
    "initramfs-tools",
    "iproute2",
    "iptables",
    "kmod",
    "linux-image-cloud-amd64",
    "nftables",
    "procps",
    "python3-apt",
    "systemd-resolved",
    "systemd-sysv",
    "udev",
    "zstd",
)
FILES = {
    # The emulator's disk and card are all that the first stage of the boot needs.
    "etc/initramfs-tools/conf.d/small": "MODULES=list\n",
    "etc/initramfs-tools/modules": "virtio_pci\nvirtio_blk\next4\n",
    "etc/fstab": "/dev/vda / ext4 defaults,noinit_itable 0 1\n",
    # Nothing outside the test can be reached, so Debian's own packages are all here already.
    "etc/apt/sources.list": "",
}
_INODE_BYTES = 65536


class CannotBuildError(Exception):
    """The image cannot be built here; the message says why."""


def folder() -> Path:
    """Name the folder of the image that these very files describe."""
    parts = b"".join(Path(each).read_bytes() for each in (__file__, pods.__file__))
    made_of = hashlib.sha256(parts).hexdigest()[:16]
    cache = Path(os.environ.get("VPS_E2E_IMAGES") or Path.home() / ".cache" / "vps-autoscaler")
    return cache / f"join-image-{made_of}"


def build() -> Path:
    """Build the image unless it is there; raises CannotBuildError."""
    target = folder()
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "join-image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (target / "disk").exists():
            return target
        if os.geteuid() != 0:
            raise CannotBuildError("the image is built with debootstrap, which only root may")
        for program in ("debootstrap", "mke2fs"):
            if shutil.which(program) is None:
                raise CannotBuildError(f"the image cannot be built: {program} is not installed")
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="join-image-new-") as scratch:
            _build(Path(scratch))
            (Path(scratch) / "whole").rename(target)
    return target


def _build(scratch: Path) -> None:
    root, whole, log = scratch / "root", scratch / "whole", scratch.parent / "join-image.log"
    whole.mkdir()
    began = time.monotonic()
    with log.open("wb") as value:

        def run(*argv: str) -> None:
            surroundings = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
            done = subprocess.run(
                argv, stdout=value, stderr=subprocess.STDOUT, env=surroundings, check=False
            )
            if done.returncode:
                value.flush()
                end = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
                raise CannotBuildError(f"{' '.join(argv)[:200]} failed ({log}):\n{end}")

        mirror = os.environ.get("DEBIAN_MIRROR")
        run("debootstrap", "--variant=minbase", SUITE, str(root), *([mirror] if mirror else []))
        for name, text in FILES.items():
            if name != "etc/apt/sources.list":
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
        # debootstrap cannot take what only a virtual package provides, apt can.
        run("chroot", str(root), "apt-get", "-qq", "update")
        install = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *PACKAGES]
        run("chroot", str(root), *install)
        run("chroot", str(root), "systemctl", "enable", "systemd-networkd", "containerd")
        run("chroot", str(root), "apt-get", "clean")
        for name, text in FILES.items():
            (root / name).write_text(text)
        for left in (root / "var/lib/apt/lists", root / "var/log", root / "run", root / "tmp"):
            for each in left.iterdir():
                shutil.rmtree(each) if each.is_dir() else each.unlink()
        (root / "etc/machine-id").write_text("uninitialized\n")
        (root / "etc/hostname").unlink(missing_ok=True)
        (root / "etc/resolv.conf").unlink(missing_ok=True)
        (root / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
        pods.archive(root / "bin/busybox", root / pods.ARCHIVE.lstrip("/"))
        for name, pattern in {"kernel": "vmlinuz-*", "initrd": "initrd.img-*"}.items():
            shutil.copyfile(next((root / "boot").glob(pattern)), whole / name)
        disk = whole / "disk"
        with disk.open("wb") as file:
            file.truncate(DISK_BYTES)
        few = ["-i", str(_INODE_BYTES), "-E", "lazy_itable_init=1,lazy_journal_init=1"]
        run("mke2fs", "-q", "-t", "ext4", "-m", "1", *few, "-d", str(root), str(disk))
    say(f"built in {time.monotonic() - began:.0f} s")


def say(text: str) -> None:
    """Tell the person at the terminal; stdout stays free for the folder."""
    sys.stderr.write(f"join image: {text}\n")
    sys.stderr.flush()


def main() -> int:
    """Build, and give the exit status."""
    try:
        found = build()
    except CannotBuildError as error:
        say(str(error))
        return 1
    sys.stdout.write(f"{found}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
