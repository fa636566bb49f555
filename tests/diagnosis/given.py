"""Make facts for judgements: a healthy installation, and whatever a test changes in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from externalgrpc.diagnosis.facts import (
    Binding,
    Cluster,
    Container,
    EndpointProbe,
    Facts,
    Listing,
    Rights,
    Workload,
)
from externalgrpc.diagnosis.findings import Finding, Severity
from externalgrpc.diagnosis.judges import judging, rights
from externalgrpc.kube import nodes, tokens
from externalgrpc.model import groups, join_settings
from externalgrpc.pb import fleet_pb2 as pb
from providers import contract

NOW = 1_780_000_000.0
TIMEOUT_S = 900.0

FLAGS = (
    "./cluster-autoscaler",
    "--cloud-provider=externalgrpc",
    "--cloud-config=/etc/cloud-config.yaml",
    "--expander=price",
    "--enforce-node-group-min-size=true",
    "--force-delete-unregistered-nodes=true",
    "--node-info-cache-expire-time=10m",
)


def group(name: str = "web", **changed: Any) -> groups.NodeGroup:
    """Make a group that joins by kubeadm; ``join_*`` changes its joinOptions."""
    joins = {key.removeprefix("join_"): changed.pop(key) for key in [*changed] if "join_" in key}
    fields = {
        "name": name,
        "account": "hetzner",
        "candidates": (groups.Candidate("cx23", "fsn1"),),
        "min_size": 0,
        "max_size": 5,
        "join": "kubeadm",
        "join_settings": join_settings.JoinSettings(**joins),
    }
    return groups.NodeGroup(**{**fields, **changed})


def machine(name: str = "web-bcdfgh", **changed: Any) -> contract.Instance:
    """Make a machine that runs, a day old."""
    number = changed.pop("id", "1")
    fields = {
        "id": number,
        "provider_id": f"hcloud://{number}",
        "node_name": name,
        "group": "web",
        "machine_type": "cx23",
        "location": "fsn1",
        "state": contract.InstanceState.RUNNING,
        "created_at": NOW - 86_400,
    }
    return contract.Instance(**{**fields, **changed})


def node(name: str = "web-bcdfgh", **changed: Any) -> nodes.Node:
    """Make the Ready Node of that machine."""
    fields = {
        "name": name,
        "uid": name,
        "provider_id": "hcloud://1",
        "ready": True,
        "ready_since": NOW - 86_000,
        "created_at": NOW - 86_000,
        "kubelet_version": "v1.36.2",
    }
    return nodes.Node(**{**fields, **changed})


def taint(key: str, value: str = "", effect: str = "NoSchedule") -> groups.Taint:
    return groups.Taint(key=key, value=value, effect=effect)


def autoscaler(*words: str, without: str = "", **changed: Any) -> Workload:
    """Make the autoscaler's Deployment: its flags, less those that hold a word, and more."""
    image = changed.pop("image", "registry.k8s.io/autoscaling/cluster-autoscaler:v1.36.1")
    kept = tuple(each for each in FLAGS if not without or without not in each)
    fields = {
        "kind": "Deployment",
        "namespace": "vps-autoscaler",
        "name": "cluster-autoscaler",
        "containers": (Container(name="ca", image=image, words=(*kept, *words)),),
        "recreate": True,
    }
    return Workload(**{**fields, **changed})


def deployed(image: str, *words: str, **changed: Any) -> Workload:
    fields = {
        "kind": "Deployment",
        "namespace": "kube-system",
        "name": "some",
        "containers": (Container(name="c", image=image, words=words),),
        "recreate": True,
    }
    return Workload(**{**fields, **changed})


BINDINGS = (
    Binding(
        name="kubeadm:node-autoapprove-bootstrap",
        role=rights.AUTO_APPROVED,
        groups=(tokens.KUBEADM_GROUP,),
    ),
)


def facts(
    *its: groups.NodeGroup,
    machines: tuple[contract.Instance, ...] | None = None,
    kubernetes: groups.Kubernetes | None = groups.Kubernetes(),  # noqa: B008 - frozen
    shown: pb.ShowResponse | None = None,
    cluster: dict[str, Any] | None = None,
    **changed: Any,
) -> Facts:
    """Make a healthy installation of these groups (one, without any), and change it."""
    configured = its or (group(),)
    config = groups.Config(
        cluster="demo",
        accounts={"hetzner": groups.Account(name="hetzner", provider="hetzner")},
        groups=configured,
        kubernetes=kubernetes,
    )
    asked = {
        "minor": 36,
        "version": "v1.36.2",
        "nodes": (node(),),
        "workloads": (autoscaler(),),
        "pods": (),
        "budgets": (),
        "rights": Rights(who="us"),
        "policies": frozenset({rights.TOKENS_POLICY, rights.NODES_POLICY}),
        "bindings": BINDINGS,
        "skew_s": 0.4,
    }
    fields = {
        "config": config,
        "now": NOW,
        "schemes": {"hetzner": "hcloud"},
        "listings": (
            Listing(
                account="hetzner",
                machines=(machine(),) if machines is None else machines,
            ),
        ),
        "server": shown or show(*configured),
        "cluster": Cluster(**{**asked, **(cluster or {})}),
        "endpoint_probes": (
            EndpointProbe(
                endpoint="https://203.0.113.1:6443",
                groups=tuple(each.name for each in configured),
                addresses=("8.8.8.8",),
            ),
        ),
    }
    return Facts(**{**fields, **changed})


def show(*its: groups.NodeGroup, **changed: Any) -> pb.ShowResponse:
    """Show what a server with these groups does."""
    return pb.ShowResponse(
        **{
            "cluster": "demo",
            "groups": [
                pb.Group(
                    id=each.name,
                    account=each.account,
                    min=each.min_size,
                    max=each.max_size,
                    price_per_hour="0.01000",
                )
                for each in its
            ],
            "accounts": [
                pb.Account(
                    name="hetzner",
                    listed_seconds_ago=3,
                    budget_limit=3600,
                    budget_remaining=3000,
                )
            ],
            **changed,
        }
    )


def judged(of: Facts) -> list[str]:
    """Judge everything, as ``SEVERITY subject: what``."""
    return [line(each) for each in judging.judge(of).findings]


def line(finding: Finding) -> str:
    return f"{finding.severity.name} {finding.subject}: {finding.what}"


def only(of: Facts, judge: Callable[[Facts], Iterator[Finding]] | None = None) -> Finding:
    """Return the single finding of all judgements; every finding must be complete."""
    found = list(judge(of)) if judge else list(judging.judge(of).findings)
    assert len(found) == 1, "\n".join(line(each) for each in found)
    (one,) = found
    assert one.what
    assert one.why.endswith(".")
    assert one.cure
    return one


def trouble(of: Facts) -> Finding:
    one = only(of)
    assert one.severity is Severity.TROUBLE, line(one)
    return one


def warning(of: Facts) -> Finding:
    one = only(of)
    assert one.severity is Severity.WARNING, line(one)
    return one


def change(of: Facts, **changed: Any) -> Facts:
    return dataclasses.replace(of, **changed)
