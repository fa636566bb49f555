"""What a machine needs is installed, or found on the image."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.bootstrap import fake_metadata, guest, orders
from tests.bootstrap.guest import Guest


@pytest.mark.parametrize("system", ["debian-12", "debian-13", "ubuntu-22.04", "ubuntu-24.04"])
def test_a_fresh_machine_becomes_a_node(tmp_path: Path, system: str) -> None:
    machine = Guest(tmp_path, os_release=system)
    fake_metadata.hetzner(machine)
    fake_metadata.package_hosts(machine)
    done = machine.boot(orders.user_data())
    assert done.returncode == 0, done.stdout + done.stderr

    name = system.partition("-")[0]
    release = guest.OS_RELEASES[system].partition("CODENAME=")[2].strip()
    assert machine.read("/etc/apt/sources.list.d/kubernetes.list") == (
        "deb [signed-by=/etc/apt/keyrings/kubernetes.asc]"
        " https://pkgs.k8s.io/core:/stable:/v1.36/deb/ /\n"
    )
    assert machine.read("/etc/apt/sources.list.d/docker.list") == (
        "deb [signed-by=/etc/apt/keyrings/docker.asc]"
        f" https://download.docker.com/linux/{name} {release} stable\n"
    )
    assert machine.read("/etc/apt/keyrings/docker.asc") == f"DOCKER KEY {name}"
    for readable in (
        "keyrings/docker.asc",
        "keyrings/kubernetes.asc",
        "sources.list.d/docker.list",
    ):
        # apt drops its rights before it reads them.
        assert machine.path(f"/etc/apt/{readable}").stat().st_mode & 0o777 == 0o644
    (held,) = machine.called("apt-mark")
    assert held == "apt-mark hold kubelet kubeadm"
    (install,) = [each for each in machine.called("apt-get") if "kubelet" in each]
    assert install.endswith("kubelet=1.36.* kubeadm=1.36.* conntrack iptables")

    assert "modprobe -a overlay br_netfilter" in machine.calls
    assert "swapoff -a" in machine.calls
    assert machine.read("/etc/fstab") == "/dev/vda1 / ext4 defaults 0 1\n"
    assert fake_metadata.flags(machine)["provider-id"] == "hcloud://4711"
    assert machine.recorded("joined-mode") == "600\n"
    assert machine.read("/etc/kubernetes/kubelet.conf") == "workers-x7k2pq\n"
    assert not machine.off
    assert machine.path("/var/lib/vps-autoscaler/joined").exists()


def test_nothing_secret_is_left_behind(fresh: Guest) -> None:
    fresh.cloud_init(orders.user_data(pre_join=("export P=hunter2",), post_join=("Q=hunter2",)))
    assert fresh.secrets(orders.TOKEN)
    assert fresh.run().returncode == 0
    assert fresh.secrets(orders.TOKEN) == []
    assert fresh.secrets("hunter2") == []
    assert not fresh.path("/etc/vps-autoscaler/secret").exists()
    instance = fresh.path("/var/lib/cloud/instances/4711")
    assert [each.name for each in sorted(instance.rglob("*")) if each.is_file()] == [
        "config_runcmd"
    ], "cloud-init needs its semaphores, or it would join again"


def test_a_second_call_does_nothing(fresh: Guest) -> None:
    assert fresh.boot(orders.user_data()).returncode == 0
    before = fresh.calls
    assert fresh.run().returncode == 0
    assert fresh.calls == before


def test_a_baked_image_skips_every_step_that_is_done(baked: Guest) -> None:
    baked.file("/etc/containerd/config.toml", "version = 3\nSystemdCgroup = true\n")
    assert baked.boot(orders.user_data()).returncode == 0
    assert baked.called("apt") == []
    assert [each for each in baked.called("curl") if "169.254" not in each] == []
    assert baked.read("/etc/containerd/config.toml") == "version = 3\nSystemdCgroup = true\n"
    assert "systemctl restart containerd" not in baked.calls
    assert fake_metadata.flags(baked)["provider-id"] == "hcloud://4711"


def test_a_second_call_after_a_cut_goes_on(baked: Guest) -> None:
    """The machine lost its power between the join and the end of the script."""
    assert baked.boot(orders.user_data()).returncode == 0
    baked.path("/var/lib/vps-autoscaler/joined").unlink()
    baked.cloud_init(orders.user_data())
    assert baked.run().returncode == 0
    assert len(baked.called("kubeadm join")) == 1
    assert baked.secrets(orders.TOKEN) == []


def test_packages_that_are_not_what_was_asked_for_end_the_join(baked: Guest) -> None:
    """As when a mirror serves another minor, or other programs come first on the PATH."""
    fake_metadata.package_hosts(baked)
    baked.has("kubelet", "v1.36.0")
    baked.has("kubeadm", "v1.350.0")
    baked.sim(**{"apt-installs-nothing": ""})
    assert baked.boot(orders.user_data()).returncode == 1
    assert "others are on the PATH" in baked.read("/dev/ttyS0")
    assert baked.called("kubeadm join") == []


@pytest.mark.parametrize("name", ["kubelet", "kubeadm"])
def test_a_minor_that_only_begins_like_ours_is_another(baked: Guest, name: str) -> None:
    baked.has(name, "v1.360.1")
    assert baked.boot(orders.user_data(kubernetes="image")).returncode == 1


def test_a_baked_image_of_another_minor_gets_ours(baked: Guest) -> None:
    fake_metadata.package_hosts(baked)
    baked.has("kubelet", "v1.35.9")
    assert baked.boot(orders.user_data()).returncode == 0
    (install,) = [each for each in baked.called("apt-get") if " install " in each]
    assert "--allow-change-held-packages" in install
    assert "--allow-downgrades" in install


def test_an_image_of_a_machine_that_joined_is_a_new_machine(baked: Guest) -> None:
    """Whoever makes a snapshot of a node and forgets to clean it gets a node all the same."""
    for mark in ("joined", "kubeadm", "failed"):
        baked.file(f"/var/lib/vps-autoscaler/{mark}", "workers-before\nwhy\n")
    baked.file("/etc/kubernetes/kubelet.conf", "workers-before\n")
    baked.file("/etc/vps-autoscaler/pre-join", "exit 1\n")
    assert baked.boot(orders.user_data()).returncode == 0
    assert baked.called("kubeadm reset -f") == ["kubeadm reset -f"]
    assert baked.read("/etc/kubernetes/kubelet.conf") == "workers-x7k2pq\n"


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (
            guest.CONTAINERD_2_3,
            """\
version = 3
imports = ['/etc/containerd/conf.d/*.toml']
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
SystemdCgroup = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ['/opt/cni/bin']
[plugins.'io.containerd.cri.v1.images'.registry]
config_path = '/etc/containerd/certs.d'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = 'registry.example.org/pause:3.10'
""",
        ),
        (
            guest.CONTAINERD_1_7,
            """\
version = 2
imports = ['/etc/containerd/conf.d/*.toml']
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = '/opt/cni/bin'
[plugins."io.containerd.grpc.v1.cri".registry]
config_path = '/etc/containerd/certs.d'
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = 'registry.example.org/pause:3.10'
""",
        ),
    ],
    ids=["2.3", "1.7"],
)
def test_containerd_is_configured_for_what_is_installed(
    baked: Guest, program: tuple[str, str], expected: str
) -> None:
    baked.has("containerd", *program)
    # What a package ships: CRI off, or a CNI folder that nobody installs into.
    baked.file("/etc/containerd/config.toml", 'disabled_plugins = ["cri"]\n')
    data = orders.user_data(sandbox_image="registry.example.org/pause:3.10")
    assert baked.boot(data).returncode == 0
    assert baked.read("/etc/containerd/config.toml") == expected
    assert tomllib.loads(expected)["version"] in {2, 3}
    assert "systemctl restart containerd" in baked.calls


def test_containerd_2_0_does_not_know_the_newer_key(baked: Guest) -> None:
    baked.has("containerd", *guest.CONTAINERD_2_0)
    assert baked.boot(orders.user_data()).returncode == 0
    written = baked.read("/etc/containerd/config.toml")
    assert "bin_dir = '/opt/cni/bin'" in written
    assert "sandbox" not in written


def test_the_distributions_containerd(fresh: Guest) -> None:
    assert fresh.boot(orders.user_data(containerd="distribution")).returncode == 0
    assert fresh.read("/etc/containerd/config.toml").startswith("version = 2\n")
    assert not fresh.path("/etc/apt/sources.list.d/docker.list").exists()


def test_swap_that_systemd_knows_is_masked(baked: Guest) -> None:
    baked.sim(
        **{"swap-units": "dev-sdb.swap loaded active active /dev/sdb\nswapfile.swap loaded x\n"}
    )
    assert baked.boot(orders.user_data()).returncode == 0
    assert baked.called("systemctl mask") == [
        "systemctl mask dev-sdb.swap",
        "systemctl mask swapfile.swap",
    ]


def test_a_key_that_cannot_be_had_ends_the_join(fresh: Guest) -> None:
    fresh.sim(**{"web.json": "{}"})
    assert fresh.boot(orders.user_data()).returncode == 1
    assert "cannot fetch https://download.docker.com/linux/debian/gpg" in fresh.read("/dev/ttyS0")


def test_mirrors_take_the_place_of_the_projects_hosts(tmp_path: Path) -> None:
    machine = Guest(tmp_path, os_release="ubuntu-24.04")
    fake_metadata.hetzner(machine)
    machine.serve("https://mirror.example.org/k8s-1.36/Release.key", "OUR KEY")
    machine.serve("https://keys.example.org/ubuntu.asc", "OUR KEY")
    data = orders.user_data(
        kubernetes_packages="https://mirror.example.org/k8s-{minor}",
        containerd_packages="https://mirror.example.org/docker/{os}",
        containerd_key="https://keys.example.org/{os}.asc",
    )
    assert machine.boot(data).returncode == 0
    assert "k8s.io" not in "".join(machine.calls)
    assert machine.read("/etc/apt/sources.list.d/docker.list").endswith(
        " https://mirror.example.org/docker/ubuntu noble stable\n"
    )
