"""Know what Kubernetes, NodeRestriction and the strictest cloud allow in names.

Every function returns why a text is refused, as the rest of a sentence about it, or "" when it
is fine.
"""

from __future__ import annotations

import ipaddress
import re
import urllib.parse
from collections.abc import Sequence
from typing import Final

EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")

OUR_PREFIX: Final = "vps-autoscaler"
"""The prefix of the labels that mark a server as ours, at clouds that have labels."""

_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_PART = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_PART}(\.{_PART})*", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?", re.ASCII)
_ARCHITECTURES: Final = ("amd64", "arm64")
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_LONGEST_PREFIX = 253
_LONGEST_WORD = 63

_KUBELET_MAY_SET: Final = frozenset(
    {
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "node.kubernetes.io/instance-type",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/instance-type",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
    }
)
_KUBELET_DOMAINS: Final = ("kubelet.kubernetes.io", "node.kubernetes.io")
_KUBERNETES_DOMAINS: Final = ("kubernetes.io", "k8s.io")


def name(text: str, longest: int) -> str:
    """Judge the name of a cluster, group or account: it becomes part of marks and node names.

    A lower-case RFC 1123 label that starts with a letter and holds no ``--`` (Linode's rule).
    """
    if len(text) > longest:
        return f"is {len(text)} characters long; at most {longest} fit into marks and node names"
    if "--" in text:
        return "holds two dashes in a row, which some clouds forbid in a server's name"
    if not _NAME.fullmatch(text):
        return (
            "is not a lower-case name: letters a to z, digits and single dashes, "
            "beginning with a letter and ending with a letter or digit"
        )
    return ""


def key(text: str) -> str:
    """Judge a label or taint key by Kubernetes' syntax: ``[prefix/]name``."""
    prefix, slash, word = text.rpartition("/")
    if slash and (len(prefix) > _LONGEST_PREFIX or not _SUBDOMAIN.fullmatch(prefix)):
        return "has a prefix that is not a lower-case DNS name of at most 253 characters"
    if len(word) > _LONGEST_WORD:
        return f"is {len(word)} characters long; at most {_LONGEST_WORD} are allowed"
    if not _WORD.fullmatch(word):
        return "is not made of letters, digits, '-', '_' and '.' between two letters or digits"
    return ""


def value(text: str) -> str:
    """Judge a label or taint value by Kubernetes' syntax; the empty one is fine."""
    if len(text) > _LONGEST_WORD:
        return f"is {len(text)} characters long; at most {_LONGEST_WORD} are allowed"
    if text and not _WORD.fullmatch(text):
        return "is not made of letters, digits, '-', '_' and '.' between two letters or digits"
    return ""


def node_label(text: str) -> str:
    """Judge whether a kubelet may set this label on its own Node (NodeRestriction).

    Anything outside ``kubernetes.io`` and ``k8s.io``; inside, only what Kubernetes lists.
    """
    prefix = text.rpartition("/")[0]
    if not _within(prefix, _KUBERNETES_DOMAINS) or text in _KUBELET_MAY_SET:
        return ""
    if _within(prefix, _KUBELET_DOMAINS):
        return ""
    return "may not be set by a kubelet on its own node (NodeRestriction), so it would never join"


def identity(text: str, value: str, types: Sequence[str]) -> str:
    """Judge whether a label says of a machine what it is not, as far as the file can know.

    ``types`` are the group's machine types. What only a cloud knows (the architecture of a type,
    its names of regions and zones) is judged when it is asked.
    """
    stem = text.removeprefix("beta.")
    if text == "kubernetes.io/hostname":
        return "is each machine's own name, which every kubelet sets by itself"
    if stem == "kubernetes.io/os" and value != "linux":
        return f"would call machines {value!r} whose system is linux"
    if stem == "kubernetes.io/arch" and value not in _ARCHITECTURES:
        return f"would call machines {value!r}, which is neither {' nor '.join(_ARCHITECTURES)}"
    if stem in ("node.kubernetes.io/instance-type", "kubernetes.io/instance-type"):
        others = [each for each in types if each != value]
        if others:
            return f"would call machines of type {others[0]} {value!r}"
    return ""


def server_label(text: str) -> str:
    """Judge whether a user may put this label on a server: our own marks are not theirs."""
    ours = text.rpartition("/")[0] == OUR_PREFIX
    return f"is kept for our own marks ({OUR_PREFIX}/...)" if ours else ""


def ware(text: str) -> str:
    """Judge the name of a machine type or region: it becomes a label value."""
    return "is empty" if not text else value(text)


def currency(text: str) -> str:
    """Judge a currency code."""
    return "" if _CURRENCY.fullmatch(text) else "is not a currency code of three capital letters"


def http_address(address: str) -> str:
    """Judge the address of an HTTP server that is asked without credentials."""
    cure = "must be an address as http://host:9090"
    try:
        parts = urllib.parse.urlsplit(address)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return cure
    if parts.username is not None or parts.query or parts.fragment:
        return f"{cure}, with no credentials and no query in it"
    return "" if whole else cure


def api_server(address: str) -> str:
    """Judge the address of a Kubernetes API server."""
    try:
        parts = urllib.parse.urlsplit(address)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urllib.parse.SplitResult("", "", "", "", "")
    if parts.scheme not in ("http", "https") or not host or re.search(r"\s", host):
        return "is no address as https://host:6443"
    if parts.username is not None:
        return "holds a user name: credentials belong under users:"
    return ""


def plain_http(address: str) -> str:
    """Judge whether an address is asked in the clear by a network: http:// off loopback.

    Loopback is ``localhost``, 127.0.0.0/8 and ::1, written so; a name that leads there is a name.
    """
    try:
        parts = urllib.parse.urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urllib.parse.SplitResult("http", "", "", "", ""), ""
    if parts.scheme != "http" or host == "localhost":
        return ""
    try:
        if ipaddress.ip_address(host).is_loopback:
            return ""
    except ValueError:
        pass
    return "is plain http:// to another machine: whoever sits between reads and changes all of it"


def _within(domain: str, parents: tuple[str, ...]) -> bool:
    return any(domain == parent or domain.endswith(f".{parent}") for parent in parents)
