"""What fails is tried again, reported, wiped and switched off; and the lines of users."""

from __future__ import annotations

import time
from pathlib import Path

from tests.bootstrap import fake_metadata, guest, orders
from tests.bootstrap.guest import Guest


def test_a_baked_image_of_another_minor_is_refused_where_nothing_may_be_installed(
    baked: Guest,
) -> None:
    baked.has("kubelet", "v1.35.9")
    assert baked.boot(orders.user_data(kubernetes="image")).returncode == 1
    assert baked.called("apt") == []
    assert "kubelet: error: the image holds no kubelet and kubeadm of 1.36" in baked.read(
        "/dev/ttyS0"
    )
    assert baked.off


def test_an_image_without_containerd_is_refused_where_nothing_may_be_installed(
    fresh: Guest,
) -> None:
    assert fresh.boot(orders.user_data(containerd="image")).returncode == 1
    assert "the image holds no containerd" in fresh.read("/dev/console")


def test_a_join_that_fails_for_a_while_is_tried_again(baked: Guest) -> None:
    baked.sim(**{"join-fails": "2\n"})
    assert baked.boot(orders.user_data()).returncode == 0
    assert len(baked.called("kubeadm join")) == 3
    assert len(baked.called("kubeadm reset")) == 2
    assert not baked.off


def test_a_join_that_fails_tells_why_wipes_and_powers_off(baked: Guest) -> None:
    baked.sim(**{"join-fails": "99\n"})
    assert baked.boot(orders.user_data(pre_join=("A=1",), post_join=("A=1",))).returncode == 1
    assert len(baked.called("kubeadm join")) == 3
    for console in ("/dev/ttyS0", "/dev/console"):
        line = baked.read(console)
        assert line.startswith("vps-autoscaler: workers-x7k2pq: join failed: kubeadm: ")
        assert "x509: certificate signed by unknown authority" in line
        assert "(token)" in line
    assert baked.secrets(orders.TOKEN) == []
    assert baked.off
    assert not baked.path("/var/lib/vps-autoscaler/joined").exists()
    assert not baked.path("/etc/vps-autoscaler/secret").exists()
    assert not baked.path("/etc/vps-autoscaler/pre-join").exists()
    assert not baked.path("/etc/vps-autoscaler/post-join").exists()


def test_a_join_that_hangs_ends_at_the_deadline(baked: Guest) -> None:
    baked.sim(**{"join-hangs": "", "journal": "E1123 failed to run Kubelet: no such thing\n"})
    baked.cloud_init(orders.user_data())
    path = "/etc/vps-autoscaler/join.env"
    baked.file(path, baked.read(path).replace("TIMEOUT_S=600", "TIMEOUT_S=2"))
    begun = time.monotonic()
    assert baked.run().returncode == 1
    assert time.monotonic() - begun < 30, "what hangs would hang for a minute"
    result = baked.read("/var/lib/vps-autoscaler/failed")
    assert "kubeadm: not done after 2s" in result
    assert "failed to run Kubelet: no such thing" in result
    assert baked.off
    assert baked.secrets(orders.TOKEN) == []


def test_packages_that_cannot_be_had_end_the_join(fresh: Guest) -> None:
    fresh.sim(**{"apt-fails": ""})
    assert fresh.boot(orders.user_data()).returncode == 1
    assert len(fresh.called("apt-get")) == 6
    assert "E: Unable to fetch some archives" in fresh.read("/dev/ttyS0")


def test_other_distributions_are_refused_with_the_reason(tmp_path: Path) -> None:
    machine = Guest(tmp_path, os_release="fedora-43")
    fake_metadata.hetzner(machine)
    assert machine.boot(orders.user_data()).returncode == 1
    assert "packages come for Debian and Ubuntu, not for fedora" in machine.read("/dev/ttyS0")


def test_a_failed_machine_may_be_kept_for_a_while(baked: Guest) -> None:
    baked.sim(**{"join-fails": "99\n"})
    assert baked.boot(orders.user_data(keep_failed_minutes=45)).returncode == 1
    assert baked.called("systemd-run") == ["systemd-run --on-active=45min systemctl poweroff"]
    assert not baked.off
    assert baked.secrets(orders.TOKEN) == []


def test_hooks_run_first_and_last(baked: Guest) -> None:
    baked.lacks("nft")
    data = orders.user_data(
        block_metadata=False,
        pre_join=("x='a b'", 'echo "pre $x" >>"$SIM/calls"'),
        post_join=('echo "post $(cat "$SIM/clock")" >>"$SIM/calls"',),
    )
    assert baked.boot(data).returncode == 0
    assert baked.calls[0] == "pre a b"
    assert baked.calls[-1] == "post 0"


def test_a_pre_join_line_that_fails_ends_the_join(baked: Guest) -> None:
    assert baked.boot(orders.user_data(pre_join=("false", "true"))).returncode == 1
    assert baked.called("kubeadm join") == []
    assert "join failed: preJoin: " in baked.read("/dev/ttyS0")
    assert baked.off


def test_a_post_join_line_that_fails_leaves_the_node_alone(baked: Guest) -> None:
    assert baked.boot(orders.user_data(post_join=("false",))).returncode == 0
    assert "joined, but postJoin failed" in baked.read("/dev/ttyS0")
    assert not baked.off


def test_what_was_on_when_a_failed_machine_is_booted_again(baked: Guest) -> None:
    """Linode's watchdog boots what went off; bootcmd runs at every boot, runcmd never again."""
    data = orders.user_data()
    baked.sim(**{"join-fails": "99\n"})
    baked.boot(data)
    (line,) = guest.parsed(data)["bootcmd"]
    assert line == "grep -qsx workers-x7k2pq /var/lib/vps-autoscaler/failed && poweroff || :"
    assert baked.read("/var/lib/vps-autoscaler/failed").splitlines()[0] == "workers-x7k2pq"
    assert "bootcmd" not in guest.parsed(orders.user_data(keep_failed_minutes=5))
