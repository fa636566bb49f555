"""What the cluster's kubelet-config names on the machine that it was made on."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.bootstrap import orders
from tests.bootstrap.guest import Guest

RESOLVED = "/run/systemd/resolve/resolv.conf"
SERVERS = "# from the network\nnameserver 203.0.113.53\n"
STUB = "nameserver 127.0.0.53\noptions edns0\n"
CA = "/etc/kubernetes/pki/ca.crt"
WHOLE: dict[str, Any] = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "authentication": {"x509": {"clientCAFile": CA}, "anonymous": {"enabled": False}},
    "clusterDNS": ["10.96.0.10"],
    "kind": "KubeletConfiguration",
    "staticPodPath": "/etc/kubernetes/manifests",
}


def after_join(machine: Guest, **value: Any) -> dict[str, Any]:
    """Return the kubelet's configuration after a join to a cluster whose kubelet-config is this."""
    machine.file(CA, "certificate")
    machine.sim(**{"kubelet-config": yaml.safe_dump({**WHOLE, **value})})
    done = machine.boot(orders.user_data())
    assert done.returncode == 0, done.stdout
    return now(machine)


def now(machine: Guest) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(machine.read("/var/lib/kubelet/config.yaml"))
    return read


@pytest.mark.parametrize(
    ("named", "files", "expected"),
    [
        # A Debian node of an Ubuntu control plane.
        (RESOLVED, {"/etc/resolv.conf": SERVERS}, "/etc/resolv.conf"),
        # The other way round: the stub is of no use to pods.
        ("/etc/resolv.conf", {"/etc/resolv.conf": STUB, RESOLVED: SERVERS}, RESOLVED),
        ("/etc/resolv.conf", {"/etc/resolv.conf": "nameserver ::1\n", RESOLVED: SERVERS}, RESOLVED),
        # A file of the control plane's own.
        ("/etc/kubelet-resolv.conf", {"/etc/resolv.conf": STUB, RESOLVED: SERVERS}, RESOLVED),
        ("/etc/kubelet-resolv.conf", {"/etc/resolv.conf": SERVERS}, "/etc/resolv.conf"),
        ("/srv/x.conf", {"/srv/x.conf": SERVERS, "/etc/resolv.conf": STUB}, "/srv/x.conf"),
        # Nothing better is there.
        (RESOLVED, {"/etc/resolv.conf": STUB}, "/etc/resolv.conf"),
        ("/srv/x.conf", {"/srv/x.conf": STUB, "/etc/resolv.conf": STUB}, "/srv/x.conf"),
        # What is right stays, and so does "no name servers at all".
        (RESOLVED, {"/etc/resolv.conf": STUB, RESOLVED: SERVERS}, RESOLVED),
        ("", {"/etc/resolv.conf": SERVERS}, ""),
    ],
)
def test_name_servers_for_pods(
    baked: Guest, named: str, files: dict[str, str], expected: str
) -> None:
    for path, text in files.items():
        baked.file(path, text)
    found = after_join(baked, resolvConf=named)
    assert found == {**WHOLE, "resolvConf": expected}
    said = f"kubelet-config: resolvConf {named} is of another machine, here it is {expected}\n"
    assert baked.recorded("journal-of-kubelet") == (said if expected != named else "")


def test_what_is_here_stays_as_it_is(baked: Guest) -> None:
    images = "unix:///run/soci/soci.sock"
    baked.file("/run/soci/soci.sock", "")
    assert after_join(baked, imageServiceEndpoint=images) == {
        **WHOLE,
        "imageServiceEndpoint": images,
    }
    baked.path("/run/soci/soci.sock").unlink()
    assert baked.start("kubelet") == ""
    assert now(baked)["imageServiceEndpoint"] == images, "at a boot it may start after the kubelet"


def test_the_clusters_certificate_lies_where_kubeadm_puts_it(baked: Guest) -> None:
    elsewhere = {"x509": {"clientCAFile": "/srv/pki/ca.crt"}}
    assert after_join(baked, authentication=elsewhere)["authentication"] == {
        "x509": {"clientCAFile": CA}
    }


def test_a_service_of_images_that_is_not_here_is_not_asked(baked: Guest) -> None:
    images = "unix:///run/soci/soci.sock"
    assert after_join(baked, imageServiceEndpoint=images)["imageServiceEndpoint"] == ""
    baked.file(
        "/var/lib/kubelet/config.yaml", yaml.safe_dump({**WHOLE, "imageServiceEndpoint": images})
    )
    assert "imageServiceEndpoint" in baked.start("kubelet"), "as an upgrade writes it anew"
    assert now(baked)["imageServiceEndpoint"] == ""


def test_folders_and_slices_need_only_be_there(baked: Guest) -> None:
    fields = {
        "staticPodPath": "/srv/static",
        "volumePluginDir": "/opt/libexec/volume",
        "podLogsDir": "/data/pods",
        "kubeReservedCgroup": "/podruntime.slice",
        "systemReservedCgroup": "/system.slice",
    }
    baked.file("/sys/fs/cgroup/system.slice/cgroup.procs", "")
    assert after_join(baked, **fields) == {**WHOLE, **fields}
    for each in ("staticPodPath", "volumePluginDir", "podLogsDir"):
        assert baked.path(fields[each]).is_dir()
    assert baked.called("systemctl start") == ["systemctl start podruntime.slice"]


def test_a_kubelet_without_a_configuration_starts(baked: Guest) -> None:
    assert baked.boot(orders.user_data()).returncode == 0
    assert baked.start("kubelet") == ""
