"""Read how Cluster Autoscaler's own Hetzner provider was set up.

Its README and its code, of 1.25 to 1.37, are where the facts come from: ``--nodes=min:max:type:
region:name``, the variables HCLOUD_*, and the cluster config, a JSON whose keys Go matches whatever
their case. Of a config and the older HCLOUD_CLOUD_INIT with HCLOUD_IMAGE the config counts alone.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from providers import contract

LABEL: Final = "hcloud/node-group"
"""What it puts on every server of a group, with the group's name, and promises of its nodes."""

CONFIG, CONFIG_FILE = "HCLOUD_CLUSTER_CONFIG", "HCLOUD_CLUSTER_CONFIG_FILE"
_OLD_INIT, _OLD_IMAGE = "HCLOUD_CLOUD_INIT", "HCLOUD_IMAGE"
_OLD_DEFAULT_IMAGE = "ubuntu-20.04"
_KNOWN: Final = frozenset(
    {
        *(CONFIG, CONFIG_FILE, _OLD_INIT, _OLD_IMAGE, "HCLOUD_TOKEN", "HCLOUD_ENDPOINT"),
        *("HCLOUD_NETWORK", "HCLOUD_FIREWALL", "HCLOUD_SSH_KEY"),
        *("HCLOUD_PUBLIC_IPV4", "HCLOUD_PUBLIC_IPV6", "HCLOUD_SERVER_CREATION_TIMEOUT"),
    }
)
_TOP: Final = frozenset({"imagesforarch", "nodeconfigs", "defaultsubnetiprange"})
_POOL: Final = frozenset(
    {
        *("cloudinit", "placementgroup", "taints", "labels", "serverlabels", "imagesforarch"),
        *("subnetiprange", "firewalls"),
    }
)
_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_PARTS = 5

Plain = Mapping[str, Any]


class _Spec(NamedTuple):
    """One ``--nodes``."""

    name: str
    least: int
    most: int
    machine_type: str
    location: str

    @property
    def arch(self) -> str:
        """Name its architecture as the config does: all of Hetzner's ARM types are called cax."""
        return "arm64" if self.machine_type.startswith("cax") else "amd64"


def convert(setup: contract.Setup) -> contract.Converted:
    """Read all of it; pure. Raises ValueError for what the provider itself would not start with."""
    losses: list[str] = []
    specs = _specs(setup.arguments, losses)
    config = _config(setup, losses)
    pools = tuple(_pool(spec, config, setup.environ, losses) for spec in specs.values())
    if config is not None:
        for name in config["nodeconfigs"]:
            if name not in specs:
                losses.append(
                    f"the cluster config has a pool {name!r} for which no --nodes was found, so "
                    "its sizes are not known: add --nodes MIN:MAX:TYPE:REGION:NAME, or leave it"
                )
    losses += _unread(setup.environ)
    endpoint = setup.environ.get("HCLOUD_ENDPOINT", "")
    return contract.Converted(
        pools=pools,
        account={"endpoint": endpoint} if endpoint else {},
        losses=tuple(dict.fromkeys(losses)),
    )


def _specs(arguments: tuple[str, ...], losses: list[str]) -> dict[str, _Spec]:
    found: dict[str, _Spec] = {}
    for text in _flags(arguments):
        parts = text.split(":", _PARTS - 1)
        try:
            least, most, machine_type, location, name = parts
            spec = _Spec(name, int(least), int(most), machine_type.lower(), location.lower())
        except ValueError as error:
            raise ValueError(
                f"--nodes={text} is not MIN:MAX:TYPE:REGION:NAME with whole numbers in front"
            ) from error
        if name in found:
            losses.append(f"--nodes names {name!r} more than once: the last counts, as it did")
        found[name] = spec
    if not found:
        raise ValueError(
            "no --nodes=MIN:MAX:TYPE:REGION:NAME was found: without it there is no pool; give the "
            "Deployment of the autoscaler, or --nodes by hand"
        )
    return found


def _flags(arguments: tuple[str, ...]) -> Iterator[str]:
    """Give the values of --nodes, written with = or as two words."""
    words = iter(arguments)
    for word in words:
        name, given, value = word.partition("=")
        if name in ("--nodes", "-nodes"):
            yield value if given else next(words, "")


def _config(setup: contract.Setup, losses: list[str]) -> dict[str, Any] | None:
    """Read the cluster config, with its keys in small letters; None where there is none."""
    whole, path = setup.environ.get(CONFIG, ""), setup.environ.get(CONFIG_FILE, "")
    if whole:
        text = _decoded(whole, CONFIG)
        if path:
            losses.append(f"{CONFIG_FILE} was not read: {CONFIG} is set, and goes before it")
    elif path:
        if path not in setup.files:
            raise ValueError(
                f"{CONFIG_FILE} names {path}, and nothing that was given holds it: give the "
                "ConfigMap or Secret too, or the file itself"
            )
        text = setup.files[path]
    else:
        return None
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ValueError(f"the cluster config is not JSON: {_where(error)}") from None
    config = _folded(document, "the cluster config")
    nodes = config.get("nodeconfigs") or {}
    if not isinstance(nodes, dict) or not nodes:
        raise ValueError("the cluster config has no nodeConfigs: no pool has a configuration")
    config["nodeconfigs"] = {
        name: _folded(each or {}, f"nodeConfigs[{name!r}]") for name, each in nodes.items()
    }
    losses += [
        f"the cluster config's {key!r} is not known: nothing was made of it"
        for key in config.keys() - _TOP
    ]
    return config


def _pool(
    spec: _Spec, config: Plain | None, environ: Mapping[str, str], shared: list[str]
) -> contract.Pool:
    losses: list[str] = []
    own: Plain = {}
    if config is not None:
        if spec.name not in config["nodeconfigs"]:
            raise ValueError(
                f"--nodes names the pool {spec.name!r}, and the cluster config has no such under "
                "nodeConfigs: the autoscaler would not have started"
            )
        own = config["nodeconfigs"][spec.name]
        user_data = _text(own.get("cloudinit"))
        image = _image(spec, own, config, losses)
    else:
        user_data = _decoded(environ.get(_OLD_INIT, ""), _OLD_INIT)
        image = environ.get(_OLD_IMAGE, "") or _OLD_DEFAULT_IMAGE
    least, most = spec.least, spec.most
    if not 0 <= least <= most:
        least = max(0, min(least, most))
        losses.append(
            f"its minimum of {spec.least} does not go with its maximum of {most}: it is {least} "
            "here; say minSize as you want it"
        )
    settings: dict[str, object] = {
        "minSize": least,
        "maxSize": max(0, most),
        "instanceType": spec.machine_type,
        "region": spec.location,
        "image": image,
        "labels": _texts(own.get("labels"), "labels", losses),
        "taints": list(_taints(own.get("taints"), losses)),
        "serverLabels": _texts(own.get("serverlabels"), "serverLabels", losses),
        "placementGroup": _text(own.get("placementgroup")),
        "firewalls": _firewalls(own, environ, losses),
        "networks": [each] if (each := environ.get("HCLOUD_NETWORK", "")) else [],
        "sshKeys": [each] if (each := environ.get("HCLOUD_SSH_KEY", "")) else [],
        **_public(environ, shared),
    }
    losses += _lost(spec, own, config, settings)
    kept = {key: value for key, value in settings.items() if value not in ("", [], {})}
    return contract.Pool(
        name=spec.name, settings=kept, user_data=user_data, losses=tuple(dict.fromkeys(losses))
    )


def _image(spec: _Spec, own: Plain, config: Plain, losses: list[str]) -> str:
    """Return the image of a pool's architecture: of its own list if it has one, else of all."""
    said = own.get("imagesforarch") or config.get("imagesforarch") or {}
    images = _folded(said, "imagesForArch")
    found = _text(images.get(spec.arch))
    if not found:
        losses.append(
            f"imagesForArch names no image for {spec.arch}, so the autoscaler could not order a "
            f"{spec.machine_type}: say image"
        )
    return found


def _firewalls(own: Plain, environ: Mapping[str, str], losses: list[str]) -> list[str]:
    shared = environ.get("HCLOUD_FIREWALL", "")
    said = own.get("firewalls") or []
    if not isinstance(said, list):
        losses.append("its firewalls are no list: nothing was made of them; say firewalls")
        said = []
    return list(dict.fromkeys([*([shared] if shared else []), *map(_text, said)]))


def _public(environ: Mapping[str, str], losses: list[str]) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for variable, key in (
        ("HCLOUD_PUBLIC_IPV4", "publicIPv4"),
        ("HCLOUD_PUBLIC_IPV6", "publicIPv6"),
    ):
        said = environ.get(variable, "")
        if said in _FALSE:
            found[key] = False
        elif said and said not in _TRUE:
            losses.append(
                f"{variable} is {said!r}, which is neither true nor false: machines get the "
                f"address; say {key}"
            )
    return found


def _lost(
    spec: _Spec, own: Plain, config: Plain | None, settings: Mapping[str, object]
) -> Iterator[str]:
    """Say what of a pool has no counterpart here."""
    subnet = _text(own.get("subnetiprange")) or _text((config or {}).get("defaultsubnetiprange"))
    if subnet and settings["networks"]:
        yield (
            f"its machines stood in the subnet {subnet}, which cannot be asked for here: new ones "
            "get an address of whichever subnet the network gives; where that matters, put the "
            "subnet into a network of its own"
        )
    yield (
        f"its nodes were promised to carry the label {LABEL}={spec.name}: where pods select it, "
        "and the user-data sets it, say it under labels"
    )
    if settings["labels"] or settings["taints"]:
        yield (
            "labels and taints were only promised to the autoscaler, and the user-data had to set "
            "them: compare the two, for a pod that is promised a label waits for ever without it"
        )
    for key in sorted(own.keys() - _POOL):
        yield f"its {key!r} in the cluster config is not known: nothing was made of it"


def _unread(environ: Mapping[str, str]) -> Iterator[str]:
    if minutes := environ.get("HCLOUD_SERVER_CREATION_TIMEOUT", ""):
        yield (
            f"HCLOUD_SERVER_CREATION_TIMEOUT ({minutes} minutes) has no counterpart, for no call "
            "waits for a cloud here: autoscalingOptions.maxNodeProvisionTime bounds the whole "
            "join of a machine"
        )
    if environ.get(CONFIG) or environ.get(CONFIG_FILE):
        for variable in (_OLD_INIT, _OLD_IMAGE):
            if environ.get(variable):
                yield f"{variable} was not read, for the cluster config goes before it"
    for variable in sorted(environ):
        if variable.startswith("HCLOUD_") and variable not in _KNOWN:
            yield f"{variable} is not known: nothing was made of it"


def _taints(said: object, losses: list[str]) -> Iterator[dict[str, str]]:
    if said is not None and not isinstance(said, list):
        losses.append("its taints are no list: nothing was made of them; say taints")
    for each in said if isinstance(said, list) else []:
        if not isinstance(each, dict):
            losses.append("one of its taints is no object: nothing was made of it; say taints")
            continue
        taint = _folded(each, "a taint")
        fields = {key: _text(taint.get(key)) for key in ("key", "value", "effect")}
        yield {key: value for key, value in fields.items() if value or key != "value"}


def _texts(said: object, what: str, losses: list[str]) -> dict[str, str]:
    """Read a mapping of texts; what is none is lost, and said."""
    if said is not None and not isinstance(said, dict):
        losses.append(f"its {what} are no mapping: nothing was made of them; say {what}")
    given = said if isinstance(said, dict) else {}
    return {key: _text(value) for key, value in given.items() if key != LABEL}


def _text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def _folded(document: object, what: str) -> dict[str, Any]:
    """Return a JSON object with its keys in small letters; Go takes any case, and the last one."""
    if not isinstance(document, dict):
        raise ValueError(f"{what} is no JSON object")  # noqa: TRY004 - a person's file is wrong
    return {key.lower(): value for key, value in document.items()}


def _decoded(text: str, what: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError(f"{what} is not base64 of a text") from None


def _where(error: ValueError) -> str:
    """Return where JSON breaks off without quoting it: it holds secrets."""
    at = isinstance(error, json.JSONDecodeError)
    return f"line {error.lineno}, column {error.colno}" if at else "it cannot be read"  # type: ignore[attr-defined]
