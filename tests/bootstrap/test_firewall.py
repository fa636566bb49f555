"""A firewall that the image brings: what is opened, to whom, and what is said of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from externalgrpc.bootstrap import cloudconfig, joining
from tests import absent
from tests.bootstrap import fake_metadata, guest, orders, test_block, test_k3s
from tests.bootstrap.guest import Guest

IPTABLES = """
there=$(grep -xF "$0 $*" "$SIM/rules")
case $* in
  *'-C '*) [ -n "$there" ]; exit ;;
  *'-N '*) [ -z "$there" ] || exit 1 ;;
esac
all=$*
echo "$0 ${all/-I /-C }" >>"$SIM/rules"
"""
RULESET = """\
table inet filter {
	set known {
		type ipv4_addr
		elements = { 192.0.2.1 }
	}
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		tcp dport 22 accept
	}
	chain forward {
		type filter hook forward priority filter; policy accept;
		counter packets 0 bytes 0 reject with icmpx admin-prohibited
	}
	chain output {
		type filter hook output priority filter; policy drop;
	}
	chain other {
		drop
	}
}
table ip other {
	chain input {
		type filter hook input priority filter; policy accept;
		tcp dport 23 drop
		accept
	}
}
"""
ANYBODY = "10250,179,4240,5473"


@pytest.fixture(params=joining.METHODS)
def method(request: pytest.FixtureRequest, baked: Guest) -> str:
    baked.serve("https://get.k3s.io", test_k3s.INSTALLER)
    for answer, _ in fake_metadata.CLOUDS.values():
        answer(baked)
    baked.sim(rules="")
    for each in ("iptables", "ip6tables"):
        baked.program(each, f'echo "{each} $*" >>"$SIM/calls"\n{IPTABLES}')
    chosen: str = request.param
    return chosen


def with_ufw(machine: Guest, *, active: bool = True) -> None:
    said = "active" if active else "inactive"
    machine.program("ufw", f'echo "ufw $*" >>"$SIM/calls"; echo "Status: {said}"')


def appended(machine: Guest, program: str = "iptables") -> list[str]:
    start = f"{program} -w -A VPS-AUTOSCALER "
    return [each.removeprefix(start) for each in machine.called(start)]


def private(machine: Guest, routes: str, **join: Any) -> str:
    machine.sim(addresses=guest.PUBLIC_ONLY + guest.PRIVATE_NIC, routes=routes)
    return orders.user_data(group={"networks": ("4711",)}, **join)


def test_ufw_lets_the_private_network_and_the_api_server_in(baked: Guest, method: str) -> None:
    with_ufw(baked)
    data = private(
        baked,
        "10.0.0.0/16 via 10.0.0.1\n10.0.0.1 scope link\n203.0.113.0/24 scope link\n",
        method=method,
        cluster_networks=("fd00:1::/48", "198.51.100.0/24"),
    )
    assert baked.boot(data).returncode == 0
    ways = [each for each in appended(baked) if each.startswith("-s ")]
    assert ways == [
        f"-s {each} -j ACCEPT" for each in ("198.51.100.0/24", "10.0.0.0/16", "203.0.113.10")
    ]
    assert "-s fd00:1::/48 -j ACCEPT" in appended(baked, "ip6tables")
    assert [each for each in appended(baked) if "dports" in each] == [], "no strangers"
    assert appended(baked)[-1] == "-j ACCEPT", "pods come from no NIC"
    for nic in ("eth0", "enp7s0"):
        assert f"-i {nic} -j RETURN" in appended(baked)
    for chain in ("INPUT", "FORWARD"):
        assert f"iptables -w -I {chain} -j VPS-AUTOSCALER" in baked.calls
    said = "vps-autoscaler: workers-x7k2pq: the image has a firewall (ufw); hostFirewall: open\n"
    assert (baked.read("/dev/ttyS0"), baked.read("/dev/console")) == (said, said)

    before = len(baked.calls)
    assert "systemctl enable vps-autoscaler-boot" in baked.calls
    assert baked.run("boot").returncode == 0
    again = baked.calls[before:]
    assert "iptables -w -F VPS-AUTOSCALER" in again
    assert [each for each in again if " -I " in each] == [], "no rule twice"


def test_a_node_of_public_addresses_opens_its_ports_and_says_so(baked: Guest, method: str) -> None:
    with_ufw(baked)
    assert baked.boot(orders.user_data(method=method)).returncode == 0
    assert f"-m addrtype --dst-type LOCAL -p tcp -m multiport --dports {ANYBODY} -j ACCEPT" in (
        appended(baked)
    )
    log = baked.read("/var/lib/vps-autoscaler/log")
    assert "no network of the nodes is known (clusterNetworks)" in log


def test_a_network_of_other_customers_is_not_the_nodes(baked: Guest, method: str) -> None:
    """Linode's private network is the data centre's."""
    with_ufw(baked)
    alias = "2: eth0 inet 192.168.133.7/17 scope global eth0:1\n"
    baked.sim(addresses=guest.PUBLIC_ONLY + alias, routes="192.168.128.0/17 proto kernel\n")
    data = orders.user_data(method=method, scheme="linode", node_address="private")
    assert baked.boot(data).returncode == 0
    assert [each for each in appended(baked) if "192.168" in each] == []


def test_a_network_that_is_named_shuts_out_the_public_addresses(baked: Guest, method: str) -> None:
    """So that docs/clouds/linode.md warns of naming the data centre's: the overlay is public."""
    with_ufw(baked)
    alias = "2: eth0 inet 192.168.133.7/17 scope global eth0:1\n"
    baked.sim(addresses=guest.PUBLIC_ONLY + alias, routes="192.168.128.0/17 proto kernel\n")
    data = orders.user_data(
        method=method, scheme="linode", node_address="private", private_subnet="192.168.128.0/17"
    )
    assert baked.boot(data).returncode == 0
    assert "-s 192.168.128.0/17 -j ACCEPT" in appended(baked)
    assert [each for each in appended(baked) if "dports" in each] == []


def test_firewalld(baked: Guest, method: str) -> None:
    baked.sim(firewalld="")
    assert baked.boot(private(baked, "10.0.0.0/16 via x\n", method=method)).returncode == 0
    calls = baked.called("firewall-cmd")
    for each in (
        "--permanent --zone=trusted --add-source=10.0.0.0/16",
        "--permanent --zone=trusted --add-source=203.0.113.10",
        "--permanent --zone=public --change-interface=eth0",
        "--permanent --zone=internal --change-interface=eth1",
    ):
        assert f"firewall-cmd {each}" in calls
    assert calls[-2:] == ["firewall-cmd --set-default-zone=trusted", "firewall-cmd --reload"]
    assert [each for each in calls if "add-port" in each] == []


def test_chains_of_the_images_own(baked: Guest, method: str) -> None:
    baked.sim(ruleset=RULESET)
    assert baked.boot(private(baked, "10.0.0.0/16 via x\n", method=method)).returncode == 0
    inserted = baked.called("nft insert rule ")
    for chain in ("input", "forward"):
        assert f"nft insert rule inet filter {chain} ip saddr 10.0.0.0/16 accept" in inserted
    assert {each.split()[4] + each.split()[5] for each in inserted} == {
        "filterinput",
        "filterforward",
    }, "neither what goes out nor what lets in"


def test_chains_that_iptables_made_get_its_rules(baked: Guest, method: str) -> None:
    """Other rules among them would break kube-proxy's iptables-restore."""
    chain = "table ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority filter; "
    baked.sim(ruleset=chain + "policy drop;\n\t}\n}\n")
    assert baked.boot(orders.user_data(method=method)).returncode == 0
    assert baked.called("nft insert") == []
    assert "iptables -w -I INPUT -j VPS-AUTOSCALER" in baked.calls


@pytest.mark.parametrize("wish", ["off", "keep"])
@pytest.mark.parametrize("kind", ["ufw", "firewalld", "nftables"])
def test_off_and_keep(baked: Guest, method: str, kind: str, wish: str) -> None:
    match kind:
        case "ufw":
            with_ufw(baked)
        case "firewalld":
            baked.sim(firewalld="")
        case _:
            baked.sim(ruleset=RULESET)
    off = {
        "ufw": ["ufw --force disable"],
        "firewalld": ["systemctl disable --now firewalld"],
        "nftables": ["systemctl disable nftables", "nft delete table inet filter"],
    }
    data = orders.user_data(method=method, host_firewall=wish)
    assert baked.boot(data).returncode == 0
    assert f"({kind}); hostFirewall: {wish}" in baked.read("/dev/console")
    done = [each for each in baked.calls if any(each in value for value in off.values())]
    assert done == (off[kind] if wish == "off" else [])
    assert [each for each in baked.calls if " -I " in each or "insert" in each] == []


def test_an_image_without_a_firewall_is_left_alone(baked: Guest, method: str) -> None:
    with_ufw(baked, active=False)
    assert baked.boot(orders.user_data(method=method, block_metadata=False)).returncode == 0
    assert baked.called("iptables") + baked.called("nft insert") == []
    assert "firewall" not in baked.read("/dev/ttyS0")
    assert "systemctl enable vps-autoscaler-boot" not in baked.calls


REAL = r"""
set -e
mkdir -p /run/netns
mount -t tmpfs none /run/netns
for each in stranger neighbour pod; do ip netns add $each; done
ip link set lo up
world() { # a namespace: link, our address, its address
  ip link add "$2" type veth peer name x netns "$1"
  ip addr add "$3/24" dev "$2"
  ip link set "$2" up
  ip -n "$1" addr add "$4/24" dev x
  ip -n "$1" link set x up
  ip -n "$1" route add default via "$3"
}
world stranger pub0 203.0.113.7 203.0.113.99
world neighbour priv0 10.0.0.5 10.0.0.6
world pod cni0 10.244.0.1 10.244.0.2
echo 1 >/proc/sys/net/ipv4/ip_forward
eval "$FIREWALL"
"$PYTHON" -u -c '
import socket
with socket.create_server(("0.0.0.0", 10250)) as one:
    print("ready", flush=True)
    while True:
        one.accept()[0].close()' >>"$LOG" &
server=$!
ip netns exec stranger "$PYTHON" -u -c '
import socket
with socket.create_server(("203.0.113.99", 80)) as one:
    print("ready", flush=True)
    while True:
        one.accept()[0].close()' >>"$LOG" &
other=$!
trap 'kill $server $other' EXIT
until [ "$(grep -c ready "$LOG")" = 2 ]; do kill -0 $server $other; read -rt 0.05 <> <(:) || :; done
ask() {
  ip netns exec "$1" "$PYTHON" -c '
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1).close()
    print("yes")
except OSError:
    print("no")' "$2" "$3"
}
all() {
  echo "$1:" "$(ask stranger 203.0.113.7 10250)" "$(ask neighbour 10.0.0.5 10250)" \
    "$(ask pod 10.244.0.1 10250)" "$(ask pod 203.0.113.99 80)" "$(ask stranger 10.244.0.2 1)"
}
all before
bash "$SCRIPT" boot >/dev/null
bash "$SCRIPT" boot >/dev/null
all after
"""
NFT = """nft 'table inet filter {
  chain input {
    type filter hook input priority 0; policy drop;
    tcp dport 22 accept
  }
  chain forward {
    type filter hook forward priority 0; policy drop;
  }
}'"""
IPT = """
iptables -P INPUT DROP
iptables -P FORWARD DROP
iptables -A INPUT -p tcp --dport 22 -j ACCEPT
ip6tables -P INPUT DROP
ip6tables -P FORWARD DROP
"""
# As on Vultr's images. What ufw writes down goes to copies that only this namespace sees.
UFW = """
for each in /etc/ufw /etc/default; do
  mkdir -p "$JOIN_ROOT/copy$each"
  cp -a "$each/." "$JOIN_ROOT/copy$each"
  mount --bind "$JOIN_ROOT/copy$each" "$each"
done
ufw default deny incoming >>"$LOG"
ufw default deny routed >>"$LOG"
ufw allow 22/tcp >>"$LOG"
ufw --force enable >>"$LOG"
"""


@pytest.mark.parametrize("wish", ["open", "off"])
@pytest.mark.parametrize("firewall", [NFT, IPT, UFW], ids=["nftables", "iptables", "ufw"])
def test_on_a_real_kernel(tmp_path: Path, firewall: str, wish: str) -> None:
    """Who reaches the kubelet: a stranger, a neighbour on the private network, a pod.

    Then: does a pod get out, and a stranger to a pod?
    """
    if firewall != NFT and shutil.which("iptables") is None:
        absent.skip(absent.Need.IPTABLES)
    if firewall == UFW and shutil.which("ufw") is None:
        absent.skip(absent.Need.UFW)
    if test_block.cannot_run():
        absent.skip(absent.Need.NETWORK_NAMESPACES)
    data = orders.user_data(
        private_subnet="10.0.0.0/24", node_address="default", host_firewall=wish
    )
    for path, text in guest.written(data).items():
        target = tmp_path / path.removeprefix("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text.replace("api.example.invalid", "192.0.2.1"))
    (tmp_path / "var/lib/vps-autoscaler").mkdir(parents=True)
    for nic in ("pub0", "priv0"):
        (tmp_path / "sys/class/net" / nic / "device").mkdir(parents=True)
    done = subprocess.run(
        ["unshare", "--net", "--mount", "bash", "-c", REAL],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={
            "PATH": os.environ["PATH"],
            "PYTHON": shutil.which("python3") or "python3",
            "LOG": str(tmp_path / "log"),
            "SCRIPT": str(tmp_path / cloudconfig.SCRIPT.removeprefix("/")),
            "JOIN_ROOT": str(tmp_path),
            "FIREWALL": firewall,
        },
    )
    after = "no yes yes yes no" if wish == "open" else "yes yes yes yes no"
    assert done.stdout.splitlines() == ["before: no no no no no", f"after: {after}"], done.stderr
