"""Between Vultr and us: a lost answer makes no second instance, no part is taken for the whole,
no secret is told.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from providers import contract as cloud
from providers import errors
from providers.conformance import troubles
from providers.fakes import engine
from providers.kit import marks
from providers.vultr import VultrCloud
from tests.fakes import vultr
from tests.providers import contract, torn, vultr_bench

pytestmark = pytest.mark.filterwarnings("ignore:(tag|label) parameter is deprecated")

KIND = engine.FaultKind


@pytest.fixture
def fake() -> Iterator[vultr.VultrFake]:
    with vultr_bench.serving() as it:
        yield it


@pytest.fixture
def provider(fake: vultr.VultrFake) -> Iterator[VultrCloud]:
    with vultr_bench.opened(fake) as it:
        yield it


class TestWire(contract.Wire):
    machine_type, location, image = vultr_bench.TYPE, vultr_bench.PLACE, vultr_bench.IMAGE
    listing = "/instances$"
    names_unique = False

    def make(self, *, cluster: str, account: str, token: str) -> Iterator[contract.Bench]:
        assert (cluster, account) == (vultr_bench.CLUSTER, vultr_bench.ACCOUNT)
        with vultr_bench.serving(token=token) as fake, vultr_bench.opened(fake) as provider:
            yield contract.Bench(provider=provider, controls=vultr_bench.VultrControls(fake))

    def opened(
        self, bench: contract.Bench, *, read_timeout_s: float = 10.0
    ) -> contextlib.AbstractContextManager[cloud.Provider]:
        return vultr_bench.opened(bench.controls.fake, read_timeout_s=read_timeout_s)

    def order(self, bench: contract.Bench, node_name: str, **changes: Any) -> cloud.Order:
        return vultr_bench.order(node_name, **changes)

    def refuse(self, fake: engine.Fake) -> None:
        fake.drops_tags = True

    def secrets(self, fake: engine.Fake) -> set[str]:
        """Return the passwords that the vendor makes up."""
        posts = [each for each in fake.log("POST") if each.reply.status == 202]
        rows = [each.reply.json()["instance"] for each in posts if each.fault is None]
        assert rows
        return {row["default_password"] for row in rows}


def tags(node: str) -> list[str]:
    return vultr_bench.tags(node=node)


def rich_order(fake: vultr.VultrFake, node_name: str = "web-a1") -> cloud.Order:
    """Make an order whose first create asks for everything that an order can name."""
    fake.add_ssh_key("ops")
    fake.add_vpc("private", "fra")
    fake.add_firewall("nodes")
    fake.add_snapshot("golden")
    return vultr_bench.order(
        node_name, ssh_keys=("ops",), networks=("private",), firewalls=("nodes",), image="golden"
    )


# A lost answer never makes a second instance.


@pytest.mark.parametrize(("trouble", "after", "times"), troubles.POINTS, ids=troubles.point_name)
def test_trouble_at_every_point_of_the_exchange_makes_one_instance(
    trouble: dict[str, Any], times: int, *, after: bool
) -> None:
    """Strike the first exchange, then the second, ... until the trouble comes too late."""
    asked = []
    for point in range(20):
        with vultr_bench.serving() as fake:
            fake.lag_s = 20.0
            fake.fail(**trouble, after=after, skip=point, times=times)
            wanted = rich_order(fake)
            with vultr_bench.opened(fake, read_timeout_s=troubles.patience_s(trouble)) as provider:
                settle = functools.partial(fake.advance, provider.settle_s)
                made = troubles.order(provider, wanted, settle)
            assert list(fake.instances) == [made.id]
            assert (made.node_name, made.group) == (wanted.node_name, wanted.group)
            posts = fake.log("POST")
            assert sum(each.worked for each in posts) == 1
            asked.append(len(posts))
            if fake.faults.pending():
                break
    else:
        raise AssertionError("the trouble never came too late")
    assert point >= 6, "an OS, a snapshot, a key, a VPC, a firewall group and the create itself"
    lands = after or trouble["kind"] in {KIND.CUT, KIND.TRUNCATED}
    assert (max(asked) == 1) == lands, "what was certainly not done is sent again, else never"


@pytest.mark.parametrize("filtered", ["ignored", "empty"])
def test_a_filter_by_tag_that_fails_makes_no_second_instance(
    fake: vultr.VultrFake, provider: VultrCloud, filtered: str
) -> None:
    """The vendor calls it deprecated: some day it may show everything, or nothing."""
    fake.add("other", vultr_bench.tags(cluster="green", node="web-a1"))

    def other(reply: engine.Reply) -> engine.Reply:
        rows = [] if filtered == "empty" else [fake.shown(each) for each in fake.instances.values()]
        meta = {"total": len(rows), "links": {"next": "", "prev": ""}}
        return dataclasses.replace(reply, body={"instances": rows, "meta": meta})

    fake.fail(KIND.LOST, method="POST", after=True)
    with pytest.raises(errors.Unreachable):
        provider.create(vultr_bench.order())
    fake.fail(KIND.CHANGED, method="GET", path="/instances$", change=other)
    found = provider.look_up(node_name="web-a1", instance_id="", receipt="")
    assert found is not None
    assert fake.instances[found.id].label == "web-a1"


# Listings.


def _fill(fake: vultr.VultrFake, count: int) -> None:
    for _ in range(count):
        number = len(fake.instances)
        fake.add(f"web-{number}", tags(f"web-{number}"))


def test_a_listing_costs_one_request_a_page(fake: vultr.VultrFake) -> None:
    _fill(fake, 1003)
    for number in range(60):
        fake.add(f"foreign-{number}", vultr_bench.tags(cluster="green", node=f"g-{number}"))
    with vultr_bench.opened(fake) as provider:
        assert len(provider.instances()) == 1003
    asked = [dict(each.request.query) for each in fake.log("GET", "/instances$")]
    assert len(asked) == 3
    assert {(each["per_page"], each["tag"]) for each in asked} == {("500", "vps-cluster:blue")}
    assert ["cursor" in each for each in asked] == [False, True, True]


@pytest.mark.parametrize("change", ["lose", "gain"])
def test_a_listing_that_changes_while_it_is_read_is_an_error(
    fake: vultr.VultrFake, change: str
) -> None:
    _fill(fake, 1003)
    asked: list[str] = []

    def meanwhile(request: engine.Request) -> None:
        asked.append(request.path)
        if len(asked) == 2 and change == "lose":
            del fake.instances[min(fake.instances)]
        elif len(asked) == 2:
            _fill(fake, 1)

    fake.before = meanwhile
    with vultr_bench.opened(fake) as provider:
        with pytest.raises(errors.Unreachable, match="changed while it was read"):
            provider.instances()
        fake.before = lambda _request: None
        assert len(provider.instances()) == len(fake.instances)


def test_the_row_of_the_cursor_may_vanish(fake: vultr.VultrFake) -> None:
    _fill(fake, 501)

    def meanwhile(request: engine.Request) -> None:
        if cursor := request.one("cursor"):
            last = base64.urlsafe_b64decode(cursor).decode().removeprefix("next__")
            del fake.instances[last]

    fake.before = meanwhile
    with vultr_bench.opened(fake) as provider, pytest.raises(errors.Unreachable, match="cursor"):
        provider.instances()


def _with_meta(**meta: Any) -> Callable[[engine.Reply], engine.Reply]:
    def change(reply: engine.Reply) -> engine.Reply:
        body = reply.json()
        return dataclasses.replace(reply, body={**body, "meta": {**body["meta"], **meta}})

    return change


@pytest.mark.parametrize(
    ("meta", "words"),
    [
        ({"links": {"next": "bmV4dF9fMQ==", "prev": ""}}, "circle|cursor"),
        ({"links": {"next": 5}}, "could not be read"),
        ({"total": 1}, "changed while it was read"),
        ({"total": None}, "could not be read"),
        ({"total": "many"}, "could not be read"),
    ],
)
def test_a_page_that_leads_astray_is_an_error(
    fake: vultr.VultrFake, provider: VultrCloud, meta: dict[str, Any], words: str
) -> None:
    _fill(fake, 3)
    fake.fail(KIND.CHANGED, change=_with_meta(**meta))
    with pytest.raises(errors.Unreachable, match=words):
        provider.instances()


@pytest.mark.parametrize("links", [{"prev": ""}, {"next": None}, {"next": ""}, {}, None])
def test_a_last_page_may_have_no_cursor(
    fake: vultr.VultrFake, provider: VultrCloud, links: dict[str, Any] | None
) -> None:
    """The document requires none; what ends too early is shorter than its total says."""
    _fill(fake, 3)
    fake.fail(KIND.CHANGED, change=_with_meta(links=links))
    assert len(provider.instances()) == 3
    fake.fail(KIND.CHANGED, times=None, change=_with_meta(links=links, total=4))
    with pytest.raises(errors.Unreachable, match="ended after 3 of 4 rows"):
        provider.instances()


def test_pages_in_a_circle_end(fake: vultr.VultrFake, provider: VultrCloud) -> None:
    circle = _with_meta(links={"next": "abc", "prev": ""})
    fake.fail(KIND.CHANGED, times=None, change=lambda reply: circle(_first(reply)))

    def _first(_reply: engine.Reply) -> engine.Reply:
        return engine.Reply(body={"instances": [], "meta": {"total": 0}})

    with pytest.raises(errors.Unreachable, match="holds nothing new"):
        provider.instances()
    assert len(fake.exchanges) == 1


def test_a_total_may_count_what_the_filter_hides(
    fake: vultr.VultrFake, provider: VultrCloud
) -> None:
    """It is not documented; so the list without a filter is read where rows are missing."""
    _fill(fake, 3)
    fake.add("foreign", vultr_bench.tags(cluster="green", node="g"))
    fake.totals_count_all = True
    for _ in range(2):
        assert len(provider.instances()) == 3
    assert ["tag" in dict(each.request.query) for each in fake.log("GET", "/instances$")] == [
        True,
        False,
        False,
    ]
    found = provider.look_up(node_name="web-1", instance_id="", receipt="")
    assert found is not None
    assert found.node_name == "web-1"


@pytest.mark.parametrize("path", ["/instances", "/plans"])
def test_a_list_that_ends_too_soon_is_an_error(
    fake: vultr.VultrFake, provider: VultrCloud, path: str
) -> None:
    _fill(fake, 3)
    fake.fail(KIND.CHANGED, path=path, times=None, change=_with_meta(total=5000))
    call = provider.instances if path == "/instances" else provider.machine_types
    with pytest.raises(errors.Unreachable, match="ended after"):
        call()


def test_a_filter_without_regard_to_capitals_lets_nobody_in(
    fake: vultr.VultrFake, provider: VultrCloud
) -> None:
    ours = fake.add("a", tags("a"))
    foreign = fake.add("b", ["VPS-cluster:Blue", "vps-group:web", "n:b"])
    assert [each.id for each in provider.instances()] == [ours.id]
    assert len(fake.log("GET", "/instances")[-1].reply.json()["instances"]) == 2
    assert provider.look_up(node_name="b", instance_id="", receipt="") is None
    assert provider.look_up(node_name="b", instance_id=foreign.id, receipt="") is None
    assert provider.look_up(node_name="A", instance_id="", receipt="") is None


# Answers with holes and surprises.


def _two(fake: vultr.VultrFake, provider: VultrCloud) -> Any:
    for name in ("web-1", "web-2"):
        provider.create(vultr_bench.order(name))
    fake.advance(fake.create_s + fake.boot_s)
    provider.instances()
    return fake.log("GET", "/instances$")[-1].reply.json()


def test_a_create_answer_with_holes_is_never_sent_again(
    fake: vultr.VultrFake, provider: VultrCloud
) -> None:
    """The instance exists: what is no order of ours is deleted, all else can be found."""
    provider.create(vultr_bench.order("web-0"))
    reply = fake.log("POST")[-1].reply.json()
    for number, path in enumerate(torn.paths(reply), start=1):
        before, posts = set(fake.instances), len(fake.log("POST"))
        order = vultr_bench.order(f"web-{number}")
        name = order.node_name
        row = {"id": fake.new_id(), "label": name, "tags": list(marks.ordered(order))}
        answer = torn.without({"instance": {**reply["instance"], **row}}, path)
        fake.fail(
            KIND.CHANGED,
            method="POST",
            change=lambda _, value=answer: engine.Reply(status=202, body=value),
        )
        with contextlib.suppress(errors.NotNow, errors.BadOrder):
            assert provider.create(order).node_name == order.node_name
        assert len(fake.log("POST")) == posts + 1
        assert len(set(fake.instances) - before) == 1
        found = provider.look_up(node_name=order.node_name, instance_id="", receipt="")
        assert found is not None


def test_a_create_that_is_answered_with_another_instance_deletes_nothing(
    fake: vultr.VultrFake, provider: VultrCloud
) -> None:
    stranger = fake.add("someone-s-mail", ["mail"])
    provider.create(vultr_bench.order("web-0"))
    (made,) = fake.log("POST")
    lie = {"id": stranger.id, "label": stranger.label, "tags": ["mail"]}
    answer = {"instance": {**made.reply.json()["instance"], **lie}}
    fake.fail(KIND.CHANGED, method="POST", change=lambda _: engine.Reply(status=202, body=answer))
    with pytest.raises(errors.Unreachable, match="another instance"):
        provider.create(vultr_bench.order("web-1"))
    provider.instances()
    assert stranger.gone_at is None
    assert not fake.log("DELETE")


@pytest.mark.parametrize("change", ["bare", "words", "grown"])
def test_answers_poor_rich_and_new_by_the_document(
    fake: vultr.VultrFake, provider: VultrCloud, change: str
) -> None:
    """Nothing is required in the document's answers: what we cannot do without is an error."""
    reply = _two(fake, provider)
    whole = provider.instances()
    if change == "grown":
        fake.fail(KIND.CHANGED, change=lambda _: engine.Reply(body=torn.grown(reply)))
        assert provider.instances() == whole
        return
    if change == "words":
        for field in ("status", "power_status", "server_status"):
            answer = copy.deepcopy(reply)
            for row in answer["instances"]:
                row[field] = torn.NEW_WORD
            fake.fail(KIND.CHANGED, change=lambda _, value=answer: engine.Reply(body=value))
            assert provider.instances() == whole, "an unknown word means running"
        return
    needed = ("id", "tags", "plan")
    bare = [{key: row[key] for key in needed} for row in reply["instances"]]
    fake.fail(
        KIND.CHANGED, change=lambda _: engine.Reply(body={"instances": bare, "meta": reply["meta"]})
    )
    assert [(each.id, each.node_name) for each in provider.instances()] == [
        (each.id, each.node_name) for each in whole
    ]
    for field in needed:
        rows = [{key: row[key] for key in row if key != field} for row in bare]
        answer = {"instances": rows, "meta": reply["meta"]}
        fake.fail(KIND.CHANGED, change=lambda _, value=answer: engine.Reply(body=value))
        with pytest.raises(errors.Unreachable, match=field):
            provider.instances()


@pytest.mark.parametrize("call", ["machine_types", "offers"])
def test_a_torn_catalogue_is_an_error_or_whole(
    fake: vultr.VultrFake, provider: VultrCloud, call: str
) -> None:
    for kind in ("plans", "regions"):
        fake.catalogue[kind] = fake.catalogue[kind][-2:]
    whole = len(getattr(provider, call)())
    for exchange in fake.log("GET"):
        reply = exchange.reply.json()
        for path in tuple(torn.paths(reply)):
            for answer in (torn.without(reply, path), torn.with_(reply, path, None)):
                fake.fail(
                    KIND.CHANGED,
                    path=exchange.request.path,
                    change=lambda _, value=answer: engine.Reply(body=value),
                )
                with contextlib.suppress(errors.NotNow):
                    assert len(getattr(provider, call)()) == whole, path
                fake.faults.clear()


# Threads and secrets.


@pytest.mark.parametrize("how", ["no field", "null"])
def test_a_stranger_without_tags_hides_nobody_and_one_of_ours_is_an_error(
    fake: vultr.VultrFake, provider: VultrCloud, how: str
) -> None:
    """The document requires no tags: where machines are only counted or shown, none is none."""
    ours = fake.add("web-a1", vultr_bench.tags(node="web-a1"))
    stranger = fake.add("mail")

    def bare(reply: engine.Reply) -> engine.Reply:
        body = reply.json()
        for row in body["instances"]:
            if row["id"] == stranger.id:
                if how == "null":
                    row["tags"] = None
                else:
                    del row["tags"], row["label"]
        return dataclasses.replace(reply, body=body)

    fake.fail(KIND.CHANGED, method="GET", times=None, change=bare)
    assert [each.count for each in provider.neighbours()] == [1]
    found = {each.instance.id: each for each in provider.candidates()}
    assert set(found) == {str(ours.id), str(stranger.id)}
    assert found[str(stranger.id)].cluster == ""
    assert [each.id for each in provider.instances()] == [str(ours.id)]

    def torn_off(reply: engine.Reply) -> engine.Reply:
        body = reply.json()
        for row in body["instances"]:
            row["tags"] = None
        return dataclasses.replace(reply, body=body)

    fake.faults.clear()
    fake.fail(KIND.CHANGED, method="GET", times=None, change=torn_off)
    with pytest.raises(errors.Unreachable):
        provider.instances()


def test_a_plan_with_null_for_disk_and_places_hides_no_other(
    fake: vultr.VultrFake, provider: VultrCloud
) -> None:
    """It has no disk of its own, and is sold out everywhere."""
    whole = provider.offers()
    first = fake.catalogue["plans"][0]["id"]

    def bare(reply: engine.Reply) -> engine.Reply:
        body = reply.json()
        for row in body["plans"]:
            if row["id"] == first:
                row["disk"] = row["locations"] = None
        return dataclasses.replace(reply, body=body)

    fake.fail(KIND.CHANGED, method="GET", path="/plans", times=None, change=bare)
    types = {each.name: each for each in provider.machine_types()}
    assert len(types) == len(fake.catalogue["plans"])
    assert types[first].disk_bytes == 0
    found = provider.offers()
    assert len(found) == len(whole)
    assert not any(each.in_stock for each in found if each.machine_type == first)
    assert any(each.in_stock for each in found)
