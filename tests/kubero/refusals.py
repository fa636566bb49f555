"""Say of each refusal which field it must name, what is wrong there, and what to write instead."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Final

import yaml

from tests.kubero import cluster
from tests.kubero.cluster import Object, example


@dataclasses.dataclass(frozen=True, kw_only=True)
class Said:
    """The three things that a person needs; each is found in the message as it stands here."""

    field: str
    wrong: str
    cure: str

    def of(self, message: str) -> list[str]:
        """Return what a message lacks."""
        return [each for each in (self.field, self.wrong, self.cure) if each not in message]


NAME: Final = Said(
    field="metadata.name", wrong="part of every machine's name", cure="choose at most 40 lower-case"
)
_VALUE: Final = "choose one of letters, digits"

RULES: dict[str, tuple[Object, Said]] = {
    "a name": (example("a--b"), NAME),
    "nothing": (
        {key: each for key, each in example().items() if key != "spec"},
        Said(field="spec", wrong="is missing", cure="say at least provider, region and"),
    ),
    "no type": (
        example(instanceType=None),
        Said(field="spec:", wrong="which machine type", cure="as instanceType, or several"),
    ),
    "no region": (
        example(region=None),
        Said(field="spec:", wrong="where to order", cure="as region, or several"),
    ),
    "too many places": (
        example(instanceTypes=[f"t{n}" for n in range(9)], regions=[f"r{n}" for n in range(8)]),
        Said(field="type and region", wrong="more than 64 combinations", cure="keep fewer"),
    ),
    "more at least than at most": (
        example(autoScale={"enabled": True, "minNodes": 4, "maxNodes": 3}),
        Said(field="spec.autoScale", wrong="minNodes is greater", cure="raise maxNodes or lower"),
    ),
    "no most": (
        example(autoScale={"enabled": True}),
        Said(field="spec.autoScale", wrong="needs maxNodes", cure="add the most machines"),
    ),
    "a label that no kubelet may set": (
        example(labels={"node-role.kubernetes.io/worker": ""}),
        Said(field="spec.labels", wrong="would never join", cure="choose a label of your own"),
    ),
    "another's host name": (
        example(labels={"kubernetes.io/hostname": "a"}),
        Said(field="spec.labels", wrong="each machine's own name", cure="remove it"),
    ),
    "a label's value": (
        example(labels={"a": "b c"}),
        Said(field="spec.labels[a]", wrong="no label may have this value", cure=_VALUE),
    ),
    "a taint's value": (
        example(taints=[{"key": "a", "effect": "NoExecute", "value": "b c"}]),
        Said(field="spec.taints[0].value", wrong="no taint may have this value", cure=_VALUE),
    ),
    "one taint twice": (
        example(taints=[{"key": "a", "effect": "NoExecute", "value": v} for v in "bc"]),
        Said(field="spec.taints", wrong="the same key and effect", cure="remove the other"),
    ),
    "a time without its unit": (
        example(repair={"notReadyFor": "15"}),
        Said(field="spec.repair.notReadyFor", wrong="not a time", cure="write it as 15m"),
    ),
    "a repair too soon": (
        example(repair={"notReadyFor": "4m59s"}),
        Said(field="spec.repair.notReadyFor", wrong="too short", cure="say 5m at least"),
    ),
}
"""What breaks each rule of the CRD that only creating can break."""

MOVED: Final = Said(
    field="spec.provider",
    wrong="do not move from cloud to cloud",
    cure="make a VPSNode of another name",
)


def messages() -> list[str]:
    """Return the sentence of every rule of the CRD."""
    return [each["message"] for at in walk(schema(), "") for each in at[1].get(_CEL, ())]


def bounds() -> Iterator[tuple[str, Object, Said]]:
    """Break every other bound that the CRD sets to a spec, one at a time: its name, an object."""
    for path, at in walk(schema()["properties"]["spec"], "spec"):
        for key, (value, wrong, cure) in _broken(at).items():
            field = path.replace("[]", "[0]").replace("{}", "a")
            yield f"{path} {key}", _with(path, value), Said(field=field, wrong=wrong, cure=cure)
        for key in at.get("required", ()):
            field = f"{path.replace('[]', '[0]')}.{key}"
            yield (
                f"{path} required {key}",
                _without(path, key),
                Said(field=field, wrong="Required value", cure=key),
            )


_CEL: Final = "x-kubernetes-validations"
_ANOTHER: Final = {"string": 5, "boolean": "yes", "integer": "3", "object": "text", "array": "text"}


def _broken(of: Object) -> dict[str, tuple[Any, str, str]]:
    """Return a value that breaks each keyword of a schema, and what must be said then."""
    kind = of["type"]
    most, few = of.get("maxLength", 0), of.get("minItems")
    found: dict[str, tuple[Any, str, str]] = {"type": (_ANOTHER[kind], "Invalid value", kind)}
    if "enum" in of:
        found["enum"] = ("nothing", 'value: "nothing"', f'values: "{of["enum"][0]}"')
    if "minimum" in of:
        least = of["minimum"]
        found["minimum"] = (least - 1, f"{least - 1}", f"greater than or equal to {least}")
    if "maximum" in of:
        top = of["maximum"]
        found["maximum"] = (top + 1, f"{top + 1}", f"less than or equal to {top}")
    if of.get("minLength"):
        found["minLength"] = ("", 'Invalid value: ""', "at least 1 chars long")
    if most:
        found["maxLength"] = ("x" * (most + 1), "Too long", f"not be more than {most} bytes")
    if few:
        found["minItems"] = ([], "Invalid value: 0", f"at least {few} items")
    if "maxItems" in of:
        each = of["items"]
        many = of["maxItems"] + 1
        value = [
            {"key": f"k{n}", "effect": "NoExecute"} if each["type"] == "object" else f"k{n}"
            for n in range(many)
        ]
        found["maxItems"] = (value, f"Too many: {many}", f"at most {many - 1} items")
    if "maxProperties" in of:
        many = of["maxProperties"] + 1
        found["maxProperties"] = (
            {f"k{n}": "" for n in range(many)},
            f"Too many: {many}",
            f"at most {many - 1} items",
        )
    return found


def schema() -> Object:
    (version,) = yaml.safe_load(cluster.CRD.read_text())["spec"]["versions"]
    return dict(version["schema"]["openAPIV3Schema"])


def walk(of: Object, path: str) -> Iterator[tuple[str, Object]]:
    yield path, of
    for key, each in of.get("properties", {}).items():
        if path or key == "spec":
            yield from walk(each, f"{path}.{key}" if path else key)
    if "items" in of:
        yield from walk(of["items"], f"{path}[]")
    if "additionalProperties" in of:
        yield from walk(of["additionalProperties"], f"{path}.{{}}")


def _with(path: str, value: object) -> Object:
    """Return the example with one place of its spec set."""
    made = example()
    if path == "spec":
        return {**made, "spec": value}
    inside: Any = value
    for step in reversed(path.removeprefix("spec.").replace("[]", ".[]").split(".")[1:]):
        own = {"key": "a", "effect": "NoExecute"} if path.startswith("spec.taints") else {}
        match step:
            case "[]":
                inside = [inside]
            case "{}":
                inside = {"a": inside}
            case _:
                inside = {**own, step: inside}
    top = path.removeprefix("spec.").partition(".")[0].removesuffix("[]")
    return {**made, "spec": {**made["spec"], top: inside}}


def _without(path: str, key: str) -> Object:
    if path == "spec":
        return example(**{key: None})
    taint = {"key": "a", "effect": "NoExecute"}
    assert path == "spec.taints[]", "teach this test where another key is required"
    return example(taints=[{name: each for name, each in taint.items() if name != key}])
