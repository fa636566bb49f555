"""Find the clouds that are installed, by their entry points, without naming one.

A package registers its class under ``vps_autoscaler.providers``; the entry point's name is what
``provider:`` says in the configuration. A class is imported when it is first asked for, so that
a server pays only for the clouds it uses.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from providers import contract, metadata

Cloud = type[contract.Provider]

_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*", re.ASCII)
_METHODS: Final = (
    "open",
    "machine_types",
    "offers",
    "instances",
    "create",
    "look_up",
    "delete",
    "budget",
    "node_labels",
    "check_order",
    "quota",
    "close",
)


class UnknownCloud(KeyError):
    """Say that no installed package brings a cloud of this name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(name)
        self.name = name
        self.known = tuple(sorted(known))

    def __str__(self) -> str:
        there = ", ".join(self.known) or "none is installed"
        return f"no cloud is called {self.name!r} (known: {there})"


class BrokenCloud(Exception):
    """Say that a cloud is installed and cannot be used: its import or its class is wrong."""


class Installed(Mapping[str, Cloud]):
    """Map the names of installed clouds to their classes, importing each on first use.

    Asking for a name raises UnknownCloud (a KeyError) or BrokenCloud.
    """

    def __init__(self, entry_points: Iterable[importlib.metadata.EntryPoint]) -> None:
        self._entry_points = {point.name: point for point in entry_points}
        self._loaded: dict[str, Cloud] = {}

    def __getitem__(self, name: str) -> Cloud:
        if name not in self._loaded:
            point = self._entry_points.get(name)
            if point is None:
                raise UnknownCloud(name, self._entry_points)
            self._loaded[name] = _load(point)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entry_points))

    def __len__(self) -> int:
        return len(self._entry_points)

    def within(self, package: str) -> Installed:
        """Keep the clouds that come from one package, without importing any."""
        points = self._entry_points.values()
        return Installed(each for each in points if each.module.split(".")[0] == package)

    def __contains__(self, name: object) -> bool:
        return name in self._entry_points


def installed() -> Installed:
    """Find every cloud that an installed package registers; imports none of them."""
    return Installed(importlib.metadata.entry_points(group=contract.ENTRY_POINT_GROUP))


def joins_by_itself(cloud: Cloud) -> bool:
    """Return whether a cloud's machines become nodes with nothing to write; False when unsaid."""
    return bool(getattr(cloud, "joins_by_itself", False))


def makes_nodes(cloud: Cloud, settings: object) -> bool:
    """Return whether an account asks for Nodes of pretended machines; never at a real cloud.

    A cloud that does not join by itself is not even asked.
    """
    said = getattr(cloud, "makes_nodes", None)
    return joins_by_itself(cloud) and said is not None and said(settings) is True


def metadata_service(cloud: Cloud | contract.Provider) -> metadata.Service:
    """Return how a cloud's machines learn their ids; by cloud-init where the class does not say."""
    said = getattr(cloud, "metadata_service", None)
    return said if isinstance(said, metadata.Service) else metadata.Service()


def says_ids(cloud: Cloud | contract.Provider) -> bool:
    """Return whether a cloud's class says how its machines learn their ids; older ones do not."""
    return isinstance(getattr(cloud, "metadata_service", None), metadata.Service)


def user_data_bytes(cloud: Cloud | contract.Provider, text: str) -> int:
    """Return how much of a cloud's limit a user-data takes, as it is sent."""
    counts = getattr(cloud, "user_data_bytes", None)  # isinstance() sees through no wrapper
    return len(text.encode()) if counts is None else int(counts(text))


def _load(point: importlib.metadata.EntryPoint) -> Cloud:
    """Import a cloud's class and see that it is one."""
    try:
        cloud = point.load()
    except Exception as error:
        message = f"cloud {point.name!r} ({point.value}) cannot be imported: {error}"
        raise BrokenCloud(message) from error
    wrong = problems(point.name, cloud)
    if wrong:
        raise BrokenCloud(f"cloud {point.name!r} ({point.value}) is no cloud: {'; '.join(wrong)}")
    assert isinstance(cloud, type)  # noqa: S101 - problems() has just said so
    return cloud


def problems(name: str, cloud: object) -> tuple[str, ...]:
    """Return what keeps a class from being a cloud; nothing when it is one."""
    if not isinstance(cloud, type):
        return ("the entry point does not name a class",)
    wrong = [] if _NAME.fullmatch(name) else [f"{name!r} is not a lower-case name"]
    wrong += [f"{method}() is missing" for method in _METHODS if not hasattr(cloud, method)]
    if not _SCHEME.fullmatch(str(getattr(cloud, "scheme", ""))):
        wrong.append("scheme is missing or no URL scheme")
    if not isinstance(getattr(cloud, "token_variable", None), str):
        wrong.append("token_variable is missing")
    if not isinstance(getattr(cloud, "supports", None), frozenset):
        wrong.append("supports is missing")
    if not isinstance(getattr(cloud, "metadata_service", metadata.Service()), metadata.Service):
        wrong.append("metadata_service is no providers.metadata.Service")
    limit = getattr(cloud, "user_data_limit_bytes", None)
    if not isinstance(limit, int) or limit < 1:
        wrong.append("user_data_limit_bytes is missing: the class itself must say it")
    if not isinstance(getattr(cloud, "costs", contract.Costs()), contract.Costs | property):
        wrong.append("costs is no contract.Costs")
    for options in ("account_options", "group_options"):
        if not isinstance(getattr(cloud, options, None), type):
            wrong.append(f"{options} is missing")
    return tuple(wrong)
