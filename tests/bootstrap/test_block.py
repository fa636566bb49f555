"""Keep pods from the metadata service, on a real kernel.

Three network namespaces stand for a pod, its machine and the metadata service; the rules are the
script's own. Needs root, nft and ip; loopback and private addresses inside the namespaces only.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

from externalgrpc.bootstrap import cloudconfig
from tests import absent
from tests.bootstrap import guest, orders

WORLD = r"""
set -e
mkdir -p /run/netns
mount -t tmpfs none /run/netns
ip link set lo up
ip netns add pod
ip netns add meta
ip link add v0 type veth peer name v1 netns pod
ip addr add 10.244.0.1/24 dev v0
ip link set v0 up
ip -n pod addr add 10.244.0.2/24 dev v1
ip -n pod link set v1 up
ip -n pod route add default via 10.244.0.1
ip link add m0 type veth peer name m1 netns meta
ip addr add 172.31.1.2/24 dev m0
ip link set m0 up
ip -n meta addr add 172.31.1.1/24 dev m1
ip -n meta link set m1 up
ip -n meta link set lo up
ip -n meta addr add 169.254.169.254/32 dev lo
ip -n meta route add 10.244.0.0/24 via 172.31.1.2
ip route add 169.254.169.254 via 172.31.1.1
echo 1 >/proc/sys/net/ipv4/ip_forward
ip netns exec meta "$PYTHON" -u -m http.server --bind 169.254.169.254 8099 >"$LOG" 2>/dev/null &
server=$!
trap 'kill $server' EXIT
until grep -q Serving "$LOG"; do kill -0 $server; read -rt 0.05 <> <(:) || :; done
ask() {
  "$@" "$PYTHON" -c '
import socket
try:
    socket.create_connection(("169.254.169.254", 8099), timeout=2).close()
    print("yes")
except OSError:
    print("no")'
}
echo "before: machine $(ask env), pod $(ask ip netns exec pod)"
bash "$SCRIPT" boot
bash "$SCRIPT" boot
echo "after: machine $(ask env), pod $(ask ip netns exec pod)"
"""


@functools.cache
def cannot_run() -> str:
    missing = [name for name in ("nft", "ip", "unshare") if shutil.which(name) is None]
    if missing:
        return f"not on this machine: {' '.join(missing)}"
    if os.geteuid() != 0:
        return "network namespaces need root"
    tried = subprocess.run(
        ["unshare", "--net", "--mount", "ip", "link", "set", "lo", "up"],
        capture_output=True,
        check=False,
    )
    return "" if tried.returncode == 0 else "this machine makes no network namespaces"


def test_a_pod_is_kept_out_and_the_machine_is_not(tmp_path: Path) -> None:
    if cannot_run():
        absent.skip(absent.Need.NETWORK_NAMESPACES)
    for path, text in guest.written(orders.user_data()).items():
        target = tmp_path / path.removeprefix("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    (tmp_path / "var/lib/vps-autoscaler").mkdir(parents=True)
    done = subprocess.run(
        ["unshare", "--net", "--mount", "bash", "-c", WORLD],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={
            "PATH": os.environ["PATH"],
            "PYTHON": shutil.which("python3") or "python3",
            "LOG": str(tmp_path / "log"),
            "SCRIPT": str(tmp_path / cloudconfig.SCRIPT.removeprefix("/")),
            "JOIN_ROOT": str(tmp_path),
        },
    )
    lines = [line for line in done.stdout.splitlines() if ": machine" in line]
    assert lines == ["before: machine yes, pod yes", "after: machine yes, pod no"], done.stderr
