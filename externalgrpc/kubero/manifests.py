"""Write the manifests: the policies as they stand, and with a values file what it adds to them.

What a values file says is added as policies of their own, made of the same expressions: where those
read labels and taints of a VPSNode, these hold the file's values.
"""

from __future__ import annotations

import copy
import importlib.resources
from collections.abc import Iterable, Sequence
from typing import Any, Final

import yaml

from externalgrpc.kubero import cel, values

TENANT: Final = "vps-autoscaler/tenant"
"""The label of a tenant's namespace."""

DEFAULT_REQUESTS: Final = {"cpu": "100m", "memory": "128Mi"}
"""What a LimitRange gives to a container without requests where no values file says it."""

Object = dict[str, Any]

_APPS: Final = "vps-tenant-apps"
_PODS: Final = "vps-tenant-pods"
_SIZES: Final = "vps-app-sizes"
_WIDTH: Final = 110


def policies(*, vpsnodes: bool = True) -> str:
    """Return the policies as they stand, with their comments; without those that read VPSNodes."""
    whole = _text("policies.yaml")
    if vpsnodes:
        return whole
    documents = whole.split("---\n")
    return "---\n".join(each for each in documents if "param" not in _keys(each))


def _keys(document: str) -> str:
    """Name the keys of a document's spec in one text."""
    return " ".join(yaml.safe_load(document)["spec"])


def placing(said: values.Values) -> list[Object]:
    """Return the policies that hold what a values file says; none for what it leaves out."""
    apps, operator = said.default_app_config, said.operator
    made: list[Object] = []
    if apps.node_selector or apps.tolerations:
        made += _held(_APPS, apps) + _held(_PODS, apps)
    if apps.resources.fields():
        made += _sizes(apps.resources)
    if operator.node_selector or operator.tolerations:
        made += _operator(operator)
    return made


def limit_ranges(namespaces: Sequence[str], resources: values.Resources) -> list[Object]:
    """Return a LimitRange for each namespace: requests for containers that have none.

    No limits: a default below what a container requests would have the pod refused.
    """
    requests = dict(resources.requests) or DEFAULT_REQUESTS
    return [
        {
            "apiVersion": "v1",
            "kind": "LimitRange",
            "metadata": {"name": "vps-tenant", "namespace": namespace},
            "spec": {"limits": [{"type": "Container", "defaultRequest": dict(requests)}]},
        }
        for namespace in namespaces
    ]


def text(objects: Iterable[Object]) -> str:
    """Write objects as YAML documents, each after a line of three dashes."""
    return "".join(
        "---\n" + yaml.dump(each, Dumper=_Dumper, sort_keys=False, width=_WIDTH) for each in objects
    )


def _held(name: str, apps: values.AppDefaults) -> list[Object]:
    """Turn a policy that reads a VPSNode into one that holds values, for namespaces "true"."""
    policy, binding = _pair(name, f"{name}-default")
    del policy["spec"]["paramKind"], binding["spec"]["paramRef"]
    binding["spec"]["matchResources"]["namespaceSelector"] = {"matchLabels": {TENANT: "true"}}
    _replace(policy, _placement(apps))
    return [policy, binding]


def _sizes(resources: values.Resources) -> list[Object]:
    policy, binding = _pair(_SIZES, f"{_SIZES}-default")
    (size,) = (each["expression"] for each in policy["spec"]["variables"])
    policy["spec"]["variables"].insert(0, {"name": "chosen", "expression": size})
    held = f"size(variables.chosen) > 0 ? {{}} : {cel.literal(resources.fields())}"
    _replace(policy, {"size": held})
    policy["spec"]["mutations"] = [
        each
        for each in policy["spec"]["mutations"]
        if "variables.size" in each["jsonPatch"]["expression"]
    ]
    return [policy, binding]


def _operator(operator: values.Operator) -> list[Object]:
    policy, binding = yaml.safe_load_all(_text("operator.yaml"))
    _replace(policy, _placement(operator))
    return [policy, binding]


def _placement(said: values.AppDefaults | values.Operator) -> dict[str, str]:
    return {
        "selector": cel.literal(said.node_selector),
        "tolerations": cel.literal([each.fields() for each in said.tolerations]),
    }


def _pair(name: str, fresh: str) -> tuple[Object, Object]:
    """Copy a policy and its binding under another name."""
    policy, binding = (
        copy.deepcopy(each)
        for each in yaml.safe_load_all(policies())
        if each["metadata"]["name"] == name
    )
    policy["metadata"]["name"] = binding["metadata"]["name"] = fresh
    binding["spec"]["policyName"] = fresh
    return policy, binding


def _replace(policy: Object, expressions: dict[str, str]) -> None:
    """Give variables other expressions; those that spoke of a VPSNode go."""
    variables = [
        {"name": each["name"], "expression": expressions.get(each["name"], each["expression"])}
        for each in policy["spec"]["variables"]
    ]
    gone = {each["name"] for each in variables if "params." in each["expression"]}
    gone.add("tenant")
    policy["spec"]["variables"] = [each for each in variables if each["name"] not in gone]


def _text(name: str) -> str:
    return importlib.resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


class _Dumper(yaml.SafeDumper):
    """Write long expressions as folded blocks, as a person would."""


def _folded(dumper: yaml.SafeDumper, said: str) -> yaml.Node:
    style = ">" if len(said) > _WIDTH else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", said, style=style)


_Dumper.add_representer(str, _folded)
