"""Between Hetzner and us: one request is one request, no part is taken for the whole, no secret
is told.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import logging
import random
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import hcloud
import pytest

from providers import contract as cloud
from providers import errors
from providers.fakes import engine
from providers.hetzner import HetznerCloud
from tests.fakes import hetzner
from tests.providers import hetzner_bench

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


@pytest.mark.parametrize("trouble", TROUBLES, ids=_name)
def test_reads_and_deletes_in_trouble_decide_nothing(
    fake: hetzner.HetznerFake, provider: HetznerCloud, trouble: dict[str, Any]
) -> None:
    number = str(fake.add("a", OURS).id)
    for call in (
        provider.instances,
        provider.machine_types,
        provider.offers,
        lambda: provider.look_up(node_name="a", instance_id=number, receipt=""),
        lambda: provider.look_up(node_name="a", instance_id="", receipt=""),
        lambda: provider.delete(number),
    ):
        before = len(fake.exchanges)
        fake.fail(**trouble)
        with pytest.raises(errors.CloudError) as caught:
            call()
        assert type(caught.value) is errors.Unreachable
        assert len(fake.exchanges) == before + 1, "nothing below us may ask again"


def test_a_cloud_that_refuses_connections(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    provider.instances()
    fake.refuse()
    for call in (provider.instances, lambda: provider.create(hetzner_bench.order())):
        with pytest.raises(errors.Unreachable, match="refused") as caught:
            call()
        assert "Max retries" not in str(caught.value)
    fake.accept()
    assert provider.instances() == ()


def test_a_redirect_is_not_followed(fake: hetzner.HetznerFake, provider: HetznerCloud) -> None:
    elsewhere = engine.Reply(status=302, headers={"Location": f"{fake.url}/locations"})
    fake.fail(KIND.CHANGED, change=lambda _reply: elsewhere)
    with pytest.raises(errors.Unreachable, match="302"):
        provider.instances()
    assert len(fake.exchanges) == 1


def test_a_netrc_does_not_replace_the_token(
    fake: hetzner.HetznerFake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with hetzner_bench.opened(fake) as provider:
        assert provider.instances() == ()


def test_a_slow_create_lands_after_we_gave_up(fake: hetzner.HetznerFake) -> None:
    with hetzner_bench.opened(fake, read_timeout_s=0.2) as provider:
        provider.check_order(hetzner_bench.order())
        fake.slow(0.5, method="POST")
        with pytest.raises(errors.Unreachable, match="no answer in time"):
            provider.create(hetzner_bench.order())
        assert fake.servers == {}
        fake.wait_for(lambda: bool(fake.servers))
    with hetzner_bench.opened(fake) as provider:
        made = provider.create(hetzner_bench.order())
    assert list(fake.servers) == [int(made.id)]


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


def _paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give the place of everything inside a JSON value."""
    items: Iterable[tuple[Any, Any]] = (
        value.items() if isinstance(value, dict) else enumerate(value)
    )
    for key, inner in items:
        yield (*at, key)
        if isinstance(inner, dict | list):
            yield from _paths(inner, (*at, key))


ODD: tuple[Any, ...] = (None, "odd", 7, [], {}, [None])


def _without(value: Any, path: tuple[Any, ...]) -> Any:
    torn = copy.deepcopy(value)
    holder = torn
    for key in path[:-1]:
        holder = holder[key]
    del holder[path[-1]]
    return torn


def _with(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    torn = copy.deepcopy(value)
    holder = torn
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = other
    return torn


def test_listings_with_holes_are_errors_or_whole(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    """Whatever one field of a listing becomes: no crash, no machine less, none invented."""
    fake.add_network("private")
    fake.servers.clear()
    for name in ("web-1", "web-2"):
        provider.create(hetzner_bench.order(name, networks=("private",)))
    fake.advance(20)
    whole = provider.instances()
    names = [each.node_name for each in whole]
    reply = fake.log("GET", "/servers$")[-1].reply.json()
    chance = random.Random(4711)
    outcomes = {"whole": 0, "error": 0}
    for path in tuple(_paths(reply)):
        others = [_with(reply, path, odd) for odd in ODD]
        for torn in (_without(reply, path), chance.choice(others)):
            fake.fail(KIND.CHANGED, change=lambda _reply, torn=torn: engine.Reply(body=torn))
            try:
                listed = provider.instances()
            except errors.NotNow:
                outcomes["error"] += 1
                continue
            outcomes["whole"] += 1
            if path[-1] not in {"vps-autoscaler/cluster", "vps-autoscaler/node", "labels"}:
                assert [each.node_name for each in listed] == names, (path, torn)
            assert {each.id for each in listed} <= {each.id for each in whole} | {"7"}
            for each in listed:
                assert isinstance(each, cloud.Instance)
    assert min(outcomes.values()) > 30, outcomes


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


def test_eight_hands_and_a_reader_at_once(fake: hetzner.HetznerFake) -> None:
    fake.slow(0.05, method="POST")
    fake.slow(0.05, path="/images")
    with hetzner_bench.opened(fake) as provider:
        ends: list[tuple[str, str]] = []
        orders = iter([hetzner_bench.order(f"web-{number}") for number in range(24)])
        guard = threading.Lock()

        def work() -> None:
            while True:
                with guard:
                    order = next(orders, None)
                if order is None:
                    return
                made = provider.create(order)
                ends.append((order.node_name, made.node_name))

        hands = [threading.Thread(target=work) for _ in range(8)]
        for hand in hands:
            hand.start()
        while any(hand.is_alive() for hand in hands):
            provider.instances()
        for hand in hands:
            hand.join()
    assert sorted(ends) == sorted((f"web-{n}",) * 2 for n in range(24))
    assert fake.peak >= 8
    assert len(fake.log("GET", "/images")) == 1, "who wants the same waits for the one answer"


def test_no_secret_reaches_a_log_or_an_error(
    fake: hetzner.HetznerFake, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpcore", "hcloud", "requests", "providers"):
        caplog.set_level(logging.DEBUG, logger=name)
    secret = "join-s3cret-0815"
    parts: list[object] = []
    with hetzner_bench.opened(fake, read_timeout_s=0.2) as provider:
        for number, trouble in enumerate(({}, *TROUBLES)):
            order = hetzner_bench.order(f"web-{number}", user_data=f"#!/bin/sh\n{secret}\n")
            for after in (False, True):
                if trouble:
                    fake.fail(**trouble, after=after, method="POST")
                with contextlib.suppress(errors.CloudError):
                    parts.append(provider.create(order))
                parts += [order, provider, provider.__dict__]
        fake.fail(KIND.ERROR, method="POST", status=422, code="invalid_input", message="no")
        with pytest.raises(errors.BadOrder) as caught:
            provider.create(hetzner_bench.order("web-x", user_data=secret))
    chain: BaseException | None = caught.value
    while chain is not None:
        parts += [chain, str(chain), chain.args]
        chain = chain.__cause__
    whole = [each for each in fake.log("POST", "/servers$") if each.fault is None]
    passwords = [each.reply.json().get("root_password") for each in whole]
    passwords = [password for password in passwords if password]
    assert passwords, "without a key the vendor sends a root password"
    assert any(record.name == "httpcore.http11" for record in caplog.records)
    text = caplog.text + "".join(map(repr, parts))
    for hidden in (hetzner_bench.TOKEN, secret, *passwords):
        assert hidden not in text
