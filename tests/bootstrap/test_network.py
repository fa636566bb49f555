"""Addresses, ways out, and what the metadata service is asked by whom."""

from __future__ import annotations

import pytest

from tests.bootstrap import fake_metadata, guest, orders
from tests.bootstrap.guest import Guest


@pytest.mark.parametrize("scheme", fake_metadata.CLOUDS)
def test_each_clouds_metadata_service_tells_the_id(baked: Guest, scheme: str) -> None:
    answer, provider_id = fake_metadata.CLOUDS[scheme]
    answer(baked)
    baked.sim(**{"instance-id": "asked for nothing\n"})
    assert baked.boot(orders.user_data(scheme=scheme)).returncode == 0
    assert fake_metadata.flags(baked)["provider-id"] == provider_id
    assert baked.called("cloud-init") == []


@pytest.mark.parametrize("scheme", [*fake_metadata.CLOUDS, "elsewhere"])
def test_where_no_metadata_service_answers_cloud_init_is_asked(baked: Guest, scheme: str) -> None:
    baked.sim(
        **{
            "web.json": "{}",
            "instance-id": f"{fake_metadata.UUID if scheme == 'vultr' else 4711}\n",
        }
    )
    assert baked.boot(orders.user_data(scheme=scheme)).returncode == 0
    expected = fake_metadata.UUID if scheme == "vultr" else "4711"
    assert fake_metadata.flags(baked)["provider-id"] == f"{scheme}://{expected}"
    asked = len(baked.called("curl"))
    assert asked == (0 if scheme == "elsewhere" else 6), "several tries where one is known"


@pytest.mark.parametrize("wrong", ["", "i-0abc", "4711; reboot", "<html>", "47 11", "4711\n4712"])
def test_an_id_that_cannot_be_the_clouds_ends_the_join(baked: Guest, wrong: str) -> None:
    baked.serve(f"{fake_metadata.LINK}/hetzner/v1/metadata/instance-id", wrong)
    baked.sim(**{"instance-id": "iid-datasource-none\n"})
    assert baked.boot(orders.user_data()).returncode == 1
    assert baked.called("kubeadm join") == []
    assert "instance-id: error: the metadata service gives no id for hcloud" in baked.read(
        "/dev/ttyS0"
    )


def test_a_private_network_that_comes_late_is_waited_for(baked: Guest) -> None:
    baked.sim(**{"attached-at": "40\n", "late-addresses": guest.PRIVATE_NIC})
    data = orders.user_data(group={"networks": ("4711",)}, network_timeout_seconds=60)
    assert baked.boot(data).returncode == 0
    assert fake_metadata.flags(baked)["node-ip"] == "10.0.0.5"
    assert int(baked.recorded("clock")) == 40
    assert baked.called("ip route") == []


def test_a_private_network_that_never_comes_ends_the_join(baked: Guest) -> None:
    data = orders.user_data(
        group={"networks": ("4711",)}, private_subnet="10.0.0.0/16", network_timeout_seconds=30
    )
    assert baked.boot(data).returncode == 1
    assert int(baked.recorded("clock")) == 30
    assert baked.off
    why = baked.read("/var/lib/vps-autoscaler/failed").splitlines()
    assert why[0] == "workers-x7k2pq"
    assert why[1].startswith("network: error: no address in 10.0.0.0/16 after 30s")
    assert "eth0 203.0.113.7/32" in why[1], "it says what is there instead"
    assert baked.secrets(orders.TOKEN) == []


@pytest.mark.parametrize(
    ("addresses", "subnet", "expected"),
    [
        # DigitalOcean: a private address beside the public one leads nowhere.
        (
            "2: eth0 inet 203.0.113.7/20 scope global eth0\n"
            "2: eth0 inet 10.17.0.9/16 scope global eth0\n"
            "3: eth1 inet 10.114.0.3/20 scope global eth1\n",
            "",
            "10.114.0.3",
        ),
        # A machine without public address.
        ("2: enp7s0 inet 172.31.255.254/32 scope global enp7s0\n", "", "172.31.255.254"),
        # What an image with a container runtime brings is not the network.
        (
            "2: docker0 inet 172.17.0.1/16 scope global docker0\n"
            "3: eth1 inet 192.168.7.3/24 scope global eth1\n",
            "",
            "192.168.7.3",
        ),
        # The configured network wins, wherever it is.
        (
            "2: eth0 inet 203.0.113.7/20 scope global eth0\n"
            "2: eth0 inet 10.9.128.1/17 scope global eth0\n"
            "3: eth1 inet 10.0.0.3/24 scope global eth1\n",
            "10.9.128.0/17",
            "10.9.128.1",
        ),
        # 172.32 is public, 100.64 is not one of the private ranges.
        (
            "2: eth1 inet 172.32.0.1/16 scope global eth1\n"
            "3: eth2 inet 100.64.0.1/10 scope global eth2\n"
            "4: eth3 inet 10.255.255.255/8 scope global eth3\n",
            "",
            "10.255.255.255",
        ),
    ],
)
def test_which_address_is_the_private_one(
    baked: Guest, addresses: str, subnet: str, expected: str
) -> None:
    baked.sim(addresses=addresses)
    data = orders.user_data(node_address="private", private_subnet=subnet)
    assert baked.boot(data).returncode == 0
    assert fake_metadata.flags(baked)["node-ip"] == expected


PUBLIC = "2: eth0 inet 203.0.113.7/20 scope global eth0\n"
MADE_UP = {
    "wg0": "wireguard",
    "podman0": "bridge",
    "lxdbr0": "bridge",
    "cni-podman1": "bridge",
    "vxlan.calico": "vxlan",
    "dummy0": "dummy",
    "weave": "bridge",
    "mybridge": "bridge",
}


@pytest.mark.parametrize("name", MADE_UP)
@pytest.mark.parametrize("subnet", ["", "10.0.0.0/16"])
def test_what_the_kernel_made_up_is_no_private_network(
    baked: Guest, name: str, subnet: str
) -> None:
    """By kind, not by name: the NIC is waited for."""
    baked.nic(name, kind="bridge" if subnet else MADE_UP[name])
    baked.sim(
        **{
            "addresses": f"{PUBLIC}3: {name} inet 10.0.9.1/24 scope global {name}\n",
            "late-addresses": "4: eth1 inet 10.0.0.5/32 scope global eth1\n",
            "attached-at": "20\n",
        }
    )
    data = orders.user_data(node_address="private", private_subnet=subnet)
    assert baked.boot(data).returncode == 0
    assert fake_metadata.flags(baked)["node-ip"] == "10.0.0.5"


@pytest.mark.parametrize("kind", ["wireguard", "vlan", "bond", "tun"])
def test_a_tunnel_of_ones_own_is_one_where_its_subnet_is_named(baked: Guest, kind: str) -> None:
    baked.nic("net0", kind=kind)
    if kind == "tun":
        baked.file("/sys/class/net/net0/tun_flags", "0x1001\n")
    tunnel = "3: net0 inet 10.9.0.7/24 scope global net0\n"
    baked.sim(addresses=PUBLIC + tunnel)
    assert baked.boot(orders.user_data(private_subnet="10.9.0.0/24")).returncode == 0
    assert fake_metadata.flags(baked)["node-ip"] == "10.9.0.7"


def test_a_real_nic_goes_before_a_tunnel(baked: Guest) -> None:
    baked.nic("wg0", kind="wireguard")
    tunnel = "3: wg0 inet 10.9.0.7/24 scope global wg0\n"
    baked.sim(addresses=PUBLIC + tunnel + "4: eth1 inet 10.0.0.5/16 scope global eth1\n")
    assert baked.boot(orders.user_data(private_subnet="10.0.0.0/8")).returncode == 0
    assert fake_metadata.flags(baked)["node-ip"] == "10.0.0.5"


@pytest.mark.parametrize(
    ("scheme", "addresses", "expected"),
    [
        # Linode's privateIp, as an alias of the public NIC.
        ("linode", "2: eth0 inet 192.168.133.7/17 scope global eth0:1\n", "192.168.133.7"),
        # A VPC's NIC goes before it.
        (
            "linode",
            "2: eth0 inet 192.168.133.7/17 scope global eth0:1\n"
            "3: eth1 inet 10.0.0.2/24 scope global eth1\n",
            "10.0.0.2",
        ),
        # What else stands beside a public address leads nowhere.
        ("linode", "2: eth0 inet 10.17.0.9/16 scope global eth0\n", ""),
        ("linode", "2: eth0 inet 192.168.7.7/24 scope global eth0\n", ""),
        ("digitalocean", "2: eth0 inet 10.17.0.9/16 scope global eth0\n", ""),
        ("hcloud", "2: eth0 inet 192.168.133.7/17 scope global eth0\n", ""),
        ("vultr", "2: eth0 inet 192.168.133.7/17 scope global eth0\n", ""),
    ],
)
def test_a_private_address_beside_the_public_one(
    baked: Guest, scheme: str, addresses: str, expected: str
) -> None:
    fake_metadata.CLOUDS[scheme][0](baked)
    baked.sim(addresses=PUBLIC + addresses)
    data = orders.user_data(scheme=scheme, node_address="private", network_timeout_seconds=4)
    assert baked.boot(data).returncode == (0 if expected else 1)
    if expected:
        assert fake_metadata.flags(baked)["node-ip"] == expected


def test_a_machine_without_public_address_gets_a_way_out_first(fresh: Guest) -> None:
    fresh.sim(addresses=guest.PRIVATE_NIC)
    data = orders.user_data(gateway="10.0.0.1", dns=("1.1.1.1", "9.9.9.9"))
    assert fresh.boot(data).returncode == 0
    route = fresh.calls.index("ip route replace default via 10.0.0.1 dev enp7s0 onlink")
    assert route < fresh.calls.index(fresh.called("curl")[0])
    assert fresh.read("/etc/resolv.conf") == "nameserver 1.1.1.1\nnameserver 9.9.9.9\n"
    assert "systemctl enable vps-autoscaler-boot" in fresh.calls

    before = len(fresh.calls)
    assert fresh.run("boot").returncode == 0
    again = fresh.calls[before:]
    assert "ip route replace default via 10.0.0.1 dev enp7s0 onlink" in again
    assert [each for each in again if each.startswith("nft ")] != []
    assert [each for each in again if each.startswith("kubeadm")] == []


def test_name_servers_where_systemd_resolves(baked: Guest) -> None:
    baked.sim(resolved="")
    assert baked.boot(orders.user_data(dns=("1.1.1.1", "2606:4700::1111"))).returncode == 0
    drop_in = baked.path("/etc/systemd/resolved.conf.d/vps-autoscaler.conf")
    assert drop_in.read_text() == "[Resolve]\nDNS=1.1.1.1 2606:4700::1111\nDomains=~.\n"
    assert drop_in.stat().st_mode & 0o777 == 0o644, "systemd-resolved is not root"
    assert "systemctl restart systemd-resolved" in baked.calls


def test_pods_are_kept_from_the_metadata_service(baked: Guest) -> None:
    assert baked.boot(orders.user_data()).returncode == 0
    rules = baked.recorded("calls")
    assert "hook prerouting" in rules
    assert "169.254.169.254 drop" in rules
    join = baked.calls.index(baked.called("kubeadm join")[0])
    assert baked.calls.index(baked.called("nft add")[0]) < join
    assert "WantedBy=multi-user.target" in baked.read(
        "/etc/systemd/system/vps-autoscaler-boot.service"
    )


def test_pods_are_kept_from_it_without_nft(fresh: Guest) -> None:
    fresh.lacks("nft")
    assert fresh.boot(orders.user_data()).returncode == 0
    assert "iptables -t raw -I PREROUTING -d 169.254.169.254 -j DROP" in fresh.calls


def test_where_they_cannot_be_kept_from_it_the_join_fails(baked: Guest) -> None:
    baked.lacks("nft")
    assert baked.boot(orders.user_data()).returncode == 1
    assert "blockMetadata needs nft or iptables" in baked.read("/dev/ttyS0")


def test_pods_may_be_let_to_it(baked: Guest) -> None:
    data = orders.user_data(block_metadata=False)
    assert baked.boot(data).returncode == 0
    assert baked.called("nft add") == []
    assert "systemctl enable vps-autoscaler-boot" not in baked.calls


def test_a_machine_without_curl_gets_one(fresh: Guest) -> None:
    fresh.lacks("curl")
    assert fresh.boot(orders.user_data()).returncode == 0
    assert fresh.called("cloud-init") == ["cloud-init query v1.instance_id"]
    assert [each for each in fresh.called("apt-get") if each.endswith("curl ca-certificates")]
