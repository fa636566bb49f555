"""Every row of Vultr's error table, through the real client against the fake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from providers import contract as cloud
from providers import errors
from providers.fakes import engine
from providers.vultr import VultrCloud, vocabulary
from tests.fakes import vultr
from tests.providers import contract, vultr_bench

pytestmark = pytest.mark.filterwarnings("ignore:tag parameter is deprecated")

KIND = engine.FaultKind
Row = tuple[int, str, type[errors.CloudError]]

ROWS: tuple[Row, ...] = (
    (400, "Invalid plan", errors.BadOrder),
    (400, "Invalid os_id.", errors.BadOrder),
    (400, "Invalid sshkey_id.", errors.BadOrder),
    (400, "Bad request.", errors.BadOrder),
    (400, vultr.SOLD_OUT, errors.OutOfStock),
    (400, "Plan is not available in the selected region.", errors.OutOfStock),
    (400, vultr.OVER_LIMIT, errors.QuotaExceeded),
    (400, "You have reached the maximum number of active instances", errors.QuotaExceeded),
    (401, "Invalid API token.", errors.BadCredentials),
    (401, "Unauthorized IP address: 203.0.113.7", errors.BadCredentials),
    (403, "Unauthorized IP address: 203.0.113.7", errors.BadCredentials),
    (403, "Forbidden", errors.BadCredentials),
    (404, "Invalid VPC.", errors.BadOrder),
    (408, "Request timeout", errors.Unreachable),
    (422, "Invalid per_page.", errors.BadOrder),
    (429, "rate limit exceeded", errors.Throttled),
    (500, vultr.LOCKED, errors.Throttled),
    (500, "Internal server error.", errors.Unreachable),
    (503, "Service unavailable.", errors.Unreachable),
)
STRANGE: tuple[Row, ...] = (
    (402, "pay first", errors.BadOrder),
    (400, "The plan vc2-2c-4gb is sold out.", errors.OutOfStock),
    (412, "Instance limit reached", errors.QuotaExceeded),
    (403, "This plan is not available to your user", errors.BadCredentials),
    (500, "No capacity", errors.Unreachable),
    (409, "brand new", errors.BadOrder),
    (418, "short and stout", errors.BadOrder),
    (502, "meltdown", errors.Unreachable),
    (599, "meltdown", errors.Unreachable),
)


@pytest.fixture
def fake() -> Iterator[vultr.VultrFake]:
    with vultr_bench.serving() as it:
        yield it


@pytest.fixture
def provider(fake: vultr.VultrFake) -> Iterator[VultrCloud]:
    with vultr_bench.opened(fake) as it:
        yield it


def test_every_word_that_we_know_has_a_row() -> None:
    assert {status for status, _, _ in ROWS} == set(vocabulary.STATUS)
    for status, sense in vocabulary.STATUS.items():
        assert [row for row in ROWS if (row[0], row[2]) == (status, sense)], status
    for text, sense in vocabulary.TEXTS:
        assert [row for row in ROWS if text in row[1].lower() and row[2] is sense], text


def _calls(fake: vultr.VultrFake, provider: VultrCloud) -> dict[str, Callable[[], object]]:
    number = fake.add("a", vultr_bench.tags(node="a")).id
    return {
        "create": lambda: provider.create(vultr_bench.order()),
        "instances": provider.instances,
        "look_up": lambda: provider.look_up(node_name="a", instance_id=number, receipt=""),
        "delete": lambda: provider.delete(number),
        "offers": provider.offers,
    }


class TestVocabulary(contract.Vocabulary):
    machine_type, location, image = vultr_bench.TYPE, vultr_bench.PLACE, vultr_bench.IMAGE
    refusals = tuple(
        contract.Refusal(status, "", text, sense) for status, text, sense in (*ROWS, *STRANGE)
    )
    creates, machines = "/instances$", "/instances"
    odd_bodies = (
        *contract.Vocabulary.odd_bodies,
        {"error": None, "status": 404},
        {"error": 7},
        {"error": "  "},
        {"errors": ["Invalid instance."]},
        {"message": "Invalid instance."},
    )

    def make(self, *, cluster: str, account: str, token: str) -> Iterator[contract.Bench]:
        assert (cluster, account) == (vultr_bench.CLUSTER, vultr_bench.ACCOUNT)
        with vultr_bench.serving(token=token) as fake, vultr_bench.opened(fake) as provider:
            yield contract.Bench(provider=provider, controls=vultr_bench.VultrControls(fake))

    def order(self, bench: contract.Bench, node_name: str, **changes: Any) -> cloud.Order:
        return vultr_bench.order(node_name, **changes)


@pytest.mark.parametrize("text", ["Invalid instance.", "Instance Not Found", "not found"])
def test_the_vendors_words_for_gone(fake: vultr.VultrFake, provider: VultrCloud, text: str) -> None:
    calls = _calls(fake, provider)
    for operation in ("look_up", "delete"):
        fake.fail(KIND.ERROR, status=404, message=text)
        assert calls[operation]() is None
    for operation in ("create", "instances"):
        fake.fail(KIND.ERROR, status=404, message=text)
        with pytest.raises(errors.CloudError, match=text):
            calls[operation]()
    # The same sentence with another status is no such word.
    for status in (400, 500):
        fake.fail(KIND.ERROR, status=status, message=text)
        contract.refused(calls["look_up"], errors.Unreachable, "look_up")


def test_thirty_requests_a_second() -> None:
    clock = engine.StoppedClock()
    with vultr_bench.serving(clock=clock, requests_a_second=30) as fake:
        provider = VultrCloud(vultr_bench.login(fake), clock=clock)
        for _ in range(30):
            provider.instances()
        error = contract.refused(provider.instances, errors.Throttled, "instances")
        assert isinstance(error, errors.Throttled)
        assert error.retry_after_s == 1.0
        assert provider.budget() is None
        clock.now += error.retry_after_s
        assert provider.instances() == ()
        provider.close()


@pytest.mark.parametrize(("header", "wait_s"), [("-3", 1.0), ("9", 9.0), ("soon", 1.0)])
def test_a_retry_after_would_be_heard(
    fake: vultr.VultrFake, provider: VultrCloud, header: str, wait_s: float
) -> None:
    said = {"error": "rate limit exceeded", "status": 429}
    fake.fail(
        KIND.CHANGED,
        change=lambda _: engine.Reply(status=429, body=said, headers={"Retry-After": header}),
    )
    error = contract.refused(provider.instances, errors.Throttled, "instances")
    assert isinstance(error, errors.Throttled)
    assert error.retry_after_s == wait_s


def test_a_locked_instance_is_asked_for_again_later(
    fake: vultr.VultrFake, provider: VultrCloud
) -> None:
    """The vendor says so with a 500."""
    made = fake.add("a", vultr_bench.tags(node="a"), locked_until=fake.now() + 30)
    error = contract.refused(lambda: provider.delete(made.id), errors.Throttled, "delete")
    assert "currently locked" in error.message
    fake.advance(30)
    provider.delete(made.id)
    provider.delete(made.id)  # "already pending destruction", a 500 too
    assert [each.reply.status for each in fake.log("DELETE")] == [500, 204, 500]
    fake.advance(fake.delete_s)
    provider.delete(made.id)
    assert fake.log("DELETE")[-1].reply.status == 404


def test_deleted_instances_count_for_a_while(fake: vultr.VultrFake, provider: VultrCloud) -> None:
    fake.limit = 1
    made = provider.create(vultr_bench.order("web-1"))
    provider.delete(made.id)
    fake.advance(fake.delete_s)
    assert provider.instances() == ()
    contract.refused(
        lambda: provider.create(vultr_bench.order("web-2")), errors.QuotaExceeded, "create"
    )
    fake.advance(fake.linger_s)
    provider.create(vultr_bench.order("web-2"))
