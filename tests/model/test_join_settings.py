"""How a group joins, as the configuration may say it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from externalgrpc.config import lines, options, validate
from externalgrpc.model.join_settings import JoinSettings
from externalgrpc.model.proxy import Proxy


def test_everything_has_a_sensible_answer() -> None:
    result = JoinSettings()
    assert result.timeout_seconds < 900, "the autoscaler gives a machine up after 15 minutes"
    assert result.block_metadata
    assert not result.external_cloud_provider, "without a CCM the taint would stay for ever"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"api_server": "10.0.0.2"}, "apiServer must look like https://host:6443"),
        ({"kubernetes_packages": "pkgs.k8s.io"}, "kubernetesPackages must be an http"),
        ({"kubernetes_packages": "https://x/{version}"}, "kubernetesPackages"),
        ({"kubernetes_packages": "https://x/{minor"}, "kubernetesPackages"),
        ({"kubernetes_key": "https://x/a b"}, "kubernetesKey"),
        ({"containerd_packages": "file:///x"}, "containerdPackages"),
        ({"containerd_key": "https://x/'"}, "containerdKey"),
        ({"k3s_installer": "https://x/$(reboot)"}, "k3sInstaller"),
        ({"k3s_version": "latest"}, "k3sVersion"),
        ({"sandbox_image": "a'b"}, "sandboxImage"),
        ({"private_subnet": "10.0.0.1/16"}, "privateSubnet"),
        ({"private_subnet": "10.0.0.0"}, "privateSubnet"),
        ({"private_subnet": "fd00::/64"}, "privateSubnet"),
        ({"gateway": "fe80::1"}, "gateway must be an IPv4 address"),
        ({"gateway": "10.0.0.1", "node_address": "default"}, "nodeAddress cannot be default"),
        ({"dns": ("one.one.one.one",)}, "dns must be a list of IP addresses"),
        ({"dns": ("fe80::1%eth0",)}, "dns must be a list of IP addresses"),
        ({"cluster_networks": ("203.0.113.1/24",)}, "clusterNetworks must be networks such as"),
        ({"cluster_networks": ("fd00::%eth0/64",)}, "clusterNetworks must be networks such as"),
        ({"timeout_seconds": 5}, "timeoutSeconds must be from 60"),
        ({"network_timeout_seconds": -1}, "networkTimeoutSeconds"),
        ({"keep_failed_minutes": -1}, "keepFailedMinutes"),
        ({"pre_join": ("a\x00b",)}, "preJoin"),
        ({"post_join": ("a\rb",)}, "postJoin"),
    ],
)
def test_what_cannot_be_meant_so(given: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        JoinSettings(**given)


def test_the_configuration_can_read_them() -> None:
    """The generic reader of settings takes the dataclass as it is, in camelCase."""
    text = (
        "preJoin: ['modprobe wireguard']\nexternalCloudProvider: true\ntimeoutSeconds: 700\n"
        "privateSubnet: 10.0.0.0/16\ndiscovery: token\n"
    )
    tree = lines.read(text.encode(), "test.yaml")
    findings = validate.Findings(tree)
    read = options.read(JoinSettings, tree.value, (), findings)
    assert findings.taken() == ()
    assert read == JoinSettings(
        pre_join=("modprobe wireguard",),
        external_cloud_provider=True,
        timeout_seconds=700,
        private_subnet="10.0.0.0/16",
        discovery="token",
    )


def test_a_proxy_is_read_from_a_file_and_its_password_shows_in_no_mistake() -> None:
    def read(text: str) -> tuple[object, str]:
        tree = lines.read(text.encode(), "test.yaml")
        findings = validate.Findings(tree)
        found = options.read(JoinSettings, tree.value, (), findings)
        return found, "\n".join(map(str, findings.taken()))

    url = "http://ann:hush@proxy.example.org:3128"
    found, result = read(f"proxy:\n  http: {url}\n  https: {url}\n  noProxy: [.example.org]\n")
    assert (found, result) == (
        JoinSettings(proxy=Proxy(http=url, https=url, no_proxy=(".example.org",))),
        "",
    )
    for text, cure in (
        ("proxy: {http: 'http://ann:hush@it@proxy:3128'}", "hexadecimal digits"),
        ("proxy: {http: 'ann:hush@proxy:3128'}", "proxy.http must look like"),
        ("proxy: {http: ['http://ann:hush@proxy:3128']}", "http"),
        ("proxy: {noProxy: [a]}", "proxy needs http, https or both"),
        ("proxy: {http: 'http://a:1', noProxy: 'a,b'}", "noProxy"),
        ("proxy: {htpp: 'http://ann:hush@proxy:3128'}", "htpp"),
        ("proxy: 'http://ann:hush@proxy:3128'", '"http://***@proxy:3128"'),
        ("proxy: 'ann:hush@it@proxy:3128'", '"***@proxy:3128"'),
        ("ipv6Forwarding: maybe", "ipv6Forwarding"),
    ):
        found, result = read(text)
        assert found is None
        assert cure in result
        assert "hush" not in result, text


def test_every_setting_says_what_it_is_for() -> None:
    for field in dataclasses.fields(JoinSettings):
        assert field.metadata["description"].endswith("."), field.name
