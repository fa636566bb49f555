"""Bootstrap tokens against a real API server: who they make of their bearer, and for how long."""

from __future__ import annotations

import base64
import datetime

import httpx
import pytest

from externalgrpc.kube import api, errors, tokens
from externalgrpc.support import clock
from tests.e2e import waiting
from tests.kube import plane as planes

pytestmark = pytest.mark.e2e

SECRETS = "/api/v1/namespaces/kube-system/secrets"
WHO = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


@pytest.fixture
def link(fenced: planes.Plane) -> api.Api:
    return fenced.link().api


@pytest.fixture
def minted(link: api.Api) -> tokens.Tokens:
    link.get("/version")
    return tokens.Tokens(link, cluster="prod")


def _who(plane: planes.Plane, token: tokens.Token) -> httpx.Response:
    with plane.bearer(token.text) as client:
        return client.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json=WHO)


def _await(plane: planes.Plane, token: tokens.Token, status: int) -> httpx.Response:
    # The authenticator reads its Secrets from a cache: a moment passes either way.
    return waiting.until(
        lambda: answer if (answer := _who(plane, token)).status_code == status else None,
        f"the token is answered with {status}",
    )


@pytest.mark.parametrize("group", [tokens.KUBEADM_GROUP, tokens.OWN_GROUP])
def test_a_token_makes_its_machine_known_and_nothing_else(
    fenced: planes.Plane, link: api.Api, group: str
) -> None:
    link.get("/version")
    minted = tokens.Tokens(link, cluster="prod", auth_group=group)
    token = minted.mint("pool-aaaaaa", "pool", ttl_s=600)
    userinfo = _await(fenced, token, httpx.codes.CREATED).json()["status"]["userInfo"]
    assert userinfo["username"] == f"system:bootstrap:{token.id}"
    assert set(userinfo["groups"]) == {"system:bootstrappers", group, "system:authenticated"}
    minted.revoke("pool-aaaaaa")
    _await(fenced, token, httpx.codes.UNAUTHORIZED)


def test_the_secret_is_what_kubernetes_wants(fenced: planes.Plane, link: api.Api) -> None:
    link.get("/version")
    minted = tokens.Tokens(link, cluster="prod", signing=True)
    token = minted.mint("pool-bbbbbb", "pool", ttl_s=600)
    with fenced.client() as admin:
        made = admin.get(f"{SECRETS}/bootstrap-token-{token.id}").json()
    assert made["type"] == "bootstrap.kubernetes.io/token"
    data = {key: base64.b64decode(each).decode() for key, each in made["data"].items()}
    ends = datetime.datetime.fromisoformat(data.pop("expiration"))
    born = datetime.datetime.fromisoformat(made["metadata"]["creationTimestamp"])
    assert 590 < (ends - born).total_seconds() < 610
    assert data == {
        "token-id": token.id,
        "token-secret": token.secret,
        "usage-bootstrap-authentication": "true",
        "usage-bootstrap-signing": "true",
        "auth-extra-groups": tokens.KUBEADM_GROUP,
        "description": "vps-autoscaler: joins pool-bbbbbb (group pool, cluster prod)",
    }
    listed = fenced.kubectl(
        "-n", "kube-system", "get", "secrets", "-l", "vps-autoscaler/cluster=prod", "-o", "name"
    )
    assert listed.split() == [f"secret/bootstrap-token-{token.id}"]
    minted.revoke("pool-bbbbbb")


def test_a_token_ends_by_itself(fenced: planes.Plane, minted: tokens.Tokens) -> None:
    token = minted.mint("pool-cccccc", "pool", ttl_s=4)
    _await(fenced, token, httpx.codes.CREATED)
    _await(fenced, token, httpx.codes.UNAUTHORIZED)
    minted.revoke("pool-cccccc")


def test_no_token_lives_longer_than_half_an_hour(
    fenced: planes.Plane, minted: tokens.Tokens, link: api.Api
) -> None:
    token = minted.mint("pool-dddddd", "pool", ttl_s=24 * 3600)
    assert token.expires_at <= clock.SystemClock().unix() + 1801
    assert abs(link.skew_s) < 2
    minted.revoke("pool-dddddd")


def test_a_renewed_token_still_lets_the_first_machine_in(
    fenced: planes.Plane, minted: tokens.Tokens
) -> None:
    first = minted.mint("pool-eeeeee", "pool", ttl_s=120)
    again = minted.mint("pool-eeeeee", "pool", ttl_s=130)
    assert again is first
    later = minted.mint("pool-eeeeee", "pool", ttl_s=1200)
    assert later.text == first.text
    assert later.expires_at > first.expires_at + 1000
    _await(fenced, first, httpx.codes.CREATED)
    minted.revoke("pool-eeeeee")
    _await(fenced, first, httpx.codes.UNAUTHORIZED)


def test_after_a_crash_another_process_revokes_by_name_alone(
    fenced: planes.Plane, minted: tokens.Tokens, link: api.Api
) -> None:
    token = minted.mint("pool-ffffff", "pool", ttl_s=600)
    _await(fenced, token, httpx.codes.CREATED)
    tokens.Tokens(link, cluster="prod").revoke("pool-ffffff")
    _await(fenced, token, httpx.codes.UNAUTHORIZED)
    tokens.Tokens(link, cluster="prod").revoke("pool-ffffff")
    minted.revoke("pool-ffffff")


def test_somebody_elses_token_is_stepped_over_and_never_deleted(
    fenced: planes.Plane, minted: tokens.Tokens, link: api.Api
) -> None:
    first, second, *_ = tokens.ids("prod", "pool-gggggg")
    fenced.kubectl(
        "-n",
        "kube-system",
        "create",
        "secret",
        "generic",
        f"bootstrap-token-{first}",
        "--type=bootstrap.kubernetes.io/token",
        f"--from-literal=token-id={first}",
        "--from-literal=token-secret=0123456789abcdef",
        "--from-literal=usage-bootstrap-authentication=true",
    )
    theirs = tokens.Token(id=first, secret="0123456789abcdef", expires_at=0)
    ours = minted.mint("pool-gggggg", "pool", ttl_s=600)
    assert ours.id == second
    _await(fenced, ours, httpx.codes.CREATED)
    minted.revoke("pool-gggggg")
    _await(fenced, ours, httpx.codes.UNAUTHORIZED)
    # A process that knows nothing tries the first id, and the policy stands before it.
    with pytest.raises(errors.KubeError, match="tokens of its own only"):
        tokens.Tokens(link, cluster="prod").revoke("pool-gggggg")
    _await(fenced, theirs, httpx.codes.CREATED)
    fenced.kubectl("-n", "kube-system", "delete", "secret", f"bootstrap-token-{first}")


def test_a_token_that_may_not_be_minted_says_why(fenced: planes.Plane, link: api.Api) -> None:
    minted = tokens.Tokens(link, cluster="prod", auth_group="system:bootstrappers:other")
    with pytest.raises(errors.KubeError, match="only the groups that machines join under") as value:
        minted.mint("pool-hhhhhh", "pool", ttl_s=600)
    assert "POST /api/v1/namespaces/kube-system/secrets" in str(value.value)
