"""Read how another autoscaler was started: from manifests, env files, its config, or a cluster.

Nothing is written anywhere. The token's variable is never followed: what it refers to is named.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import yaml

from externalgrpc.commands import containers
from externalgrpc.model import loose
from providers import contract

WORKLOADS: Final = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod")
_OURS_TO_SAY: Final = (
    "--nodes",
    "--cloud-provider",
    "--cloud-config",
    "--node-group-auto-discovery",
)
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.ASCII)


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """A setup, the names of what it was read from, where its token was, and what was missing."""

    setup: contract.Setup
    origin: str
    token: str = ""
    losses: tuple[str, ...] = ()

    def kept_flags(self) -> tuple[str, ...]:
        """Return the flags that say nothing of the cloud: they go on to work with ours."""
        words = [each for each in self.setup.arguments if each.startswith("-")]
        return tuple(each for each in words if each.partition("=")[0] not in _OURS_TO_SAY)


@dataclasses.dataclass(slots=True)
class Given:
    """What was read of all files: objects of Kubernetes, variables, configurations."""

    objects: list[containers.Object] = dataclasses.field(default_factory=list)
    environ: dict[str, str] = dataclasses.field(default_factory=dict, repr=False)
    configs: list[str] = dataclasses.field(default_factory=list, repr=False)

    def take(self, name: str, text: str) -> None:
        """Take one file, whatever it is; raises :class:`containers.Unreadable`."""
        if (config := _config(text)) is not None:
            self.configs.append(config)
        elif (variables := _variables(text)) is not None:
            self.environ |= variables
        else:
            self.objects += _objects(name, text)

    def fetch(self, kind: str, namespace: str, name: str) -> containers.Object | None:
        """Find an object among those that were given; one without a namespace is of any."""
        for each in self.objects:
            about = loose.mapping(each.get("metadata"))
            here = about.get("namespace") in (None, namespace)
            if here and each.get("kind") == kind and about.get("name") == name:
                return each
        return None

    def workload(self) -> containers.Object | None:
        """Find the one autoscaler among the objects; raises Unreadable when there are several."""
        found = [
            each
            for each in self.objects
            if each.get("kind") in WORKLOADS and containers.autoscaler(each) is not None
        ]
        if len(found) > 1:
            names = ", ".join(
                str(loose.mapping(each.get("metadata")).get("name")) for each in found
            )
            raise containers.Unreadable(
                f"several objects run an autoscaler ({names}): give one of them"
            )
        return found[0] if found else None


def setup(
    given: Given,
    workload: containers.Object | None,
    fetch: containers.Fetch,
    *,
    nodes: Sequence[str],
    token_variable: str,
    config_variable: str,
) -> Found:
    """Put together what there is; ``nodes`` are --nodes that a person gave by hand."""
    reader = containers.Reader(fetch, token_variable)
    origin = "the files that were given"
    arguments: list[str] = []
    environ: dict[str, str] = {}
    files: dict[str, str] = {}
    if workload is not None:
        about = loose.mapping(workload.get("metadata"))
        reader.namespace = str(about.get("namespace") or "default")
        origin = f"{workload.get('kind')} {reader.namespace}/{about.get('name')}"
        container = containers.autoscaler(workload)
        if container is None:
            raise containers.Unreadable(
                f"no container of {origin} has --nodes or --cloud-provider on its command line: "
                "it is no Cluster Autoscaler"
            )
        environ = reader.environ(container)
        arguments = [containers.filled(each, environ) for each in containers.words(container)]
        files = reader.files(container, containers.pod_spec(workload), environ)
    if token_variable and token_variable in given.environ:
        reader.token = f"variable {token_variable}"
    environ |= {key: value for key, value in given.environ.items() if key != token_variable}
    arguments += [f"--nodes={each}" for each in nodes]
    if len(given.configs) > 1:
        raise containers.Unreadable("several cluster configs were given: give one of them")
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


def _config(text: str) -> str | None:
    """Return a configuration in JSON, plain or in base64; None for anything else."""
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


def _objects(name: str, text: str) -> Iterator[containers.Object]:
    try:
        documents = list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise containers.Unreadable(
            f"{name} is neither YAML{where}, nor JSON, nor an env file"
        ) from None
    found = list(_flat(documents))
    if not found:
        raise containers.Unreadable(
            f"{name} holds nothing to convert: give a Deployment with its ConfigMaps and Secrets, "
            "an env file, or the cluster config"
        )
    yield from found


def _flat(documents: Iterable[object]) -> Iterator[containers.Object]:
    for each in documents:
        if isinstance(each, dict) and str(each.get("kind", "")).endswith("List"):
            items = each.get("items")
            yield from _flat(items if isinstance(items, list) else [])
        elif isinstance(each, dict) and "kind" in each:
            yield each
