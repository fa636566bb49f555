"""Judge the API server's address as machines will see it, as far as that can be seen from here."""

from __future__ import annotations

import ipaddress
import urllib.parse
from collections.abc import Iterator
from typing import Final

from externalgrpc.diagnosis.facts import EndpointProbe, Facts
from externalgrpc.diagnosis.findings import Finding, names, trouble, warning
from externalgrpc.model import groups

SUBJECT: Final = "API endpoint"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_INSIDE: Final = (".svc", ".cluster.local")
_SHARED: Final = ipaddress.ip_network("100.64.0.0/10")
_UNREACHED: Final = "Machines boot, cannot join, and are thrown away when their time is over."


def judge(facts: Facts) -> Iterator[Finding]:
    """Judge each address, and what groups without public IPv4 cannot reach."""
    by_name = {group.name: group for group in facts.config.groups}
    for probed in facts.endpoint_probes:
        its = [by_name[name] for name in probed.groups]
        yield from _reach(probed, its)
        yield from _trust(probed)
    alone = [
        group.name
        for group in facts.config.groups
        if not group.public_ipv4 and group.public_ipv6 and not _gateway(group)
    ]
    if alone:
        yield warning(
            SUBJECT,
            f"machines of {names(alone)} have IPv6 and no way to IPv4",
            "Registries and package hosts with IPv4 only cannot be reached: images do not come.",
            "Name a NAT gateway (joinOptions.gateway), or use mirrors that speak IPv6 "
            "(joinOptions.sandboxImage, kubernetesPackages)",
        )


def host_of(endpoint: str) -> str:
    """Return the host of ``https://host:port``."""
    try:
        return urllib.parse.urlsplit(endpoint).hostname or ""
    except ValueError:
        return ""


def _reach(probed: EndpointProbe, its: list[groups.NodeGroup]) -> Iterator[Finding]:
    host = host_of(probed.endpoint)
    cure = "Set kubernetes: {apiServer: https://HOST:PORT}, or the groups' joinOptions.apiServer"
    who = names(each.name for each in its)
    if host.endswith(_INSIDE):
        yield trouble(
            SUBJECT,
            f"machines of {who} are told to reach {probed.endpoint}, a name that only the cluster "
            "or its network knows",
            _UNREACHED,
            cure,
        )
        return
    found = [ipaddress.ip_address(each) for each in probed.addresses]
    if not found:
        return
    if all(each.is_loopback or each.is_unspecified or each.is_link_local for each in found):
        yield trouble(
            SUBJECT,
            f"machines of {who} are told to reach {probed.endpoint}, which is each one itself",
            _UNREACHED,
            cure,
        )
        return
    stranded = [each.name for each in its if all(_private(at) for at in found) and not _inner(each)]
    if stranded:
        yield trouble(
            SUBJECT,
            f"machines of {names(stranded)} have no private network, and are told to reach the "
            f"private address {probed.endpoint} ({names(map(str, found))})",
            _UNREACHED,
            f"Give the groups networks:, or: {cure[0].lower()}{cure[1:]}",
        )
    yield from _families(probed, its, [each for each in found if not _private(each)])


def _families(
    probed: EndpointProbe, its: list[groups.NodeGroup], public: list[Address]
) -> Iterator[Finding]:
    if not public:
        return
    versions = {each.version for each in public}
    lacking = [
        each.name
        for each in its
        if not _inner(each)
        and not (each.public_ipv4 and 4 in versions)
        and not (each.public_ipv6 and 6 in versions)
    ]
    if lacking:
        yield trouble(
            SUBJECT,
            f"machines of {names(lacking)} have no address of the family of {probed.endpoint} "
            f"({names(map(str, public))})",
            _UNREACHED,
            "Allow publicIPv4 or publicIPv6, name a gateway, or give the API server both families",
        )


def _trust(probed: EndpointProbe) -> Iterator[Finding]:
    if not probed.trouble:
        return
    host = host_of(probed.endpoint)
    if not probed.untrusted:
        yield warning(
            SUBJECT,
            f"{probed.endpoint} does not answer here: {probed.trouble}",
            "Tried from this machine: from where machines will be it may, or it may not.",
            f"Try it from a machine of the group's network: curl -k {probed.endpoint}/version",
        )
        return
    named = f" (it names {names(probed.names)})" if probed.names else ""
    yield trouble(
        SUBJECT,
        f"{probed.endpoint} shows a certificate that joins refuse: {probed.trouble}{named}",
        "Machines pin the cluster's CA and the name, and do not join anything else.",
        f"Add {host} to apiServer.certSANs and renew (kubeadm init phase certs apiserver), or "
        "correct kubernetes: {apiServer: ...}",
    )


def _private(address: Address) -> bool:
    return address.is_private or address in _SHARED


def _inner(group: groups.NodeGroup) -> bool:
    """Return whether a group's machines are on some private network, as far as the file says."""
    return bool(group.networks or group.join_settings.private_subnet or _gateway(group))


def _gateway(group: groups.NodeGroup) -> bool:
    return bool(group.join_settings.gateway)
