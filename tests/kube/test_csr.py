from __future__ import annotations

import base64
import dataclasses
from typing import Any

import hypothesis
import pytest
from cryptography.x509.oid import NameOID
from hypothesis import strategies

from externalgrpc.kube import csr, tokens
from tests.kube import requests

NAME = "pool-aaaaaa"
RIGHT = csr.Request(
    name="node-csr-1",
    uid="u",
    signer="kubernetes.io/kube-apiserver-client-kubelet",
    username="system:bootstrap:abcdef",
    groups=("system:bootstrappers", tokens.OWN_GROUP, "system:authenticated"),
    usages=("digital signature", "client auth"),
    pem=requests.pem(NAME),
)


def _objection(request: csr.Request) -> str:
    return csr.objection(
        request,
        auth_group=tokens.OWN_GROUP,
        minted_for=lambda token_id, name: (token_id, name) == ("abcdef", NAME),
    )


def test_the_right_request_may_be_approved() -> None:
    assert _objection(RIGHT) == ""
    rsa = dataclasses.replace(RIGHT, usages=(*RIGHT.usages, "key encipherment"))
    assert _objection(rsa) == ""


def _asks(**how: Any) -> dict[str, Any]:
    return {"pem": requests.pem(how.pop("name", NAME), **how)}


BROKEN = bytearray(RIGHT.pem)
BROKEN[-60] = ord("A") if BROKEN[-60] != ord("A") else ord("B")

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "serving certificates": ({"signer": "kubernetes.io/kubelet-serving"}, "not for a kubelet"),
    "any client's": ({"signer": "kubernetes.io/kube-apiserver-client"}, "not for a kubelet"),
    "an administrator": ({"username": "admin"}, "not come from a token"),
    "a node that is there": ({"username": "system:node:pool-aaaaaa"}, "not come from a token"),
    "nobody": ({"username": "system:bootstrap:"}, "not come from a token"),
    "kubeadm's group": ({"groups": (tokens.KUBEADM_GROUP,)}, "not come from a token"),
    "another's token": ({"username": "system:bootstrap:fedcba"}, "was not minted for"),
    "another node": (_asks(name="control-plane-1"), "was not minted for 'control-plane-1'"),
    "no node": (_asks(common="pool-aaaaaa"), "CN does not begin"),
    "an empty node": (_asks(common="system:node:"), "CN does not begin"),
    "an administrator's name": (_asks(common="admin"), "CN does not begin"),
    "no name at all": (_asks(common=""), "one CN"),
    "masters": (_asks(organisations=["system:masters"]), "is not O=system:nodes"),
    "masters besides": (
        _asks(organisations=[requests.NODES, "system:masters"]),
        "is not O=system:nodes",
    ),
    "nodes twice": (_asks(organisations=[requests.NODES] * 2), "is not O=system:nodes"),
    "no group": (_asks(organisations=[]), "is not O=system:nodes"),
    "two names": (_asks(more=[(NameOID.COMMON_NAME, "system:node:b")]), "one CN"),
    "a unit": (_asks(more=[(NameOID.ORGANIZATIONAL_UNIT_NAME, "x")]), "one CN"),
    "a host name": (_asks(names=[requests.DNS]), "names besides"),
    "an address": (_asks(names=[requests.IP]), "names besides"),
    "an e-mail address": (_asks(names=[requests.EMAIL]), "names besides"),
    "a URI": (_asks(names=[requests.URI]), "names besides"),
    "to be a server": ({"usages": (*RIGHT.usages, "server auth")}, "usages"),
    "to sign": ({"usages": (*RIGHT.usages, "cert sign")}, "usages"),
    "too little": ({"usages": ("client auth",)}, "usages"),
    "nothing": ({"usages": ()}, "usages"),
    "no request": ({"pem": b""}, "no single request"),
    "two requests": ({"pem": RIGHT.pem * 2}, "no single request"),
    "a huge one": ({"pem": RIGHT.pem + b"#" * 100_000}, "no single request"),
    "nonsense": ({"pem": b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n"}, "cannot be read"),
    "a torn signature": ({"pem": bytes(BROKEN)}, "signature is not its key's"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_request_is_refused_for(what: str) -> None:
    change, why = WRONG[what]
    assert why in _objection(dataclasses.replace(RIGHT, **change))


@hypothesis.given(
    at=strategies.integers(min_value=0, max_value=len(RIGHT.pem) - 1),
    byte=strategies.integers(min_value=0, max_value=255),
)
def test_no_changed_byte_makes_another_node(at: int, byte: int) -> None:
    changed = bytearray(RIGHT.pem)
    changed[at] = byte
    wanted = csr.subject(bytes(changed))
    assert wanted.node_name in {"", NAME}


JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.floats() | strategies.text(),
    lambda inner: (
        strategies.lists(inner)
        | strategies.dictionaries(
            strategies.sampled_from(
                ["metadata", "spec", "status", "name", "uid", "request", "groups", "conditions"]
            ),
            inner,
        )
    ),
)


@hypothesis.given(JSON)
def test_reading_never_fails(told: object) -> None:
    found = csr.read(told if isinstance(told, dict) else {"metadata": told, "spec": told})
    assert found is None or _objection(found) != ""


def test_an_object_is_read() -> None:
    told = {
        "metadata": {"name": "node-csr-1", "uid": "u"},
        "spec": {
            "signerName": RIGHT.signer,
            "username": RIGHT.username,
            "groups": list(RIGHT.groups),
            "usages": list(RIGHT.usages),
            "request": base64.b64encode(RIGHT.pem).decode(),
        },
        "status": {},
    }
    assert csr.read(told) == RIGHT
    told["status"] = {"conditions": [{"type": "Denied"}], "certificate": "AAAA"}
    assert csr.read(told) == dataclasses.replace(RIGHT, decided=True, issued=True)
    assert RIGHT.token_id == "abcdef"
