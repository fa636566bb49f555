"""Read a container of a cluster: its command line, its variables, and the files that they name.

The token's variable is never followed: what it refers to is named.
"""

from __future__ import annotations

import base64
import binascii
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from externalgrpc.model import loose

Object = Mapping[str, Any]
Fetch = Callable[[str, str, str], Object | None]
"""Give an object by kind, namespace and name; None where it is not to be had."""

_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)", re.ASCII)


class Unreadable(Exception):
    """Say, for a person, what cannot be read and what to give instead; quotes no secret."""


class Reader:
    """Follow what a container's variables and volumes refer to."""

    def __init__(self, fetch: Fetch, token_variable: str) -> None:
        self._fetch = fetch
        self._token_variable = token_variable
        self.namespace = "default"
        self.token = ""
        self.losses: list[str] = []

    def environ(self, container: Object) -> dict[str, str]:
        """Return a container's variables, but for the token's; later ones win, as in Kubernetes."""
        found: dict[str, str] = {}
        for each in loose.sequence(container.get("envFrom")):
            prefix = str(each.get("prefix") or "")
            for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if key in each:
                    data = self._data(kind, loose.mapping(each[key]), "all of its variables")
                    found |= {f"{prefix}{name}": value for name, value in data.items()}
        if self._token_variable and found.pop(self._token_variable, None) is not None:
            self.token = "what envFrom of the Deployment refers to"  # noqa: S105 - no token
        for each in loose.sequence(container.get("env")):
            name = str(each.get("name") or "")
            if name == self._token_variable:
                self.token = self._origin(each)
                continue
            value = self._value(name, each)
            if value is not None:
                found[name] = filled(value, found)
        return found

    def files(self, container: Object, pod: Object, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the files that variables name and that a ConfigMap or Secret holds."""
        volumes = {each.get("name"): each for each in loose.sequence(pod.get("volumes"))}
        found: dict[str, str] = {}
        for path in {each for each in environ.values() if each.startswith("/")}:
            for mount in loose.sequence(container.get("volumeMounts")):
                inner = _inside(path, mount)
                volume = volumes.get(mount.get("name"))
                if inner is None or volume is None:
                    continue
                text = self._file(volume, inner)
                if text is not None:
                    found[path] = text
        return found

    def _origin(self, entry: Object) -> str:
        reference = loose.mapping(loose.mapping(entry.get("valueFrom")).get("secretKeyRef"))
        if reference:
            name, key = reference.get("name"), reference.get("key")
            return f"Secret {self.namespace}/{name}, key {key}"
        return "the Deployment itself, where whoever reads it has it"

    def _value(self, name: str, entry: Object) -> str | None:
        if "value" in entry:
            return str(entry["value"])
        said = loose.mapping(entry.get("valueFrom"))
        for key, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
            if key in said:
                reference = loose.mapping(said[key])
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
            *loose.sequence(loose.mapping(volume.get("projected")).get("sources")),
            volume,
        ]
        for source in sources:
            for key, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
                if key not in source:
                    continue
                reference = loose.mapping(source[key])
                name = reference.get("name") or reference.get("secretName")
                data = self._data(kind, {**reference, "name": name}, f"the file {inner}")
                items = {
                    str(each.get("path")): str(each.get("key"))
                    for each in loose.sequence(reference.get("items"))
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
    found = {key: str(value) for key, value in loose.mapping(held.get("stringData")).items()}
    for field in ("data", "binaryData"):
        for key, value in loose.mapping(held.get(field)).items():
            if held.get("kind") == "Secret" or field == "binaryData":
                try:
                    found.setdefault(key, base64.b64decode(str(value)).decode())
                except (binascii.Error, UnicodeDecodeError, ValueError):
                    continue
            else:
                found.setdefault(key, str(value))
    return found


def autoscaler(workload: Object) -> Object | None:
    """Find the container that runs a Cluster Autoscaler, by its command line."""
    pod = pod_spec(workload)
    for each in (
        *loose.sequence(pod.get("containers")),
        *loose.sequence(pod.get("initContainers")),
    ):
        flags = {word.partition("=")[0] for word in words(each)}
        if flags & {"--nodes", "--cloud-provider"}:
            return each
    return None


def pod_spec(workload: Object) -> Object:
    """Return the spec of the pods of a workload, or of a pod."""
    spec = loose.mapping(workload.get("spec"))
    if workload.get("kind") == "Pod":
        return spec
    return loose.mapping(loose.mapping(spec.get("template")).get("spec"))


def words(container: Object) -> list[str]:
    """Return a container's command line; what is one text for a shell is taken apart."""
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


def filled(text: str, environ: Mapping[str, str]) -> str:
    """Fill $(NAME) as Kubernetes does; what is not known stays."""
    return _REFERENCE.sub(lambda found: environ.get(found[1], found[0]), text)


def _inside(path: str, mount: Object) -> str | None:
    """Return the path of a file inside a volume; None where the mount does not hold it."""
    at, below = PurePosixPath(str(mount.get("mountPath") or "/")), str(mount.get("subPath") or "")
    try:
        inner = PurePosixPath(path).relative_to(at)
    except ValueError:
        return None
    return str(PurePosixPath(below) / inner) if below else str(inner)
