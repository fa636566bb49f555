"""Every row of Linode's error table, through the real client against the fake."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from providers import contract as cloud
from providers import errors
from providers.fakes import engine
from providers.linode import LinodeCloud, vocabulary, wire
from tests.fakes import linode, linode_orders
from tests.providers import contract, linode_bench

Row = tuple[int, str, type[errors.CloudError]]

ROWS: tuple[Row, ...] = (
    (403, linode_orders.SOLD_OUT, errors.OutOfStock),
    (
        400,
        "there is no availability for the selected plan in the selected region",
        errors.OutOfStock,
    ),
    (400, "No open slots for this plan!", errors.OutOfStock),
    (
        400,
        "A limit on your account is preventing the deployment of the selected Linode plan. "
        "To request access to the plan, please contact Support and provide the Linode plan name.",
        errors.QuotaExceeded,
    ),
    (400, linode_orders.QUOTA, errors.QuotaExceeded),
    (
        400,
        "You've reached a limit for the number of active services on your account. Please contact "
        "Support to request an increase and provide the total number of services you may need.",
        errors.QuotaExceeded,
    ),
    (400, "Linode busy.", errors.Throttled),
    (429, "Too many requests", errors.Throttled),
    (401, "Invalid Token", errors.BadCredentials),
    (401, linode_orders.NO_SCOPE, errors.BadCredentials),
    (403, "Unauthorized", errors.BadCredentials),
    (408, "Please try again", errors.Unreachable),
)
STRANGE: tuple[Row, ...] = (
    (400, "The moon is in the wrong phase", errors.BadOrder),
    (402, "Payment required", errors.BadOrder),
    (400, "This plan is out of stock", errors.OutOfStock),
    (403, "The type is not available in this region", errors.OutOfStock),
    (400, "You have exceeded your account's limit of Linodes", errors.QuotaExceeded),
    (401, "No capacity", errors.BadCredentials),
    (500, "No capacity", errors.Unreachable),
    (404, "Not found", errors.BadOrder),
    (404, "There never was such a thing", errors.BadOrder),
    (405, "Method not allowed", errors.BadOrder),
    (409, "Conflict", errors.BadOrder),
    (500, "Internal server error", errors.Unreachable),
    (500, "Linode busy.", errors.Unreachable),
    (502, "Bad gateway", errors.Unreachable),
    (503, "Service unavailable", errors.Unreachable),
    (504, "Gateway timeout", errors.Unreachable),
    (599, "Meltdown", errors.Unreachable),
)


@pytest.fixture
def fake() -> Iterator[linode.LinodeFake]:
    with linode_bench.serving() as it:
        yield it


@pytest.fixture
def provider(fake: linode.LinodeFake) -> Iterator[LinodeCloud]:
    with linode_bench.opened(fake) as it:
        yield it


def test_every_sentence_and_status_that_we_know_has_a_row() -> None:
    sentences = [sentence.lower() for _, sentence, _ in ROWS]
    for text, sense in vocabulary.TEXTS:
        rows = [row for row, result in zip(ROWS, sentences, strict=True) if text in result]
        assert [row[2] for row in rows] == [sense], text
    plain = {
        row[0] for row in ROWS if not any(text in row[1].lower() for text, _ in vocabulary.TEXTS)
    }
    assert plain == set(vocabulary.STATUSES)


class TestVocabulary(contract.Vocabulary):
    machine_type, location, image = linode_bench.TYPE, linode_bench.PLACE, linode_bench.IMAGE
    refusals = tuple(
        contract.Refusal(status, "", sentence, sense, gone=sentence == "Not found")
        for status, sentence, sense in (*ROWS, *STRANGE)
    )
    creates, machines = "/linode/instances$", "/linode/instances"
    no_orders = ("look_up",)
    pages = (engine.HTML_PAGE, b"", b"{}", b"[]", b'{"errors": "no"}')
    odd_bodies = (
        *contract.Vocabulary.odd_bodies,
        {"errors": "no"},
        {"errors": [None, 7, {"reason": None}, {"field": "label"}, {"reason": " "}]},
        {"errors": {"reason": "Not found"}},
        {"reason": "Not found"},
    )

    def make(self, *, cluster: str, account: str, token: str) -> Iterator[contract.Bench]:
        assert (cluster, account) == (linode_bench.CLUSTER, linode_bench.ACCOUNT)
        with linode_bench.serving(token=token) as fake, linode_bench.opened(fake) as provider:
            yield contract.Bench(provider=provider, controls=linode_bench.LinodeControls(fake))

    def order(self, bench: contract.Bench, node_name: str, **changes: Any) -> cloud.Order:
        return linode_bench.order(node_name, **changes)


def test_all_sentences_are_reported_with_their_fields(
    fake: linode.LinodeFake, provider: LinodeCloud
) -> None:
    both = fake.errors(
        400,
        ("A valid plan type by that ID was not found", "type"),
        ("region is not valid", "region"),
    )
    fake.fail(engine.FaultKind.CHANGED, method="POST", change=lambda _reply: both)
    error = contract.refused(
        lambda: provider.create(linode_bench.order()), errors.BadOrder, "create"
    )
    assert error.message == (
        "type: A valid plan type by that ID was not found; region: region is not valid"
    )


def test_the_sentence_that_says_most_decides(
    fake: linode.LinodeFake, provider: LinodeCloud
) -> None:
    both = fake.errors(400, ("Something or other", "x"), ("No open slots for this plan!", ""))
    fake.fail(engine.FaultKind.CHANGED, method="POST", change=lambda _reply: both)
    contract.refused(lambda: provider.create(linode_bench.order()), errors.OutOfStock, "create")


@pytest.mark.parametrize(
    ("header", "waits"),
    [
        ("7", 7.0),
        ("0", 1.0),
        ("-1509450059", 1.0),
        ("86400", 60.0),
        ("nan", 1.0),
        ("inf", 60.0),
        ("soon", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 1.0),
        (None, None),
    ],
)
def test_retry_after_is_believed_within_bounds(
    fake: linode.LinodeFake, provider: LinodeCloud, header: str | None, waits: float | None
) -> None:
    def change(reply: engine.Reply) -> engine.Reply:
        headers = {"Retry-After": header} if header is not None else {}
        return dataclasses.replace(fake.errors(429, ("Too many requests", "")), headers=headers)

    fake.fail(engine.FaultKind.CHANGED, change=change)
    error = contract.refused(provider.instances, errors.Throttled, "instances")
    assert isinstance(error, errors.Throttled)
    assert error.retry_after_s == waits


# A label that is another's.


def test_a_label_of_ours_is_our_machine(fake: linode.LinodeFake, provider: LinodeCloud) -> None:
    first = provider.create(linode_bench.order())
    assert provider.create(linode_bench.order()) == first
    assert len(fake.machines) == 1


@pytest.mark.parametrize(
    "tags",
    [
        (),
        ("vps-cluster:green", "vps-group:web", "n:web-a1"),
        ("vps-cluster:blue", "vps-group:web", "n:web-other"),
        ("vps-group:web", "n:web-a1"),
    ],
)
def test_a_label_of_a_stranger_is_a_bad_order(
    fake: linode.LinodeFake, provider: LinodeCloud, tags: tuple[str, ...]
) -> None:
    fake.add("web-a1", tags)
    error = contract.refused(
        lambda: provider.create(linode_bench.order()), errors.BadOrder, "create"
    )
    assert linode_orders.TAKEN in error.message
    assert "not of this cluster" in error.message
    assert len(fake.machines) == 1


def test_a_taken_label_that_nobody_shows_decides_nothing(
    fake: linode.LinodeFake, provider: LinodeCloud
) -> None:
    fake.lag_s = 60.0
    provider.create(linode_bench.order())
    contract.refused(lambda: provider.create(linode_bench.order()), errors.Unreachable, "create")
    assert len(fake.machines) == 1
    fake.advance(60)
    provider.create(linode_bench.order())
    assert len(fake.machines) == 1


@pytest.mark.parametrize("sentence", ["Label already in use", "Label is odd"])
def test_other_words_about_the_label_are_looked_into(
    fake: linode.LinodeFake, provider: LinodeCloud, sentence: str
) -> None:
    """The wording may change: what counts is whether a machine of ours has the label."""
    result = fake.errors(400, (sentence, "label"))
    fake.fail(engine.FaultKind.CHANGED, method="POST", change=lambda _reply: result)
    made = provider.create(linode_bench.order())
    assert list(fake.machines) == [int(made.id)]
    fake.machines.clear()
    fake.before = lambda request: fake.machines.clear()
    fake.fail(engine.FaultKind.CHANGED, method="POST", change=lambda _reply: result)
    error = contract.refused(
        lambda: provider.create(linode_bench.order()), errors.BadOrder, "create"
    )
    assert error.message == f"label: {sentence}"


def _untagged(fake: linode.LinodeFake, *, forgotten: bool, **more: object) -> None:
    """Let the next create show no tags, which the machine has all the same or not at all."""

    def change(reply: engine.Reply) -> engine.Reply:
        body = reply.json()
        if forgotten:
            fake.machines[body["id"]].tags = []
        return dataclasses.replace(reply, body={**body, "tags": [], **more})

    fake.fail(engine.FaultKind.CHANGED, method="POST", change=change)


def test_a_machine_made_without_our_tags_is_deleted_again(
    fake: linode.LinodeFake, provider: LinodeCloud
) -> None:
    fake.delete_s = 0.0
    _untagged(fake, forgotten=True)
    with pytest.raises(errors.BadOrder, match="without our tags and is being deleted again"):
        provider.create(linode_bench.order())
    assert fake.machines == {}
    assert provider.create(linode_bench.order()).node_name == "web-a1"


def test_a_machine_that_only_looks_untagged_is_ours(
    fake: linode.LinodeFake, provider: LinodeCloud
) -> None:
    _untagged(fake, forgotten=False)
    made = provider.create(linode_bench.order())
    assert (made.node_name, made.group) == ("web-a1", "web")
    assert list(fake.machines) == [int(made.id)]


def test_an_answer_about_another_machine_deletes_nobodys(
    fake: linode.LinodeFake, provider: LinodeCloud
) -> None:
    stranger = fake.add("someone-s-mail", ())
    _untagged(fake, forgotten=False, id=stranger.id)
    error = contract.refused(
        lambda: provider.create(linode_bench.order()), errors.Unreachable, "create"
    )
    assert "another machine" in error.message
    assert fake.log("DELETE") == []
    assert provider.create(linode_bench.order()).node_name == "web-a1"
    assert len(fake.machines) == 2


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_untagged_machine_that_stays_is_reported_again(
    fake: linode.LinodeFake, provider: LinodeCloud, method: str
) -> None:
    provider.check_order(linode_bench.order())
    _untagged(fake, forgotten=True)
    fake.fail(engine.FaultKind.LOST, method=method, path="/linode/instances/")
    known = errors.Unreachable if method == "GET" else errors.BadOrder
    with pytest.raises(known):
        provider.create(linode_bench.order())
    error = contract.refused(
        lambda: provider.create(linode_bench.order()), errors.BadOrder, "create"
    )
    assert "not of this cluster" in error.message
    assert len(fake.machines) == 1, "and no second one is made"
    provider.instances()
    fake.advance(fake.delete_s)
    provider.instances()
    assert fake.machines == {}
    deletes = len(fake.log("DELETE"))
    provider.instances()
    assert len(fake.log("DELETE")) == deletes, "gone is gone"


@pytest.mark.parametrize("joined", [False, True])
def test_a_machine_whose_tags_nobody_could_see_is_found_by_them_and_kept(
    fake: linode.LinodeFake,
    provider: LinodeCloud,
    joined: bool,  # noqa: FBT001
) -> None:
    provider.check_order(linode_bench.order())
    _untagged(fake, forgotten=False)
    fake.fail(engine.FaultKind.LOST, method="GET", path="/linode/instances/")
    contract.refused(lambda: provider.create(linode_bench.order()), errors.Unreachable, "create")
    found = provider.look_up(node_name="web-a1", instance_id="", receipt="")
    assert found is not None
    if joined:  # it may have, before anybody can look again
        provider.mark(found.id, put={}, remove=frozenset({cloud.Mark.UNJOINED}))
    for _ in range(2):
        assert [each.id for each in provider.instances()] == [found.id]
    assert fake.log("DELETE") == []


def test_a_plans_own_limit_leaves_the_other_plans() -> None:
    scopes = {
        text: vocabulary.quota_scope([text])
        for _, text, sense in ROWS
        if sense is errors.QuotaExceeded
    }
    plans = [text for text, scope in scopes.items() if scope is errors.Scope.MACHINE_TYPE]
    assert len(scopes) == 3
    assert [text[:40] for text in plans] == ["A limit on your account is preventing th"]
    (plan,) = plans
    refusal = wire.SaidNoError(
        plan, status=400, sentences=(plan,), fields=frozenset(), wait_s=None
    ).as_cloud_error()
    assert isinstance(refusal, errors.QuotaExceeded)
    assert refusal.scope is errors.Scope.MACHINE_TYPE
