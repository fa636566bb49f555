"""deploy/rbac.yaml against a real API server: what our account can do, and all it cannot."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from externalgrpc.kube import access, connection, tokens
from externalgrpc.support import clock
from tests.kube import plane as planes

pytestmark = pytest.mark.e2e

Object = dict[str, Any]

SYSTEM = "/api/v1/namespaces/kube-system"
CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
OURS = f"/api/v1/namespaces/{planes.NAMESPACE}"


@pytest.fixture
def ourselves(plane: planes.Plane) -> Iterator[httpx.Client]:
    with plane.ourselves() as client:
        yield client


def test_all_that_the_server_needs_is_allowed(plane: planes.Plane) -> None:
    needs = access.needs(namespace=planes.NAMESPACE, own_approval=False)
    assert len(needs) == 18
    assert access.missing(plane.link().api, needs) == ()


def test_nothing_that_it_should_not_is_allowed(plane: planes.Plane) -> None:
    assert access.excess(plane.link().api) == ()


def test_an_administrator_is_reported_of_all_the_excess(plane: planes.Plane) -> None:
    admin = connection.connect(kubeconfig=str(plane.kubeconfig), time_source=clock.SystemClock())
    assert access.excess(admin.api) == access.EXCESS


def test_only_the_optional_file_gives_the_right_to_approve(plane: planes.Plane) -> None:
    needs = access.needs(namespace=planes.NAMESPACE, own_approval=True)
    lacking = [str(deed) for deed in access.missing(plane.link().api, needs)]
    assert lacking == [
        "update certificatesigningrequests/approval.certificates.k8s.io",
        "approve signers.certificates.k8s.io kubernetes.io/kube-apiserver-client-kubelet",
    ]


POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p"},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
}
NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "made-up"}}
BINDING = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "up"},
    "roleRef": {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": "cluster-admin",
    },
}
TOKEN = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
RBAC = "/apis/rbac.authorization.k8s.io/v1"

REFUSED: dict[str, tuple[str, str, Object | None]] = {
    "get a secret": ("GET", f"{SYSTEM}/secrets/bootstrap-token-abcdef", None),
    "list secrets of kube-system": ("GET", f"{SYSTEM}/secrets", None),
    "list all secrets": ("GET", "/api/v1/secrets", None),
    "watch secrets": ("GET", f"{SYSTEM}/secrets?watch=true", None),
    "update a secret": ("PUT", f"{SYSTEM}/secrets/s", planes.opaque("s")),
    "patch a secret": ("PATCH", f"{SYSTEM}/secrets/s", {}),
    "delete all secrets at once": ("DELETE", f"{SYSTEM}/secrets", None),
    "create a secret elsewhere": ("POST", "/api/v1/namespaces/default/secrets", planes.opaque()),
    "create a secret at home": ("POST", f"{OURS}/secrets", planes.opaque()),
    "delete a secret elsewhere": ("DELETE", "/api/v1/namespaces/default/secrets/s", None),
    "read a configmap of kube-system": ("GET", f"{SYSTEM}/configmaps/kubeadm-config", None),
    "list configmaps of kube-system": ("GET", f"{SYSTEM}/configmaps", None),
    "read a configmap elsewhere": ("GET", "/api/v1/namespaces/default/configmaps/c", None),
    "read configmaps at home": ("GET", f"{OURS}/configmaps", None),
    "read another configmap at home": ("GET", f"{OURS}/configmaps/kube-root-ca.crt", None),
    "change our configmap": ("PATCH", f"{OURS}/configmaps/vps-autoscaler", {}),
    "change kubelet-config": ("PATCH", f"{SYSTEM}/configmaps/kubelet-config", {}),
    "change cluster-info": (
        "PATCH",
        "/api/v1/namespaces/kube-public/configmaps/cluster-info",
        {},
    ),
    "list pods": ("GET", "/api/v1/pods", None),
    "create a pod": ("POST", "/api/v1/namespaces/default/pods", POD),
    "create a pod at home": ("POST", f"{OURS}/pods", POD),
    "delete a pod": ("DELETE", "/api/v1/namespaces/default/pods/p", None),
    "exec into a pod": ("POST", "/api/v1/namespaces/default/pods/p/exec?command=id", None),
    "create a node": ("POST", "/api/v1/nodes", NODE),
    "replace a node": ("PUT", "/api/v1/nodes/made-up", NODE),
    "patch a node's status": ("PATCH", "/api/v1/nodes/made-up/status", {}),
    "delete all nodes at once": ("DELETE", "/api/v1/nodes", None),
    "reach through a node": ("GET", "/api/v1/nodes/made-up/proxy/pods", None),
    "ask for a certificate": ("POST", CSRS, {"apiVersion": "certificates.k8s.io/v1"}),
    "approve a certificate": ("PUT", f"{CSRS}/c/approval", {}),
    "sign a certificate": ("PUT", f"{CSRS}/c/status", {}),
    "delete a certificate request": ("DELETE", f"{CSRS}/c", None),
    "take a token of another account": (
        "POST",
        f"{SYSTEM}/serviceaccounts/default/token",
        TOKEN,
    ),
    "take a token of its own": (
        "POST",
        f"{OURS}/serviceaccounts/{planes.ACCOUNT}/token",
        TOKEN,
    ),
    "give itself everything": ("POST", f"{RBAC}/clusterrolebindings", BINDING),
    "read roles": ("GET", f"{RBAC}/clusterroles", None),
    "lift the policy": (
        "DELETE",
        "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/vps-autoscaler-tokens",
        None,
    ),
    "read events": ("GET", "/apis/events.k8s.io/v1/namespaces/default/events", None),
    "write events of kube-system": (
        "POST",
        "/apis/events.k8s.io/v1/namespaces/kube-system/events",
        {},
    ),
    "read another namespace": ("GET", "/api/v1/namespaces/kube-public", None),
    "list namespaces": ("GET", "/api/v1/namespaces", None),
    "change the namespace kube-system": ("PATCH", SYSTEM, {}),
    "delete a namespace": ("DELETE", "/api/v1/namespaces/default", None),
    "list leases": ("GET", "/apis/coordination.k8s.io/v1/leases", None),
}


@pytest.mark.parametrize("deed", REFUSED)
def test_our_account_cannot(ourselves: httpx.Client, deed: str) -> None:
    method, path, body = REFUSED[deed]
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    reply = ourselves.request(method, path, json=body, headers={"Content-Type": kind})
    assert reply.status_code == httpx.codes.FORBIDDEN, reply.text
    who = f"system:serviceaccount:{planes.NAMESPACE}:{planes.ACCOUNT}"
    assert f'User "{who}" cannot' in reply.json()["message"]


def test_our_account_cannot_be_somebody_else(ourselves: httpx.Client) -> None:
    for header in (
        {"Impersonate-User": "admin"},
        {"Impersonate-User": "a", "Impersonate-Group": "system:masters"},
    ):
        reply = ourselves.get("/api/v1/nodes", headers=header)
        assert reply.status_code == httpx.codes.FORBIDDEN
        assert "cannot impersonate" in reply.json()["message"]


def _secret(**wrong: Any) -> Object:
    """Make a token as we mint it, with some of it wrong."""
    soon = datetime.datetime.now(tz=datetime.UTC) + datetime.timedelta(minutes=20)
    data = {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "expiration": soon.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "usage-bootstrap-authentication": "true",
        "auth-extra-groups": wrong.pop("groups", tokens.KUBEADM_GROUP),
    }
    if "without" in wrong:
        del data[wrong.pop("without")]
    made: Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": wrong.pop("name", "bootstrap-token-abcdef"),
            "labels": wrong.pop("labels", dict(tokens.OWNER)),
        },
        "type": wrong.pop("type", "bootstrap.kubernetes.io/token"),
        "data": {key: base64.b64encode(each.encode()).decode() for key, each in data.items()},
    }
    assert not wrong
    return made


SERVICE_ACCOUNT_TOKEN = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {
        "name": "bootstrap-token-abcdef",
        "labels": dict(tokens.OWNER),
        "annotations": {"kubernetes.io/service-account.name": "default"},
    },
    "type": "kubernetes.io/service-account-token",
}

FENCED_OFF = {
    "no token at all": (planes.opaque(), "bootstrap tokens only"),
    "a token of a service account": (SERVICE_ACCOUNT_TOKEN, "bootstrap tokens only"),
    "a token under another name": (_secret(name="abcdef"), "bootstrap tokens only"),
    "a token without our label": (_secret(labels={}), "tokens of its own only"),
    "a token of another's": (
        _secret(labels={"app.kubernetes.io/managed-by": "Helm"}),
        "tokens of its own only",
    ),
    "a token in a group of its own making": (
        _secret(groups="system:bootstrappers:masters"),
        "only the groups",
    ),
    "a token in two groups": (
        _secret(groups=f"{tokens.KUBEADM_GROUP},system:bootstrappers:x"),
        "only the groups",
    ),
    "a token in no group": (_secret(without="auth-extra-groups"), "only the groups"),
    "a token that lives for ever": (_secret(without="expiration"), "tokens that end only"),
}


@pytest.mark.parametrize("what", FENCED_OFF)
def test_with_the_policy_our_account_cannot_make(
    fenced: planes.Plane, ourselves: httpx.Client, what: str
) -> None:
    body, why = FENCED_OFF[what]
    reply = ourselves.post(f"{SYSTEM}/secrets?dryRun=All", json=body)
    assert reply.is_client_error, reply.text
    assert "vps-autoscaler-tokens" in reply.json()["message"]
    assert why in reply.json()["message"]
    with fenced.client() as admin:
        # It is the fence that refuses: an administrator, whom it does not concern, may.
        assert admin.post(f"{SYSTEM}/secrets?dryRun=All", json=body).is_success


@pytest.mark.parametrize("group", [tokens.KUBEADM_GROUP, tokens.OWN_GROUP])
def test_with_the_policy_our_account_makes_and_deletes_its_tokens(
    fenced: planes.Plane, ourselves: httpx.Client, group: str
) -> None:
    assert ourselves.post(f"{SYSTEM}/secrets", json=_secret(groups=group)).is_success
    assert ourselves.delete(f"{SYSTEM}/secrets/bootstrap-token-abcdef").is_success


@pytest.mark.parametrize(
    "body", [planes.opaque("other"), _secret(labels={}, name="bootstrap-token-fedcba")]
)
def test_with_the_policy_our_account_cannot_delete_what_is_not_its_own(
    fenced: planes.Plane, ourselves: httpx.Client, body: Object
) -> None:
    path = f"{SYSTEM}/secrets/{body['metadata']['name']}"
    with fenced.client() as admin:
        assert admin.post(f"{SYSTEM}/secrets", json=body).is_success
        reply = ourselves.delete(path)
        assert "vps-autoscaler-tokens" in reply.json()["message"]
        assert admin.delete(path).is_success


def test_the_token_secret_is_not_in_the_answer_to_a_deletion(
    fenced: planes.Plane, ourselves: httpx.Client
) -> None:
    assert ourselves.post(f"{SYSTEM}/secrets", json=_secret()).is_success
    text = ourselves.delete(f"{SYSTEM}/secrets/bootstrap-token-abcdef").text
    assert base64.b64encode(b"0123456789abcdef").decode() not in text
