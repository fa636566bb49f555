"""Pods with IPv6 addresses: the machine forwards, and goes on hearing its router."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from externalgrpc.bootstrap import cloudconfig, joining
from tests import absent
from tests.bootstrap import guest, orders, test_block, test_k3s
from tests.bootstrap.guest import Guest

CONF = "/proc/sys/net/ipv6/conf"
FILE = "/etc/sysctl.d/99-vps-autoscaler-ipv6.conf"


@pytest.fixture(params=joining.METHODS)
def method(request: pytest.FixtureRequest, baked: Guest) -> str:
    baked.serve("https://get.k3s.io", test_k3s.INSTALLER)
    chosen: str = request.param
    return chosen


def test_every_node_forwards_and_hears_its_router(baked: Guest, method: str) -> None:
    baked.ipv6("eth0")
    baked.nic("eth1.100", kind="vlan")
    baked.ipv6("eth1.100")
    baked.ipv6("enp7s0", accept_ra=0)
    assert baked.boot(orders.user_data(method=method)).returncode == 0
    assert baked.read(f"{CONF}/all/forwarding") == "1\n"
    assert baked.read(f"{CONF}/default/forwarding") == "1\n"
    assert baked.read(f"{CONF}/eth0/accept_ra") == "2\n"
    assert baked.read(f"{CONF}/enp7s0/accept_ra") == "0\n", "whoever did not listen goes on so"
    assert baked.read(f"{CONF}/eth1.100/accept_ra") == "1\n", "no NIC"
    deaf = baked.recorded("deaf").splitlines()
    assert [each for each in deaf if each.endswith(("eth0", "enp7s0"))] == []


def test_it_lasts_from_boot_to_boot(baked: Guest, method: str) -> None:
    """systemd-sysctl reads the file, and again for each NIC that comes."""
    baked.ipv6("eth0")
    assert baked.boot(orders.user_data(method=method)).returncode == 0
    expected = (
        "net/ipv6/conf/eth0/accept_ra = 2\n"
        "net/ipv6/conf/all/forwarding = 1\nnet/ipv6/conf/default/forwarding = 1\n"
    )
    assert baked.read(FILE) == expected, "what hears comes first"
    assert baked.run("boot").returncode == 0
    assert baked.read(FILE) == expected


def test_a_kernel_without_ipv6(baked: Guest, method: str) -> None:
    shutil.rmtree(baked.path("/proc/sys/net/ipv6"))
    assert baked.boot(orders.user_data(method=method)).returncode == 0
    assert not baked.path(FILE).exists()


def forwards(**value: Any) -> bool:
    """Return whether a machine of this order would forward."""
    ipv6 = value.pop("ipv6", False)
    of = orders.machine_of(group={"join": "kubeadm"}, **value)
    data = joining.user_data(of, dataclasses.replace(orders.WAY_IN, ipv6=ipv6))
    return "IPV6=1\n" in guest.written(data)["/etc/vps-autoscaler/join.env"]


def test_a_cluster_without_ipv6_gets_no_router(baked: Guest, method: str) -> None:
    """Its Nodes say so; what the image set up stays."""
    baked.ipv6("eth0")
    join_credentials = orders.WAY_IN if method == "kubeadm" else orders.K3S_WAY_IN
    of = orders.machine_of(group={"join": method})
    data = joining.user_data(of, dataclasses.replace(join_credentials, ipv6=False))
    assert baked.boot(data).returncode == 0
    assert baked.run("boot").returncode == 0
    assert not baked.path(FILE).exists()
    assert baked.read(f"{CONF}/all/forwarding") == "0\n"
    assert baked.read(f"{CONF}/eth0/accept_ra") == "1\n"


def test_who_forwards() -> None:
    assert not forwards()
    assert forwards(ipv6=True)
    assert forwards(ipv6_forwarding="on")
    assert not forwards(ipv6=True, ipv6_forwarding="off")
    assert forwards(api_server="https://[fd00::1]:6443"), "kubeadm asks for it"
    assert forwards(cluster_networks=("fd00:1::/48",))
    assert not forwards(cluster_networks=("10.0.0.0/8",), api_server="https://10.0.0.1:6443")


def test_kubeadms_preflight_of_a_server_at_an_ipv6_address(baked: Guest) -> None:
    data = orders.user_data(discovery="token", api_server="https://[fd00::1]:6443")
    assert baked.boot(data).returncode == 0


def test_a_real_kernel_takes_it(tmp_path: Path) -> None:
    """The script's own file, by the real sysctl, in a network namespace."""
    if test_block.cannot_run():
        absent.skip(absent.Need.NETWORK_NAMESPACES)
    data = orders.user_data(block_metadata=False)
    for path, text in guest.written(data).items():
        target = tmp_path / path.removeprefix("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    (tmp_path / "var/lib/vps-autoscaler").mkdir(parents=True)
    (tmp_path / "proc").symlink_to("/proc")
    (tmp_path / "sys/class/net/v0.1/device").mkdir(parents=True)
    keys = ("v0.1/accept_ra", "v1/accept_ra", "all/forwarding", "v0.1/forwarding")
    show = "cat " + " ".join(f"{CONF}/{each}" for each in keys)
    again = f"bash {tmp_path}/{cloudconfig.SCRIPT} boot >/dev/null"
    done = subprocess.run(
        [
            *("unshare", "--net", "bash", "-ec"),
            f"ip link add v0.1 type veth peer name v1; {show}; {again}; {show}; {again}; {show}",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": os.environ["PATH"], "JOIN_ROOT": str(tmp_path)},
    )
    before, after = "1 1 0 0", "2 1 1 1"
    assert " ".join(done.stdout.split()) == f"{before} {after} {after}", done.stderr
