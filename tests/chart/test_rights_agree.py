"""The chart grants what the manifests of deploy/ grant, and no more; the fences are the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.chart import helm

pytestmark = pytest.mark.helm

ACCOUNT = f"system:serviceaccount:{helm.NAMESPACE}:vps-autoscaler"
JOINING: helm.Object = {
    "config": {
        "cluster": "prod",
        "kubernetes": {"ownApproval": True},
        "nodes": [
            {
                "name": "workers",
                "provider": "memory",
                "instanceType": "small",
                "region": "north",
                "maxSize": 1,
            }
        ],
    }
}


def deployed(*names: str) -> list[helm.Object]:
    """Read manifests of deploy/, as if they were for our namespace."""
    made = []
    for name in names:
        text = (helm.ROOT / "deploy" / name).read_text()
        text = text.replace("namespace: vps-autoscaler\n", f"namespace: {helm.NAMESPACE}\n")
        text = text.replace("namespace: vps-autoscaler}", f"namespace: {helm.NAMESPACE}}}")
        made += [each for each in yaml.safe_load_all(text) if each]
    return made


def grants(of: list[helm.Object]) -> set[str]:
    """Return who may do what where, one right at a time; names of roles do not count."""
    roles = {
        (each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]): each[
            "rules"
        ]
        for each in of
        if each["kind"] in {"Role", "ClusterRole"}
    }
    given = set()
    for each in of:
        if not each["kind"].endswith("RoleBinding"):
            continue
        where = each["metadata"].get("namespace", "")
        role = each["roleRef"]
        at = where if role["kind"] == "Role" else ""
        rules = roles.get((role["kind"], at, role["name"]), [{"there already": role["name"]}])
        given |= {
            json.dumps([where, subject, right], sort_keys=True)
            for subject in each["subjects"]
            for rule in rules
            for right in _rights(rule)
        }
    return given


def _rights(rule: helm.Object) -> list[Any]:
    if "there already" in rule:
        return [rule]
    return [
        [group, resource, verb, name]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    ]


def policies(of: list[helm.Object]) -> dict[str, Any]:
    """Return what each policy says, but for whom it is and the message about the schemes."""
    result = {}
    for each in helm.kind(of, "ValidatingAdmissionPolicy"):
        (whom,) = each["spec"].pop("matchConditions")
        for validation in each["spec"]["validations"]:
            validation["message"] = validation["message"].partition(";")[0]
        result[each["metadata"]["name"]] = (whom["name"], each["spec"])
    return result


def test_the_server_may_do_what_its_manifests_say() -> None:
    said = grants(deployed("rbac.yaml", "own-approval.yaml", "vpsnodes-rbac.yaml"))
    made = helm.objects(
        {**JOINING, "autoscaler": {"enabled": False}, "tls": {"existingSecret": "a"}}
    )
    assert grants(made) == said
    assert len(said) > 20


def test_with_the_autoscaler_it_is_all_three_manifests() -> None:
    said = grants(
        deployed("rbac.yaml", "own-approval.yaml", "autoscaler.yaml", "vpsnodes-rbac.yaml")
    )
    assert grants(helm.objects(JOINING)) == said


def test_two_add_the_rights_of_their_manifest_and_two_that_follow_none() -> None:
    alone = {**JOINING, "autoscaler": {"enabled": False}, "tls": {"existingSecret": "a"}}
    more = grants(helm.objects({**alone, "replicas": 2})) - grants(helm.objects(alone))
    assert more == grants(deployed("leader-election.yaml"))
    assert grants(helm.objects({**JOINING, "replicas": 2})) == grants(helm.objects(JOINING))


def test_a_server_of_raw_groups_may_do_nothing() -> None:
    values = {**JOINING, "autoscaler": {"enabled": False}, "tls": {"existingSecret": "a"}}
    values["config"] = {key: each for key, each in JOINING["config"].items() if key != "kubernetes"}
    assert grants(helm.objects(values)) == set()
    assert not helm.kind(helm.objects(values), "ValidatingAdmissionPolicy")
    assert grants(helm.objects({**JOINING, "rbac": {"create": False}})) == set()


def test_room_adds_the_rights_of_its_manifests_where_a_group_asks() -> None:
    alone = {**JOINING, "autoscaler": {"enabled": False}, "tls": {"existingSecret": "a"}}
    before = grants(helm.objects(alone))
    (node,) = JOINING["config"]["nodes"]
    for asks in ({"targetCPU": 70}, {"headroom": {"nodes": 1}}):
        nodes = [{**node, "labels": {"pool": "workers"}, **asks}]
        values = {**alone, "config": {**JOINING["config"], "nodes": nodes}}
        assert grants(helm.objects(values)) - before == grants(deployed("headroom.yaml"))
        values["rbac"] = {"headroomPods": True}
        both = grants(deployed("headroom.yaml", "headroom-pods.yaml"))
        assert grants(helm.objects(values)) - before == both
        (given,) = helm.kind(helm.objects(values), "PriorityClass")
        (said,) = helm.kind(deployed("headroom-pods.yaml"), "PriorityClass")
        del given["metadata"]["labels"]
        assert given == said
        values["rbac"] = {"headroom": False}
        assert grants(helm.objects(values)) == before


def test_the_playground_adds_the_right_to_make_nodes_and_its_fence_where_it_is_asked_for() -> None:
    before = helm.objects(JOINING)
    made = helm.objects({**JOINING, "rbac": {"fakeNodes": True}})
    said = deployed("fake-nodes.yaml")
    assert grants(made) - grants(before) == grants(said)
    assert len(grants(said)) == 1
    assert not any('"nodes", "create"' in each for each in grants(before))
    (fence,) = helm.kind(said, "ValidatingAdmissionPolicy")
    name = fence["metadata"]["name"]
    (given,) = [
        each
        for each in helm.kind(made, "ValidatingAdmissionPolicy")
        if each["metadata"]["name"] == name
    ]
    assert given["spec"]["matchConditions"][0]["expression"].endswith(f"== '{ACCOUNT}'")
    assert policies([given]) == policies([fence])
    (bound,) = [
        each["spec"]
        for each in helm.kind(made, "ValidatingAdmissionPolicyBinding")
        if each["metadata"]["name"] == name
    ]
    assert bound == {"policyName": name, "validationActions": ["Deny"]}


def test_a_cluster_without_fences_gets_the_right_alone() -> None:
    made = helm.objects({**JOINING, "rbac": {"fakeNodes": True}}, kube="1.29")
    assert any("nodes" in each and "create" in each for each in grants(made))
    assert not helm.kind(made, "ValidatingAdmissionPolicy")


def test_pools_of_apps_add_the_rights_of_their_manifest_where_they_are_switched_on() -> None:
    before = grants(helm.objects(JOINING))
    said = grants(deployed("app-pools.yaml"))
    assert grants(helm.objects({**JOINING, "rbac": {"appPools": True}})) == before | said
    assert len(said - before) == 6, "to patch VPSNodes is among the rights to follow them"
    both = {**JOINING, "rbac": {"create": False, "appPools": True}}
    assert grants(helm.objects(both)) == set()


@pytest.mark.parametrize(
    ("more", "warned"),
    [
        ({}, True),
        ({"rbac": {"headroomPods": True}}, False),
        ({"autoscaler": {"capacityBuffers": {"enabled": True}}}, False),
        ({"rbac": {"headroom": False}}, False),
    ],
)
def test_room_that_nothing_can_keep_is_noted(more: helm.Object, *, warned: bool) -> None:
    (node,) = JOINING["config"]["nodes"]
    nodes = [{**node, "labels": {"pool": "workers"}, "targetCPU": 70}]
    values = {**JOINING, "config": {**JOINING["config"], "nodes": nodes}, **more}
    done = helm.run(
        "install", "a", str(helm.CHART), "--dry-run=client", "-f=-", stdin=json.dumps(values)
    )
    assert done.returncode == 0, done.stderr
    assert ("nothing here can keep it" in done.stdout) is warned


@pytest.mark.parametrize(
    ("more", "warned"),
    [
        ({}, True),
        ({"rbac": {"headroom": True}}, False),
        ({"rbac": {"headroom": False}}, False),
        ({"rbac": {"vpsNodes": False}}, False),
    ],
)
def test_that_auto_sees_no_vpsnodes_is_noted(more: helm.Object, *, warned: bool) -> None:
    config = {**JOINING["config"], "vpsNodes": {"defaults": {}}}
    for of, said in (({**JOINING, "config": config, **more}, warned), ({**JOINING, **more}, False)):
        done = helm.run(
            "install", "a", str(helm.CHART), "--dry-run=client", "-f=-", stdin=json.dumps(of)
        )
        assert done.returncode == 0, done.stderr
        assert ("set it to true before one does" in done.stdout) is said


def test_buffers_add_what_they_need_and_nothing_else() -> None:
    more = grants(helm.objects({**JOINING, "autoscaler": {"capacityBuffers": {"enabled": True}}}))
    assert more - grants(helm.objects(JOINING)) == grants(deployed("capacity-buffers.yaml"))
    new = {tuple(json.loads(each)[2][1:3]) for each in more - grants(helm.objects(JOINING))}
    assert new == {
        ("pods", "create"),
        *(("podtemplates", verb) for verb in ("create", "update", "patch")),
        *(
            (kind, verb)
            for kind in ("capacitybuffers", "capacityquotas")
            for verb in ("get", "list", "watch")
        ),
        *(
            (f"{kind}/status", verb)
            for kind in ("capacitybuffers", "capacityquotas")
            for verb in ("update", "patch")
        ),
    }


def test_the_fences_are_those_of_the_manifests() -> None:
    said = policies(deployed("admission-policy.yaml", "own-approval.yaml"))
    assert policies(helm.objects(JOINING)) == said
    assert len(said) == 3
    bound = {
        each["spec"]["policyName"]: each["spec"]["validationActions"]
        for each in helm.kind(helm.objects(JOINING), "ValidatingAdmissionPolicyBinding")
    }
    assert bound == {name: ["Deny"] for name in said}


@pytest.mark.parametrize("kube", ["1.29", "1.30"])
def test_the_fences_are_made_where_the_cluster_knows_them(kube: str) -> None:
    made = helm.kind(helm.objects(JOINING, kube=kube), "ValidatingAdmissionPolicy")
    assert bool(made) is (kube == "1.30")


def test_the_fences_are_around_our_account_alone() -> None:
    """In kube-system a whole namespace would be the cluster's own controllers."""
    for each in helm.kind(helm.objects(JOINING), "ValidatingAdmissionPolicy"):
        (condition,) = each["spec"]["matchConditions"]
        assert condition["expression"] == f"request.userInfo.username == '{ACCOUNT}'"


def test_everything_is_bound_to_the_account_of_the_pod() -> None:
    made = helm.objects("everything")
    (account,) = helm.kind(made, "ServiceAccount")
    (pod,) = helm.kind(made, "Deployment")
    name = account["metadata"]["name"]
    assert pod["spec"]["template"]["spec"]["serviceAccountName"] == name == "machines"
    for each in made:
        for subject in each.get("subjects", ()):
            if subject["kind"] == "ServiceAccount":
                assert subject == {
                    "kind": "ServiceAccount",
                    "name": name,
                    "namespace": helm.NAMESPACE,
                }


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"config": {**JOINING["config"], "kubernetes": {"configMap": "other"}}}, ["other"]),
        (
            {"config": {}, "existingConfigMap": "pools", "rbac": {"joins": True}},
            ["pools", "vps-autoscaler"],
        ),
    ],
)
def test_the_annotation_is_read_where_the_file_says(values: helm.Object, names: list[str]) -> None:
    (role,) = [
        each
        for each in helm.kind(helm.objects({**JOINING, **values}), "Role")
        if each["metadata"]["name"].endswith("-pause")
    ]
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": names, "verbs": ["get"]}
    ]
