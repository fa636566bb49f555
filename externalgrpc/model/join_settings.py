"""Describe how the machines of a group join, where the user does not write that himself.

A frozen value with a sensible answer to everything: a group that sets nothing joins. The hosts
named here are those of the upstream projects; a user's machines reach them when they boot, and
mirrors take their place by the same settings. ``{minor}`` stands for the cluster's minor release
("1.36"), ``{os}`` for ``debian`` or ``ubuntu``.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import unicodedata
from collections.abc import Callable
from typing import Final, Literal, TypeVar

from externalgrpc.model import credentials
from externalgrpc.model import proxy as proxies

KUBERNETES_PACKAGES: Final = "https://pkgs.k8s.io/core:/stable:/v{minor}/deb/"
CONTAINERD_PACKAGES: Final = "https://download.docker.com/linux/{os}"
K3S_INSTALLER: Final = "https://get.k3s.io"

_ADDRESS: Final = re.compile(
    r"https?://[A-Za-z0-9\[][A-Za-z0-9.:\[\]-]*(/[A-Za-z0-9._~:/%+=@{}-]*)?", re.ASCII
)
_IMAGE: Final = re.compile(r"[a-z0-9][A-Za-z0-9._:/@-]{0,250}", re.ASCII)
_K3S_VERSION: Final = re.compile(
    r"v1\.[0-9]{1,3}\.[0-9]{1,3}(-[A-Za-z0-9.-]{1,20})?\+k3s[A-Za-z0-9.-]{0,20}", re.ASCII
)
_PLACEHOLDERS: Final = {"{minor}", "{os}"}


T = TypeVar("T")


def _setting(default: T, description: str) -> T:
    """Make a field with a default and the sentence that the configuration's schema shows."""
    return dataclasses.field(default=default, metadata={"description": description})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class JoinSettings:
    """How the machines of a group join. Raises ValueError when a setting cannot be meant so."""

    api_server: str = _setting(
        "",
        "Where machines reach the API server, where not at the address we use: https://host:6443.",
    )
    discovery: Literal["file", "token"] = _setting(
        "file",
        "How kubeadm learns to trust the cluster: its CA in a file, or cluster-info and a CA hash.",
    )
    kubernetes: Literal["packages", "image"] = _setting(
        "packages", "Where kubelet and kubeadm come from when the image has none of our minor."
    )
    kubernetes_packages: str = _setting(
        KUBERNETES_PACKAGES, "The apt source of kubelet and kubeadm; {minor} is filled in."
    )
    kubernetes_key: str = _setting(
        "", "Its signing key, fetched at boot; Release.key of the source when empty."
    )
    containerd: Literal["packages", "distribution", "image"] = _setting(
        "packages",
        "Where containerd comes from when the image has none: containerdPackages (2.x), the "
        "distribution (1.x), or nowhere.",
    )
    containerd_packages: str = _setting(
        CONTAINERD_PACKAGES, "The apt source of containerd.io; {os} is filled in."
    )
    containerd_key: str = _setting(
        "", "Its signing key, fetched at boot; gpg of the source when empty."
    )
    sandbox_image: str = _setting(
        "", "The pause image, where containerd's own cannot be pulled from its registry."
    )
    k3s_installer: str = _setting(K3S_INSTALLER, "The k3s installer, fetched at boot.")
    allow_http: bool = _setting(
        default=False,
        description="Take http:// addresses of packages, keys and installers that are not on "
        "loopback: everybody on the way may change what machines install.",
    )
    k3s_version: str = _setting(
        "", "The k3s release, where not exactly the server's: v1.36.2+k3s1."
    )
    external_cloud_provider: bool = _setting(
        default=False,
        description="Set it if, and only if, the cloud's controller manager (CCM) runs in the "
        "cluster: nodes then wait for it.",
    )
    node_address: Literal["auto", "private", "default"] = _setting(
        "auto",
        "The node's own address: on the private network, the default route's, or (auto) private "
        "where the group has networks.",
    )
    private_subnet: str = _setting(
        "", "The private network as 10.0.0.0/16; found by itself when empty."
    )
    network_timeout_seconds: int = _setting(
        300, "How long to wait for an address on the private network."
    )
    gateway: str = _setting(
        "", "The private network's gateway, as default route of machines without public address."
    )
    dns: tuple[str, ...] = _setting((), "Name servers, where the machine would get none.")
    proxy: proxies.Proxy | None = _setting(  # noqa: RUF009 - a field like the others
        None, "Through which proxies machines fetch packages, programs and images."
    )
    ipv6_forwarding: Literal["auto", "on", "off"] = _setting(
        "auto",
        "Forward IPv6, as pods with IPv6 addresses need it: auto does so unless every Node of the "
        "cluster says that it has none.",
    )
    host_firewall: Literal["open", "off", "keep"] = _setting(
        "open",
        "What is done to a firewall that the image brings (ufw, firewalld, nftables): opened to "
        "the node's networks, switched off, or kept as it is.",
    )
    cluster_networks: tuple[str, ...] = _setting(
        (),
        "Networks of nodes, pods or the API server beside the private one, which an image's "
        "firewall is opened to: 203.0.113.0/24.",
    )
    block_metadata: bool = _setting(
        default=True,
        description="Keep pods from the cloud's metadata service; those on the host's network "
        "still reach it.",
    )
    pre_join: tuple[str, ...] = _setting(
        (), "Lines of bash to run first; the join fails with them."
    )
    post_join: tuple[str, ...] = _setting((), "Lines of bash to run when the machine is a node.")
    timeout_seconds: int = _setting(
        600, "The deadline of the whole join, on the machine; never past the group's own."
    )
    keep_failed_minutes: int = _setting(
        0, "How long a machine that failed to join stays on, to be looked at."
    )

    def __post_init__(self) -> None:
        if self.api_server and (wrong := credentials.endpoint_problem(self.api_server)):
            raise ValueError(f"apiServer {wrong}")
        _address("kubernetesPackages", self.kubernetes_packages)
        _address("kubernetesKey", self.kubernetes_key or self.kubernetes_packages)
        _address("containerdPackages", self.containerd_packages)
        _address("containerdKey", self.containerd_key or self.containerd_packages)
        _address("k3sInstaller", self.k3s_installer)
        if self.sandbox_image and not _IMAGE.fullmatch(self.sandbox_image):
            raise ValueError(
                "sandboxImage must be an image such as registry.example.org/pause:3.10"
            )
        if self.k3s_version and not _K3S_VERSION.fullmatch(self.k3s_version):
            raise ValueError("k3sVersion must be a release of k3s, such as v1.36.2+k3s1")
        _network(self)
        _bounded("timeoutSeconds", self.timeout_seconds, 60, 86_400)
        _bounded("networkTimeoutSeconds", self.network_timeout_seconds, 0, 86_400)
        _bounded("keepFailedMinutes", self.keep_failed_minutes, 0, 10_080)
        for name, lines in (("preJoin", self.pre_join), ("postJoin", self.post_join)):
            if any(_unprintable(line) for line in lines):
                raise ValueError(f"{name} holds characters that no script may hold")


def _address(name: str, text: str) -> None:
    holes = set(re.findall(r"\{[^{}]*\}", text))
    rest = re.sub(r"\{[^{}]*\}", "", text)
    if not _ADDRESS.fullmatch(text) or holes - _PLACEHOLDERS or "{" in rest or "}" in rest:
        raise ValueError(
            f"{name} must be an http or https address; it may hold {{minor}} and {{os}}"
        )


def _network(of: JoinSettings) -> None:
    if of.private_subnet:
        try:
            ipaddress.IPv4Network(of.private_subnet)
        except ValueError as error:
            raise ValueError(
                f"privateSubnet must be an IPv4 network such as 10.0.0.0/16: {error}"
            ) from error
        if "/" not in of.private_subnet:
            raise ValueError("privateSubnet must say how long its prefix is: 10.0.0.0/16")
    if of.gateway and not _is_address(of.gateway, ipaddress.IPv4Address):
        raise ValueError("gateway must be an IPv4 address")
    if any(not _is_address(each, ipaddress.ip_address) for each in of.dns):
        raise ValueError("dns must be a list of IP addresses")
    if any(not _is_address(each, ipaddress.ip_network) for each in of.cluster_networks):
        raise ValueError("clusterNetworks must be networks such as 203.0.113.0/24 or fd00::/48")
    if of.gateway and of.node_address == "default":
        raise ValueError(
            "gateway is of the private network, so nodeAddress cannot be default: nothing waits "
            "for that network then"
        )


def _is_address(text: str, kind: Callable[[str], object]) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return re.fullmatch(r"[0-9A-Fa-f:./]+", text) is not None  # no zone


def _bounded(name: str, number: int, least: int, most: int) -> None:
    if not least <= number <= most:
        raise ValueError(f"{name} must be from {least} to {most}")


def _unprintable(text: str) -> bool:
    return any(
        unicodedata.category(letter) in {"Cc", "Cs"} and letter not in "\t\n" for letter in text
    )
