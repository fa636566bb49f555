"""Joining k3s as an agent."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from externalgrpc.bootstrap import k3s, machine
from tests.bootstrap import fake_metadata, guest, orders
from tests.bootstrap.guest import Guest

INSTALLER = """\
skip=$INSTALL_K3S_SKIP_DOWNLOAD
echo "installer $INSTALL_K3S_EXEC $INSTALL_K3S_VERSION skip=$skip" >>"$SIM/calls"
[ ! -e "$SIM/k3s-fails" ] || { echo '[ERROR]  Download failed' >&2; exit 1; }
cp "$JOIN_ROOT/etc/rancher/k3s/config.yaml" "$SIM/joined-with"
stat -c %a "$JOIN_ROOT/etc/rancher/k3s/config.yaml" >"$SIM/joined-mode"
"$SIM/give" k3s "$INSTALL_K3S_VERSION"
"""
CONFIG = "/etc/rancher/k3s/config.yaml"


@pytest.fixture(params=["debian-12", "fedora-43"])
def machine_at_boot(request: pytest.FixtureRequest, tmp_path: Path) -> Guest:
    made = Guest(tmp_path, os_release=request.param)
    fake_metadata.hetzner(made)
    made.serve("https://get.k3s.io", INSTALLER)
    return made


def user_data(**join: Any) -> str:
    return orders.user_data(method="k3s", **join)


def joined_with(of: Guest) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(of.recorded("joined-with"))
    return loaded


def test_a_fresh_machine_becomes_an_agent(machine_at_boot: Guest) -> None:
    done = machine_at_boot.boot(user_data())
    assert done.returncode == 0, done.stdout
    assert joined_with(machine_at_boot) == {
        "server": "https://api.example.invalid:6443",
        "token": orders.K3S_WAY_IN.k3s_token,
        "node-name": "workers-x7k2pq",
        "node-label": [
            "csi.hetzner.cloud/location=fsn1",
            "example.org/x=",
            "node.kubernetes.io/instance-type=cx23",
            "tier=web",
            "topology.kubernetes.io/region=fsn1",
            "topology.kubernetes.io/zone=fsn1-dc14",
        ],
        "node-taint": ["dedicated=web:NoSchedule"],
        "kubelet-arg": [
            "provider-id=hcloud://4711",
            "max-pods=110",
            "system-reserved=cpu=0,memory=0,ephemeral-storage=0",
            "eviction-hard=memory.available<102400Ki,nodefs.available<10%,nodefs.inodesFree<5%,"
            "imagefs.available<15%,imagefs.inodesFree<5%",
        ],
    }
    assert machine_at_boot.recorded("joined-mode") == "600\n"
    assert machine_at_boot.called("installer") == ["installer agent v1.36.2+k3s1 skip="]
    assert machine_at_boot.called("k3s kubectl")[0].endswith("get node workers-x7k2pq -o name")
    assert machine_at_boot.called("apt") == []
    assert not machine_at_boot.off


def test_the_token_is_blanked_where_the_agent_looks_for_one(machine_at_boot: Guest) -> None:
    """k3s wants a token of the right form at every start, and then shows its certificate."""
    assert machine_at_boot.boot(user_data()).returncode == 0
    assert machine_at_boot.secrets(orders.TOKEN) == []
    left = json.loads(machine_at_boot.read(CONFIG))["token"]
    pinned = orders.K3S_WAY_IN.k3s_token.rpartition("::")[0]
    assert left == f"{pinned}::abcdef.0000000000000000"
    assert machine_at_boot.path(CONFIG).stat().st_mode & 0o777 == 0o600


def test_the_private_address(machine_at_boot: Guest) -> None:
    machine_at_boot.sim(addresses=guest.PRIVATE_NIC)
    data = user_data(node_address="private", external_cloud_provider=True)
    assert machine_at_boot.boot(data).returncode == 0
    config = joined_with(machine_at_boot)
    assert (config["node-ip"], config["flannel-iface"]) == ("10.0.0.5", "enp7s0")
    assert "cloud-provider=external" in config["kubelet-arg"]


@pytest.mark.parametrize("vpc", [False, True])
def test_linodes_private_address_is_the_nodes_and_flannel_is_given_its_nic(
    machine_at_boot: Guest, *, vpc: bool
) -> None:
    """k3s takes the name of a NIC, no address: which of eth0's two flannel takes is its own affair.

    A VPC has a NIC of its own, so that there both are sure.
    """
    fake_metadata.CLOUDS["linode"][0](machine_at_boot)
    alias = "2: eth0 inet 192.168.133.7/17 scope global eth0:1\n"
    inner = "3: eth1 inet 10.0.0.2/24 scope global eth1\n" if vpc else ""
    machine_at_boot.sim(addresses=guest.PUBLIC_ONLY + alias + inner)
    data = user_data(scheme="linode", node_address="private")
    assert machine_at_boot.boot(data).returncode == 0
    config = joined_with(machine_at_boot)
    expected = ("10.0.0.2", "eth1") if vpc else ("192.168.133.7", "eth0")
    assert (config["node-ip"], config["flannel-iface"]) == expected


def test_an_image_with_the_agent_needs_no_installer(machine_at_boot: Guest) -> None:
    machine_at_boot.has("k3s", "v1.36.2+k3s1")
    machine_at_boot.file("/etc/systemd/system/k3s-agent.service", "[Service]\n")
    machine_at_boot.file("/var/lib/rancher/k3s/agent/client-kubelet.crt", "of another node")
    machine_at_boot.file("/etc/rancher/node/password", "of another node")
    machine_at_boot.file(CONFIG, "readable by all\n")
    assert machine_at_boot.boot(user_data()).returncode == 0
    assert machine_at_boot.called("installer") == []
    assert "systemctl restart k3s-agent" in machine_at_boot.calls
    assert machine_at_boot.secrets("of another node") == []
    assert machine_at_boot.path(CONFIG).stat().st_mode & 0o777 == 0o600


def test_an_image_with_the_program_alone_downloads_nothing(machine_at_boot: Guest) -> None:
    machine_at_boot.has("k3s", "v1.36.2+k3s1")
    assert machine_at_boot.boot(user_data()).returncode == 0
    assert machine_at_boot.called("installer") == ["installer agent v1.36.2+k3s1 skip=true"]


def test_an_image_of_another_release_gets_the_servers(machine_at_boot: Guest) -> None:
    machine_at_boot.has("k3s", "v1.36.2+k3s10")
    machine_at_boot.file("/etc/systemd/system/k3s-agent.service", "[Service]\n")
    assert machine_at_boot.boot(user_data()).returncode == 0
    assert machine_at_boot.called("installer") == ["installer agent v1.36.2+k3s1 skip="]


def test_a_release_and_an_installer_of_ones_own(machine_at_boot: Guest) -> None:
    machine_at_boot.serve("https://mirror.example.org/k3s.sh", INSTALLER)
    data = user_data(k3s_installer="https://mirror.example.org/k3s.sh", k3s_version="v1.35.9+k3s2")
    assert machine_at_boot.boot(data).returncode == 0
    assert machine_at_boot.called("installer") == ["installer agent v1.35.9+k3s2 skip="]


@pytest.mark.parametrize("trouble", ["k3s-fails", "not-registered"])
def test_an_agent_that_does_not_join_is_wiped_and_off(machine_at_boot: Guest, trouble: str) -> None:
    machine_at_boot.sim(**{trouble: ""})
    assert machine_at_boot.boot(user_data()).returncode == 1
    assert "join failed: k3s: " in machine_at_boot.read("/dev/ttyS0")
    assert machine_at_boot.secrets(orders.TOKEN) == []
    assert machine_at_boot.off


def test_a_second_call_does_nothing(machine_at_boot: Guest) -> None:
    assert machine_at_boot.boot(user_data()).returncode == 0
    before = machine_at_boot.calls
    assert machine_at_boot.run().returncode == 0
    assert machine_at_boot.calls == before


def test_a_cluster_of_another_distribution_is_refused() -> None:
    of = orders.machine_of(group={"join": "k3s"})
    with pytest.raises(machine.Unjoinable, match="no release of k3s"):
        k3s.user_data(of, orders.WAY_IN)


def test_certificates_that_cannot_be_pinned_are_refused() -> None:
    twice = dataclasses.replace(orders.K3S_WAY_IN, ca_pem=orders.K3S_WAY_IN.ca_pem * 2)
    with pytest.raises(machine.Unjoinable, match="no single root"):
        k3s.user_data(orders.machine_of(group={"join": "k3s"}), twice)
