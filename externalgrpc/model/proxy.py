"""Send what a machine fetches through a proxy, and what its node needs past it.

One file of variables, which the join script exports and which systemd gives to containerd, the
kubelet or k3s's agent, and a file for apt. What must never go through a proxy is added here,
whatever the configuration lists: a node that asks a proxy for its API server is lost.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import shlex
import urllib.parse
from collections.abc import Iterable, Iterator
from typing import Final

DIRECT: Final = (
    *("localhost", "127.0.0.1", "127.0.0.0/8", "::1"),
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
    *(".svc", ".cluster.local"),
)
"""What no node asks a proxy for: itself, private networks, the cluster (and its metadata)."""

ENV: Final = "/etc/vps-autoscaler/proxy.env"
_APT: Final = "/etc/apt/apt.conf.d/90vps-autoscaler-proxy"
_DROP_IN: Final = f"[Service]\nEnvironmentFile={ENV}\n"

_WORD: Final = r"(?:[A-Za-z0-9._~!+=-]|%[0-9A-Fa-f]{2})+"
_NAME: Final = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_HOST: Final = rf"{_NAME}(?:\.{_NAME})*"
_URL: Final = re.compile(
    rf"https?://(?:{_WORD}(?::{_WORD})?@)?(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|{_HOST}):(?P<port>[0-9]{{1,5}})/?",
    re.ASCII,
)
_DOMAIN: Final = re.compile(rf"\.?{_HOST}", re.ASCII)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """Through which proxies machines fetch; raises ValueError, without the value's secrets."""

    http: str = dataclasses.field(
        default="",
        repr=False,
        metadata={"description": "The proxy of http:// addresses: http://user:password@host:3128."},
    )
    https: str = dataclasses.field(
        default="",
        repr=False,
        metadata={"description": "The proxy of https:// addresses; most often the same."},
    )
    no_proxy: tuple[str, ...] = dataclasses.field(
        default=(),
        metadata={
            "description": "Hosts, .domains, addresses and networks that are asked directly, "
            "beside those that always are: the API server, private and cluster networks, the "
            "metadata service, localhost."
        },
    )

    def __post_init__(self) -> None:
        if not self.http and not self.https:
            raise ValueError("proxy needs http, https or both; most proxies serve both")
        for name, url in (("http", self.http), ("https", self.https)):
            if url and not _is_url(url):
                raise ValueError(
                    f"proxy.{name} must look like http://host:3128, where need be with "
                    "user:password@ before the host; in these two write every character but "
                    "letters, digits and . _ ~ ! + = - as % and its two hexadecimal digits"
                )
        for each in self.no_proxy:
            if not (_is_network(each) or _DOMAIN.fullmatch(each)):
                raise ValueError(f"proxy.noProxy must list hosts and the like{_cure(each)}")


def past(proxy: Proxy, *, endpoint: str, networks: Iterable[str], fetched: Iterable[str]) -> str:
    """List what is asked directly, as ``no_proxy`` has it.

    ``endpoint`` is the API server's URL, ``networks`` are those of nodes and pods that are known,
    ``fetched`` URLs of packages and the like: apt and older curls match no address with a network,
    so addresses that are in one are listed themselves.
    """
    values = [*DIRECT, _host(endpoint), *networks, *proxy.no_proxy]
    inside = [ipaddress.ip_network(each) for each in values if _is_network(each)]
    for host in map(_host, fetched):
        if _is_network(host) and any(
            ipaddress.ip_address(host) in each
            for each in inside
            if each.version == ipaddress.ip_address(host).version
        ):
            values.append(host)
    return ",".join(dict.fromkeys(each for each in values if each))


def files(proxy: Proxy, no_proxy: str, units: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Give path and text of every file; all of them may hold a password."""
    variables = {"http_proxy": proxy.http, "https_proxy": proxy.https, "no_proxy": no_proxy}
    lines = [
        f"{name}={shlex.quote(value)}\n"
        for lower, value in variables.items()
        if value
        for name in (lower, lower.upper())
    ]
    yield ENV, "".join(lines)
    yield _APT, "".join(_apt(proxy))
    for unit in units:
        yield f"/etc/systemd/system/{unit}.service.d/80-vps-autoscaler-proxy.conf", _DROP_IN


def _apt(proxy: Proxy) -> Iterator[str]:
    """Give apt's own settings, which count after the join too: no environment does then."""
    if proxy.http:
        yield f'Acquire::http::Proxy "{proxy.http}";\n'
    # Without a word of its own https would take http's.
    yield f'Acquire::https::Proxy "{proxy.https or "DIRECT"}";\n'
    for host in proxy.no_proxy:
        if not host.startswith(".") and "/" not in host and ":" not in host:
            for method in ("http", "https"):
                yield f'Acquire::{method}::Proxy::{host} "DIRECT";\n'


def _host(url: str) -> str:
    try:
        return urllib.parse.urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_url(text: str) -> bool:
    found = _URL.fullmatch(text)
    if found is None or not 0 < int(found["port"]) <= 65535:
        return False
    return found["six"] is None or _is_network(found["six"])


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return "%" not in text


def _cure(entry: str) -> str:
    """Return what is wrong with an entry and what to write."""
    if "@" in entry:
        return ", and no user or password: host.example.org, .example.org, 192.0.2.0/24"
    if entry == "*":
        return ", not *: that is no proxy at all, so leave proxy out"
    if entry.startswith("*."):
        return f": write {entry[1:]!r} for {entry!r}"
    if "/" in entry and "://" not in entry:
        return f": {entry!r} is no network (a network has zeros behind its prefix: 192.0.2.0/24)"
    return (
        f", without scheme and port: {entry!r} is none of host.example.org, .example.org, "
        "192.0.2.7, 192.0.2.0/24"
    )
