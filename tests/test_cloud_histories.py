"""Replay fault histories over each of our clouds' fakes; and see naive clouds break the laws."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import random
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from externalgrpc.model import installed_clouds
from providers import contract, errors
from providers.conformance import HistoryControls, histories, staging
from providers.kit import marks
from tests.bench import clouds as places

PLUGIN = Path(__file__).parents[1] / "examples" / "cloud-plugin"


def loaded(path: Path) -> types.ModuleType:
    """Import a module of the example, which is no package of ours."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


toycloud: Any = loaded(PLUGIN / "toycloud.py")
toyapi: Any = loaded(PLUGIN / "tests" / "toyapi.py")
tests_of_toycloud: Any = loaded(PLUGIN / "tests" / "test_toycloud.py")

BUDGET_S = float(os.environ.get("CLOUD_HISTORIES_S", "1.5"))
"""Seconds of histories for each cloud; three are played at least."""

RUNNING = {"running", "active", "active running ok"}


class PlaceControls(HistoryControls):
    """What a history does behind the API of one of our own four fakes."""

    def __init__(self, place: places.Place, fake: Any) -> None:
        self.place = place
        self.fake = fake

    creates = lists = "/(servers|instances|droplets)$"

    @property
    def machines(self) -> dict[Any, Any]:
        names = ("servers", "machines", "droplets", "instances")
        return next(getattr(self.fake, name) for name in names if hasattr(self.fake, name))

    def _rows(self) -> list[Any]:
        return self.fake.state()["servers"]

    def _one(self, instance_id: str) -> Any:
        return next(each for key, each in self.machines.items() if str(key) == instance_id)

    def add(self, *, cluster: str, group: str, node_name: str) -> str:
        fields = {"cluster": cluster, "group": group, "node": node_name} if cluster else {}
        if self.place.provider == "hetzner":
            labels = {f"vps-autoscaler/{key}": value for key, value in fields.items()}
            return str(self.fake.add(node_name, labels).id)
        worn = marks.tags(cluster=cluster, group=group, node_name=node_name) if cluster else ()
        return str(self.fake.add(node_name, list(worn)).id)

    def standing(self) -> Mapping[str, str]:
        there = (each for each in self._rows() if each["status"] != "deleting")
        return {str(each["id"]): each["name"] for each in there}

    def running(self, instance_id: str) -> bool:
        there = {str(each["id"]): each["status"] for each in self._rows()}
        return there[instance_id] in RUNNING

    def vanish(self, instance_id: str) -> None:
        del self.machines[self._one(instance_id).id]

    def lock(self, instance_id: str, seconds: float) -> None:
        each = self._one(instance_id)
        word = "busy_until" if hasattr(each, "busy_until") else "locked_until"
        setattr(each, word, self.fake.now() + seconds)

    def be_late(self, seconds: float) -> None:
        self.fake.lag_s = seconds

    def sell_out(self, machine_type: str, location: str) -> str:
        self.fake.sell_out(machine_type, location)
        return ""

    def restock(self, machine_type: str, location: str) -> None:
        self.fake.restock(machine_type, location)

    def fail_an_accepted_order(self, chance: random.Random) -> None:
        if self.place.provider == "hetzner":
            self.fake.fail_action("resource_unavailable", leave=chance.choice(("gone", "off")))
        elif hasattr(self.fake, "fail_action"):
            self.fake.fail_action(leave=chance.choice(("gone", "new")))

    def calm(self) -> None:
        super().calm()
        if hasattr(self.fake, "failing"):
            self.fake.failing.clear()


def stage_of(place: places.Place) -> staging.Stage:
    def begin(*, token: str, clock: Callable[[], float]) -> PlaceControls:
        return PlaceControls(place, place.start(token=token, clock=clock))

    return staging.Stage(
        provider=place.provider,
        cloud=installed_clouds.installed()[place.provider],
        begin=begin,
        machine_type=place.machine_type,
        location=place.location,
        image=place.image,
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("place", places.ALL, ids=lambda place: place.provider)
def test_histories_over_the_fake_hold_the_laws(place, tmp_path: Path, capsys):
    played = histories.play(stage_of(place), tmp_path, seconds=BUDGET_S)
    with capsys.disabled():
        sys.stdout.write(f"\n{played.sentence(place.provider)}\n")


# What a naive cloud does, planted into the example for clouds from outside.


class OrdersAgain(toycloud.ToyCloud):
    """Send an order once more when its reply got lost, as most SDKs do."""

    def create(self, order: contract.Order) -> contract.Instance:
        try:
            return super().create(order)
        except errors.Unreachable:
            return super().create(order)


class TrustsTheFilter(toycloud.ToyCloud):
    """Count whatever the list holds."""

    def _listed(self, **_by: str):
        return super()._listed()

    def _is_ours(self, _row: Any) -> bool:
        return True


class MarksAfterwards(toycloud.ToyCloud):
    """Put the marks on in a second request, and call the machine ordered without it."""

    def create(self, order: contract.Order) -> contract.Instance:
        body, toycloud._body = toycloud._body, lambda order: {**body(order), "tags": []}
        try:
            made = super().create(order)
        finally:
            toycloud._body = body
        with self._connection.operation("create"):
            where = f"/machines/{made.id}/tags"
            self._connection.ask("PUT", where, body={"tags": list(marks.ordered(order))})
        return dataclasses.replace(made, node_name=order.node_name, group=order.group)


NAIVE = (
    (OrdersAgain, "two of one name"),
    (TrustsTheFilter, "somebody else was counted"),
    (MarksAfterwards, "two of one name|no rest"),
)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("naive", "law"), NAIVE, ids=[naive.__name__ for naive, _ in NAIVE])
def test_a_naive_cloud_breaks_a_law(
    naive: type[contract.Provider], law: str, tmp_path: Path
) -> None:
    """The suite finds these too, and others that a server outlives; here no hook looks for them."""
    stage = dataclasses.replace(tests_of_toycloud.TestToyCloud().stage(), cloud=naive)
    with pytest.raises(AssertionError, match=law):
        histories.play(stage, tmp_path, seconds=60)
