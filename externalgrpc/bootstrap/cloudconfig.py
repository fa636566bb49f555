"""Put a ``#cloud-config`` together: files, and one command that runs the join script.

The script is committed text that knows no machine; what it must know stands in ``join.env``,
quoted for a shell, and what is secret in files of their own. The script goes compressed, which
cloud-init undoes (``gz+b64``) on every cloud alike, so that user-data stays far below the
smallest limit (Linode: 16 KiB) and is text everywhere.
"""

from __future__ import annotations

import base64
import dataclasses
import gzip
import importlib.resources
import json
import re
import shlex
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml

from externalgrpc.bootstrap import machine
from externalgrpc.model import proxy

SCRIPT: Final = "/usr/local/sbin/vps-autoscaler-join"
FOLDER: Final = "/etc/vps-autoscaler"
SECRETS: Final = f"{FOLDER}/secret"

_COMMENT: Final = re.compile(r"^[ ]*#(?! shellcheck )(?!!).*\n", re.MULTILINE)
_INDENT: Final = re.compile(r"^ +", re.MULTILINE)
_BOOT_UNIT: Final = f"""\
[Unit]
Description=What vps-autoscaler does again after each boot
Wants=network-online.target
After=network-online.target
Before=kubelet.service k3s-agent.service
[Service]
Type=oneshot
ExecStart={SCRIPT} boot
[Install]
WantedBy=multi-user.target
"""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that cloud-init writes before the script runs."""

    path: str
    content: str = dataclasses.field(repr=False)
    mode: str = "0644"


def script(method: str) -> str:
    """Return the script of a join method: its own part, then what all share.

    Without comments and indentation, which would count where user-data has a limit.
    """
    own, shared = _part(f"{method}.sh") + _part("firewall.sh"), _part("join.sh")
    shebang, rest = shared.split("\n", 1)
    return f"{shebang}\n{_INDENT.sub('', _COMMENT.sub('', own + rest))}"


def secret(name: str, document: Mapping[str, Any]) -> File:
    """Make a file that only root reads and that the script wipes; JSON, which is YAML."""
    return File(path=f"{SECRETS}/{name}", content=as_json(document), mode="0600")


def as_json(document: Mapping[str, Any]) -> str:
    """Write a document for a program that reads YAML: every string quoted, whatever it holds."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"


def text(
    of: machine.Machine,
    method: str,
    *,
    endpoint: str,
    files: Iterable[File],
    env: Mapping[str, str],
    ipv6: bool,
    units: Iterable[str],
) -> str:
    """Return the whole user-data of one machine; the same input gives the same text.

    ``endpoint`` is where the machine reaches the API server, as ``https://host:port``. ``ipv6``
    says whether the cluster may have IPv6 addresses, ``units`` name what fetches images and asks
    the API server on the node.
    """
    join = of.join
    hooks = {"pre-join": join.pre_join, "post-join": join.post_join}
    written = [
        File(
            path=f"{FOLDER}/join.env",
            content=_assignments({**_environment(of, endpoint, ipv6=ipv6), **env}),
        ),
        *files,
        *_proxied(of, endpoint, env, units),
        *(
            File(path=f"{FOLDER}/{name}", content="\n".join(lines) + "\n", mode="0600")
            for name, lines in hooks.items()
            if lines
        ),
    ]
    if join.block_metadata or join.gateway or join.dns or join.host_firewall == "open":
        written.append(
            File(path="/etc/systemd/system/vps-autoscaler-boot.service", content=_BOOT_UNIT)
        )
    packed = base64.b64encode(gzip.compress(script(method).encode(), mtime=0)).decode()
    document: dict[str, Any] = {
        "hostname": of.node_name,
        "preserve_hostname": False,
        "manage_etc_hosts": "localhost",
        "write_files": [
            *(
                {"path": each.path, "permissions": each.mode, "content": each.content}
                for each in written
            ),
            {"path": SCRIPT, "permissions": "0700", "encoding": "gz+b64", "content": packed},
        ],
        "runcmd": [[SCRIPT]],
    }
    if not join.keep_failed_minutes:
        # Linode's watchdog boots what powered itself off: off again, unless it is kept to be seen.
        failed = f"grep -qsx {of.node_name} /var/lib/vps-autoscaler/failed && poweroff || :"
        document["bootcmd"] = [failed]
    return "#cloud-config\n" + yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1 << 20
    )


def _proxied(
    of: machine.Machine, endpoint: str, env: Mapping[str, str], units: Iterable[str]
) -> list[File]:
    """Return the files of a proxy; none where there is no proxy."""
    join = of.join
    if join.proxy is None:
        return []
    direct = proxy.past(
        join.proxy,
        endpoint=endpoint,
        networks=(
            *of.service.blocked,
            *filter(None, [join.private_subnet]),
            *join.cluster_networks,
        ),
        fetched=env.values(),
    )
    return [
        File(path=path, content=content, mode="0600")
        for path, content in proxy.files(join.proxy, direct, units)
    ]


def _forwards(of: machine.Machine, endpoint: str, *, ipv6: bool) -> bool:
    """Return whether the machine forwards IPv6."""
    match of.join.ipv6_forwarding:
        case "on":
            return True
        case "off":
            return False
        case "auto":
            host = urllib.parse.urlsplit(endpoint).hostname or ""
            return ipv6 or any(":" in each for each in (host, *of.join.cluster_networks))


def _environment(
    of: machine.Machine, endpoint: str, *, ipv6: bool
) -> dict[str, str | tuple[str, ...]]:
    """Return the variables that every join method needs."""
    join, service = of.join, of.service
    return {
        "NODE_NAME": of.node_name,
        "SCHEME": of.scheme,
        "TIMEOUT_S": str(of.timeout_s),
        "KEEP_FAILED_MINUTES": str(join.keep_failed_minutes),
        "PRE_JOIN": _flag(on=bool(join.pre_join)),
        "POST_JOIN": _flag(on=bool(join.post_join)),
        "PRIVATE": _flag(on=of.private),
        "SUBNET": join.private_subnet,
        "BESIDE": service.beside,
        "NETWORK_S": str(join.network_timeout_seconds),
        "GATEWAY": join.gateway,
        "DNS": " ".join(join.dns),
        "IPV6": _flag(on=_forwards(of, endpoint, ipv6=ipv6)),
        "HOST_FIREWALL": join.host_firewall,
        "CLUSTER_NETWORKS": " ".join(join.cluster_networks),
        "API_HOST": urllib.parse.urlsplit(endpoint).hostname or "",
        "BLOCK": " ".join(
            f"{'ip6' if ':' in each else 'ip'}:{each}"
            for each in (service.blocked if join.block_metadata else ())
        ),
        "META_GET": _request(service.url, service.headers),
        "TOKEN_REQUEST": _request(service.token_url, service.token_headers),
        "META_TOKEN": service.token_header,
        "META_FIELDS": service.id,
        "META_CLOUD_INIT": _flag(on=service.cloud_init),
        "ID_PATTERN": service.pattern,
    }


def _flag(*, on: bool) -> str:
    return "1" if on else ""


def _request(url: str, headers: Iterable[str]) -> tuple[str, ...]:
    """Return what curl takes to ask for something, nothing where nothing is asked."""
    return (*(word for each in headers for word in ("-H", each)), url) if url else ()


def _assignments(variables: Mapping[str, str | tuple[str, ...]]) -> str:
    """Write variables for bash: words as they are, several as an array."""
    return "".join(
        f"{name}=({shlex.join(value)})\n"
        if isinstance(value, tuple)
        else f"{name}={shlex.quote(value) if value else ''}\n"
        for name, value in variables.items()
    )


def _part(name: str) -> str:
    return (importlib.resources.files(__package__) / name).read_text("utf-8")


class _Dumper(yaml.SafeDumper):
    """Write texts of several lines as they are; where YAML cannot, PyYAML quotes them."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
