"""Between Linode and us: one request is one request, no part is taken for the whole, no secret
is told.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import linode_api4
import pytest

from providers import contract as cloud
from providers import errors
from providers.conformance import troubles
from providers.fakes import engine
from providers.linode import GroupOptions, LinodeCloud
from tests import absent
from tests.fakes import linode
from tests.providers import contract, linode_bench, torn

KIND = engine.FaultKind
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMq ops@example.com"


@pytest.fixture
def fake() -> Iterator[linode.LinodeFake]:
    with linode_bench.serving() as it:
        yield it


@pytest.fixture
def provider(fake: linode.LinodeFake) -> Iterator[LinodeCloud]:
    with linode_bench.opened(fake) as it:
        yield it


class TestWire(contract.Wire):
    machine_type, location, image = linode_bench.TYPE, linode_bench.PLACE, linode_bench.IMAGE
    listing = "/linode/instances$"
    delete_answers = True
    refusal: ClassVar = {"status": 400, "message": "no"}
    loggers = ("", "httpcore", "linode_api4", "requests", "providers")

    def make(self, *, cluster: str, account: str, token: str) -> Iterator[contract.Bench]:
        assert (cluster, account) == (linode_bench.CLUSTER, linode_bench.ACCOUNT)
        with linode_bench.serving(token=token) as fake, linode_bench.opened(fake) as provider:
            fake.add_placement_group("racks", "eu-central")
            for limit in (fake.creates, fake.lists, fake.others):
                limit.limit = 100_000
            yield contract.Bench(provider=provider, controls=linode_bench.LinodeControls(fake))

    def opened(
        self, bench: contract.Bench, *, read_timeout_s: float = 10.0
    ) -> contextlib.AbstractContextManager[cloud.Provider]:
        return linode_bench.opened(bench.controls.fake, read_timeout_s=read_timeout_s)

    def order(self, bench: contract.Bench, node_name: str, **changes: Any) -> cloud.Order:
        return linode_bench.order(node_name, **changes)

    def reads(self, provider: cloud.Provider) -> dict[str, Callable[[], object]]:
        return {"check_order": lambda: provider.check_order(linode_bench.order())}

    def secrets(self, fake: engine.Fake) -> set[str]:
        """Return the root passwords that we make up, and the user-data as it is sent."""
        bodies = [each.request.json() for each in fake.log("POST")]
        assert len(bodies) > 10
        sent = {body["metadata"]["user_data"] for body in bodies}
        return sent | {body["root_pass"] for body in bodies}


@pytest.fixture
def hasty(fake: linode.LinodeFake) -> Iterator[LinodeCloud]:
    """Give a login that does not wait long for a cloud that hangs."""
    with linode_bench.opened(fake, read_timeout_s=1.0) as it:
        yield it


TROUBLES: tuple[dict[str, Any], ...] = (
    {"kind": KIND.LOST},
    {"kind": KIND.HANG},
    {"kind": KIND.HTML, "status": 502},
    {"kind": KIND.HTML, "status": 504},
    {"kind": KIND.HTML, "status": 200},
    {"kind": KIND.EMPTY, "status": 200},
    {"kind": KIND.ERROR, "status": 408, "message": "Please try again"},
    {"kind": KIND.ERROR, "status": 500, "message": "Internal server error"},
    {"kind": KIND.ERROR, "status": 503, "message": "Service unavailable"},
    {"kind": KIND.CUT},
    {"kind": KIND.TRUNCATED},
)


def _name(trouble: dict[str, Any]) -> str:
    values = (trouble[key] for key in ("kind", "status") if key in trouble)
    return "-".join(str(getattr(value, "value", value)) for value in values)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("trouble", TROUBLES, ids=_name)
def test_a_create_of_unknown_outcome_makes_one_machine_in_the_end(
    fake: linode.LinodeFake, hasty: LinodeCloud, trouble: dict[str, Any], *, after: bool
) -> None:
    fake.fail(**trouble, after=after, method="POST", path=linode_bench.INSTANCES)
    order = linode_bench.order()
    with pytest.raises(errors.CloudError) as caught:
        hasty.create(order)
    assert type(caught.value) is errors.Unreachable
    assert len(fake.log("POST")) == 1, "nothing below us may send a create again"
    worked = fake.log("POST")[0].worked
    assert len(fake.machines) == int(worked)
    assert worked == (after or trouble["kind"] in {KIND.CUT, KIND.TRUNCATED})
    made = hasty.create(order)
    assert list(fake.machines) == [int(made.id)]
    assert hasty.create(order) == made


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("trouble", TROUBLES, ids=_name)
def test_a_trouble_at_any_point_of_a_create_makes_no_second_machine(
    fake: linode.LinodeFake, trouble: dict[str, Any], *, after: bool
) -> None:
    """A create that names everything takes eight requests; each of them fails once."""
    fake.creates.limit = 10_000
    fake.add_ssh_key("ops")
    fake.add_vpc("inner", "eu-central", "nodes")
    fake.add_firewall("nodes")
    for row in fake.catalogue["regions"]:
        row["placement_group_limits"]["maximum_linodes_per_pg"] = 100
    fake.add_placement_group("racks", "eu-central")
    spent = 0
    for point in range(20):
        order = linode_bench.order(
            f"web-{point}",
            ssh_keys=("ops",),
            networks=("inner",),
            firewalls=("nodes",),
            placement_group="racks",
            options=GroupOptions(watchdog=False),
        )
        with linode_bench.opened(fake, read_timeout_s=troubles.patience_s(trouble)) as provider:
            fake.fail(**trouble, after=after, skip=point)
            with contextlib.suppress(errors.Unreachable):
                provider.create(order)
            struck = not fake.faults.pending()
            fake.faults.clear()
            made = provider.create(order)
        labels = [machine.label for machine in fake.machines.values()]
        assert labels.count(order.node_name) == 1
        assert fake.machines[int(made.id)].label == order.node_name
        assert not fake.machines[int(made.id)].watchdog
        if not struck:
            break
        spent = point + 1
    assert spent == 8
    assert len(fake.machines) == spent + 1


def test_what_the_sdk_retries_by_itself_is_sent_once_here(fake: linode.LinodeFake) -> None:
    """The trap is real: without our cure the same client sends a create six times."""
    bare = linode_api4.LinodeClient(fake.token, base_url=fake.url, retry_rate_limit_interval=0.001)
    fake.fail(KIND.HTML, status=502, times=None)
    with pytest.raises(linode_api4.ApiError):
        bare.post("/linode/instances", data={"type": "a", "region": "b"})
    assert len(fake.log("POST")) == 6
    bare.session.close()
    with linode_bench.opened(fake) as provider:
        fake.faults.clear()
        provider.check_order(linode_bench.order())
        fake.fail(KIND.HTML, status=502, method="POST", times=None)
        with pytest.raises(errors.Unreachable):
            provider.create(linode_bench.order())
    assert len(fake.log("POST")) == 7


@pytest.mark.parametrize("token", ["", "two words", "line\n", "tökén", "\x00"])
def test_a_token_that_is_none_is_refused_and_not_quoted(
    fake: linode.LinodeFake, token: str
) -> None:
    with (
        linode_bench.opened(fake, token=token) as provider,
        pytest.raises(errors.BadCredentials) as caught,
    ):
        provider.instances()
    assert fake.exchanges == []
    if token:
        assert token not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("endpoint", ["ftp://127.0.0.1/v4", "http://[", "nonsense"])
def test_an_endpoint_that_is_none_is_our_error(fake: linode.LinodeFake, endpoint: str) -> None:
    with (
        linode_bench.opened(fake, endpoint=endpoint) as provider,
        pytest.raises(errors.Unreachable),
    ):
        provider.instances()


# Listings.


def _fill(fake: linode.LinodeFake, count: int) -> None:
    for number in range(count):
        fake.add(f"web-{number}", linode_bench.tags(f"web-{number}"))


def test_a_listing_costs_one_request_a_page(fake: linode.LinodeFake, provider: LinodeCloud) -> None:
    _fill(fake, 1003)
    for number in range(60):
        fake.add(f"foreign-{number}", linode_bench.tags(f"foreign-{number}", cluster="green"))
    listed = provider.instances()
    assert len(listed) == 1003
    asked = fake.log("GET", linode_bench.INSTANCES)
    assert [each.request.query for each in asked] == [
        (("page", str(page)), ("page_size", "500")) for page in (1, 2, 3)
    ]
    assert {each.request.header("X-Filter") for each in asked} == {
        json.dumps({"tags": "vps-cluster:blue", "+order_by": "id", "+order": "asc"})
    }


@pytest.mark.parametrize("change", ["lose", "gain", "shrink to fewer pages"])
def test_a_listing_that_changes_while_it_is_read_is_an_error(
    fake: linode.LinodeFake, provider: LinodeCloud, change: str
) -> None:
    _fill(fake, 503)

    def meanwhile(request: engine.Request) -> None:
        if request.one("page") != "2":
            return
        match change:
            case "lose":
                del fake.machines[min(fake.machines)]
            case "gain":
                _fill(fake, 1)
            case _:
                for number in sorted(fake.machines)[:10]:
                    del fake.machines[number]

    fake.before = meanwhile
    with pytest.raises(errors.Unreachable, match="changed while it was read"):
        provider.instances()
    fake.before = lambda _request: None
    assert len(provider.instances()) == len(fake.machines)


@pytest.mark.parametrize(
    ("field", "value"), [("page", 2), ("pages", 2), ("pages", 0), ("results", 61), ("results", 59)]
)
def test_a_page_that_miscounts_is_an_error_unless_it_is_whole(
    fake: linode.LinodeFake, provider: LinodeCloud, field: str, value: int
) -> None:
    _fill(fake, 60)

    def astray(reply: engine.Reply) -> engine.Reply:
        return dataclasses.replace(reply, body={**reply.json(), field: value})

    fake.fail(KIND.CHANGED, change=astray)
    if (field, value) == ("pages", 0):
        assert len(provider.instances()) == 60
        return
    with pytest.raises(errors.Unreachable):
        provider.instances()


def test_a_count_that_changes_and_comes_back_is_an_error(
    fake: linode.LinodeFake, provider: LinodeCloud
) -> None:
    _fill(fake, 1003)

    def one_more(reply: engine.Reply) -> engine.Reply:
        return dataclasses.replace(reply, body={**reply.json(), "results": 1004})

    fake.fail(KIND.CHANGED, skip=1, change=one_more)
    with pytest.raises(errors.Unreachable, match="changed while it was read"):
        provider.instances()


def test_an_empty_account_may_have_no_page_at_all(
    fake: linode.LinodeFake, provider: LinodeCloud
) -> None:
    none = engine.Reply(body={"data": [], "page": 1, "pages": 0, "results": 0})
    fake.fail(KIND.CHANGED, change=lambda _reply: none)
    assert provider.instances() == ()


def test_a_filter_that_the_cloud_ignores_lets_nobody_in(
    fake: linode.LinodeFake, provider: LinodeCloud
) -> None:
    _fill(fake, 1)
    controls = linode_bench.LinodeControls(fake)
    foreign = controls.add(cluster="green", group="web", node_name="web-x")
    fake.add_image("else")
    fake.add_firewall("else")
    fake.filtered = lambda rows, header, fields: rows  # type: ignore[method-assign]
    assert [each.node_name for each in provider.instances()] == ["web-0"]
    assert provider.look_up(node_name="web-y", instance_id="", receipt="") is None
    assert provider.look_up(node_name="web-x", instance_id="", receipt="") is None
    assert provider.look_up(node_name="web-x", instance_id=foreign, receipt="") is None
    assert provider.check_order(linode_bench.order(image="mine", firewalls=("wall",))) == (
        "there is no image 'mine'",
        "there is no firewall 'wall'",
    )
    made = provider.create(linode_bench.order())
    assert provider.create(linode_bench.order()).id == made.id


# Replies with holes and surprises.


MISSING = object()


def _changed(value: Any, path: torn.Path, other: Any) -> Any:
    return torn.without(value, path) if other is MISSING else torn.with_(value, path, other)


def _each_torn(reply: Any, chance: random.Random) -> Iterator[tuple[torn.Path, Any]]:
    """Give the reply with each of its parts gone, and each of them odd in some way."""
    for path in torn.paths(reply):
        yield path, torn.without(reply, path)
        yield path, torn.with_(reply, path, chance.choice((*torn.ODD, torn.NEW_WORD)))


def _reply(body: Any) -> Callable[[engine.Reply], engine.Reply]:
    return lambda _reply: engine.Reply(body=body)


def test_creates_with_holes_in_the_answer_make_one_machine(fake: linode.LinodeFake) -> None:
    for limit in (fake.creates, fake.lists, fake.others):
        limit.limit = 100_000
    with linode_bench.opened(fake) as provider:
        made = provider.create(linode_bench.order("web-first"))
        body = fake.log("POST")[-1].reply.json()
        paths = [path for path, _ in _each_torn(body, random.Random(0))]
        chance = random.Random(4713)
        for index, path in enumerate(paths):
            order = linode_bench.order(f"web-{index}")
            other = MISSING if index % 2 else chance.choice(torn.ODD)

            def holes(
                reply: engine.Reply, path: torn.Path = path, other: Any = other
            ) -> engine.Reply:
                try:
                    return dataclasses.replace(reply, body=_changed(reply.json(), path, other))
                except (IndexError, KeyError):
                    return reply

            fake.fail(KIND.CHANGED, method="POST", change=holes)
            with contextlib.suppress(errors.NotNow):
                made = provider.create(order)
            made = provider.create(order)
            assert made.node_name == order.node_name
            assert fake.machines[int(made.id)].label == order.node_name
    assert len(fake.machines) == len(paths) + 1


@pytest.mark.parametrize("what", ["machine_types", "offers", "check_order"])
def test_catalogues_with_holes_never_crash(
    fake: linode.LinodeFake, provider: LinodeCloud, what: str
) -> None:
    for limit in (fake.lists, fake.others, fake.image_lists):
        limit.limit = 100_000
    for kind in ("types", "regions"):
        kept = {"g6-standard-2", "g2-gpu-rtx4000a1-s", "eu-central", "us-east"}
        fake.catalogue[kind] = [row for row in fake.catalogue[kind] if row["id"] in kept]
    fake.sell_out("g6-standard-2", "us-east", listed=True)
    fake.add_image("node")
    fake.add_ssh_key("ops")
    fake.add_vpc("inner", "eu-central", "nodes")
    fake.add_firewall("wall")
    fake.add_placement_group("racks", "eu-central")
    order = linode_bench.order(
        image="node",
        ssh_keys=("ops",),
        networks=("inner",),
        firewalls=("wall",),
        placement_group="racks",
    )
    calls: dict[str, Callable[[], object]] = {
        "machine_types": provider.machine_types,
        "offers": provider.offers,
        "check_order": lambda: provider.check_order(order),
    }
    calls[what]()
    answers = [(each.request.path, each.reply.json()) for each in fake.log()]
    outcomes = {"told": 0, "error": 0}
    chance = random.Random(4714)
    for path, body in answers:
        for _, holes in _each_torn(body, chance):
            fake.fail(KIND.CHANGED, path=f"{path}$", change=_reply(holes))
            try:
                calls[what]()
                outcomes["told"] += 1
            except errors.CloudError:
                outcomes["error"] += 1
            fake.faults.clear()
    assert min(outcomes.values()) > 10, outcomes


def test_fields_and_words_that_the_vendor_adds_change_nothing(
    fake: linode.LinodeFake, provider: LinodeCloud
) -> None:
    _fill(fake, 2)
    whole = provider.instances()

    def grown(reply: engine.Reply) -> engine.Reply:
        body = torn.grown(reply.json())
        for row in body["data"]:
            row["tags"].append("some: other, tag")
            row["hypervisor"], row["capabilities"] = "new", ["New Thing"]
        return dataclasses.replace(reply, body=body)

    fake.fail(KIND.CHANGED, change=grown)
    assert provider.instances() == whole
    kinds = provider.machine_types()

    def quantum(reply: engine.Reply) -> engine.Reply:
        body = reply.json()
        body["data"][0] |= {"class": "quantum", "qubits": 3}
        return dataclasses.replace(reply, body=body)

    fake.fail(KIND.CHANGED, change=quantum)
    assert provider.machine_types() == kinds


@pytest.mark.parametrize("body", [b"[" * 60, b"nul", b'"data"', b"[]", b"\xff\xfe", b"7"])
def test_answers_that_are_no_object(
    fake: linode.LinodeFake, provider: LinodeCloud, body: bytes
) -> None:
    fake.fail(KIND.CHANGED, change=lambda _reply: engine.Reply(body=body))
    with pytest.raises(errors.Unreachable, match="no JSON object"):
        provider.instances()


# The budget.


def test_the_budget_is_what_the_headers_of_listings_say(fake: linode.LinodeFake) -> None:
    clock = engine.StoppedClock()
    fake.clock = clock
    provider = LinodeCloud(linode_bench.login(fake), clock=clock)
    provider.create(linode_bench.order())
    assert provider.budget() is None, "creates have a limit of their own"
    fake.lists.drain(clock.now, leave=100)
    provider.instances()
    assert provider.budget() == cloud.Budget(
        limit=200, remaining=99, reset_at=clock.now + 60, seen_at=clock.now
    )
    clock.now += 10
    seen = provider.budget()
    provider.offers()
    assert provider.budget() == seen, "other lists have limits of their own"
    for odd in ("many", "", "nan", "inf", None):
        headers = {f"X-RateLimit-{name}": odd for name in ("Limit", "Remaining", "Reset")}
        fields = {name: value for name, value in headers.items() if value is not None}
        fake.fail(
            KIND.CHANGED,
            change=lambda reply, given=fields: dataclasses.replace(reply, headers=given),
        )
        provider.instances()
        assert provider.budget() == seen
    odd_ones = {"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "12", "X-RateLimit-Reset": "-1"}
    fake.fail(KIND.CHANGED, change=lambda reply: dataclasses.replace(reply, headers=odd_ones))
    provider.instances()
    assert provider.budget() == cloud.Budget(
        limit=10, remaining=10, reset_at=clock.now, seen_at=clock.now
    )
    fake.lists.drain(clock.now, leave=0)
    with pytest.raises(errors.Throttled) as caught:
        provider.instances()
    assert caught.value.retry_after_s == 50
    last = provider.budget()
    assert last is not None
    assert last.remaining == 0
    provider.close()


def test_creates_have_a_limit_of_their_own(fake: linode.LinodeFake) -> None:
    with linode_bench.opened(fake) as provider:
        for number in range(20):
            provider.create(linode_bench.order(f"web-{number}"))
        with pytest.raises(errors.Throttled) as caught:
            provider.create(linode_bench.order("web-20"))
        assert caught.value.retry_after_s is not None
        assert 1 <= caught.value.retry_after_s <= 15
        assert len(provider.instances()) == 20
        fake.advance(15)
        provider.create(linode_bench.order("web-20"))


# Threads and secrets.


def test_every_known_error_of_the_document_is_still_one(fake: linode.LinodeFake) -> None:
    """One that is mended, or that we no longer meet, must leave the list."""
    document = linode_bench.document()
    if document is None:
        absent.skip(absent.Need.SHARED)
    with linode_bench.opened(fake) as provider:
        provider.create(linode_bench.order(ssh_keys=(KEY,)))
        provider.instances()
        provider.check_order(linode_bench.order(placement_group="4711"))
    assert document.problems(fake.exchanges) == []
    assert set(linode_bench.KNOWN) <= document.used


@pytest.mark.parametrize("how", ["no field", "null"])
def test_a_stranger_without_tags_hides_nobody_and_one_of_ours_is_an_error(
    fake: linode.LinodeFake, provider: LinodeCloud, how: str
) -> None:
    """The document requires no tags: where machines are only counted or shown, none is none."""
    ours = fake.add("web-a1", linode_bench.tags("web-a1"))
    stranger = fake.add("mail")

    def bare(reply: engine.Reply) -> engine.Reply:
        body = reply.json()
        for row in body["data"]:
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
        for row in body["data"]:
            row["tags"] = None
        return dataclasses.replace(reply, body=body)

    fake.faults.clear()
    fake.fail(KIND.CHANGED, method="GET", times=None, change=torn_off)
    with pytest.raises(errors.Unreachable):
        provider.instances()


def test_a_type_without_a_price_hides_no_other(
    fake: linode.LinodeFake, provider: LinodeCloud
) -> None:
    whole = {(each.machine_type, each.location): each for each in provider.offers()}
    first, second = (fake.catalogue["types"][number]["id"] for number in (0, 1))

    def priceless(reply: engine.Reply) -> engine.Reply:
        body = reply.json()
        for row in body["data"]:
            if row["id"] == first:
                row["price"], row["region_prices"] = None, None
            if row["id"] == second:
                del row["price"], row["region_prices"]
        return dataclasses.replace(reply, body=body)

    fake.fail(KIND.CHANGED, method="GET", path="/linode/types", change=priceless)
    found = {(each.machine_type, each.location): each for each in provider.offers()}
    assert set(found) == set(whole)
    for key, offer in found.items():
        unknown = key[0] in (first, second)
        assert offer.price_per_hour == (0 if unknown else whole[key].price_per_hour)
