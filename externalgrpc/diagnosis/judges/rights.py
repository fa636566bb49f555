"""Judge what the server may do in the cluster, and what fences it in."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Final

from externalgrpc.diagnosis.facts import Binding, Facts, Rights
from externalgrpc.diagnosis.findings import Finding, names, trouble, warning
from externalgrpc.diagnosis.judges import flags
from externalgrpc.kube import access, tokens

SUBJECT: Final = "rights"

TOKENS_POLICY: Final = "vps-autoscaler-tokens"
NODES_POLICY: Final = "vps-autoscaler-nodes"
APPROVAL_POLICY: Final = "vps-autoscaler-approval"
BOOTSTRAPPER: Final = "system:node-bootstrapper"
AUTO_APPROVED: Final = "system:certificates.k8s.io:certificatesigningrequests:nodeclient"

_EVERY_TOKEN: Final = "system:bootstrappers"  # noqa: S105 - a group's name
_JOINING: Final = {
    BOOTSTRAPPER: "ask for a certificate",
    "kubeadm:get-nodes": "see whether its name is taken",
    "kubeadm:nodes-kubeadm-config": "read kubeadm-config",
    "kubeadm:kubelet-config": "read kubelet-config",
}
_AUTOSCALERS: Final = frozenset(
    {
        ("get", "pods", ""),
        ("list", "pods", ""),
        ("create", "pods", "eviction"),
        ("update", "nodes", ""),
    }
)
"""Verb, resource and subresource of what deploy/autoscaler.yaml gives the autoscaler itself."""

_HEADROOM: Final = frozenset(
    {
        ("", "pods"),
        ("", "podtemplates"),
        ("metrics.k8s.io", "nodes"),
        ("autoscaling.x-k8s.io", "capacitybuffers"),
    }
)
"""What only deploy/headroom.yaml gives."""

_APP_POOLS: Final = frozenset(access.needs_of_app_pools()) - {*access.needs_of_vps_nodes()}
"""What only deploy/app-pools.yaml gives."""

_FENCES: Final = {
    TOKENS_POLICY: "RBAC cannot tell one Secret from another: without this policy the server's "
    "account may make and delete any Secret of kube-system.",
    NODES_POLICY: "RBAC cannot tell one Node from another: without this policy the server's "
    "account may change and delete any Node, a control plane's among them.",
}

_APPLY: Final = "kubectl apply -f deploy/{}"


def judge(facts: Facts) -> Iterator[Finding]:
    """Judge rights, admission policies and bindings against the configuration."""
    if facts.config.kubernetes is None:
        return
    own = facts.config.kubernetes.own_approval
    if facts.cluster.rights is not None:
        yield from _rights(_without_the_autoscalers(facts, facts.cluster.rights))
    if not facts.joined_by_us:
        return
    if facts.cluster.policies is not None:
        yield from _policies(facts.cluster.policies, own=own)
    kubeadm = any(each.join == "kubeadm" for each in facts.joined_by_us)
    if facts.cluster.bindings is not None and kubeadm:
        yield from _bindings(facts.cluster.bindings, own=own)


def _without_the_autoscalers(facts: Facts, rights: Rights) -> Rights:
    """Leave out what an autoscaler in the server's own pod needs: a pod has one account."""
    together = {
        f"system:serviceaccount:{each.workload.namespace}:{each.workload.account}"
        for each in flags.find(facts.cluster.workloads or ())
    }
    if rights.who not in together:
        return rights
    excess = tuple(
        deed
        for deed in rights.excess
        if (deed.verb, deed.resource, deed.subresource) not in _AUTOSCALERS
    )
    return dataclasses.replace(rights, excess=excess)


def _rights(rights: Rights) -> Iterator[Finding]:
    for optional in (False, True):
        lacking = [each for each in rights.missing if each.optional is optional]
        if not lacking:
            continue
        approval = any("approv" in f"{each.verb} {each.subresource}" for each in lacking)
        files = "rbac.yaml" + (" -f deploy/own-approval.yaml" if approval else "")
        if any(each.group == access.VPS_NODES for each in lacking):
            files += " -f deploy/vpsnodes-rbac.yaml"
        if any(each in _HEADROOM for each in ((deed.group, deed.resource) for deed in lacking)):
            files += " -f deploy/headroom.yaml"
        if any((each.verb, each.resource) == ("create", "nodes") for each in lacking):
            files += " -f deploy/fake-nodes.yaml"
        if any(each in _APP_POOLS for each in lacking):
            files += " -f deploy/app-pools.yaml"
        whys = ", ".join(dict.fromkeys(each.why for each in lacking))
        yield (warning if optional else trouble)(
            SUBJECT,
            f"{rights.who} may not " + names(str(each) for each in lacking),
            f"The server needs it for this: {whys}.",
            _APPLY.format(files),
        )
    if rights.excess:
        yield warning(
            SUBJECT,
            f"{rights.who} may do {len(rights.excess)} things that the server never needs: "
            + names(str(each) for each in rights.excess),
            "Whoever takes the server over can do them too.",
            f"Give the server an account of its own, with deploy/rbac.yaml: {_APPLY}".format(
                "rbac.yaml"
            ),
        )


def _policies(there: frozenset[str], *, own: bool) -> Iterator[Finding]:
    if fences := [each for each in _FENCES if each not in there]:
        yield warning(
            SUBJECT,
            "not there, or not bound: the ValidatingAdmissionPolicy " + names(fences),
            " ".join(_FENCES[each] for each in fences),
            _APPLY.format("admission-policy.yaml"),
        )
    if own and APPROVAL_POLICY not in there:
        yield warning(
            SUBJECT,
            f"the ValidatingAdmissionPolicy {APPROVAL_POLICY} is not there, or not bound",
            "Without it the server's account may approve any node's certificate.",
            _APPLY.format("own-approval.yaml"),
        )


def _bindings(there: tuple[Binding, ...], *, own: bool) -> Iterator[Finding]:
    ours = {each.role for each in there if tokens.OWN_GROUP in each.groups}
    approved = {
        group: each.name for each in there if each.role == AUTO_APPROVED for group in each.groups
    }
    if own:
        yield from _own_approval(ours, approved)
        return
    if tokens.KUBEADM_GROUP not in approved and _EVERY_TOKEN not in approved:
        yield trouble(
            SUBJECT,
            f"nobody approves certificate requests of {tokens.KUBEADM_GROUP}",
            "Machines ask, wait for an answer until their deadline, and are thrown away.",
            "kubeadm init phase bootstrap-token makes the binding; or set kubernetes: "
            "{ownApproval: true} and kubectl apply -f deploy/own-approval.yaml",
        )
    if BOOTSTRAPPER in ours:
        yield warning(
            SUBJECT,
            "deploy/own-approval.yaml is applied, and ownApproval is not set",
            "The server has the right to approve and does not use it.",
            "Set kubernetes: {ownApproval: true}, or kubectl delete -f deploy/own-approval.yaml",
        )


def _own_approval(ours: set[str], approved: dict[str, str]) -> Iterator[Finding]:
    lacking = [f"{role} (to {what})" for role, what in _JOINING.items() if role not in ours]
    if lacking:
        yield trouble(
            SUBJECT,
            f"ownApproval is set, and {tokens.OWN_GROUP} lacks " + names(lacking),
            "Machines join under that group, and cannot.",
            _APPLY.format("own-approval.yaml"),
        )
    void = [group for group in (tokens.OWN_GROUP, _EVERY_TOKEN) if group in approved]
    if void:
        binding = approved[void[0]]
        yield warning(
            SUBJECT,
            f"ClusterRoleBinding {binding} has requests of {void[0]} approved without a look",
            "ownApproval is void: a token that was read from one machine makes any node.",
            f"kubectl delete clusterrolebinding {binding}",
        )
    elif tokens.KUBEADM_GROUP in approved:
        binding = approved[tokens.KUBEADM_GROUP]
        yield warning(
            SUBJECT,
            f"ClusterRoleBinding {binding} still has kubeadm's own tokens approved without a look",
            "Tokens of kubeadm token create, which live a day, still make any node; ours do not.",
            f"When nobody joins by hand: kubectl delete clusterrolebinding {binding}",
        )
