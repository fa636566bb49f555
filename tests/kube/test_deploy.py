"""deploy/ against what the code says, as far as no API server is needed."""

from __future__ import annotations

import importlib.metadata
import re

import yaml

from externalgrpc.diagnosis.judges import rights
from externalgrpc.kube import tokens, tries
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


def test_the_fence_of_tokens_lets_the_longest_through() -> None:
    (bound,) = re.findall(r"duration\('(\d+)m'\)", str(POLICIES[rights.TOKENS_POLICY]))
    assert 60.0 <= int(bound) * 60 - tokens.LONGEST_S <= tokens.MARGIN_S


def test_a_machine_may_ask_as_often_as_its_script_tries() -> None:
    script = (planes.ROOT / "externalgrpc" / "bootstrap" / "kubeadm.sh").read_text()
    assert re.findall(r"TRIES=(\d+) retry join", script) == [str(tries.KEYS)]
