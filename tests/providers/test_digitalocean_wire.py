"""Between DigitalOcean and us: a lost answer makes no second droplet, no part is taken for the
whole, no secret is told.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from providers import contract as cloud
from providers import errors
from providers.conformance import troubles
from providers.digitalocean import DigitalOceanCloud
from providers.fakes import engine
from providers.kit import marks
from tests import absent
from tests.fakes import digitalocean, spec
from tests.providers import contract, digitalocean_bench, torn

KIND = engine.FaultKind


@pytest.fixture
def fake() -> Iterator[digitalocean.DigitalOceanFake]:
    with digitalocean_bench.serving() as it:
        yield it


@pytest.fixture
def provider(fake: digitalocean.DigitalOceanFake) -> Iterator[DigitalOceanCloud]:
    with digitalocean_bench.opened(fake) as it:
        yield it


class TestWire(contract.Wire):
    machine_type, location = digitalocean_bench.TYPE, digitalocean_bench.PLACE
    image = digitalocean_bench.IMAGE
    listing = "/droplets$"
    names_unique = False
    listed = -2  # after it comes that of the GPUs
    refusal: ClassVar = {"status": 422, "code": "unprocessable_entity", "message": "no"}

    def make(self, *, cluster: str, account: str, token: str) -> Iterator[contract.Bench]:
        assert (cluster, account) == (digitalocean_bench.CLUSTER, digitalocean_bench.ACCOUNT)
        with contextlib.ExitStack() as stack:
            fake = stack.enter_context(digitalocean_bench.serving(token=token))
            fake.burst.limit = fake.hourly.limit = 100_000
            provider = stack.enter_context(digitalocean_bench.opened(fake))
            controls = digitalocean_bench.DigitalOceanControls(fake)
            yield contract.Bench(provider=provider, controls=controls)

    def opened(
        self, bench: contract.Bench, *, read_timeout_s: float = 10.0
    ) -> contextlib.AbstractContextManager[cloud.Provider]:
        return digitalocean_bench.opened(bench.controls.fake, read_timeout_s=read_timeout_s)

    def order(self, bench: contract.Bench, node_name: str, **changes: Any) -> cloud.Order:
        return digitalocean_bench.order(node_name, **changes)

    def reads(self, provider: cloud.Provider) -> dict[str, Callable[[], object]]:
        return {"quota": provider.quota}


def tags(node: str) -> list[str]:
    return digitalocean_bench.tags(node=node)


def rich_order(fake: digitalocean.DigitalOceanFake, node_name: str = "web-a1") -> cloud.Order:
    """Make an order whose first create asks for everything that an order can name."""
    fake.add_ssh_key("ops")
    fake.add_vpc("private", "fra1")
    fake.add_firewall("nodes", "fw-nodes")
    fake.add_image("golden")
    return digitalocean_bench.order(
        node_name, ssh_keys=("ops",), networks=("private",), firewalls=("nodes",), image="golden"
    )


# A lost answer never makes a second droplet.


@pytest.mark.parametrize(("trouble", "after", "times"), troubles.POINTS, ids=troubles.point_name)
def test_trouble_at_every_point_of_the_exchange_makes_one_droplet(
    trouble: dict[str, Any], times: int, *, after: bool
) -> None:
    """Strike the first exchange, then the second, ... until the trouble comes too late."""
    asked = []
    for point in range(20):
        with digitalocean_bench.serving() as fake:
            too_late, posts = _one_in_the_end(
                fake, rich_order(fake), {**trouble, "after": after, "skip": point, "times": times}
            )
            asked.append(posts)
            if too_late:
                break
    else:
        raise AssertionError("the trouble never came too late")
    assert point >= 6, "an image, a key, a VPC, a firewall and the create itself"
    lands = after or trouble["kind"] in {KIND.CUT, KIND.TRUNCATED}
    assert (max(asked) == 1) == lands, "what was certainly not done is sent again, else never"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("point", [0, 1, 2, 3])
def test_a_lost_gpu_droplet_is_found_too(point: int, *, after: bool) -> None:
    """Lists by tag leave it out."""
    kind = digitalocean_bench.machine_type(digitalocean_bench.GPU_TYPE, gpus=1)
    wanted = digitalocean_bench.order(machine_type=kind, location=digitalocean_bench.GPU_PLACE)
    with digitalocean_bench.serving() as fake:
        trouble = {"kind": KIND.LOST, "after": after, "skip": point, "times": 2}
        _one_in_the_end(fake, wanted, trouble)


def _one_in_the_end(
    fake: digitalocean.DigitalOceanFake, wanted: cloud.Order, trouble: dict[str, Any]
) -> tuple[bool, int]:
    """Order in trouble by the fleet's rule; tell whether it came too late, and the POSTs sent."""
    fake.lag_s = 20.0
    fake.fail(**trouble)
    with digitalocean_bench.opened(fake, read_timeout_s=troubles.patience_s(trouble)) as provider:
        made = troubles.order(provider, wanted, lambda: fake.advance(provider.settle_s))
    assert list(fake.droplets) == [int(made.id)]
    assert (made.node_name, made.group) == (wanted.node_name, wanted.group)
    posts = fake.log("POST")
    assert sum(each.worked for each in posts) == 1
    return bool(fake.faults.pending()), len(posts)


def test_tags_that_are_indexed_too_late_make_no_second_droplet(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    """Lists by tag may lag for longer than anyone thought; those by name do not."""
    fake.lag_s = 1e6
    fake.fail(KIND.LOST, method="POST", after=True)
    wanted = digitalocean_bench.order()
    made = troubles.order(provider, wanted, lambda: fake.advance(provider.settle_s))
    assert list(fake.droplets) == [int(made.id)]


# Listings.


def _fill(fake: digitalocean.DigitalOceanFake, count: int) -> None:
    for _ in range(count):
        number = len(fake.droplets)
        fake.add(f"web-{number}", tags(f"web-{number}"))


def _asked(fake: digitalocean.DigitalOceanFake) -> list[dict[str, str]]:
    return [dict(each.request.query) for each in fake.log("GET", "/droplets$")]


def test_a_listing_costs_one_request_a_page(fake: digitalocean.DigitalOceanFake) -> None:
    _fill(fake, 403)
    for number in range(60):
        worn = digitalocean_bench.tags(cluster="green", node=f"g-{number}")
        fake.add(f"foreign-{number}", worn)
    with digitalocean_bench.opened(fake) as provider:
        assert len(provider.instances()) == 403
    *listed, gpus = _asked(fake)
    assert [each["page"] for each in listed] == ["1", "2", "3"]
    assert {(each["per_page"], each["tag_name"]) for each in listed} == {
        ("200", "vps-cluster:blue")
    }
    assert gpus == {"page": "1", "per_page": "200", "type": "gpus"}


@pytest.mark.parametrize("change", ["lose", "gain", "both"])
def test_a_listing_that_changes_while_it_is_read_is_an_error(
    fake: digitalocean.DigitalOceanFake, change: str
) -> None:
    _fill(fake, 403)

    def meanwhile(request: engine.Request) -> None:
        if request.one("page") == "2":
            if change in {"lose", "both"}:
                del fake.droplets[min(fake.droplets)]
            if change in {"gain", "both"}:
                _fill(fake, 1)

    fake.before = meanwhile
    with digitalocean_bench.opened(fake) as provider:
        if change == "both":
            # The count stays: one row hides. Whoever misses it looks it up by its id.
            missed = set(fake.droplets) - {int(each.id) for each in provider.instances()}
            assert len(missed) == 1
            fake.before = lambda _request: None
            (number,) = missed
            found = provider.look_up(node_name="", instance_id=str(number), receipt="")
            assert found is not None
            return
        with pytest.raises(errors.Unreachable, match="changed while it was read"):
            provider.instances()
        fake.before = lambda _request: None
        assert len(provider.instances()) == len(fake.droplets)


@pytest.mark.parametrize(
    "link",
    [
        "https://api.digitalocean.com/v2/droplets?page=1",
        "https://api.digitalocean.com/v2/droplets?page=7",
        "https://api.digitalocean.com/v2/droplets",
        "nonsense",
    ],
)
def test_a_page_that_leads_astray_is_an_error(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud, link: str
) -> None:
    _fill(fake, 3)

    def astray(reply: engine.Reply) -> engine.Reply:
        body = {**reply.json(), "links": {"pages": {"next": link}}}
        return dataclasses.replace(reply, body=body)

    fake.fail(KIND.CHANGED, times=None, change=astray)
    with pytest.raises(errors.Unreachable, match="followed by"):
        provider.instances()
    assert len(fake.exchanges) == 1


def test_the_token_goes_nowhere_but_to_the_endpoint(
    fake: digitalocean.DigitalOceanFake,
) -> None:
    """A link of the answer is read for its page number only."""
    _fill(fake, 201)
    with digitalocean.DigitalOceanFake() as other:

        def elsewhere(reply: engine.Reply) -> engine.Reply:
            text = reply.payload().decode().replace("https://api.digitalocean.com", other.root)
            return dataclasses.replace(reply, body=text.encode())

        fake.fail(KIND.CHANGED, times=None, change=elsewhere)
        with digitalocean_bench.opened(fake) as provider:
            assert len(provider.instances()) == 201
        assert other.exchanges == []


def test_a_filter_that_the_cloud_ignores_lets_nobody_in(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    """Tags are one whatever their capitals; ours is only ours letter by letter."""
    ours = fake.add("a", tags("a"))
    foreign = fake.add("b", ["vps-cluster:blue", "vps-group:web", "n:b"])
    foreign.tags = ["VPS-cluster:blue", "vps-group:web", "n:b"]
    assert [each.id for each in provider.instances()] == [str(ours.id)]
    assert len(_asked(fake)) == 2
    assert provider.look_up(node_name="b", instance_id="", receipt="") is None
    assert provider.look_up(node_name="b", instance_id=str(foreign.id), receipt="") is None


# Answers with holes and surprises.


def _two(fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud) -> Any:
    for name in ("web-1", "web-2"):
        provider.create(digitalocean_bench.order(name))
    fake.advance(fake.boot_s)
    provider.instances()
    return fake.log("GET", "/droplets$")[-2].reply.json()


def test_a_create_answer_with_holes_is_never_sent_again(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    """The droplet exists: what is no order of ours is deleted, all else can be found."""
    provider.create(digitalocean_bench.order("web-0"))
    reply = fake.log("POST")[-1].reply.json()
    for number, path in enumerate(torn.paths(reply), start=1):
        fake.advance(1)  # 250 requests a minute, and each place takes two
        before, posts = set(fake.droplets), len(fake.log("POST"))
        order = digitalocean_bench.order(f"web-{number}")
        row = {"id": next(fake.ids), "name": order.node_name, "tags": list(marks.ordered(order))}
        answer = torn.without({**reply, "droplet": {**reply["droplet"], **row}}, path)
        fake.fail(
            KIND.CHANGED,
            method="POST",
            change=lambda _, value=answer: engine.Reply(status=202, body=value),
        )
        with contextlib.suppress(errors.NotNow, errors.BadOrder):
            made = provider.create(order)
            assert made.node_name == order.node_name
        assert len(fake.log("POST")) == posts + 1
        assert len(set(fake.droplets) - before) == 1
        found = provider.look_up(node_name=order.node_name, instance_id="", receipt="")
        assert found is not None


def test_a_create_that_is_answered_with_another_droplet_deletes_nothing(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    stranger = fake.add("someone-s-mail", ["mail"])
    provider.create(digitalocean_bench.order("web-0"))
    (row,) = fake.log("POST")
    answer = {**row.reply.json(), "droplet": {**row.reply.json()["droplet"], "tags": ["mail"]}}
    answer["droplet"] |= {"id": stranger.id, "name": stranger.name}
    fake.fail(KIND.CHANGED, method="POST", change=lambda _: engine.Reply(status=202, body=answer))
    with pytest.raises(errors.Unreachable, match="another droplet"):
        provider.create(digitalocean_bench.order("web-1"))
    provider.instances()
    assert stranger.gone_at is None
    assert not fake.log("DELETE")


def _raw() -> dict[str, Any]:
    if digitalocean_bench.document() is None:
        absent.skip(absent.Need.SHARED)
    document: dict[str, Any] = json.loads((spec.REFERENCE / "digitalocean.json").read_text())
    return document


def test_a_listing_without_anything_optional_is_whole(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    shapes = torn.Shapes(_raw())
    reply = _two(fake, provider)
    whole = provider.instances()
    # The document does not even require "droplets", without which it is no listing.
    droplet = {"$ref": "#/components/schemas/droplet"}
    bare = {**reply, "droplets": [shapes.bare(droplet, row) for row in reply["droplets"]]}
    del bare["links"]
    assert bare["droplets"][0]["image"] == bare["droplets"][0]["networks"] == {}
    fake.fail(KIND.CHANGED, change=lambda _: engine.Reply(body=bare))
    listed = provider.instances()
    poor = [dataclasses.replace(each, image="", addresses=()) for each in whole]
    assert list(listed) == poor


def test_new_words_change_nothing(
    fake: digitalocean.DigitalOceanFake,
    provider: DigitalOceanCloud,
    caplog: pytest.LogCaptureFixture,
) -> None:
    shapes = torn.Shapes(_raw())
    reply = _two(fake, provider)
    whole = provider.instances()
    places = list(shapes.words(shapes.answer("GET", "/v2/droplets"), reply))
    assert {path[-1] for path in places} >= {"status", "type"}
    for path in places:
        answer = torn.with_(reply, path, torn.NEW_WORD)
        fake.fail(KIND.CHANGED, change=lambda _, value=answer: engine.Reply(body=value))
        assert [each.id for each in provider.instances()] == [each.id for each in whole]
    values = [r for r in caplog.records if r.name.startswith("providers.")]
    assert [r.getMessage() for r in values if "state" in r.getMessage()] == [
        "unknown machine state"
    ]


def test_fields_that_the_vendor_adds_change_nothing(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud
) -> None:
    reply = _two(fake, provider)
    whole = provider.instances()
    fake.fail(KIND.CHANGED, change=lambda _: engine.Reply(body=torn.grown(reply)))
    assert provider.instances() == whole


@pytest.mark.parametrize("call", ["machine_types", "offers"])
def test_a_torn_catalogue_is_an_error_or_whole(
    fake: digitalocean.DigitalOceanFake, provider: DigitalOceanCloud, call: str
) -> None:
    for kind in ("sizes", "regions"):
        fake.catalogue[kind] = fake.catalogue[kind][-2:]
    whole = len(getattr(provider, call)())
    for exchange in fake.log("GET"):
        reply = exchange.reply.json()
        for path in tuple(torn.paths(reply)):
            for answer in (torn.without(reply, path), torn.with_(reply, path, None)):
                fake.fail(
                    KIND.CHANGED,
                    path=exchange.request.path,
                    change=lambda _, value=answer: engine.Reply(body=copy.deepcopy(value)),
                )
                with contextlib.suppress(errors.NotNow):
                    assert len(getattr(provider, call)()) == whole, path
                fake.faults.clear()


# The budget, threads, secrets.


def test_the_budget_is_what_the_headers_say(fake: digitalocean.DigitalOceanFake) -> None:
    clock = engine.StoppedClock()
    fake.clock = clock
    provider = DigitalOceanCloud(digitalocean_bench.login(fake), clock=clock)
    assert provider.budget() is None
    fake.hourly.drain(clock.now, leave=100)
    provider.machine_types()
    seen = cloud.Budget(limit=5000, remaining=99, reset_at=clock.now + 3600, seen_at=clock.now)
    assert provider.budget() == seen
    for odd in ("many", "", "nan", "inf", "1e9"):
        headers = {f"ratelimit-{name}": odd for name in ("limit", "remaining", "reset")}
        fake.fail(
            KIND.CHANGED,
            change=lambda reply, value=headers: dataclasses.replace(reply, headers=value),
        )
        provider.machine_types()
        assert provider.budget() == seen, "an answer that tells nothing leaves what was known"
    provider.close()
