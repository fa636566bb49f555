"""Read how another autoscaler was started: from manifests, env files, its config, or a cluster.

Nothing is written anywhere. The token's variable is never followed: what it refers to is named.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

import yaml

from providers import contract

Object = Mapping[str, Any]
Fetch = Callable[[str, str, str], Object | None]
"""Give an object by kind, namespace and name; None where it is not to be had."""

WORKLOADS: Final = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod")
_OURS_TO_SAY: Final = (
    "--nodes",
    "--cloud-provider",
    "--cloud-config",
    "--node-group-auto-discovery",
)
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.ASCII)
_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)", re.ASCII)


class Unreadable(Exception):
    """Say, for a person, what cannot be read and what to give instead; quotes no secret."""


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """A setup, the names of what it was read from, where its token was, and what was missing."""

    setup: contract.Setup
    origin: str
    token: str = ""
    losses: tuple[str, ...] = ()

    def kept_flags(self) -> tuple[str, ...]:
        """Give the flags that say nothing of the cloud: they go on to work with ours."""
        words = [each for each in self.setup.arguments if each.startswith("-")]
        return tuple(each for each in words if each.partition("=")[0] not in _OURS_TO_SAY)


@dataclasses.dataclass(slots=True)
class Given:
    """What was read of all files: objects of Kubernetes, variables, configurations."""

    objects: list[Object] = dataclasses.field(default_factory=list)
    environ: dict[str, str] = dataclasses.field(default_factory=dict, repr=False)
    configs: list[str] = dataclasses.field(default_factory=list, repr=False)

    def take(self, name: str, text: str) -> None:
        """Take one file, whatever it is; raises Unreadable."""
        if (config := _config(text)) is not None:
            self.configs.append(config)
        elif (variables := _variables(text)) is not None:
            self.environ |= variables
        else:
            self.objects += _objects(name, text)

    def fetch(self, kind: str, namespace: str, name: str) -> Object | None:
        """Find an object among those that were given; one without a namespace is of any."""
        for each in self.objects:
            about = _mapping(each.get("metadata"))
            here = about.get("namespace") in (None, namespace)
            if here and each.get("kind") == kind and about.get("name") == name:
                return each
        return None

    def workload(self) -> Object | None:
        """Find the one autoscaler among the objects; raises Unreadable when there are several."""
        found = [
            each
            for each in self.objects
            if each.get("kind") in WORKLOADS and _autoscaler(each) is not None
        ]
        if len(found) > 1:
            names = ", ".join(str(_mapping(each.get("metadata")).get("name")) for each in found)
            raise Unreadable(f"several objects run an autoscaler ({names}): give one of them")
        return found[0] if found else None


def setup(
    given: Given,
    workload: Object | None,
    fetch: Fetch,
    *,
    nodes: Sequence[str],
    token_variable: str,
    config_variable: str,
) -> Found:
    """Put together what there is; ``nodes`` are --nodes that a person gave by hand."""
    reader = _Reader(fetch, token_variable)
    origin = "the files that were given"
    arguments: list[str] = []
    environ: dict[str, str] = {}
    files: dict[str, str] = {}
    if workload is not None:
        about = _mapping(workload.get("metadata"))
        reader.namespace = str(about.get("namespace") or "default")
        origin = f"{workload.get('kind')} {reader.namespace}/{about.get('name')}"
        container = _autoscaler(workload)
        if container is None:
            raise Unreadable(
                f"no container of {origin} has --nodes or --cloud-provider on its command line: "
                "it is no Cluster Autoscaler"
            )
        environ = reader.environ(container)
        arguments = [_filled(each, environ) for each in _words(container)]
        files = reader.files(container, _pod_spec(workload), environ)
    if token_variable and token_variable in given.environ:
        reader.token = f"variable {token_variable}"
    environ |= {key: value for key, value in given.environ.items() if key != token_variable}
    arguments += [f"--nodes={each}" for each in nodes]
    if len(given.configs) > 1:
        raise Unreadable("several cluster configs were given: give one of them")
    for text in given.configs:
        files[environ.setdefault(config_variable, "the file that was given")] = text
    missing = [
        f"{name} names the file {path}, which is in no ConfigMap or Secret that was given"
        for name, path in environ.items()
        if name == config_variable and path not in files
    ]
    return Found(
        contract.Setup(arguments=tuple(arguments), environ=environ, files=files),
        origin,
        reader.token,
        (*reader.losses, *missing),
    )


class _Reader:
    """Follow what a container's variables and volumes refer to."""

    def __init__(self, fetch: Fetch, token_variable: str) -> None:
        self._fetch = fetch
        self._token_variable = token_variable
        self.namespace = "default"
        self.token = ""
        self.losses: list[str] = []

    def environ(self, container: Object) -> dict[str, str]:
        """Give a container's variables, but for the token's; later ones win, as in Kubernetes."""
        found: dict[str, str] = {}
        for each in _mappings(container.get("envFrom")):
            prefix = str(each.get("prefix") or "")
            for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if key in each:
                    data = self._data(kind, _mapping(each[key]), "all of its variables")
                    found |= {f"{prefix}{name}": value for name, value in data.items()}
        if self._token_variable and found.pop(self._token_variable, None) is not None:
            self.token = "what envFrom of the Deployment refers to"  # noqa: S105 - no token
        for each in _mappings(container.get("env")):
            name = str(each.get("name") or "")
            if name == self._token_variable:
                self.token = self._origin(each)
                continue
            value = self._value(name, each)
            if value is not None:
                found[name] = _filled(value, found)
        return found

    def files(self, container: Object, pod: Object, environ: Mapping[str, str]) -> dict[str, str]:
        """Give the files that variables name and that a ConfigMap or Secret holds."""
        volumes = {each.get("name"): each for each in _mappings(pod.get("volumes"))}
        found: dict[str, str] = {}
        for path in {each for each in environ.values() if each.startswith("/")}:
            for mount in _mappings(container.get("volumeMounts")):
                inner = _inside(path, mount)
                volume = volumes.get(mount.get("name"))
                if inner is None or volume is None:
                    continue
                text = self._file(volume, inner)
                if text is not None:
                    found[path] = text
        return found

    def _origin(self, entry: Object) -> str:
        reference = _mapping(_mapping(entry.get("valueFrom")).get("secretKeyRef"))
        if reference:
            name, key = reference.get("name"), reference.get("key")
            return f"Secret {self.namespace}/{name}, key {key}"
        return "the Deployment itself, where whoever reads it has it"

    def _value(self, name: str, entry: Object) -> str | None:
        if "value" in entry:
            return str(entry["value"])
        said = _mapping(entry.get("valueFrom"))
        for key, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
            if key in said:
                reference = _mapping(said[key])
                data = self._data(kind, reference, f"the variable {name}")
                if not data:
                    return None
                value = data.get(str(reference.get("key")))
                if value is None and not reference.get("optional"):
                    self.losses.append(
                        f"the variable {name} is key {reference.get('key')} of {kind} "
                        f"{self.namespace}/{reference.get('name')}, which lacks it: it counts as "
                        "not set"
                    )
                return value
        return None

    def _file(self, volume: Object, inner: str) -> str | None:
        sources = [
            *_mappings(_mapping(volume.get("projected")).get("sources")),
            volume,
        ]
        for source in sources:
            for key, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
                if key not in source:
                    continue
                reference = _mapping(source[key])
                name = reference.get("name") or reference.get("secretName")
                data = self._data(kind, {**reference, "name": name}, f"the file {inner}")
                items = {
                    str(each.get("path")): str(each.get("key"))
                    for each in _mappings(reference.get("items"))
                }
                text = data.get(items.get(inner, "") if items else inner)
                if text is not None:
                    return text
        return None

    def _data(self, kind: str, reference: Object, what: str) -> dict[str, str]:
        name = str(reference.get("name") or "")
        held = self._fetch(kind, self.namespace, name)
        if held is None:
            if not reference.get("optional"):
                self.losses.append(
                    f"{what} comes of {kind} {self.namespace}/{name}, which was not given or is "
                    "not there: give it too"
                )
            return {}
        return data_of(held)


def data_of(held: Object) -> dict[str, str]:
    """Read what a ConfigMap or a Secret holds as texts; what is no text is left out."""
    found = {key: str(value) for key, value in _mapping(held.get("stringData")).items()}
    for field in ("data", "binaryData"):
        for key, value in _mapping(held.get(field)).items():
            if held.get("kind") == "Secret" or field == "binaryData":
                try:
                    found.setdefault(key, base64.b64decode(str(value)).decode())
                except (binascii.Error, UnicodeDecodeError, ValueError):
                    continue
            else:
                found.setdefault(key, str(value))
    return found


def _autoscaler(workload: Object) -> Object | None:
    """Find the container that runs a Cluster Autoscaler, by its command line."""
    pod = _pod_spec(workload)
    for each in (*_mappings(pod.get("containers")), *_mappings(pod.get("initContainers"))):
        flags = {word.partition("=")[0] for word in _words(each)}
        if flags & {"--nodes", "--cloud-provider"}:
            return each
    return None


def _pod_spec(workload: Object) -> Object:
    spec = _mapping(workload.get("spec"))
    if workload.get("kind") == "Pod":
        return spec
    return _mapping(_mapping(spec.get("template")).get("spec"))


def _words(container: Object) -> list[str]:
    """Give a container's command line; what is one text for a shell is taken apart."""
    found: list[str] = []
    for field in ("command", "args"):
        given = container.get(field)
        for each in given if isinstance(given, list) else []:
            text = str(each)
            if " " in text.strip() and "--nodes" in text:
                try:
                    found += shlex.split(text)
                except ValueError as error:
                    raise Unreadable(
                        f"the autoscaler's command line cannot be read: {error}"
                    ) from error
            else:
                found.append(text)
    return found


def _filled(text: str, environ: Mapping[str, str]) -> str:
    """Fill $(NAME) as Kubernetes does; what is not known stays."""
    return _REFERENCE.sub(lambda found: environ.get(found[1], found[0]), text)


def _inside(path: str, mount: Object) -> str | None:
    """Give the path of a file inside a volume; None where the mount does not hold it."""
    at, below = PurePosixPath(str(mount.get("mountPath") or "/")), str(mount.get("subPath") or "")
    try:
        inner = PurePosixPath(path).relative_to(at)
    except ValueError:
        return None
    return str(PurePosixPath(below) / inner) if below else str(inner)


def _config(text: str) -> str | None:
    """Give a configuration in JSON, plain or in base64; None for anything else."""
    for candidate in (text, _plain(text)):
        try:
            document = json.loads(candidate)
        except ValueError:
            continue
        if isinstance(document, dict) and "kind" not in document:
            return candidate
    return None


def _plain(text: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""


def _variables(text: str) -> dict[str, str] | None:
    """Read an env file; None where a line is no assignment."""
    lines = [each.strip() for each in text.splitlines()]
    found: dict[str, str] = {}
    for line in lines:
        if not line or line.startswith("#"):
            continue
        matched = _LINE.fullmatch(line)
        if matched is None:
            return None
        value = matched[2].strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        found[matched[1]] = value
    return found or None


def _objects(name: str, text: str) -> Iterator[Object]:
    try:
        documents = list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise Unreadable(f"{name} is neither YAML{where}, nor JSON, nor an env file") from None
    found = list(_flat(documents))
    if not found:
        raise Unreadable(
            f"{name} holds nothing to convert: give a Deployment with its ConfigMaps and Secrets, "
            "an env file, or the cluster config"
        )
    yield from found


def _flat(documents: Iterable[object]) -> Iterator[Object]:
    for each in documents:
        if isinstance(each, dict) and str(each.get("kind", "")).endswith("List"):
            items = each.get("items")
            yield from _flat(items if isinstance(items, list) else [])
        elif isinstance(each, dict) and "kind" in each:
            yield each


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
