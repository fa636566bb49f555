"""VPSNodes for the doctor: their machines are somebody's."""

from __future__ import annotations

from pathlib import Path

from externalgrpc import config
from externalgrpc.diagnosis.notes import Notes
from externalgrpc.diagnosis.probes import object_probe
from externalgrpc.kube import api, errors
from externalgrpc.kubero import manifests
from externalgrpc.model import installed_clouds
from externalgrpc.vpsnodes import objects

FILE = """
cluster: test
kubernetes: {}
vpsNodes: {defaults: {memory: {join: image}}}
"""
SPEC = {"provider": "memory", "instanceType": "small", "region": "north"}


class Kube:
    """An API server that answers a list, or raises."""

    def __init__(self, answer: api.Object | errors.KubeError, *, served: bool = True) -> None:
        self.answer = answer
        self.served = served

    def get(self, path: str, query: dict[str, str] | None = None) -> api.Object:
        if path == f"/apis/{objects.VERSION}":
            if not self.served:
                raise errors.of(404, "no such group", path)
            return {}
        assert path in (objects.PATH, object_probe.NAMESPACES)
        assert query
        if isinstance(self.answer, errors.KubeError):
            raise self.answer
        return self.answer


def notes() -> Notes:
    return Notes(lambda _what: None)


def test_they_are_groups_as_the_server_has_them(tmp_path: Path) -> None:
    path = tmp_path / "pools.yaml"
    path.write_text(FILE)
    clouds = installed_clouds.installed()
    source = config.Source(path=path, cluster="", environ={}, installed=clouds)
    read = config.load(path, cluster="", environ={}, clouds=clouds)
    items = [
        {"metadata": {"name": "web", "uid": "1"}, "spec": SPEC},
        {"metadata": {"name": "bad", "uid": "2"}, "spec": {"provider": "memory"}},
    ]
    there = object_probe.ask(Kube({"items": items}), notes())
    assert there is not None
    (group,) = object_probe.composed(read, source, there).groups
    assert (group.name, group.min_size, group.hold) == ("web", 1, "")


def test_a_cluster_without_the_kind_has_none() -> None:
    seen = notes()
    assert object_probe.ask(Kube(errors.of(404, "no such kind", "GET x")), seen) is None
    assert seen.unseen == ()


def test_nor_has_one_that_does_not_let_us_look_for_what_is_not_there() -> None:
    seen = notes()
    denied = errors.of(403, "forbidden", "GET x")
    assert object_probe.ask(Kube(denied, served=False), seen) is None
    assert seen.unseen == ()


def test_one_that_does_not_let_us_is_noted() -> None:
    seen = notes()
    assert object_probe.ask(Kube(errors.of(403, "forbidden", "GET x")), seen) is None
    assert [each.what for each in seen.unseen] == ["VPSNodes"]


def test_the_vpsnodes_that_tenants_name() -> None:
    labels = {"shop": "web", "blog": "true", "ours": None}
    items = [
        {"metadata": {"name": name, "labels": {manifests.TENANT: value} if value else {}}}
        for name, value in labels.items()
    ]
    assert object_probe.tenants(Kube({"items": items}), notes()) == {"shop": "web"}


def test_who_may_not_see_namespaces_is_not_silent() -> None:
    seen = notes()
    assert object_probe.tenants(Kube(errors.of(403, "forbidden", "GET x")), seen) == {}
    assert [each.what for each in seen.unseen] == ["namespaces of tenants"]
