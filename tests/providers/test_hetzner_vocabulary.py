"""Every row of Hetzner's error table, through the real client against the fake."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from providers import contract as cloud
from providers import errors
from providers.fakes import engine
from providers.hetzner import HetznerCloud, vocabulary
from tests.fakes import hetzner
from tests.providers import hetzner_bench

Row = tuple[int, str, type[errors.CloudError]]

ROWS: tuple[Row, ...] = (
    (412, "resource_unavailable", errors.OutOfStock),
    (422, "placement_error", errors.OutOfStock),
    (403, "resource_limit_exceeded", errors.QuotaExceeded),
    (422, "no_subnet_available", errors.QuotaExceeded),
    (422, "ip_not_available", errors.QuotaExceeded),
    (429, "rate_limit_exceeded", errors.Throttled),
    (409, "conflict", errors.Throttled),
    (423, "locked", errors.Throttled),
    (403, "maintenance", errors.Throttled),
    (503, "unavailable", errors.Throttled),
    (500, "server_error", errors.Unreachable),
    (422, "service_error", errors.Unreachable),
    (502, "bad_gateway", errors.Unreachable),
    (504, "timeout", errors.Unreachable),
    (401, "unauthorized", errors.BadCredentials),
    (401, "token_readonly", errors.BadCredentials),
    (403, "forbidden", errors.BadCredentials),
    (422, "invalid_input", errors.BadOrder),
    (400, "json_error", errors.BadOrder),
    (404, "not_found", errors.BadOrder),
    (423, "protected", errors.BadOrder),
    (422, "unsupported_error", errors.BadOrder),
    (405, "method_not_allowed", errors.BadOrder),
    (410, "deprecated_api_endpoint", errors.BadOrder),
    (422, "primary_ip_assigned", errors.BadOrder),
    (422, "primary_ip_version_mismatch", errors.BadOrder),
    (422, "server_already_attached", errors.BadOrder),
    (422, "networks_overlap", errors.BadOrder),
)
TESTED_APART = {"uniqueness_error"}
STRANGE: tuple[Row, ...] = (
    (418, "teapot", errors.BadOrder),
    (409, "robot_unavailable", errors.BadOrder),
    (423, "sleeping", errors.BadOrder),
    (401, "token_expired", errors.BadCredentials),
    (429, "slow_down", errors.Throttled),
    (500, "meltdown", errors.Unreachable),
    (599, "meltdown", errors.Unreachable),
)
WORDLESS = (
    (400, errors.Unreachable),
    (401, errors.BadCredentials),
    (403, errors.Unreachable),
    (404, errors.Unreachable),
    (408, errors.Unreachable),
    (429, errors.Throttled),
    (500, errors.Unreachable),
    (502, errors.Unreachable),
    (503, errors.Unreachable),
    (504, errors.Unreachable),
)


@pytest.fixture
def fake() -> Iterator[hetzner.HetznerFake]:
    with hetzner_bench.serving() as it:
        yield it


@pytest.fixture
def provider(fake: hetzner.HetznerFake) -> Iterator[HetznerCloud]:
    with hetzner_bench.opened(fake) as it:
        yield it


def test_every_word_that_we_know_has_a_row() -> None:
    assert {code for _, code, _ in ROWS} | TESTED_APART == set(vocabulary.CODES)


def refused(
    call: Callable[[], object], sense: type[errors.CloudError], operation: str
) -> errors.CloudError:
    """Check that a call fails with exactly this error, which says who asked for what."""
    with pytest.raises(errors.CloudError) as caught:
        call()
    error = caught.value
    assert type(error) is sense, error
    assert (error.account, error.operation) == (hetzner_bench.ACCOUNT, operation)
    assert error.__cause__ is not None
    return error


@pytest.mark.parametrize(("status", "code", "sense"), [*ROWS, *STRANGE])
def test_a_refused_create(
    fake: hetzner.HetznerFake,
    provider: HetznerCloud,
    status: int,
    code: str,
    sense: type[errors.CloudError],
) -> None:
    text = f"the cloud's own sentence about {code}"
    fake.fail(
        engine.FaultKind.ERROR,
        method="POST",
        path="/servers$",
        status=status,
        code=code,
        message=text,
    )
    error = refused(lambda: provider.create(hetzner_bench.order()), sense, "create")
    assert error.message == f"{text} ({code})"
    assert error.request_id
    assert error.request_id in str(error)
    assert len(fake.log("POST")) == 1, "nothing below us may send a create again"
    assert fake.servers == {}


def understood(sense: type[errors.CloudError], operation: str) -> type[errors.CloudError]:
    """Say what a refusal is to a call: a refused look-up says nothing of an order's fate."""
    of_an_order = issubclass(sense, errors.NoCapacity | errors.BadOrder)
    return errors.Unreachable if operation == "look_up" and of_an_order else sense


@pytest.mark.parametrize(("status", "code", "sense"), [*ROWS, *STRANGE])
@pytest.mark.parametrize("operation", ["instances", "look_up", "delete", "offers"])
def test_the_other_calls_read_the_same_table(
    fake: hetzner.HetznerFake,
    provider: HetznerCloud,
    operation: str,
    status: int,
    code: str,
    sense: type[errors.CloudError],
) -> None:
    number = str(fake.add("a", {"vps-autoscaler/cluster": "blue"}).id)
    calls: dict[str, Callable[[], object]] = {
        "instances": provider.instances,
        "look_up": lambda: provider.look_up(node_name="a", instance_id=number, receipt=""),
        "delete": lambda: provider.delete(number),
        "offers": provider.offers,
    }
    fake.fail(engine.FaultKind.ERROR, status=status, code=code, message="its sentence")
    if code == "not_found" and operation in {"look_up", "delete"}:
        assert calls[operation]() is None
    else:
        assert (
            "its sentence"
            in refused(calls[operation], understood(sense, operation), operation).message
        )
    assert len(fake.exchanges) == 1, "nothing below us may ask again"


@pytest.mark.parametrize(("status", "sense"), WORDLESS)
@pytest.mark.parametrize("operation", ["create", "instances", "look_up", "delete"])
def test_an_error_page_is_no_word_of_the_vendors(
    fake: hetzner.HetznerFake,
    provider: HetznerCloud,
    operation: str,
    status: int,
    sense: type[errors.CloudError],
) -> None:
    """A gateway's 404 above all is not "gone"."""
    number = str(fake.add("a", {"vps-autoscaler/cluster": "blue"}).id)
    calls: dict[str, Callable[[], object]] = {
        "create": lambda: provider.create(hetzner_bench.order()),
        "instances": provider.instances,
        "look_up": lambda: provider.look_up(node_name="a", instance_id=number, receipt=""),
        "delete": lambda: provider.delete(number),
    }
    method = {"create": "POST", "delete": "DELETE"}.get(operation, "GET")
    path = "/servers" if operation != "create" else "/servers$"
    fake.fail(engine.FaultKind.HTML, status=status, method=method, path=path)
    assert str(status) in refused(calls[operation], understood(sense, operation), operation).message
    assert len(fake.log(method, "/servers")) == 1
    assert len(fake.servers) == 1


def test_a_server_reported_as_nothing_is_not_gone(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    number = str(fake.add("a", {"vps-autoscaler/cluster": "blue"}).id)

    def nothing(reply: engine.Reply) -> engine.Reply:
        return dataclasses.replace(reply, body={"server": None})

    fake.fail(engine.FaultKind.CHANGED, change=nothing)
    refused(
        lambda: provider.look_up(node_name="a", instance_id=number, receipt=""),
        errors.Unreachable,
        "look_up",
    )


@pytest.mark.parametrize(
    "text",
    ["unsupported location for server type", "server location disabled, try another one"],
)
def test_some_texts_say_more_than_their_code(
    fake: hetzner.HetznerFake, provider: HetznerCloud, text: str
) -> None:
    fake.fail(engine.FaultKind.ERROR, method="POST", status=422, code="invalid_input", message=text)
    refused(lambda: provider.create(hetzner_bench.order()), errors.OutOfStock, "create")


def test_a_type_that_is_not_sold_there_is_out_of_stock(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    refused(
        lambda: provider.create(hetzner_bench.order(location="ash")), errors.OutOfStock, "create"
    )
    assert len(fake.log("POST")) == 1


def test_the_details_are_in_the_sentence(fake: hetzner.HetznerFake, provider: HetznerCloud) -> None:
    fake.server_limit = 0
    error = refused(lambda: provider.create(hetzner_bench.order()), errors.QuotaExceeded, "create")
    assert error.message == ("server limit exceeded; limit: server_limit (resource_limit_exceeded)")
    fake.server_limit = None
    bad = hetzner_bench.order(ssh_keys=("lost",))
    error = refused(lambda: provider.create(bad), errors.BadOrder, "create")
    assert error.message == "SSH key 'lost' not found (not_found)"
    bad = hetzner_bench.order(node_name="no_host_name")
    error = refused(lambda: provider.create(bad), errors.BadOrder, "create")
    assert "name: must be a valid hostname" in error.message


@pytest.mark.parametrize(
    "body",
    [
        {"error": None},
        {"error": "no"},
        {"error": {"message": "no code"}},
        {"error": {"code": "", "message": None}},
        {"other": 1},
        [],
        None,
        b"null",
        b"\xff\xfe",
    ],
)
def test_an_error_in_another_shape_means_nobody_knows(
    fake: hetzner.HetznerFake, provider: HetznerCloud, body: Any
) -> None:
    fake.fail(
        engine.FaultKind.CHANGED,
        method="POST",
        change=lambda _reply: engine.Reply(status=422, body=body),
    )
    refused(lambda: provider.create(hetzner_bench.order()), errors.Unreachable, "create")


def test_an_error_with_odd_details_keeps_its_sense(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    fields = {
        "code": "invalid_input",
        "message": "odd",
        "details": {"fields": [{}], "limits": None},
    }
    fake.fail(
        engine.FaultKind.CHANGED,
        method="POST",
        change=lambda _reply: engine.Reply(status=422, body={"error": fields}),
    )
    error = refused(lambda: provider.create(hetzner_bench.order()), errors.BadOrder, "create")
    assert error.message == "odd (invalid_input)"


def test_a_throttled_call_says_when_it_may_pass(fake: hetzner.HetznerFake) -> None:
    clock = engine.StoppedClock()
    fake.clock = clock
    provider = HetznerCloud(hetzner_bench.login(fake), clock=clock)
    for reset_s, wait_s in ((7.0, 1.0), (3600.0, 1.0), (36_000.0, 10.0), (1e9, 60.0), (-5.0, 1.0)):
        fake.fail(engine.FaultKind.THROTTLED, reset_s=reset_s)
        error = refused(provider.instances, errors.Throttled, "instances")
        assert isinstance(error, errors.Throttled)
        assert error.retry_after_s == wait_s
        budget = provider.budget()
        assert budget is not None
        assert (budget.remaining, budget.limit) == (0, 3600)
        assert budget.reset_at >= budget.seen_at
    provider.close()


def test_a_locked_server_is_asked_for_again_later(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    made = provider.create(hetzner_bench.order())
    error = refused(lambda: provider.delete(made.id), errors.Throttled, "delete")
    assert "locked" in error.message
    fake.advance(fake.create_s)
    provider.delete(made.id)
    fake.servers[int(made.id)].protected = True
    error = refused(lambda: provider.delete(made.id), errors.BadOrder, "delete")
    assert "protected" in error.message


def test_a_taken_name_without_a_server_decides_nothing(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    fake.lag_s = 60.0
    provider.create(hetzner_bench.order())
    again = dataclasses.replace(hetzner_bench.order())
    error = refused(lambda: provider.create(again), errors.Unreachable, "create")
    assert "is taken, but no server shows it" in error.message
    fake.advance(60)
    assert provider.create(again).state is cloud.InstanceState.RUNNING
    other = hetzner_bench.order(cluster="blue", group="web", node_name="web-a1")
    fake.servers[next(iter(fake.servers))].labels["vps-autoscaler/node"] = "web-a2"
    error = refused(lambda: provider.create(other), errors.BadOrder, "create")
    assert "exists already" in error.message
