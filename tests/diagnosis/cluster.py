"""A small API server that holds a cluster: well, or with one of each trouble."""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from externalgrpc.diagnosis.judges import rights
from externalgrpc.diagnosis.probes import cluster_probe
from externalgrpc.kube import access, tokens
from tests.kube import apiserver

Object = dict[str, Any]

ROOT = Path(__file__).parents[2]
REVIEWS = "/apis/authorization.k8s.io/v1/"
CLUSTER_INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"


def ago(minutes: float) -> str:
    """Write an instant as Kubernetes does."""
    when = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=minutes)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


@contextlib.contextmanager
def running() -> Iterator[apiserver.FakeServer]:
    """Run one that allows what the server needs and nothing more, and holds no workload yet."""
    server = apiserver.FakeServer()
    server.put("/version", {"gitVersion": "v1.36.2"})
    for kind in ("deployments", "statefulsets", "daemonsets"):
        hold(server, f"{cluster_probe.APPS}/{kind}")
    for path in (
        cluster_probe.SYSTEM_PODS,
        cluster_probe.BUDGETS,
        cluster_probe.POLICIES,
        cluster_probe.POLICY_BINDINGS,
        *cluster_probe.ROLE_BINDINGS,
    ):
        hold(server, path)
    allow(server, missing="", excess="")
    server.start()
    try:
        yield server
    finally:
        server.stop()


def hold(server: apiserver.FakeServer, path: str, *items: Object) -> None:
    """Let a list hold these objects."""
    server.put(path, {"items": list(items)})


def allow(server: apiserver.FakeServer, *, missing: str, excess: str) -> None:
    """Answer access reviews: what is needed but what holds a word, and of the rest what does."""

    def answer(asked: Object) -> str:
        wanted = asked["spec"]["resourceAttributes"]
        deed = access.Deed(**wanted)
        text = str(deed)
        needs = access.needs(namespace="default", own_approval=True)
        needed = any(str(each) == text for each in (*needs, *access.needs_of_vps_nodes()))
        yes = not (missing and missing in text) if needed else bool(excess) and excess in text
        return json.dumps({"status": {"allowed": yes}})

    server.faults[:] = [each for each in server.faults if each.path != REVIEWS]
    server.fail("POST", 201, times=10_000, path=REVIEWS, body=answer)


def node(name: str, *, provider_id: str = "", ready: bool = True, old: float = 60.0, **more: Any):
    """Make a Node, so many minutes old."""
    return {
        "metadata": {"name": name, "creationTimestamp": ago(old)},
        "spec": {"providerID": provider_id, **more},
        "status": {
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True" if ready else "Unknown",
                    "lastTransitionTime": ago(old),
                }
            ],
            "nodeInfo": {"kubeletVersion": "v1.36.2"},
        },
    }


def put_nodes(server: apiserver.FakeServer, *nodes: Object) -> None:
    for each in nodes:
        server.put(f"/api/v1/nodes/{each['metadata']['name']}", each)


def deployment(image: str, *words: str, name: str = "some", **spec: Any) -> Object:
    """Make a Deployment of one container."""
    container = {"name": "c", "image": image, "args": list(words)}
    return {
        "metadata": {"name": name, "namespace": "kube-system"},
        "spec": {"template": {"spec": {"containers": [container]}}, **spec},
    }


def of_deploy(file: str, kind: str) -> list[Object]:
    """Take the objects of a kind out of one of the files that users apply."""
    document = yaml.safe_load_all((ROOT / "deploy" / file).read_text())
    return [each for each in document if each["kind"] == kind]


def fence(server: apiserver.FakeServer) -> None:
    """Apply deploy/admission-policy.yaml."""
    for kind, path in (
        ("ValidatingAdmissionPolicy", cluster_probe.POLICIES),
        ("ValidatingAdmissionPolicyBinding", cluster_probe.POLICY_BINDINGS),
    ):
        hold(server, path, *of_deploy("admission-policy.yaml", kind))


def approve(server: apiserver.FakeServer, group: str = tokens.KUBEADM_GROUP) -> None:
    """Bind a group to automatic approval, as kubeadm does."""
    binding = {
        "metadata": {"name": "kubeadm:node-autoapprove-bootstrap"},
        "roleRef": {"kind": "ClusterRole", "name": rights.AUTO_APPROVED},
        "subjects": [{"kind": "Group", "name": group}],
    }
    hold(server, cluster_probe.ROLE_BINDINGS[0], binding)


def cluster_info(server: apiserver.FakeServer, endpoint: str, ca_pem: str) -> None:
    """Say where machines reach the API server."""
    data = base64.b64encode(ca_pem.encode()).decode()
    cluster = {"server": endpoint, "certificate-authority-data": data}
    text = yaml.safe_dump({"clusters": [{"name": "", "cluster": cluster}]})
    server.put(CLUSTER_INFO, {"data": {"kubeconfig": text}})


def kubeconfig(server: apiserver.FakeServer, folder: Path, token: str = "a-token") -> Path:  # noqa: S107
    """Write a way to it."""
    path = folder / "kubeconfig"
    fields = {
        "clusters": [{"name": "c", "cluster": {"server": server.url}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(fields))
    return path


def only_read(server: apiserver.FakeServer) -> bool:
    """Return whether nothing was asked of it but reads and access reviews."""
    return all(
        each.startswith(("GET ", f"POST {REVIEWS}self", f"POST {REVIEWS}subject"))
        and "/secrets" not in each
        for each in server.asked
    )
