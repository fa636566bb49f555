"""Write a VPSNode's spec as an entry under ``nodes:``, and speak of the entry as of the object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from externalgrpc.config import objects as config_objects
from externalgrpc.vpsnodes import objects

_SAME: Final = ("provider", "account", "labels", "taints", "image", "join", "repair")
_SCALE: Final = {
    "minSize": "autoScale.minNodes",
    "maxSize": "autoScale.maxNodes",
    "targetCPU": "autoScale.targetCPU",
}

NO_ACCOUNT: Final = "NoAccount"
NO_JOIN: Final = "NoJoin"
INVALID: Final = "InvalidSpec"

_REASONS: Final = {
    "provider": NO_ACCOUNT,
    "account": NO_ACCOUNT,
    "join": NO_JOIN,
    "joinOptions": NO_JOIN,
    "userDataFile": NO_JOIN,
}


def entry(
    name: str, spec: objects.Spec, defaults: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the entry that a file would have: what is not said comes from the cloud's defaults.

    Several types or regions count before one. Without ``autoScale.enabled`` it is a fixed number:
    ``minNodes``, or 1, and room for a target of CPU use could not come: it has none. A target of 0
    is none, whatever the defaults say.
    """
    own: dict[str, Any] = {"name": name, **_sizes(spec)}
    for key in _SAME:
        if spec.get(key) is not None:
            own[key] = spec[key]
    for one, several in (("instanceType", "instanceTypes"), ("region", "regions")):
        if spec.get(several):
            own[several] = spec[several]
        elif spec.get(one) is not None:
            own[one] = spec[one]
    provider = spec.get("provider")
    left_out = defaults.get(provider, {}) if isinstance(provider, str) else {}
    made = {**left_out, **own}
    target = target_cpu(spec)
    if target == 0 or not scaled(spec):
        made.pop("targetCPU", None)
    elif target is not None:
        made["targetCPU"] = target
    return made


def target_cpu(spec: objects.Spec) -> object:
    """Return the target of CPU use that a spec asks for, as it stands there; None for none said."""
    scale = spec.get("autoScale")
    return scale.get("targetCPU") if isinstance(scale, dict) else None


def scaled(spec: objects.Spec) -> bool:
    """Return whether CA chooses the number of machines."""
    scale = spec.get("autoScale")
    return isinstance(scale, dict) and scale.get("enabled") is True


def _sizes(spec: objects.Spec) -> dict[str, Any]:
    given = spec.get("autoScale")
    scale = given if isinstance(given, dict) else {}
    least, most = scale.get("minNodes"), scale.get("maxNodes")
    if not scaled(spec):
        number = 1 if least is None else least
        return {"minSize": number, "maxSize": number}
    sizes = {"minSize": least, "maxSize": most}
    return {key: each for key, each in sizes.items() if each is not None}


def sentence(wrong: config_objects.Wrong, spec: objects.Spec) -> str:
    """Say what is wrong with an entry, at the field of the object, or of the file, that says it."""
    rest = wrong.path[len(wrong.key) :]
    if wrong.key == "name":
        where = "metadata.name"
    elif wrong.key == "targetCPU" and target_cpu(spec) is None:
        where = f"vpsNodes.defaults.{spec.get('provider')}.targetCPU in the server's file"
    elif wrong.key == "maxSize" and not scaled(spec):
        # A fixed number of machines is said once, as minNodes.
        where = f"spec.{_SCALE['minSize']}"
    elif wrong.key in _SCALE:
        where = f"spec.{_SCALE[wrong.key]}"
    elif not wrong.key:
        where = wrong.path or "spec"
    elif wrong.key in entry("", spec, {}) or wrong.key in (*_SAME, "instanceType", "region"):
        where = f"spec.{wrong.key}{rest}"
    else:
        where = f"vpsNodes.defaults.{spec.get('provider')}.{wrong.key}{rest} in the server's file"
    text = f"{where}: {wrong.message}"
    text = f"{text}. {wrong.cure}" if wrong.cure else text
    return text.replace("minSize", "minNodes").replace("maxSize", "maxNodes")


def reason(wrong: config_objects.Wrong) -> str:
    """Name what kind of mistake it is, in a word of the closed list of ``Accepted``."""
    return _REASONS.get(wrong.key, INVALID)
