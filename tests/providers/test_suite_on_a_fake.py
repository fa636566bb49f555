"""The suite on a fake of the engine's: naive clouds, one mistake each, fail the test that is named.

All are the example's cloud but for the one mistake; what takes several requests passes.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

import pytest

from providers import contract, errors, rest
from providers.fakes import engine
from providers.kit import paging
from tests.test_cloud_histories import tests_of_toycloud, toyapi, toycloud

Toy: Any = toycloud.ToyCloud
UNJOINED = frozenset({contract.Mark.UNJOINED})


def verdict(suite: str, test: str, made: Any = Toy, **fields: Any) -> str:
    """Run one test of the suite over a cloud; return what it says, "" where it passes."""
    held: Any = type("Held", (getattr(tests_of_toycloud, suite),), {"cloud": made})()
    with contextlib.contextmanager(held.make)(
        cluster=held.cluster, account=held.account, token=held.token
    ) as bench:
        try:
            getattr(held, test)(bench, **fields)
        except (AssertionError, errors.CloudError, pytest.fail.Exception) as error:
            return str(error) or repr(error)
        finally:
            bench.provider.close()
    return ""


class TakesAGatewaysWord(Toy):
    def _by_name(self, node_name):
        try:
            return super()._by_name(node_name)
        except rest.SaidNoError as error:
            if error.status == 404:
                return None
            raise


class MarksAnewFromNothing(Toy):
    def mark(self, instance_id, *, put, remove=frozenset()):
        if contract.Mark.IDENTITY in put:
            remove = remove | UNJOINED
        return super().mark(instance_id, put=put, remove=remove)


class TakesTheGoingForRunning(Toy):
    def _instance(self, row, receipt=""):
        shown = super()._instance(row, receipt)
        going = shown.state is contract.InstanceState.DELETING
        running = contract.InstanceState.RUNNING
        return dataclasses.replace(shown, state=running) if going else shown


class DeletesWhatGoesNoMore(Toy):
    def delete(self, instance_id):
        with self._connection.operation("delete", orders=True):
            row = self._by_id(instance_id)
            if row is not None and row["state"] == "deleting":
                raise errors.BadOrder("it is being deleted")
        super().delete(instance_id)


class CutsNames(Toy):
    def create(self, order):
        whole = dataclasses.replace(order, group=order.group[:20], node_name=order.node_name[:20])
        return super().create(whole)

    def mark(self, instance_id, *, put, remove=frozenset()):
        return super().mark(
            instance_id, put={mark: value[:20] for mark, value in put.items()}, remove=remove
        )


class TakesAShortPageForTheLast(Toy):
    def _listed(self, **by):
        def read(page):
            answer = self._connection.get("/machines", page=page, per_page=toycloud.PER_PAGE, **by)
            rows = answer["machines"]
            more = page + 1 if len(rows) == toycloud.PER_PAGE else None
            return paging.Page(rows=rows, total=None, following=more)

        return paging.whole("/machines", read, first=1)


class WaitsAsLongAsItIsAsked(Toy):
    def instances(self):
        try:
            return super().instances()
        except errors.Throttled as error:
            error.retry_after_s = float(error.__cause__.headers["retry-after"])
            raise


NAIVE: tuple[tuple[Any, str, str, dict[str, Any]], ...] = (
    (
        TakesAGatewaysWord,
        "TestToyCloud",
        "test_a_page_of_a_gateway_does_not_say_that_a_name_has_no_machine",
        {"status": 404},
    ),
    (MarksAnewFromNothing, "TestToyCloud", "test_a_mark_that_is_put_leaves_the_others", {}),
    (
        TakesTheGoingForRunning,
        "TestToyCloud",
        "test_a_machine_that_is_being_deleted_counts_no_more",
        {},
    ),
    (
        DeletesWhatGoesNoMore,
        "TestToyCloud",
        "test_deleting_what_is_going_is_success",
        {},
    ),
    *(
        (CutsNames, "TestToyCloud", "test_a_long_mark_is_whole_or_refused", fields)
        for fields in ({"field": "group", "length": 30}, {"field": "node_name", "length": 300})
    ),
    (
        CutsNames,
        "TestToyCloud",
        "test_a_long_group_that_is_put_is_whole_or_refused",
        {"length": 63},
    ),
    (TakesAShortPageForTheLast, "TestToyCloud", "test_a_short_page_is_not_the_last", {}),
    *(
        (
            WaitsAsLongAsItIsAsked,
            "TestToyVocabulary",
            "test_a_wait_that_the_vendor_asks_for_is_kept_within_reason",
            {"reset_s": reset_s},
        )
        for reset_s in (-3600.0, 3600.0)
    ),
)


@pytest.mark.parametrize(("made", "suite", "test", "fields"), NAIVE)
def test_a_naive_cloud_fails_the_suite(made: Any, suite: str, test: str, fields: Any) -> None:
    assert verdict(suite, test, made, **fields)
    assert verdict(suite, test, **fields) == ""


# What takes several requests, other POSTs among them.


class DiskFirst(Toy):
    """Orders a disk, and then the machine."""

    def create(self, order):
        with self._connection.operation("create", orders=True):
            self._connection.ask("POST", "/disks", body={"name": order.node_name})
        return super().create(order)


class _Disks(toyapi.Api):
    @engine.route("POST", "/disks")
    def _disk(self, request: engine.Request) -> engine.Reply:
        return engine.Reply(status=201, body={})


@pytest.fixture
def _with_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toyapi, "Api", _Disks)


@pytest.mark.usefixtures("_with_disks")
def test_posts_that_order_no_machine_do_not_count_as_creates() -> None:
    rows = tests_of_toycloud.TestToyVocabulary.refusals
    for refusal in rows[:2]:
        name = "test_a_refused_create"
        assert verdict("TestToyVocabulary", name, DiskFirst, refusal=refusal) == ""
    landing = "test_a_create_that_lands_after_we_gave_up_is_found"
    assert verdict("TestToyWire", landing, DiskFirst) == ""


class CreatesTwice(Toy):
    """Sends a create again."""

    def create(self, order):
        try:
            return super().create(order)
        except errors.CloudError:
            return super().create(order)


def test_a_create_that_is_sent_again_is_still_seen() -> None:
    (first, *_) = tests_of_toycloud.TestToyVocabulary.refusals
    message = verdict("TestToyVocabulary", "test_a_refused_create", CreatesTwice, refusal=first)
    assert message


# The bench.


def test_a_bench_over_a_fake_opens_its_login_again() -> None:
    held = tests_of_toycloud.TestToyCloud()
    with contextlib.contextmanager(held.make)(
        cluster=held.cluster, account=held.account, token=held.token
    ) as bench:
        ours = bench.controls.add(cluster=held.cluster, group="web", node_name="web-a1")
        again = bench.again()
        assert again is not bench.provider
        assert [one.id for one in again.instances()] == [ours]
        again.close()
        bench.provider.close()


class NeverBoots(toyapi.Api):
    def runs(self, machine):
        return False


def test_a_machine_that_does_not_run_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toyapi, "Api", NeverBoots)
    message = verdict("TestToyCloud", "test_deleting_twice_is_success")
    assert "m-1 does not run, 30 s (boot_s of the fake) after it was made" in message
