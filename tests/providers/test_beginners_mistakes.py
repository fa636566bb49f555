"""Clouds as a newcomer writes them, one mistake each: the suite fails the test that is named.

All are the example's cloud, or its fake, but for the one mistake. Each was made on a real vendor's
API before there was a test for it here.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import pytest

from providers import contract, errors, rest
from providers.fakes import engine
from tests.providers.test_suite_on_a_fake import Toy, toyapi, toycloud, verdict

RUNNING = contract.InstanceState.RUNNING
REGION, ZONE = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"


class NamesAZone(Toy):
    def node_labels(self, machine_type, location):
        return {**super().node_labels(machine_type, location), ZONE: f"{location}-1"}


class NamesOneRegionForAll(Toy):
    def node_labels(self, machine_type, location):
        return {REGION: "north"}


class NamesWhatIsNoLabel(Toy):
    def node_labels(self, machine_type, location):
        return {REGION: location, "toycloud.example/where": "up north"}


def asking(factor: int) -> Any:
    """Return a cloud whose prices are off by a factor."""

    class Dear(Toy):
        def offers(self):
            return tuple(
                dataclasses.replace(one, price_per_hour=one.price_per_hour * factor)
                for one in super().offers()
            )

    return Dear


class LosesTheBudget(Toy):
    def budget(self):
        return None


class LosesAHeaderOfTheMetadata(Toy):
    metadata_service = dataclasses.replace(Toy.metadata_service, headers=())


class LearnsAnotherId(Toy):
    metadata_service = dataclasses.replace(Toy.metadata_service, id="{machine.cpus}")


class NamesItselfOtherwise(Toy):
    metadata_service = dataclasses.replace(Toy.metadata_service, prefix="zone/")


class HidesTheStopped(Toy):
    def instances(self):
        stopped = contract.InstanceState.STOPPED
        return tuple(one for one in super().instances() if one.state is not stopped)


class TakesForRunning(Toy):
    taken: contract.InstanceState

    def _instance(self, row, receipt=""):
        shown = super()._instance(row, receipt)
        return dataclasses.replace(shown, state=RUNNING) if shown.state is self.taken else shown


class TakesTheStoppedForRunning(TakesForRunning):
    taken = contract.InstanceState.STOPPED


class TakesTheBootingForRunning(TakesForRunning):
    taken = contract.InstanceState.CREATING


class ShowsPrivateAddressesFirst(Toy):
    def _instance(self, row, receipt=""):
        shown = super()._instance(row, receipt)
        return dataclasses.replace(shown, addresses=("10.0.0.7", *shown.addresses))


class OrdersInOnePlace(Toy):
    def create(self, order):
        return super().create(dataclasses.replace(order, location="north"))


class OrdersOneSize(Toy):
    def create(self, order):
        small = dataclasses.replace(order.machine_type, name="small")
        return super().create(dataclasses.replace(order, machine_type=small))


class IsBornAnewInEachListing(Toy):
    def _instance(self, row, receipt=""):
        shown = super()._instance(row, receipt)
        return dataclasses.replace(shown, created_at=time.time())


class _Keeps(toyapi.Api):
    """Leaves the disk of a machine, as many do unless they are asked to delete it too."""

    def add(self, name: str, asked: dict[str, Any], *, running: bool = False) -> Any:
        machine = super().add(name, asked, running=running)
        self.beside[f"disk-of-{machine.id}"] = name
        return machine


NAIVE: tuple[tuple[Any, str], ...] = (
    (NamesAZone, "test_a_node_gets_the_zone_label_or_none"),
    (NamesAZone, "test_every_location_has_labels_of_its_own"),
    (NamesOneRegionForAll, "test_every_location_has_labels_of_its_own"),
    (NamesWhatIsNoLabel, "test_every_location_has_labels_of_its_own"),
    (asking(730), "test_a_price_is_in_whole_currency_and_for_an_hour"),
    (asking(100), "test_a_price_is_in_whole_currency_and_for_an_hour"),
    (LosesTheBudget, "test_the_budget_is_reported_truly_or_not_at_all"),
    (LosesAHeaderOfTheMetadata, "test_a_machine_learns_its_own_id"),
    (LearnsAnotherId, "test_a_machine_learns_its_own_id"),
    (NamesItselfOtherwise, "test_a_machine_from_order_to_gone"),
    (HidesTheStopped, "test_a_machine_that_is_off_is_listed_as_stopped"),
    (TakesTheStoppedForRunning, "test_a_machine_that_is_off_is_listed_as_stopped"),
    (TakesTheBootingForRunning, "test_a_machine_that_boots_does_not_run_yet"),
    (OrdersInOnePlace, "test_a_machine_is_made_where_and_as_it_was_ordered"),
    (OrdersOneSize, "test_a_machine_is_made_where_and_as_it_was_ordered"),
    (IsBornAnewInEachListing, "test_a_machine_from_order_to_gone"),
    (ShowsPrivateAddressesFirst, "test_a_machine_from_order_to_gone"),
)


@pytest.mark.parametrize(("made", "test"), NAIVE)
def test_a_mistake_fails_the_suite(made: Any, test: str) -> None:
    assert verdict("TestToyCloud", test, made)
    assert verdict("TestToyCloud", test) == ""


def test_a_volume_that_stays_fails_the_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "test_what_an_order_made_goes_with_its_machine"
    assert verdict("TestToyCloud", name) == ""
    monkeypatch.setattr(toyapi, "Api", _Keeps)
    assert "disk-of-m-1" in verdict("TestToyCloud", name)


# Where a machine is stopped before it is deleted: that is no mistake, and passes.


class _StopsFirst(toyapi.Api):
    """Deletes what stands still alone; a stop takes three seconds."""

    stop_s = 3.0

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.still_at: dict[str, float] = {}

    @engine.route("POST", "/machines/{id}/stop")
    def _stop(self, request: engine.Request) -> engine.Reply:
        machine = self._known(request)
        self.still_at.setdefault(machine.id, self.now() + self.stop_s)
        return engine.Reply(status=204)

    @engine.route("DELETE", "/machines/{id}")
    def _delete(self, request: engine.Request) -> engine.Reply:
        machine = self._known(request)
        if not machine.going and self.still_at.get(machine.id, self.now() + 1) > self.now():
            self.refuse_with(423, "machine_runs", "it does not stand still")
        return super()._delete(request)


class StopsFirst(Toy):
    costs = contract.Costs(delete=2, page=toycloud.PER_PAGE)

    def delete(self, instance_id):
        with self._connection.operation("delete"):
            path = f"/machines/{instance_id}"
            try:
                self._connection.ask("DELETE", path)
            except rest.SaidNoError as error:
                code = str((error.body or {}).get("code"))
                if code == toycloud.NOT_FOUND:
                    return
                if code != "machine_runs":
                    raise
                self._connection.ask("POST", f"{path}/stop")
                raise errors.Throttled("it is being stopped", retry_after_s=5.0) from error


DELETING = (
    "test_a_machine_from_order_to_gone",
    "test_deleting_twice_is_success",
    "test_deleting_what_is_going_is_success",
    "test_delete_asks_for_the_id_alone",
    "test_a_machine_that_is_gone_gets_no_mark",
    "test_what_an_operation_costs_is_reported_truly",
    "test_what_an_order_made_goes_with_its_machine",
)
"""Those that delete, and take nothing but a bench."""


@pytest.mark.parametrize("test", DELETING)
def test_a_cloud_that_asks_to_come_again_passes(test: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toyapi, "Api", _StopsFirst)
    assert verdict("TestToyCloud", test, StopsFirst) == ""


def test_one_that_asks_for_ever_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toyapi, "Api", _StopsFirst)
    monkeypatch.setattr(_StopsFirst, "stop_s", 1e6)
    assert "being stopped" in verdict("TestToyCloud", DELETING[0], StopsFirst)
