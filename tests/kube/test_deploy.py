"""deploy/ against what the code says, as far as no API server is needed."""

from __future__ import annotations

import importlib.metadata
import re

import yaml

from externalgrpc.diagnosis.judges import rights
from externalgrpc.headroom import objects
from externalgrpc.kube import access, tokens, tries
from providers import contract
from tests.kube import plane as planes

POLICIES = {
    each["metadata"]["name"]: each["spec"]
    for each in yaml.safe_load_all((planes.ROOT / "deploy" / "admission-policy.yaml").read_text())
    if each["kind"] == "ValidatingAdmissionPolicy"
}


def test_both_fences_are_what_doctor_looks_for() -> None:
    assert set(POLICIES) == {rights.TOKENS_POLICY, rights.NODES_POLICY}
    assert all(spec["failurePolicy"] == "Fail" for spec in POLICIES.values())


def test_the_fence_of_nodes_knows_every_cloud_of_ours() -> None:
    (result,) = (
        each["expression"]
        for each in POLICIES[rights.NODES_POLICY]["variables"]
        if each["name"] == "schemes"
    )
    schemes = {
        f"{point.load().scheme}://"
        for point in importlib.metadata.entry_points(group=contract.ENTRY_POINT_GROUP)
        if point.value.startswith("providers.")
    }
    assert len(schemes) == 5
    assert set(re.findall(r"'([^']*)'", result)) == schemes


def test_room_is_granted_as_it_is_used_and_no_wider() -> None:
    every = list(yaml.safe_load_all((planes.ROOT / "deploy" / "headroom.yaml").read_text()))
    given = {
        (group, resource, verb, each["metadata"].get("namespace", ""))
        for each in every
        for rule in each.get("rules", ())
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    used = access.needs_of_headroom(planes.NAMESPACE)
    assert given == {(each.group, each.resource, each.verb, each.namespace) for each in used}


def test_pools_of_apps_are_granted_as_they_are_used_and_no_wider() -> None:
    every = list(yaml.safe_load_all((planes.ROOT / "deploy" / "app-pools.yaml").read_text()))
    assert [each["kind"] for each in every] == ["ClusterRole", "ClusterRoleBinding"]
    given = {
        (group, resource, verb)
        for rule in every[0]["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert given == {(each.group, each.resource, each.verb) for each in access.needs_of_app_pools()}


def test_the_priority_of_balloons_is_the_lowest_that_brings_machines() -> None:
    text = (planes.ROOT / "deploy" / "headroom-pods.yaml").read_text()
    (found,) = (each for each in yaml.safe_load_all(text) if each["kind"] == "PriorityClass")
    assert (found["metadata"]["name"], found["value"]) == (objects.PRIORITY_CLASS, -10)


def test_the_fence_of_tokens_lets_the_longest_through() -> None:
    (bound,) = re.findall(r"duration\('(\d+)m'\)", str(POLICIES[rights.TOKENS_POLICY]))
    assert 60.0 <= int(bound) * 60 - tokens.LONGEST_S <= tokens.MARGIN_S


def test_a_machine_may_ask_as_often_as_its_script_tries() -> None:
    script = (planes.ROOT / "externalgrpc" / "bootstrap" / "kubeadm.sh").read_text()
    assert re.findall(r"TRIES=(\d+) retry join", script) == [str(tries.KEYS)]
