"""What the command ``kubero`` prints, and what it refuses of a values file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from externalgrpc import cli
from externalgrpc.kubero import manifests, values
from tests import absent

ROOT = Path(__file__).parents[2]
SEED = ROOT.parent / "shared" / "seed" / "blocks" / "10-values-custom.yaml"
POLICY = "MutatingAdmissionPolicy"

Object = dict[str, Any]


def printed(*argv: str) -> str:
    done = CliRunner().invoke(cli.cli, ["kubero", *argv])
    assert done.exit_code == 0, done.output
    return done.stdout


def objects(*argv: str) -> list[Object]:
    return list(yaml.safe_load_all(printed(*argv)))


def named(of: list[Object], name: str) -> Object:
    (found,) = (each for each in of if each["kind"] == POLICY and each["metadata"]["name"] == name)
    return found


def variables(policy: Object) -> dict[str, str]:
    return {each["name"]: each["expression"] for each in policy["spec"]["variables"]}


def mutations(policy: Object) -> list[str]:
    return [each["jsonPatch"]["expression"] for each in policy["spec"]["mutations"]]


def file_of(tmp_path: Path, text: str) -> str:
    path = tmp_path / "values.yaml"
    path.write_text(text)
    return str(path)


def test_deploy_holds_what_is_printed() -> None:
    there = (ROOT / "deploy" / "kubero" / "policies.yaml").read_text()
    assert there == printed(), "run 'make kubero-files' and commit"


def test_every_policy_has_its_binding() -> None:
    made = objects()
    policies = [each["metadata"]["name"] for each in made if each["kind"] == POLICY]
    bound = [each["spec"]["policyName"] for each in made if each["kind"] == f"{POLICY}Binding"]
    assert policies == bound
    assert len(set(bound)) == len(bound) == 5


def test_nothing_reads_vpsnodes_where_there_are_none() -> None:
    made = objects("--no-vpsnodes")
    names = [each["metadata"]["name"] for each in made if each["kind"] == POLICY]
    assert names == ["vps-app-fields", "vps-app-sizes", "vps-tenant-namespaces"]
    assert [each for each in objects() if "param" not in str(each["spec"])] == made


def test_apps_and_pods_read_a_vpsnode_alike() -> None:
    apps = variables(named(objects(), "vps-tenant-apps"))
    pods = variables(named(objects(), "vps-tenant-pods"))
    del pods["own"], apps["affinity"], apps["nodeAffinity"]
    fields = variables(named(objects(), "vps-app-fields"))
    shared = {name: apps.pop(name) for name in apps.keys() & fields.keys() - pods.keys()}
    assert len(shared) == 7
    assert shared == {name: fields[name] for name in shared}
    assert apps == pods


def test_the_seeds_values_are_read_as_they_are() -> None:
    if not SEED.exists():
        absent.skip(absent.Need.SHARED)
    made = objects("--values", str(SEED))
    assert made[: len(objects())] == objects(), "what reads VPSNodes stays"
    toleration = {
        "key": "paas-tier",
        "operator": "Equal",
        "value": "tenant",
        "effect": "NoSchedule",
    }
    for name in "vps-tenant-apps", "vps-tenant-pods":
        fresh, old = named(made, f"{name}-default"), named(made, name)
        said = variables(fresh)
        assert yaml.safe_load(said["selector"]) == {"node-type": "vps"}
        assert yaml.safe_load(said["tolerations"]) == [toleration]
        assert mutations(fresh) == mutations(old)
        assert "paramKind" not in fresh["spec"]
        assert "params" not in yaml.safe_dump(fresh)
    size = variables(named(made, "vps-app-sizes-default"))["size"]
    assert yaml.safe_load(size.partition(": ")[2]) == {
        "requests": {"memory": "256Mi", "cpu": "100m"},
        "limits": {"memory": "512Mi", "cpu": "500m"},
    }
    operator = variables(named(made, "vps-kubero-operator"))
    assert operator == {"selector": '{"node-type": "cloud"}', "tolerations": "[]"}


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("kubero: {}", set()),
        ("kubero: {operator: {tolerations: [{operator: Exists}]}}", {"vps-kubero-operator"}),
        (
            "kubero: {defaultAppConfig: {nodeSelector: {a: b}}}",
            {"vps-tenant-apps-default", "vps-tenant-pods-default"},
        ),
        (
            "kubero: {defaultAppConfig: {resources: {requests: {cpu: 100m}}}}",
            {"vps-app-sizes-default"},
        ),
        ("kubero: {defaultAppConfig: {resources: {}, tolerations: []}}", set()),
    ],
)
def test_what_a_file_leaves_out_makes_no_policy(tmp_path: Path, text: str, more: set[str]) -> None:
    names = {
        each["metadata"]["name"]
        for each in objects("--values", file_of(tmp_path, text))
        if each["kind"] == POLICY
    }
    assert names - {each["metadata"]["name"] for each in objects()} == more


REFUSED = {
    "a misspelled key": (
        "kubero: {defaultAppConfig: {nodeSelecter: {a: b}}}",
        "nodeSelecter: is not a known key. Did you mean nodeSelector?",
    ),
    "no such key": ("ingress: {}", "kubero: is missing"),
    "a label that is none": (
        "kubero: {operator: {nodeSelector: {a: b c}}}",
        "the value b c of a is not made of letters",
    ),
    "a switch as a label": (
        "kubero: {operator: {nodeSelector: {gpu: true}}}",
        "Put it in quotes",
    ),
    "a toleration of nothing": (
        "kubero: {operator: {tolerations: [{value: a}]}}",
        "has no key",
    ),
    "a toleration of two minds": (
        "kubero: {operator: {tolerations: [{key: a, operator: Exists, value: b}]}}",
        "remove one",
    ),
    "seconds that count for nothing": (
        "kubero: {operator: {tolerations: [{key: a, tolerationSeconds: 3}]}}",
        "NoExecute",
    ),
    "an effect that is none": (
        "kubero: {operator: {tolerations: [{key: a, effect: NoShedule}]}}",
        "NoShedule",
    ),
    "a quantity that is none": (
        "kubero: {defaultAppConfig: {resources: {requests: {memory: 256Mb}}}}",
        "256Mb",
    ),
    "no YAML": ("kubero: {", "is not valid YAML"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_refuses(what: str, tmp_path: Path) -> None:
    text, said = REFUSED[what]
    done = CliRunner().invoke(cli.cli, ["kubero", "--values", file_of(tmp_path, text)])
    assert done.exit_code == 1
    assert said in done.stderr
    assert "values.yaml:1:" in done.stderr
    assert not done.stdout


def test_what_was_not_looked_at_is_said(tmp_path: Path) -> None:
    path = file_of(tmp_path, "kubero: {}\ningress: {}\nimage: {}\n")
    done = CliRunner().invoke(cli.cli, ["kubero", "--values", path])
    assert "not looked at" in done.stderr
    assert "ingress, image" in done.stderr
    assert done.stdout == printed()


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli.cli, ["kubero", "--values", str(tmp_path / "none")])
    assert done.exit_code == 1
    assert "cannot be read: No such file" in done.stderr


def test_limit_ranges_give_requests_and_no_limits(tmp_path: Path) -> None:
    limits = objects("--limit-range", "shop", "--limit-range", "9-b")[-2:]
    assert [each["metadata"]["namespace"] for each in limits] == ["shop", "9-b"]
    (said,) = limits[0]["spec"]["limits"]
    assert said == {"type": "Container", "defaultRequest": manifests.DEFAULT_REQUESTS}
    text = "kubero: {defaultAppConfig: {resources: {requests: {cpu: 5m}, limits: {cpu: 9m}}}}"
    (*_, last) = objects("--limit-range", "shop", "--values", file_of(tmp_path, text))
    assert last["spec"]["limits"] == [{"type": "Container", "defaultRequest": {"cpu": "5m"}}]
    done = CliRunner().invoke(cli.cli, ["kubero", "--limit-range", "No_Name"])
    assert done.exit_code == 2
    assert "not the name of a namespace" in done.stderr


def test_long_expressions_survive_the_writing() -> None:
    said = values.Values(
        default_app_config=values.AppDefaults(node_selector={"a": "b"}, tolerations=())
    )
    made = manifests.placing(said)
    assert list(yaml.safe_load_all(manifests.text(made))) == made
