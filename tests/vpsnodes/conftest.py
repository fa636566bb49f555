"""A server on the memory cloud that follows the VPSNodes of a small API server."""

from __future__ import annotations

import contextlib
import dataclasses
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from externalgrpc import assembly, config
from externalgrpc.fleet import state, view
from externalgrpc.joining import registrar
from externalgrpc.model import groups, installed_clouds
from externalgrpc.vpsnodes import controller, objects, pace
from providers import memory
from providers.memory import datacenter
from tests import serving
from tests.kube import apiserver

Object = dict[str, Any]

SPEC: Object = {
    "provider": "memory",
    "instanceType": "small",
    "region": "north",
    "autoScale": {"enabled": True, "minNodes": 0, "maxNodes": 5},
    "labels": {"tier": "web"},
    "taints": [{"key": "tier", "value": "web", "effect": "NoSchedule"}],
}
FILE = """
cluster: test
kubernetes: {kubeconfig: kubeconfig}
vpsNodes: {defaults: {memory: {image: debian-13, join: image}}}
"""
QUICK = {
    "boot_time_s": 0.1,
    "requests_per_hour": 3_600_000,
    "burst": 3_600_000,
    "create_latency_s": 0.0,
    "list_latency_s": 0.0,
    "delete_latency_s": 0.0,
    "delete_time_s": 0.1,
}


def path_of(name: str) -> str:
    return f"{objects.PATH}/{name}"


@dataclasses.dataclass
class World:
    """An API server, a cloud, and servers that come and go."""

    server: apiserver.FakeServer
    folder: Path
    cloud: datacenter.Datacenter
    plant: assembly.Assembly | None = None
    source: config.Source | None = None

    def put(self, name: str, spec: Object | None = None, **metadata: Any) -> None:
        """Make or change an object as kubectl would."""
        before = self.server.items.get(path_of(name))
        about: Object = dict(before["metadata"]) if before else {"name": name, "generation": 0}
        about.pop("resourceVersion", None)
        changed = before is None or before["spec"] != (SPEC if spec is None else spec)
        about["generation"] += int(changed)
        thing = {
            **(before or {}),
            "metadata": {**about, **metadata},
            "spec": SPEC if spec is None else spec,
        }
        self.server.put(path_of(name), thing)

    def delete(self, name: str) -> None:
        """Delete an object as kubectl would: finalizers hold it."""
        thing = self.server.items[path_of(name)]
        if thing["metadata"].get("finalizers"):
            self.put(name, thing["spec"], deletionTimestamp="2026-11-28T02:00:00Z")
        else:
            self.server.put(path_of(name), None)

    def object(self, name: str) -> Object:
        return self.server.items[path_of(name)]

    def status(self, name: str) -> Object:
        return self.object(name).get("status", {})

    def condition(self, name: str, kind: str) -> tuple[str, str, str]:
        """Return a condition's status, reason and message."""
        for each in self.status(name).get("conditions", ()):
            if each["type"] == kind:
                return each["status"], each["reason"], each["message"]
        return "", "", ""

    @property
    def fleet(self) -> state.Fleet:
        assert self.plant is not None
        return self.plant.reconciler.fleet

    @property
    def served(self) -> list[str]:
        return [each.name for each in view.served(self.fleet)]

    def load(self, text: str) -> groups.Config:
        path = self.folder / "pools.yaml"
        path.write_text(text)
        self.source = config.Source(
            path=path, cluster="", environ={}, installed=installed_clouds.installed()
        )
        return config.load(path, cluster="", environ={}, clouds=self.source.installed)

    @contextlib.contextmanager
    def serving(
        self,
        text: str = FILE,
        *,
        of_pace: pace.Pace | None = None,
        open_provider: Callable[..., Any] | None = None,
    ) -> Iterator[assembly.Assembly]:
        self.server.link(self.folder)
        made = self.load(text)
        assert self.source is not None
        parts = assembly.Parts(
            chance=random.Random(7),
            pace=state.Pace(busy_s=0.05, steady_s=0.2),
            open_provider=open_provider
            or (lambda _cloud, login: memory.MemoryCloud(login, cloud=self.cloud)),
            joining=registrar.Pace(sweep_s=0.1, gather_s=0.01),
            source=self.source,
            writing=of_pace or pace.Pace(object_s=0.1, a_minute=6000.0, burst=100),
        )
        self.plant = assembly.Assembly(made, self.source.installed, parts)
        self.plant.start()
        try:
            yield self.plant
        finally:
            self.plant.stop(5.0)

    def until(self, condition: Callable[[], object], timeout_s: float = 15.0) -> None:
        serving.until(condition, timeout_s)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(controller, "TICK_S", 0.1)
    server = apiserver.FakeServer()
    server.start()
    try:
        yield World(server, tmp_path, datacenter.Datacenter(datacenter.Options(**QUICK)))
    finally:
        server.stop()
