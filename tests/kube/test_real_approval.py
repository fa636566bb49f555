"""Certificate approval against a real API server: machines of ours, by their own tokens only."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from externalgrpc.kube import access, api, approval, cluster, csr, errors, tokens
from externalgrpc.support import clock
from tests.e2e import waiting
from tests.kube import idle, requests
from tests.kube import plane as planes

pytestmark = pytest.mark.e2e

CSRS = approval.PATH
USAGES = ["digital signature", "client auth"]


class Side:
    """Our Kubernetes side with its own approval, and its callbacks' arguments."""

    def __init__(self, plane: planes.Plane) -> None:
        self.expected: set[str] = set()
        self.asking: list[str] = []
        self.cluster = cluster.Cluster(
            plane.link(),
            cluster.Settings(name="approval", instance="test", own_approval=True),
            cluster.Listeners(asking=self.asking.append, expected=self.expected.__contains__),
            time_source=clock.SystemClock(),
            chance=random.Random(1),
        )

    def token(self, name: str) -> str:
        """Order a machine, so to speak; give the token that it gets."""
        self.expected.add(name)
        return self.cluster.credentials(name, "pool", provision_timeout_s=600).token


@pytest.fixture
def side(fenced: planes.Plane, approving: planes.Plane) -> Iterator[Side]:
    running = Side(approving)
    running.cluster.start()
    try:
        yield running
    finally:
        running.cluster.stop()
        with approving.client() as admin:
            admin.delete(CSRS)


def ask(plane: planes.Plane, token: str, name: str, **wrong: Any) -> httpx.Response:
    spec = {
        "signerName": wrong.pop("signer", csr.SIGNER),
        "usages": wrong.pop("usages", USAGES),
        "request": base64.b64encode(wrong.pop("pem", None) or requests.pem(name)).decode(),
    }
    body = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"generateName": "node-csr-"},
        "spec": spec,
    }
    with plane.bearer(token) as machine:
        return waiting.until(
            lambda: (
                reply
                if (reply := machine.post(CSRS, json=body)).status_code != httpx.codes.UNAUTHORIZED
                else None
            ),
            "the token is known",
        )


def made(reply: httpx.Response) -> str:
    return str(reply.json()["metadata"]["name"])


def conditions(plane: planes.Plane, name: str) -> list[Any]:
    with plane.client() as admin:
        status = admin.get(f"{CSRS}/{name}").json().get("status", {})
    return [each["type"] for each in status.get("conditions", [])]


def test_what_it_needs_is_allowed_and_no_more(approving: planes.Plane) -> None:
    link = approving.link().api
    needs = access.needs(namespace=planes.NAMESPACE, own_approval=True)
    assert access.missing(link, needs) == ()
    assert access.excess(link) == ()


def test_a_machine_of_ours_is_approved_and_reported(approving: planes.Plane, side: Side) -> None:
    token = side.token("pool-aaaaaa")
    made = ask(approving, token, "pool-aaaaaa").json()["metadata"]["name"]
    waiting.until(lambda: conditions(approving, made) == ["Approved"], "approved")
    waiting.until(lambda: side.asking == ["pool-aaaaaa"], "the callback")


def test_a_token_does_not_open_another_name(approving: planes.Plane, side: Side) -> None:
    token = side.token("pool-bbbbbb")
    side.expected.add("control-plane-1")
    wrong = ask(approving, token, "control-plane-1").json()["metadata"]["name"]
    right = ask(approving, token, "pool-bbbbbb").json()["metadata"]["name"]
    waiting.until(lambda: conditions(approving, right), "the right one is approved")
    assert idle.wait(side.cluster, 10)
    assert conditions(approving, wrong) == []
    assert side.asking == ["pool-bbbbbb"]


def test_a_machine_that_nobody_waits_for_is_approved_once_somebody_does(
    approving: planes.Plane, side: Side
) -> None:
    token = side.token("pool-cccccc")
    side.expected.clear()
    made = ask(approving, token, "pool-cccccc").json()["metadata"]["name"]
    waiting.until(lambda: side.asking == ["pool-cccccc"], "seen")
    assert conditions(approving, made) == []
    side.expected.add("pool-cccccc")
    waiting.until(lambda: conditions(approving, made) == ["Approved"], "approved")


def test_after_a_crash_the_next_process_approves(approving: planes.Plane, side: Side) -> None:
    token = side.token("pool-dddddd")
    side.cluster.stop()
    made = ask(approving, token, "pool-dddddd").json()["metadata"]["name"]
    assert conditions(approving, made) == []
    after = Side(approving)
    after.expected.add("pool-dddddd")
    after.cluster.start()
    try:
        waiting.until(lambda: conditions(approving, made) == ["Approved"], "approved")
    finally:
        after.cluster.stop()


def test_with_a_revoked_token_nobody_asks(approving: planes.Plane, side: Side) -> None:
    token = side.token("pool-eeeeee")
    assert ask(approving, token, "pool-eeeeee").is_success
    side.cluster.revoke("pool-eeeeee")
    with approving.bearer(token) as machine:
        waiting.until(
            lambda: machine.post(CSRS, json={}).status_code == httpx.codes.UNAUTHORIZED,
            "the token is revoked",
        )


def test_another_key_is_refused_once_its_node_is_there(
    approving: planes.Plane, side: Side, caplog: pytest.LogCaptureFixture
) -> None:
    # The token is not revoked and the machine is expected: as when its Node claims another's id.
    token, name, key = side.token("pool-iiiiii"), "pool-iiiiii", requests.new_key()
    first = made(ask(approving, token, name, pem=requests.pem(name, key=key)))
    waiting.until(lambda: conditions(approving, first) == ["Approved"], "approved")
    approving.make_node(name, provider_id="memory://another")
    try:
        waiting.until(lambda: name in side.cluster.node_list.items, "its Node is seen")
        stolen = made(ask(approving, token, name))
        again = made(ask(approving, token, name, pem=requests.pem(name, key=key)))
        waiting.until(lambda: conditions(approving, again) == ["Approved"], "the same key's")
        assert idle.wait(side.cluster, 10)
        assert conditions(approving, stolen) == []
        assert "certificate request left alone" in caplog.text
    finally:
        with approving.client() as admin:
            admin.delete(f"/api/v1/nodes/{name}")


def test_four_keys_and_a_restart_are_three_certificates(
    approving: planes.Plane, side: Side, caplog: pytest.LogCaptureFixture
) -> None:
    token, name = side.token("pool-jjjjjj"), "pool-jjjjjj"
    tries = []
    for _ in range(3):
        tries.append(made(ask(approving, token, name)))
        waiting.until(lambda: conditions(approving, tries[-1]) == ["Approved"], "approved")
    fourth = made(ask(approving, token, name))
    waiting.until(lambda: "certificate request left alone" in caplog.text, "it is logged")
    side.cluster.stop()
    caplog.clear()
    after = Side(approving)
    after.expected.add(name)
    after.cluster.start()
    try:
        waiting.until(lambda: "certificate request left alone" in caplog.text, "it is logged again")
        fifth = made(ask(approving, token, name))
        other = made(ask(approving, after.token("pool-kkkkkk"), "pool-kkkkkk"))
        waiting.until(lambda: conditions(approving, other) == ["Approved"], "another machine's")
        assert idle.wait(after.cluster, 10)
        assert conditions(approving, fourth) == conditions(approving, fifth) == []
    finally:
        after.cluster.stop()


def test_a_flood_of_a_machines_own_and_siblings_names_delays_no_sibling(
    approving: planes.Plane, side: Side
) -> None:
    token, sibling = side.token("pool-llllll"), side.token("pool-mmmmmm")
    flood = [
        made(ask(approving, token, name))
        for _ in range(40)
        for name in ("pool-llllll", "pool-mmmmmm", "control-plane-1")
    ]
    right = made(ask(approving, sibling, "pool-mmmmmm"))
    waiting.until(lambda: conditions(approving, right) == ["Approved"], "the sibling is approved")
    assert idle.wait(side.cluster, 10)
    assert sum(conditions(approving, each) == ["Approved"] for each in flood) <= 3
    assert all(conditions(approving, each) == [] for each in flood[1::3])
    assert all(conditions(approving, each) == [] for each in flood[2::3])


def test_a_kubelet_gets_nothing_from_us(approving: planes.Plane, side: Side) -> None:
    side.expected |= {"pool-nnnnnn", "pool-oooooo"}
    body = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": "renewal"},
        "spec": {
            "signerName": csr.SIGNER,
            "usages": USAGES,
            "request": base64.b64encode(requests.pem("pool-nnnnnn")).decode(),
        },
    }
    with approving.kubelet("pool-nnnnnn") as machine:
        assert machine.post(CSRS, json=body).is_success
    right = made(ask(approving, side.token("pool-oooooo"), "pool-oooooo"))
    waiting.until(lambda: conditions(approving, right) == ["Approved"], "judged")
    # A renewal is kube-controller-manager's to approve, who knows that it is the node itself.
    assert conditions(approving, "renewal") == []


def test_the_policy_keeps_us_from_approving_anybody_else(
    approving: planes.Plane, side: Side
) -> None:
    # Under kubeadm's own group, which others approve: not ours to touch, whatever our code did.
    link = approving.link().api
    link.get("/version")
    token = tokens.Tokens(link, cluster="approval").mint("pool-ffffff", "pool", ttl_s=600)
    made = ask(approving, token.text, "pool-ffffff").json()
    path = f"{CSRS}/{made['metadata']['name']}"
    response = link.get(path)
    response["status"] = {
        "conditions": [{"type": "Approved", "status": "True", "reason": "Mistake"}]
    }
    with pytest.raises(errors.KubeError, match="machines of its own group only"):
        link.put(f"{path}/approval", response)


def test_no_right_to_approve_other_signers(approving: planes.Plane, side: Side) -> None:
    token = side.token("pool-gggggg")
    made = ask(approving, token, "pool-gggggg", signer="kubernetes.io/kube-apiserver-client")
    assert made.is_success, made.text
    link: api.Api = approving.link().api
    path = f"{CSRS}/{made.json()['metadata']['name']}"
    response = link.get(path)
    response["status"] = {
        "conditions": [{"type": "Approved", "status": "True", "reason": "Mistake"}]
    }
    with pytest.raises(errors.Denied, match="signer"):
        link.put(f"{path}/approval", response)


def test_what_kubeadm_join_reads_is_open_to_our_group_and_nothing_else(
    approving: planes.Plane, side: Side
) -> None:
    system = "/api/v1/namespaces/kube-system/configmaps"
    token = side.token("pool-hhhhhh")
    assert ask(approving, token, "pool-hhhhhh").is_success
    with approving.bearer(token) as machine:
        for path in (f"{system}/kubeadm-config", f"{system}/kubelet-config"):
            assert machine.get(path).is_success, path
        assert machine.get("/api/v1/nodes/pool-hhhhhh").status_code == httpx.codes.NOT_FOUND
        for path in ("/api/v1/nodes", "/api/v1/pods", "/api/v1/secrets", system):
            assert machine.get(path).status_code == httpx.codes.FORBIDDEN, path
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "pool-hhhhhh"}}
        assert machine.post("/api/v1/nodes", json=node).status_code == httpx.codes.FORBIDDEN
    with approving.client() as admin:
        # kubeadm's own approver asks this of the requester; for our group the answer is no.
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": "system:bootstrap:abcdef",
                "groups": ["system:bootstrappers", tokens.OWN_GROUP, "system:authenticated"],
                "resourceAttributes": {
                    "group": "certificates.k8s.io",
                    "resource": "certificatesigningrequests",
                    "subresource": "nodeclient",
                    "verb": "create",
                },
            },
        }
        where = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        assert admin.post(where, json=review).json()["status"]["allowed"] is False
        review["spec"]["groups"][1] = tokens.KUBEADM_GROUP  # type: ignore[index]
        assert admin.post(where, json=review).json()["status"]["allowed"] is True
