"""Read what the cluster says of itself: its release, how to reach it, its kubelets' settings."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
import urllib.parse
from collections.abc import Mapping
from typing import Final

import yaml

from externalgrpc.kube import api, connection, errors
from externalgrpc.nodes import kubeletconfig

_VERSION: Final = re.compile(r"v?(?P<major>[0-9]+)\.(?P<minor>[0-9]+)")
_CLUSTER_INFO: Final = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
_KUBELET_CONFIG: Final = "/api/v1/namespaces/kube-system/configmaps/kubelet-config"


class Unusable(Exception):
    """Say, for a person, what the cluster does not say and what to configure instead."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """The API server's release: ``git_version`` as it says it ("v1.36.2"), and its minor (36)."""

    git_version: str
    minor: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """How machines reach the API server, ``https://host:port``, and the CA that vouches for it."""

    endpoint: str
    ca_pem: str = dataclasses.field(repr=False)


def version(of: api.Api) -> Version:
    """Ask the API server for its release; raises KubeError, or Unusable when it makes no sense."""
    text = str(of.get("/version").get("gitVersion", ""))
    match = _VERSION.match(text)
    if match is None or match["major"] != "1":
        raise Unusable(f"the API server calls its version {text!r}, which is not Kubernetes 1.x")
    return Version(git_version=text, minor=int(match["minor"]))


def address(of: connection.Connection, *, endpoint: str = "") -> Address:
    """Find out how machines reach the API server; raises KubeError or Unusable.

    ``kube-public/cluster-info``, which kubeadm makes, says it. ``endpoint`` overrides the address.
    Where there is no cluster-info, or no right to read it, our own connection is what we know: its
    CA, and from outside the cluster its address, which inside is one that no machine reaches.
    """
    try:
        info = _cluster_info(of.api.get(_CLUSTER_INFO))
    except (errors.NotFound, errors.Denied):
        info = Address(endpoint="" if of.in_cluster else of.host, ca_pem="")
    found = endpoint or info.endpoint
    if not found:
        raise Unusable(
            "kube-public/cluster-info does not say where machines reach the API server: "
            "configure its address"
        )
    ca_pem = info.ca_pem or of.ca_pem
    if not ca_pem:
        raise Unusable("nothing says which CA signs the API server's certificate")
    return Address(endpoint=_with_port(found), ca_pem=ca_pem)


def kubelet_config(of: api.Api) -> kubeletconfig.KubeletConfig | None:
    """Read the settings that kubeadm gives every kubelet; None where they are not to be had.

    That is: no such ConfigMap (not a kubeadm cluster), no right to read it, or nothing in it that
    makes sense. Raises Unreachable when nobody knows.
    """
    try:
        configmap = of.get(_KUBELET_CONFIG)
    except (errors.NotFound, errors.Denied):
        return None
    settings = _yaml(_text(configmap.get("data"), "kubelet"))
    return kubeletconfig.read(settings) if isinstance(settings, dict) else None


def _cluster_info(of: api.Object) -> Address:
    kubeconfig = _yaml(_text(of.get("data"), "kubeconfig"))
    clusters = kubeconfig.get("clusters") if isinstance(kubeconfig, dict) else None
    first = clusters[0] if isinstance(clusters, list) and clusters else None
    cluster = first.get("cluster") if isinstance(first, dict) else None
    try:
        ca_pem = base64.b64decode(_text(cluster, "certificate-authority-data")).decode("ascii")
    except (binascii.Error, ValueError):
        ca_pem = ""
    return Address(endpoint=_text(cluster, "server"), ca_pem=ca_pem.strip())


def _text(of: object, key: str) -> str:
    value = of.get(key) if isinstance(of, Mapping) else None
    return value if isinstance(value, str) else ""


def _yaml(text: str) -> object:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        # A date that is none, a number without end, brackets in brackets: no YAMLError for those.
        return None


def _with_port(endpoint: str) -> str:
    parts = urllib.parse.urlsplit(endpoint.rstrip("/"))
    try:
        bare = parts.scheme == "https" and not parts.path and parts.port is None
    except ValueError:
        return endpoint
    return f"https://{parts.netloc}:443" if bare else endpoint.rstrip("/")
