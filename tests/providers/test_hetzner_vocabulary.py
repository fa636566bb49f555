"""Every row of Hetzner's error table, through the real client against the fake."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from providers import contract as cloud
from providers import errors
from providers.fakes import engine
from providers.hetzner import HetznerCloud, vocabulary
from tests.fakes import hetzner
from tests.providers import contract, hetzner_bench

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
    (408, "too_slow", errors.Unreachable),
    (429, "slow_down", errors.Throttled),
    (500, "meltdown", errors.Unreachable),
    (599, "meltdown", errors.Unreachable),
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


class TestVocabulary(contract.Vocabulary):
    machine_type, location, image = hetzner_bench.TYPE, hetzner_bench.PLACE, hetzner_bench.IMAGE
    refusals = tuple(
        contract.Refusal(
            status, code, f"its own sentence about {code}", sense, gone=code == "not_found"
        )
        for status, code, sense in (*ROWS, *STRANGE)
    )
    creates, machines = "/servers$", "/servers"
    no_orders = ("look_up",)
    numbers_requests = True
    odd_bodies = (
        *contract.Vocabulary.odd_bodies,
        {"error": None},
        {"error": "no"},
        {"error": {"message": "no code"}},
        {"error": {"code": "", "message": None}},
        {"other": 1},
    )

    def make(self, *, cluster: str, account: str, token: str) -> Iterator[contract.Bench]:
        assert (cluster, account) == (hetzner_bench.CLUSTER, hetzner_bench.ACCOUNT)
        with hetzner_bench.serving(token=token) as fake, hetzner_bench.opened(fake) as provider:
            yield contract.Bench(provider=provider, controls=hetzner_bench.HetznerControls(fake))

    def order(self, bench: contract.Bench, node_name: str, **changes: Any) -> cloud.Order:
        return hetzner_bench.order(node_name, **changes)


def test_a_server_reported_as_nothing_is_not_gone(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    number = str(fake.add("a", {"vps-autoscaler/cluster": "blue"}).id)

    def nothing(reply: engine.Reply) -> engine.Reply:
        return dataclasses.replace(reply, body={"server": None})

    fake.fail(engine.FaultKind.CHANGED, change=nothing)
    contract.refused(
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
    contract.refused(lambda: provider.create(hetzner_bench.order()), errors.OutOfStock, "create")


def test_a_type_that_is_not_sold_there_is_out_of_stock(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    contract.refused(
        lambda: provider.create(hetzner_bench.order(location="ash")), errors.OutOfStock, "create"
    )
    assert len(fake.log("POST")) == 1


def test_the_details_are_in_the_sentence(fake: hetzner.HetznerFake, provider: HetznerCloud) -> None:
    fake.server_limit = 0
    error = contract.refused(
        lambda: provider.create(hetzner_bench.order()), errors.QuotaExceeded, "create"
    )
    assert error.message == ("server limit exceeded; limit: server_limit (resource_limit_exceeded)")
    fake.server_limit = None
    bad = hetzner_bench.order(ssh_keys=("lost",))
    error = contract.refused(lambda: provider.create(bad), errors.BadOrder, "create")
    assert error.message == "SSH key 'lost' not found (not_found)"
    bad = hetzner_bench.order(node_name="no_host_name")
    error = contract.refused(lambda: provider.create(bad), errors.BadOrder, "create")
    assert "name: must be a valid hostname" in error.message


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
    error = contract.refused(
        lambda: provider.create(hetzner_bench.order()), errors.BadOrder, "create"
    )
    assert error.message == "odd (invalid_input)"


def test_a_throttled_call_says_when_it_may_pass(fake: hetzner.HetznerFake) -> None:
    clock = engine.StoppedClock()
    fake.clock = clock
    provider = HetznerCloud(hetzner_bench.login(fake), clock=clock)
    for reset_s, wait_s in ((7.0, 1.0), (3600.0, 1.0), (36_000.0, 10.0), (1e9, 60.0), (-5.0, 1.0)):
        fake.fail(engine.FaultKind.THROTTLED, reset_s=reset_s)
        error = contract.refused(provider.instances, errors.Throttled, "instances")
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
    error = contract.refused(lambda: provider.delete(made.id), errors.Throttled, "delete")
    assert "locked" in error.message
    fake.advance(fake.create_s)
    provider.delete(made.id)
    fake.servers[int(made.id)].protected = True
    error = contract.refused(lambda: provider.delete(made.id), errors.BadOrder, "delete")
    assert "protected" in error.message


def test_a_taken_name_without_a_server_decides_nothing(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    fake.lag_s = 60.0
    provider.create(hetzner_bench.order())
    again = dataclasses.replace(hetzner_bench.order())
    error = contract.refused(lambda: provider.create(again), errors.Unreachable, "create")
    assert "is taken, but no server shows it" in error.message
    fake.advance(60)
    assert provider.create(again).state is cloud.InstanceState.RUNNING
    other = hetzner_bench.order(cluster="blue", group="web", node_name="web-a1")
    fake.servers[next(iter(fake.servers))].labels["vps-autoscaler/node"] = "web-a2"
    error = contract.refused(lambda: provider.create(other), errors.BadOrder, "create")
    assert "exists already" in error.message
