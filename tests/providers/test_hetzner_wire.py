"""Between Hetzner and us: one request is one request, no part is taken for the whole, no secret
is told.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any, ClassVar

import hcloud
import pytest

from providers import contract as cloud
from providers import errors
from providers.fakes import engine
from providers.hetzner import HetznerCloud
from tests.fakes import hetzner
from tests.providers import contract, hetzner_bench

KIND = engine.FaultKind
OURS = {"vps-autoscaler/cluster": "blue", "vps-autoscaler/group": "web"}


@pytest.fixture
def fake() -> Iterator[hetzner.HetznerFake]:
    with hetzner_bench.serving() as it:
        yield it


@pytest.fixture
def provider(fake: hetzner.HetznerFake) -> Iterator[HetznerCloud]:
    with hetzner_bench.opened(fake, read_timeout_s=1.0) as it:
        yield it


class TestWire(contract.Wire):
    machine_type, location, image = hetzner_bench.TYPE, hetzner_bench.PLACE, hetzner_bench.IMAGE
    listing = "/servers$"
    marks_at = ("labels",)
    asked_once = "/images"
    delete_answers = True
    refusal: ClassVar = {"status": 422, "code": "invalid_input", "message": "no"}
    loggers = ("", "httpcore", "hcloud", "requests", "providers")

    def make(self, *, cluster: str, account: str, token: str) -> Iterator[contract.Bench]:
        assert (cluster, account) == (hetzner_bench.CLUSTER, hetzner_bench.ACCOUNT)
        with hetzner_bench.serving(token=token) as fake, hetzner_bench.opened(fake) as provider:
            fake.add_network("private")
            fake.servers.clear()
            yield contract.Bench(provider=provider, controls=hetzner_bench.HetznerControls(fake))

    def opened(
        self, bench: contract.Bench, *, read_timeout_s: float = 10.0
    ) -> contextlib.AbstractContextManager[cloud.Provider]:
        return hetzner_bench.opened(bench.controls.fake, read_timeout_s=read_timeout_s)

    def order(self, bench: contract.Bench, node_name: str, **changes: Any) -> cloud.Order:
        return hetzner_bench.order(node_name, **changes)

    def secrets(self, fake: engine.Fake) -> set[str]:
        """Return the root passwords that the vendor makes up where there is no key."""
        whole = [each.reply.json() for each in fake.log("POST", "/servers$") if not each.fault]
        passwords = {body["root_password"] for body in whole if body.get("root_password")}
        assert passwords
        return passwords


TROUBLES: tuple[dict[str, Any], ...] = (
    {"kind": KIND.LOST},
    {"kind": KIND.HANG},
    {"kind": KIND.HTML, "status": 502},
    {"kind": KIND.HTML, "status": 504},
    {"kind": KIND.EMPTY, "status": 201},
    {"kind": KIND.ERROR, "status": 502, "code": "bad_gateway"},
    {"kind": KIND.ERROR, "status": 504, "code": "timeout"},
    {"kind": KIND.CUT},
    {"kind": KIND.TRUNCATED},
)


def _name(trouble: dict[str, Any]) -> str:
    return "-".join(str(getattr(value, "value", value)) for value in trouble.values())


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("trouble", TROUBLES, ids=_name)
def test_a_create_of_unknown_outcome_makes_one_server_in_the_end(
    fake: hetzner.HetznerFake, provider: HetznerCloud, trouble: dict[str, Any], *, after: bool
) -> None:
    fake.fail(**trouble, after=after, method="POST", path="/servers$")
    order = hetzner_bench.order()
    with pytest.raises(errors.CloudError) as caught:
        provider.create(order)
    assert type(caught.value) is errors.Unreachable
    assert len(fake.log("POST", "/servers$")) == 1, "nothing below us may send a create again"
    worked = fake.log("POST", "/servers$")[0].worked
    assert len(fake.servers) == int(worked)
    assert worked == (after or trouble["kind"] in {KIND.CUT, KIND.TRUNCATED})
    made = provider.create(order)
    assert list(fake.servers) == [int(made.id)]
    assert made.receipt, "the second answer knows the action that the first one lost"
    assert provider.create(order) == made


def test_what_the_sdk_retries_by_itself_is_sent_once_here(fake: hetzner.HetznerFake) -> None:
    """The trap is real: without our cure the same client sends a conflict six times."""
    bare = hcloud.Client(fake.token, api_endpoint=fake.url)
    bare._client._retry_interval_func = lambda retries: 0.0
    fake.fail(KIND.ERROR, status=409, code="conflict", times=None)
    with pytest.raises(hcloud.APIException):
        bare.request("POST", "/servers", json={"name": "a", "server_type": "cx23", "image": "b"})
    assert len(fake.log("POST")) == 6
    bare._client._session.close()
    with hetzner_bench.opened(fake) as provider:
        fake.faults.clear()
        provider.check_order(hetzner_bench.order())
        fake.fail(KIND.ERROR, status=409, code="conflict", times=None)
        with pytest.raises(errors.Throttled):
            provider.create(hetzner_bench.order())
    assert len(fake.log("POST")) == 7


# Listings.


def _fill(fake: hetzner.HetznerFake, count: int) -> None:
    for number in range(count):
        fake.add(f"web-{number}", {**OURS, "vps-autoscaler/node": f"web-{number}"})


def test_a_listing_costs_one_request_a_page(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    _fill(fake, 103)
    for number in range(60):
        fake.add(f"foreign-{number}", {"vps-autoscaler/cluster": "green"})
    assert len(provider.instances()) == 103
    asked = [dict(each.request.query) for each in fake.log("GET", "/servers$")]
    assert [each["page"] for each in asked] == ["1", "2", "3"]
    assert {(each["per_page"], each["label_selector"]) for each in asked} == {
        ("50", "vps-autoscaler/cluster==blue")
    }


@pytest.mark.parametrize("change", ["lose", "gain"])
def test_a_listing_that_changes_while_it_is_read_is_an_error(
    fake: hetzner.HetznerFake, provider: HetznerCloud, change: str
) -> None:
    _fill(fake, 103)

    def meanwhile(request: engine.Request) -> None:
        if request.one("page") == "2" and change == "lose":
            del fake.servers[min(fake.servers)]
        elif request.one("page") == "2":
            _fill(fake, 1)

    fake.before = meanwhile
    with pytest.raises(errors.Unreachable, match="changed while it was read"):
        provider.instances()
    fake.before = lambda _request: None
    assert len(provider.instances()) == len(fake.servers)


def test_a_page_that_leads_astray_is_an_error(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    _fill(fake, 60)

    def astray(reply: engine.Reply) -> engine.Reply:
        body = reply.json()
        body["meta"]["pagination"]["next_page"] = 1
        return dataclasses.replace(reply, body=body)

    fake.fail(KIND.CHANGED, times=None, change=astray)
    with pytest.raises(errors.Unreachable, match="followed by"):
        provider.instances()
    assert len(fake.exchanges) == 1


def test_a_filter_that_the_cloud_ignores_lets_nobody_in(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    _fill(fake, 1)
    foreign = hetzner_bench.HetznerControls(fake).add(cluster="green", group="web", node_name="x")
    plain = fake.filtered
    fake.filtered = lambda rows, request: list(rows)  # type: ignore[method-assign]
    assert [each.node_name for each in provider.instances()] == ["web-0"]
    assert provider.look_up(node_name="y", instance_id="", receipt="") is None
    assert provider.look_up(node_name="x", instance_id=foreign, receipt="") is None
    fake.filtered = plain  # type: ignore[method-assign]


# Replies with holes and surprises.


ODD: tuple[Any, ...] = (None, "odd", 7, [], {}, [None])


def test_fields_and_words_that_the_vendor_adds_change_nothing(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    _fill(fake, 2)
    whole = provider.instances()

    def grown(reply: engine.Reply) -> engine.Reply:
        body = reply.json()
        body["new"] = body["meta"]["new"] = body["meta"]["pagination"]["new"] = {"a": 1}
        for row in body["servers"]:
            row["new"] = row["server_type"]["new"] = row["public_net"]["new"] = [1]
            row["image"] = None
        return dataclasses.replace(reply, body=body)

    fake.fail(KIND.CHANGED, change=grown)
    bare = [dataclasses.replace(each, image="") for each in whole]
    assert list(provider.instances()) == bare


# The budget.


def test_the_budget_is_what_the_headers_say(fake: hetzner.HetznerFake) -> None:
    clock = engine.StoppedClock()
    fake.clock = clock
    provider = HetznerCloud(hetzner_bench.login(fake), clock=clock)
    assert provider.budget() is None
    fake.bucket.drain(clock.now, leave=100)
    provider.instances()
    assert provider.budget() == cloud.Budget(
        limit=3600, remaining=99, reset_at=clock.now + 3501, seen_at=clock.now
    )
    clock.now += 10
    fake.fail(KIND.CHANGED, change=lambda reply: dataclasses.replace(reply, headers={}))
    provider.instances()
    seen = provider.budget()
    assert seen is not None
    assert seen.seen_at == clock.now - 10, "an answer without headers leaves what was known"
    for odd in ("many", "", "nan", "inf"):
        headers = {f"RateLimit-{name}": odd for name in ("Limit", "Remaining", "Reset")}
        fake.fail(
            KIND.CHANGED,
            change=lambda reply, value=headers: dataclasses.replace(reply, headers=value),
        )
        provider.instances()
        assert provider.budget() == seen
    fake.bucket.drain(clock.now, leave=0)
    with pytest.raises(errors.Throttled):
        provider.instances()
    seen = provider.budget()
    assert seen is not None
    assert seen.remaining == 0
    provider.close()


# Threads and secrets.
