"""deploy/admission-policy.yaml against a real API server: how long tokens live, and whose Nodes."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from externalgrpc.kube import api, nodes, tokens
from tests.e2e import waiting
from tests.kube import plane as planes

pytestmark = pytest.mark.e2e

SECRETS = "/api/v1/namespaces/kube-system/secrets"
NODES = "/api/v1/nodes"
MERGE = {"Content-Type": "application/merge-patch+json"}
FOREIGN = "aws:///eu-central-1a/i-0123456789"
LONGEST = datetime.timedelta(minutes=35)


@pytest.fixture
def ourselves(fenced: planes.Plane) -> Iterator[httpx.Client]:
    with fenced.ourselves() as client:
        yield client


def secret(expiration: str, **about: Any) -> dict[str, Any]:
    """Make a token as we mint it, but for when it ends."""
    data = {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "expiration": expiration,
        "usage-bootstrap-authentication": "true",
        "auth-extra-groups": tokens.KUBEADM_GROUP,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "bootstrap-token-abcdef", "labels": dict(tokens.OWNER), **about},
        "type": "bootstrap.kubernetes.io/token",
        "data": {key: base64.b64encode(each.encode()).decode() for key, each in data.items()},
    }


def written(ends: datetime.datetime) -> str:
    return ends.strftime("%Y-%m-%dT%H:%M:%SZ")


def make(ourselves: httpx.Client, body: dict[str, Any]) -> str:
    """Try to make a token; give "" when it was allowed and the refusal else."""
    reply = ourselves.post(f"{SECRETS}?dryRun=All", json=body)
    return "" if reply.is_success else str(reply.json()["message"])


@pytest.mark.parametrize("minutes", [-5, 0, 1, 30, 34])
def test_a_token_of_at_most_half_an_hour_may_be_made(ourselves: httpx.Client, minutes: int) -> None:
    now = datetime.datetime.now(tz=datetime.UTC)
    assert make(ourselves, secret(written(now + datetime.timedelta(minutes=minutes)))) == ""


def test_every_digit_is_read_right(ourselves: httpx.Client) -> None:
    # What ends long ago is allowed: so every form of a time is, if it is decoded as it should be.
    first = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
    for step in range(60):
        at = first + datetime.timedelta(days=step * 151, hours=step, minutes=step, seconds=step)
        assert make(ourselves, secret(written(at))) == "", at


LATER = {
    "36 minutes": datetime.timedelta(minutes=36),
    "an hour": datetime.timedelta(hours=1),
    "a day": datetime.timedelta(days=1),
    "a year": datetime.timedelta(days=365),
    "a century": datetime.timedelta(days=36500),
}


@pytest.mark.parametrize("how_long", LATER)
def test_a_token_that_lives_longer_is_refused(ourselves: httpx.Client, how_long: str) -> None:
    ends = datetime.datetime.now(tz=datetime.UTC) + LATER[how_long]
    result = make(ourselves, secret(written(ends)))
    assert "tokens that end within 35 minutes only" in result


def test_no_creation_time_of_ones_own_makes_it_live_longer(ourselves: httpx.Client) -> None:
    ends = datetime.datetime.now(tz=datetime.UTC) + datetime.timedelta(days=1)
    for born in (written(ends), written(ends - LONGEST)):
        result = make(ourselves, secret(written(ends), creationTimestamp=born))
        assert "tokens that end within 35 minutes only" in result


def test_no_other_way_to_write_it_makes_it_live_longer(ourselves: httpx.Client) -> None:
    ends = datetime.datetime.now(tz=datetime.UTC) + datetime.timedelta(minutes=20)
    plain = written(ends)
    odd = [
        "",
        "never",
        plain.replace("Z", "+00:00"),
        plain.replace("Z", "-12:00"),
        plain.replace("Z", ".5Z"),
        plain.lower(),
        plain.replace("T", " "),
        plain[:-1],
        plain + "\n",
        "9999-99-99T99:99:99Z",
        "2026-02-30T00:00:00Z",
        plain[:-2] + "\xe9Z",
        "é" * 10,
    ]
    for each in odd:
        result = make(ourselves, secret(each))
        assert "vps-autoscaler-tokens" in result, each


def test_no_character_is_taken_for_another(ourselves: httpx.Client) -> None:
    ends = datetime.datetime.now(tz=datetime.UTC) + datetime.timedelta(minutes=20)
    plain = secret(written(ends))["data"]["expiration"]
    for at in range(20):
        for bit in (16, 32, 64, 128):
            body = secret("")
            text = bytearray(base64.b64decode(plain))
            text[at] ^= bit
            body["data"]["expiration"] = base64.b64encode(text).decode()
            assert "vps-autoscaler-tokens" in make(ourselves, body), bytes(text)


def test_text_instead_of_data_is_held_to_the_same(ourselves: httpx.Client) -> None:
    now = datetime.datetime.now(tz=datetime.UTC)
    for minutes, refused in ((20, False), (60, True)):
        body = secret("")
        body["stringData"] = {"expiration": written(now + datetime.timedelta(minutes=minutes))}
        assert bool(make(ourselves, body)) is refused


def test_what_the_server_mints_is_let_through(fenced: planes.Plane) -> None:
    link: api.Api = fenced.link().api
    link.get("/version")
    minted = tokens.Tokens(link, cluster="prod")
    minted.mint("pool-aaaaaa", "pool", ttl_s=tokens.LONGEST_S)
    minted.revoke("pool-aaaaaa")


# ---- Nodes -----------------------------------------------------------------------------------


@pytest.fixture
def node_fence(fenced: planes.Plane) -> Iterator[planes.Plane]:
    """Wait until the second policy is known too."""
    fenced.make_node("foreign", provider_id=FOREIGN)
    with fenced.ourselves() as client, fenced.client() as admin:
        waiting.until(
            lambda: client.delete(f"{NODES}/foreign?dryRun=All").status_code != httpx.codes.OK,
            "the policy of Nodes is in force",
        )
        yield fenced
        admin.delete(NODES)


OURS = ("hcloud://1", "linode://1", "digitalocean://1", "vultr://a-b", "memory://1")
NOT_OURS = (
    FOREIGN,
    "gce://project/zone/name",
    "kind://docker/kind/control-plane",
    "k3s://name",
    "hcloudx://1",
    "xhcloud://1",
    "HCLOUD://1",
    " hcloud://1",
    "hcloud:/1",
)


@pytest.mark.parametrize("provider_id", [*OURS, ""])
def test_our_account_changes_and_deletes_nodes_of_our_clouds_and_unnamed_ones(
    node_fence: planes.Plane, provider_id: str
) -> None:
    node_fence.make_node("node", provider_id=provider_id)
    with node_fence.ourselves() as client:
        patch = {"metadata": {"annotations": {"a": "b"}}}
        reply = client.patch(f"{NODES}/node", json=patch, headers=MERGE)
        assert reply.is_success, reply.text
        assert client.delete(f"{NODES}/node").is_success


@pytest.mark.parametrize("provider_id", NOT_OURS)
def test_our_account_leaves_all_other_nodes_alone(
    node_fence: planes.Plane, provider_id: str
) -> None:
    node_fence.make_node("node", provider_id=provider_id)
    patch = {"metadata": {"annotations": {"a": "b"}}}
    with node_fence.ourselves() as client, node_fence.client() as admin:
        for reply in (
            client.patch(f"{NODES}/node", json=patch, headers=MERGE),
            client.delete(f"{NODES}/node"),
        ):
            assert reply.is_client_error, reply.text
            assert "deploy/admission-policy.yaml" in reply.json()["message"]
        # It is the fence that refuses: an administrator, whom it does not concern, may.
        assert admin.patch(f"{NODES}/node", json=patch, headers=MERGE).is_success
        assert admin.delete(f"{NODES}/node").is_success


def test_an_unnamed_node_becomes_one_of_ours_and_no_other(node_fence: planes.Plane) -> None:
    node_fence.make_node("node")
    with node_fence.ourselves() as client:
        for provider_id, fine in ((FOREIGN, False), ("hcloud://7", True)):
            patch = {"spec": {"providerID": provider_id}}
            reply = client.patch(f"{NODES}/node?dryRun=All", json=patch, headers=MERGE)
            assert reply.is_success is fine, reply.text


def test_a_cloud_from_outside_is_added_in_one_place(node_fence: planes.Plane) -> None:
    node_fence.make_node("node", provider_id="acme://1")
    text = (planes.ROOT / "deploy" / "admission-policy.yaml").read_text()
    assert text.count("'memory://'") == 1
    path = f"{NODES}/node?dryRun=All"
    with node_fence.ourselves() as client:
        assert client.delete(path).is_client_error
        try:
            added = text.replace("'memory://'", "'memory://', 'acme://'")
            node_fence.kubectl("apply", "-f", "-", stdin=added)
            waiting.until(lambda: client.delete(path).is_success, "the added scheme is known")
        finally:
            node_fence.kubectl("apply", "-f", "-", stdin=text)
            waiting.until(lambda: client.delete(path).is_client_error, "and known no longer")


def test_by_name_only_as_the_file_shows_it(node_fence: planes.Plane) -> None:
    text = (planes.ROOT / "deploy" / "admission-policy.yaml").read_text()
    wanted = '  # - expression: "oldObject.metadata.name.matches'
    message = '  #   message: "vps-autoscaler: Nodes of its groups only"'
    assert text.count(wanted) == text.count(message) == 1
    tighter = text.replace(wanted, wanted.replace("# ", "", 1))
    tighter = tighter.replace(message, message.replace("# ", "", 1))
    for name in ("workers-x7k2pq", "workers-x7k2pq-2", "control-plane-1"):
        node_fence.make_node(name, provider_id="hcloud://1")
    with node_fence.ourselves() as client:

        def may(name: str) -> bool:
            return client.delete(f"{NODES}/{name}?dryRun=All").is_success

        try:
            node_fence.kubectl("apply", "-f", "-", stdin=tighter)
            waiting.until(lambda: not may("control-plane-1"), "the tighter policy is known")
            assert may("workers-x7k2pq")
            assert not may("workers-x7k2pq-2")
        finally:
            node_fence.kubectl("apply", "-f", "-", stdin=text)
            waiting.until(lambda: may("control-plane-1"), "and known no longer")


def test_what_the_server_does_to_nodes_is_let_through(node_fence: planes.Plane) -> None:
    link = node_fence.link().api
    made = nodes.read(node_fence.make_node("node"))
    assert made is not None
    nodes.adopt(link, made, "linode://7")
    assert nodes.remove(link, made, still=lambda node: node.provider_id == "linode://7")
