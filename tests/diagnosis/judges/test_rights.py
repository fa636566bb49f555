"""What the server may do, and what fences it in."""

from __future__ import annotations

import pytest

from externalgrpc.diagnosis.facts import Binding, Rights
from externalgrpc.diagnosis.judges import rights
from externalgrpc.kube import access, tokens
from externalgrpc.model.groups import Kubernetes
from tests.diagnosis import given

NEEDS = access.needs(namespace="vps-autoscaler", own_approval=True)
OWN = Kubernetes(own_approval=True)
FENCES = frozenset({rights.TOKENS_POLICY, rights.NODES_POLICY})
POLICIES = FENCES | {rights.APPROVAL_POLICY}
JOINING = tuple(
    Binding(name=f"ours:{role}", role=role, groups=(tokens.OWN_GROUP,))
    for role in (
        "system:node-bootstrapper",
        "kubeadm:get-nodes",
        "kubeadm:nodes-kubeadm-config",
        "kubeadm:kubelet-config",
    )
)


def missing(*resources: str) -> object:
    lacking = tuple(each for each in NEEDS if each.resource in resources)
    return given.facts(cluster={"rights": Rights(who="us", missing=lacking)})


def test_rights_that_are_missing() -> None:
    found = given.trouble(missing("secrets"))
    assert found.what == ("us may not create secrets in kube-system, delete secrets in kube-system")
    assert found.cure == "kubectl apply -f deploy/rbac.yaml"


def test_missing_approval_names_its_file() -> None:
    assert given.trouble(missing("signers")).cure.endswith("-f deploy/own-approval.yaml")


def test_missing_events_block_nothing() -> None:
    assert "events.events.k8s.io" in given.warning(missing("events")).what


def test_rights_too_many() -> None:
    of = given.facts(cluster={"rights": Rights(who="us", excess=access.EXCESS)})
    found = given.warning(of)
    assert f"us may do {len(access.EXCESS)} things" in found.what
    assert f"and {len(access.EXCESS) - 6} more" in found.what
    assert found.cure.endswith("kubectl apply -f deploy/rbac.yaml")


def test_what_an_autoscaler_in_the_same_pod_needs_is_not_too_much() -> None:
    who = "system:serviceaccount:vps-autoscaler:vps-autoscaler"
    its = tuple(
        access.Deed(verb=verb, resource=resource, subresource=sub)
        for verb, resource, sub in (("list", "pods", ""), ("create", "pods", "eviction"))
    )
    cluster = {
        "rights": Rights(who=who, excess=its),
        "workloads": (given.autoscaler(account="vps-autoscaler"),),
    }
    assert given.judged(given.facts(cluster=cluster)) == []
    cluster["rights"] = Rights(who=who, excess=(*its, *access.EXCESS))
    assert (
        f"may do {len(access.EXCESS) - 4} things"
        in given.warning(given.facts(cluster=cluster)).what
    )
    apart = {**cluster, "workloads": (given.autoscaler(account="other"),)}
    apart["rights"] = Rights(who=who, excess=its)
    assert "may do 2 things" in given.warning(given.facts(cluster=apart)).what


def test_the_fence_is_not_there() -> None:
    of = given.facts(cluster={"policies": frozenset()})
    assert rights.TOKENS_POLICY in given.warning(of).what
    assert rights.NODES_POLICY in given.warning(of).what
    raw = given.group(join="raw")
    assert (
        given.judged(given.facts(raw, endpoint_probes=(), cluster={"policies": frozenset()})) == []
    )


@pytest.mark.parametrize("lacking", sorted(FENCES))
def test_one_fence_is_not_there(lacking: str) -> None:
    # An older deploy/admission-policy.yaml had no policy of Nodes.
    found = given.warning(given.facts(cluster={"policies": FENCES - {lacking}}))
    assert found.what.endswith(f"ValidatingAdmissionPolicy {lacking}")
    assert found.cure == "kubectl apply -f deploy/admission-policy.yaml"


def own(*bindings: Binding, policies: frozenset[str] = POLICIES) -> object:
    return given.facts(kubernetes=OWN, cluster={"bindings": bindings, "policies": policies})


def test_own_approval_as_it_should_be() -> None:
    assert given.judged(own(*JOINING)) == []


def test_own_approval_without_its_fence() -> None:
    of = own(*JOINING, policies=FENCES)
    assert rights.APPROVAL_POLICY in given.warning(of).what


@pytest.mark.parametrize("lacking", range(len(JOINING)))
def test_own_approval_without_the_rights_to_join(lacking: int) -> None:
    kept = JOINING[:lacking] + JOINING[lacking + 1 :]
    # Bound to others it is of no use to machines of ours.
    foreign = Binding(name="f", role=JOINING[lacking].role, groups=("system:nodes",))
    found = given.trouble(own(*kept, foreign))
    assert JOINING[lacking].role in found.what
    assert "own-approval.yaml" in found.cure


@pytest.mark.parametrize("group", [tokens.OWN_GROUP, "system:bootstrappers"])
def test_own_approval_is_void_when_somebody_approves_all(group: str) -> None:
    auto = Binding(name="auto", role=rights.AUTO_APPROVED, groups=(group,))
    found = given.warning(own(*JOINING, auto))
    assert "ownApproval is void" in found.why
    assert found.cure == "kubectl delete clusterrolebinding auto"


def test_kubeadms_own_tokens_are_still_approved() -> None:
    found = given.warning(own(*JOINING, *given.BINDINGS))
    assert "kubeadm:node-autoapprove-bootstrap still has kubeadm's own tokens" in found.what


def test_nobody_approves() -> None:
    found = given.trouble(given.facts(cluster={"bindings": ()}))
    assert found.what.startswith("nobody approves")
    every = Binding(name="all", role=rights.AUTO_APPROVED, groups=("system:bootstrappers",))
    assert given.judged(given.facts(cluster={"bindings": (every,)})) == []
    k3s = given.group(join="k3s")
    assert given.judged(given.facts(k3s, cluster={"bindings": ()})) == []


def test_own_approval_applied_and_not_used() -> None:
    of = given.facts(cluster={"bindings": (*given.BINDINGS, *JOINING)})
    assert "ownApproval is not set" in given.warning(of).what


def test_without_a_cluster_there_are_no_rights_to_judge() -> None:
    of = given.facts(
        given.group(join="raw"),
        kubernetes=None,
        endpoint_probes=(),
        cluster={"rights": Rights(who="us", missing=NEEDS), "policies": frozenset()},
    )
    assert given.judged(of) == []


def test_what_was_not_seen_is_not_missed() -> None:
    of = given.facts(cluster={"rights": None, "policies": None, "bindings": None})
    assert given.judged(of) == []


def test_the_right_that_tells_two_clusters_of_one_name_apart() -> None:
    found = given.trouble(missing("namespaces"))
    assert found.what == "us may not get namespaces kube-system"
    assert "distinguish this cluster's machines from those of another of the same name" in found.why
    assert found.cure == "kubectl apply -f deploy/rbac.yaml"


def test_rights_to_keep_room_name_their_own_file() -> None:
    lacking = access.needs_of_headroom("vps-autoscaler")
    of = given.facts(cluster={"rights": Rights(who="us", missing=lacking)})
    found = given.trouble(of)
    assert "list pods" in found.what
    assert "keep room in groups that ask for it" in found.why
    assert found.cure.endswith("-f deploy/headroom.yaml")


def test_what_room_needs_is_no_excess() -> None:
    others = access.unneeded(access.needs_of_headroom("vps-autoscaler"))
    gone = {str(each) for each in access.EXCESS} - {str(each) for each in others}
    assert gone == {"list pods"}
    assert access.unneeded(()) == access.EXCESS


def test_the_right_to_make_nodes_names_its_own_file_and_is_excess_elsewhere() -> None:
    lacking = access.needs_of_fake_nodes()
    found = given.trouble(given.facts(cluster={"rights": Rights(who="us", missing=lacking)}))
    assert found.what == "us may not create nodes"
    assert found.cure == "kubectl apply -f deploy/rbac.yaml -f deploy/fake-nodes.yaml"
    gone = set(access.EXCESS) - set(access.unneeded(lacking))
    assert {str(each) for each in gone} == {"create nodes"}


def test_rights_to_make_pools_for_apps_name_their_own_file() -> None:
    needs = access.needs_of_app_pools()
    of = given.facts(cluster={"rights": Rights(who="us", missing=needs[:3])})
    found = given.trouble(of)
    assert "list kuberoapps.application.kubero.dev" in found.what
    assert found.cure == "kubectl apply -f deploy/rbac.yaml -f deploy/app-pools.yaml"
    gone = {*map(str, access.EXCESS)} - {*map(str, access.unneeded(needs))}
    assert gone == {"create vpsnodes.kubero.dev", "delete vpsnodes.kubero.dev"}
