"""Every row of DigitalOcean's error table, through the real client against the fake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from providers import contract as cloud
from providers import errors
from providers.digitalocean import DigitalOceanCloud, vocabulary
from providers.fakes import engine
from tests.fakes import digitalocean
from tests.providers import contract, digitalocean_bench

KIND = engine.FaultKind
Row = tuple[int, str, str, type[errors.CloudError]]
INVALID = "unprocessable_entity"

ROWS: tuple[Row, ...] = (
    (401, "unauthorized", "Unable to authenticate you.", errors.BadCredentials),
    (401, "Unauthorized", "Unable to authenticate you", errors.BadCredentials),
    (403, "forbidden", "You do not have access for the action.", errors.BadCredentials),
    (404, "not_found", "The resource you requested could not be found.", errors.BadOrder),
    (400, "bad_request", "error parsing request body", errors.BadOrder),
    (422, INVALID, "You specified an invalid image for Droplet creation.", errors.BadOrder),
    (422, INVALID, "You specified an invalid size for Droplet creation.", errors.BadOrder),
    (422, INVALID, "77 are invalid key identifiers for Droplet creation.", errors.BadOrder),
    (
        422,
        INVALID,
        "The image you specified is not available in the selected region, you can transfer it "
        "to this region from the images pages.",
        errors.BadOrder,
    ),
    (422, INVALID, digitalocean.OVER_LIMIT, errors.QuotaExceeded),
    (422, "droplet_limit_exceeded", "over the limit", errors.QuotaExceeded),
    (422, INVALID, digitalocean.SOLD_OUT, errors.OutOfStock),
    (422, INVALID, "Size is unavailable.", errors.OutOfStock),
    (422, INVALID, "Region is not available", errors.OutOfStock),
    (422, INVALID, digitalocean.BUSY, errors.Throttled),
    (422, INVALID, "There is an action in progress.", errors.Throttled),
    (409, "conflict", "The request could not be completed due to a conflict.", errors.Throttled),
    (429, "too_many_requests", "API Rate limit exceeded.", errors.Throttled),
    (500, "server_error", "Unexpected server-side error", errors.Unreachable),
    (503, "service_unavailable", "Service unavailable, please try again", errors.Unreachable),
)
STRANGE: tuple[Row, ...] = (
    (418, "teapot", "short and stout", errors.BadOrder),
    (422, "brand_new", "This size is currently restricted.", errors.BadOrder),
    (422, INVALID, "This size is sold out in fra1.", errors.OutOfStock),
    (422, "brand_new", "You have reached your account's limit.", errors.QuotaExceeded),
    (408, "request_timeout", "too slow", errors.Unreachable),
    (401, "token_expired", "too old", errors.BadCredentials),
    (429, "slow_down", "slow down", errors.Throttled),
    (500, "meltdown", "Region is not available", errors.Unreachable),
    (599, "meltdown", "Size is not available in this region.", errors.Unreachable),
)


@pytest.fixture
def fake() -> Iterator[digitalocean.DigitalOceanFake]:
    with digitalocean_bench.serving() as it:
        yield it


@pytest.fixture
def provider(fake: digitalocean.DigitalOceanFake) -> Iterator[DigitalOceanCloud]:
    with digitalocean_bench.opened(fake) as it:
        yield it


def test_every_word_that_we_know_has_a_row() -> None:
    assert {code.lower() for _, code, _, _ in ROWS} == set(vocabulary.IDS)
    for text, sense in vocabulary.TEXTS:
        assert [row for row in ROWS if text in row[2].lower() and row[3] is sense], text


class TestVocabulary(contract.Vocabulary):
    machine_type, location, image = (
        digitalocean_bench.TYPE,
        digitalocean_bench.PLACE,
        digitalocean_bench.IMAGE,
    )
    refusals = tuple(
        contract.Refusal(status, code, text, sense, gone=code == "not_found")
        for status, code, text, sense in (*ROWS, *STRANGE)
    )
    creates, machines = "/droplets$", "/droplets"
    numbers_requests = True
    odd_bodies = (
        *contract.Vocabulary.odd_bodies,
        {"id": None, "message": "no id"},
        {"id": 7, "message": "a number"},
        {"message": "will exceed your droplet limit"},
        {"errors": ["other"]},
    )

    def make(self, *, cluster: str, account: str, token: str) -> Iterator[contract.Bench]:
        assert (cluster, account) == (digitalocean_bench.CLUSTER, digitalocean_bench.ACCOUNT)
        with (
            digitalocean_bench.serving(token=token) as fake,
            digitalocean_bench.opened(fake) as provider,
        ):
            yield contract.Bench(
                provider=provider, controls=digitalocean_bench.DigitalOceanControls(fake)
            )

    def order(self, bench: contract.Bench, node_name: str, **changes: Any) -> cloud.Order:
        return digitalocean_bench.order(node_name, **changes)


def test_the_tag_endpoints_say_their_errors_otherwise(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    said = {"error": "tag-name contains invalid characters", "messages": None, "root_causes": []}
    fake.fail(
        KIND.CHANGED, method="POST", change=lambda _reply: engine.Reply(status=400, body=said)
    )
    error = contract.refused(
        lambda: provider.create(digitalocean_bench.order()), errors.BadOrder, "create"
    )
    assert "contains invalid characters" in error.message


def test_the_limit_of_the_minute_says_when_it_may_pass() -> None:
    clock = engine.StoppedClock()
    with digitalocean_bench.serving(clock=clock) as fake:
        provider = DigitalOceanCloud(digitalocean_bench.login(fake), clock=clock)
        fake.burst.drain(clock.now, leave=0)
        clock.now += 20
        error = contract.refused(provider.instances, errors.Throttled, "instances")
        assert isinstance(error, errors.Throttled)
        assert error.retry_after_s == 41.0
        budget = provider.budget()
        assert budget is not None
        assert budget.remaining > 4900, "the hour's budget is another matter"
        clock.now += 41
        assert provider.instances() == ()
        provider.close()


def test_the_limit_of_the_hour_says_when_it_may_pass() -> None:
    clock = engine.StoppedClock()
    with digitalocean_bench.serving(clock=clock) as fake:
        provider = DigitalOceanCloud(digitalocean_bench.login(fake), clock=clock)
        for reset_s, wait_s in ((7.0, 7.0), (3600.0, 60.0), (-5.0, 1.0)):
            fake.fail(KIND.THROTTLED, reset_s=reset_s)
            error = contract.refused(provider.instances, errors.Throttled, "instances")
            assert isinstance(error, errors.Throttled)
            assert error.retry_after_s == wait_s
            budget = provider.budget()
            assert budget is not None
            assert (budget.limit, budget.remaining) == (5000, 0)
            assert budget.reset_at >= budget.seen_at
        provider.close()


@pytest.mark.parametrize("header", ["-3", "soon", ""])
def test_an_odd_retry_after(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud, header: str
) -> None:
    said = {"id": "too_many_requests", "message": "slow"}
    fake.fail(
        KIND.CHANGED,
        change=lambda _: engine.Reply(status=429, body=said, headers={"retry-after": header}),
    )
    error = contract.refused(provider.instances, errors.Throttled, "instances")
    assert isinstance(error, errors.Throttled)
    assert error.retry_after_s in {None, 1.0}
