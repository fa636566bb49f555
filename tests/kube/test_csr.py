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
PEM = requests.pem(NAME)
RIGHT = csr.Request(
    name="node-csr-1",
    uid="u",
    signer="kubernetes.io/kube-apiserver-client-kubelet",
    username="system:bootstrap:abcdef",
    groups=("system:bootstrappers", tokens.OWN_GROUP, "system:authenticated"),
    usages=("digital signature", "client auth"),
    wanted=csr.subject(PEM),
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
    return _text(requests.pem(how.pop("name", NAME), **how))


def _text(pem: bytes) -> dict[str, Any]:
    return {"wanted": csr.subject(pem)}


BROKEN = bytearray(PEM)
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
    "a long name": (_asks(name="a" * 254), "no node's name"),
    "a name with a line in it": (_asks(name="a\nb"), "no node's name"),
    "a name with capitals": (_asks(name="Pool"), "no node's name"),
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
    "no request": (_text(b""), "no single request"),
    "two requests": (_text(PEM * 2), "no single request"),
    "a huge one": (_text(PEM + b"#" * 100_000), "no single request"),
    "nonsense": (_text(b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n"), "cannot be read"),
    "a torn signature": (_text(bytes(BROKEN)), "signature is not its key's"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_request_is_refused_for(what: str) -> None:
    change, why = WRONG[what]
    assert why in _objection(dataclasses.replace(RIGHT, **change))


def test_a_key_is_known_again_and_another_is_another() -> None:
    key = requests.new_key()
    first, again = (csr.subject(requests.pem(NAME, key=key)) for _ in range(2))
    assert first == again
    assert len(first.key) == 64
    assert csr.subject(requests.pem(NAME)).key != first.key


def test_nothing_is_read_of_what_no_bootstrap_token_asks() -> None:
    spec = {"username": "system:node:a", "request": base64.b64encode(PEM).decode()}
    found = csr.read({"metadata": {"name": "a"}, "spec": spec})
    assert found is not None
    assert found.wanted == csr.UNREAD


@hypothesis.given(
    at=strategies.integers(min_value=0, max_value=len(PEM) - 1),
    byte=strategies.integers(min_value=0, max_value=255),
)
def test_no_changed_byte_makes_another_node(at: int, byte: int) -> None:
    changed = bytearray(PEM)
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
def test_reading_never_fails(value: object) -> None:
    found = csr.read(value if isinstance(value, dict) else {"metadata": value, "spec": value})
    assert found is None or _objection(found) != ""


def test_an_object_is_read() -> None:
    fields = {
        "metadata": {"name": "node-csr-1", "uid": "u"},
        "spec": {
            "signerName": RIGHT.signer,
            "username": RIGHT.username,
            "groups": list(RIGHT.groups),
            "usages": list(RIGHT.usages),
            "request": base64.b64encode(PEM).decode(),
        },
        "status": {},
    }
    assert csr.read(fields) == RIGHT
    fields["status"] = {"conditions": [{"type": "Denied"}], "certificate": "AAAA"}
    assert csr.read(fields) == dataclasses.replace(RIGHT, decided=True)
    fields["status"] = {"conditions": [{"type": "Approved"}]}
    assert csr.read(fields) == dataclasses.replace(RIGHT, decided=True, approved=True)
    fields["metadata"]["creationTimestamp"] = "2026-11-23T12:00:00Z"
    made = csr.read(fields)
    assert made is not None
    assert made.created_at == 1795435200
    assert RIGHT.token_id == "abcdef"
