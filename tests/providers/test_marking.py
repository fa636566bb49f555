"""Change marks at the four clouds: what goes over the wire, and who else writes meanwhile."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from providers import contract as cloud
from providers import errors
from providers.contract import Mark
from providers.fakes import engine
from tests.providers import digitalocean_bench, hetzner_bench, linode_bench, vultr_bench

OURS, THEIRS = "0123456789", "98765abcde"
UNJOINED = frozenset({Mark.UNJOINED})
# Of a person: in capitals, with blanks, twice, and resembling ours.
ODD = ["Team: Infra", "zz", "aa", "zz", "vps-unjoined2", "xn:web", "vps-idle"]


@dataclasses.dataclass(frozen=True)
class Case:
    """A cloud behind its fake; ``writes`` are the methods of the writes of a mark."""

    bench: ModuleType
    writes: str
    worn: Callable[[Any, str], Any]
    holder: Callable[[Any, str], Any]


CASES = {
    "hetzner": Case(
        hetzner_bench,
        "PUT",
        lambda fake, number: fake.servers[int(number)].labels,
        lambda fake, number: fake.servers[int(number)],
    ),
    "linode": Case(
        linode_bench,
        "PUT",
        lambda fake, number: fake.machines[int(number)].tags,
        lambda fake, number: fake.machines[int(number)],
    ),
    "digitalocean": Case(
        digitalocean_bench,
        "POST|DELETE",
        lambda fake, number: fake.droplets[int(number)].tags,
        lambda fake, number: fake.droplets[int(number)],
    ),
    "vultr": Case(
        vultr_bench,
        "PATCH",
        lambda fake, number: fake.instances[number].tags,
        lambda fake, number: fake.instances[number],
    ),
}


@dataclasses.dataclass(frozen=True)
class Stage:
    name: str
    case: Case
    fake: Any
    provider: Any
    made: cloud.Instance

    def writes(self) -> list[engine.Exchange]:
        return [
            each
            for each in self.fake.exchanges
            if each.request.method in self.case.writes.split("|") and "mark" in self.calls(each)
        ]

    def calls(self, each: engine.Exchange) -> str:
        creates = each.request.method == "POST" and each.reply.json() is not None
        made = creates and {"server", "droplet", "instance", "label"} & set(each.reply.json())
        return "create" if made else "mark"

    def worn(self) -> Any:
        return self.case.worn(self.fake, self.made.id)


@pytest.fixture(params=CASES)
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    case = CASES[request.param]
    with case.bench.serving() as fake, case.bench.opened(fake) as provider:
        made = provider.create(case.bench.order(identity=OURS))
        fake.advance(60)
        yield Stage(request.param, case, fake, provider, made)


def test_nothing_is_written_when_nothing_changes(stage: Stage) -> None:
    before = len(stage.fake.exchanges)
    result = stage.provider.mark(
        stage.made.id, put={Mark.IDENTITY: OURS, Mark.UNJOINED: "true", Mark.CLUSTER: "blue"}
    )
    assert (result.identity, result.unjoined) == (OURS, True)
    assert len(stage.fake.exchanges) == before + 1
    assert stage.writes() == []
    stage.provider.mark(stage.made.id, put={}, remove=UNJOINED)
    stage.provider.mark(stage.made.id, put={}, remove=UNJOINED)
    assert len(stage.writes()) == 1, "once, and not again"
    assert len(stage.fake.exchanges) == before + 1 + 3 + 1


def test_what_people_wrote_stays_byte_for_byte(stage: Stage) -> None:
    if stage.name == "hetzner":
        stage.worn().update({"Team": "Infra", "a.b/c": "", "vps-autoscaler/other": "x"})
        before = dict(stage.worn())
        stage.provider.mark(stage.made.id, put={Mark.IDENTITY: THEIRS}, remove=UNJOINED)
        del before["vps-autoscaler/unjoined"]
        assert stage.worn() == {**before, "vps-autoscaler/identity": THEIRS}
        return
    odd = list(ODD)
    if stage.name == "digitalocean":
        odd = sorted({tag for tag in odd if " " not in tag})  # a tag is on or not
        stage.fake.tagged(odd)
    if stage.name == "linode":
        odd = [tag for tag in odd if len(tag) > 2]
    mixed = [*odd[:2], *stage.worn(), *odd[2:]]
    stage.case.holder(stage.fake, stage.made.id).tags = list(mixed)
    stage.provider.mark(stage.made.id, put={Mark.IDENTITY: THEIRS}, remove=UNJOINED)
    mixed.remove("vps-unjoined")
    mixed.remove(f"vps-id:{OURS}")
    assert stage.worn() == [*mixed, f"vps-id:{THEIRS}"]


def test_who_writes_after_us_is_noticed(stage: Stage) -> None:
    """Terraform puts back what it read before we wrote: nobody may think that it is done."""
    old = stage.worn().copy()

    def put_back(request: engine.Request) -> None:
        if request.method == "GET" and stage.writes():
            holder = stage.case.holder(stage.fake, stage.made.id)
            setattr(holder, "labels" if stage.name == "hetzner" else "tags", old.copy())

    stage.fake.before = put_back
    with pytest.raises(errors.Unreachable, match="written and are not shown") as caught:
        stage.provider.mark(stage.made.id, put={}, remove=UNJOINED)
    assert caught.value.operation == "mark"
    stage.fake.before = lambda _request: None
    assert not stage.provider.mark(stage.made.id, put={}, remove=UNJOINED).unjoined


def test_a_machine_that_goes_between_reading_and_writing_is_gone(stage: Stage) -> None:
    def vanish(request: engine.Request) -> None:
        if request.method in stage.case.writes.split("|"):
            for name in ("servers", "machines", "droplets", "instances"):
                getattr(stage.fake, name, {}).clear()

    stage.fake.before = vanish
    with pytest.raises(errors.BadOrder):
        stage.provider.mark(stage.made.id, put={}, remove=UNJOINED)


def test_two_identities_are_nobodys_until_one_is_put(stage: Stage) -> None:
    if stage.name == "hetzner":
        stage.worn()["vps-autoscaler/identity"] = ""
    else:
        if stage.name == "digitalocean":
            stage.fake.tagged([f"vps-id:{THEIRS}"])
        stage.worn().append(f"vps-id:{THEIRS}")
    (shown,) = stage.provider.instances()
    assert shown.identity == cloud.NOBODYS
    result = stage.provider.mark(stage.made.id, put={Mark.IDENTITY: OURS})
    assert result.identity == OURS


def test_a_mark_never_loses_the_cluster_unless_asked(stage: Stage) -> None:
    stage.provider.mark(
        stage.made.id,
        put={Mark.IDENTITY: THEIRS},
        remove=frozenset({Mark.GROUP, Mark.NODE, Mark.UNJOINED}),
    )
    (shown,) = stage.provider.instances()
    assert (shown.node_name, shown.group, shown.identity) == ("", "", THEIRS)
    stage.provider.mark(stage.made.id, put={}, remove=frozenset({Mark.CLUSTER}))
    assert stage.provider.instances() == ()


# What is one cloud's own.


def test_linode_s_busy_machine_is_for_later() -> None:
    with linode_bench.serving() as fake, linode_bench.opened(fake) as provider:
        made = provider.create(linode_bench.order())
        fake.machines[int(made.id)].busy_until = fake.now() + 60
        with pytest.raises(errors.Throttled, match="busy"):
            provider.mark(made.id, put={}, remove=UNJOINED)


def test_hetzner_refuses_labels_that_would_pass_for_marks() -> None:
    with hetzner_bench.serving() as fake, hetzner_bench.opened(fake) as provider:
        for key in ("vps-autoscaler/identity", "vps-autoscaler/unjoined"):
            order = hetzner_bench.order(labels={key: OURS})
            with pytest.raises(errors.BadOrder, match="pass for one of our own"):
                provider.create(order)
            assert any(key in item for item in provider.check_order(order))
        assert not fake.servers


@pytest.mark.parametrize("word", ["false", "", "True", "1"])
def test_hetzner_s_unjoined_is_one_word(word: str) -> None:
    """What a person made of it is no proof that a machine never joined."""
    with hetzner_bench.serving() as fake, hetzner_bench.opened(fake) as provider:
        made = provider.create(hetzner_bench.order())
        fake.servers[int(made.id)].labels["vps-autoscaler/unjoined"] = word
        (shown,) = provider.instances()
        assert not shown.unjoined


def test_digitalocean_puts_on_before_it_takes_off() -> None:
    bench = digitalocean_bench
    with bench.serving() as fake, bench.opened(fake) as provider:
        made = provider.create(bench.order(identity=OURS))
        before = len(fake.exchanges)
        provider.mark(made.id, put={Mark.IDENTITY: THEIRS}, remove=UNJOINED)
        asked = [
            f"{each.request.method} {each.request.path.removeprefix('/v2')}"
            for each in fake.exchanges[before:]
        ]
        assert asked == [
            f"GET /droplets/{made.id}",
            "POST /tags",
            f"POST /tags/vps-id:{THEIRS}/resources",
            f"DELETE /tags/vps-id:{OURS}/resources",
            "DELETE /tags/vps-unjoined/resources",
            f"GET /droplets/{made.id}",
        ]


def test_digitalocean_s_tag_that_somebody_wrote_in_capitals_is_reported() -> None:
    bench = digitalocean_bench
    with bench.serving() as fake, bench.opened(fake) as provider:
        ours = str(fake.add("web-a1", bench.tags(node="web-a1")).id)
        fake.tagged([f"VPS-ID:{OURS}"])
        with pytest.raises(errors.Unreachable):
            provider.mark(ours, put={Mark.IDENTITY: OURS})
        assert provider.instances()[0].identity == ""


def test_digitalocean_counts_gpu_droplets_among_the_neighbours() -> None:
    bench = digitalocean_bench
    with bench.serving() as fake, bench.opened(fake) as provider:
        fake.add("a", bench.tags(node="a"))
        (size,) = [row for row in fake.catalogue["sizes"] if row["slug"] == bench.GPU_TYPE]
        fake.add("b", bench.tags(node="b"), size=size)
        assert provider.neighbours() == (cloud.Neighbour(cluster="blue", identity="", count=2),)


def test_digitalocean_tidies_tags_of_node_names_that_are_on_nothing() -> None:
    bench = digitalocean_bench
    with bench.serving() as fake, bench.opened(fake) as provider:
        made = [provider.create(bench.order(f"web-{number}")) for number in range(4)]
        fake.advance(60)
        for each in made[:3]:
            provider.delete(each.id)
        fake.advance(5)
        fake.tagged_elsewhere["n:web-1"] = 1
        fake.tagged(["N:WEB-9"])
        names = [f"web-{number}" for number in range(10)] + ["no name"]
        assert provider.tidy(groups=["web"], nodes=names) == ("tag n:web-0", "tag n:web-2")
        assert provider.tidy(groups=["web"], nodes=names) == ()
        left = sorted(fake.tags.values())
        assert left == ["N:WEB-9", "n:web-1", "n:web-3", "vps-cluster:blue", "vps-group:web",
                        "vps-unjoined"]  # fmt: skip
        (shown,) = provider.instances()
        assert (shown.node_name, shown.group, shown.unjoined) == ("web-3", "web", True)


def test_digitalocean_deletes_no_tag_in_other_capitals() -> None:
    bench = digitalocean_bench
    with bench.serving() as fake, bench.opened(fake) as provider:
        fake.tagged(["n:web-1"])

        def other(reply: engine.Reply) -> engine.Reply:
            return engine.Reply(body={"tag": {**reply.json()["tag"], "name": "N:web-1"}})

        fake.fail(engine.FaultKind.CHANGED, method="GET", path="/tags/", change=other)
        assert provider.tidy(groups=[], nodes=["web-1"]) == ()
        assert provider.tidy(groups=[], nodes=["web-1"]) == ("tag n:web-1",)


@pytest.mark.parametrize("name", ["linode", "vultr"])
def test_where_nothing_stays_beside_machines_there_is_nothing_to_tidy(name: str) -> None:
    case = CASES[name]
    with case.bench.serving() as fake, case.bench.opened(fake) as provider:
        assert isinstance(provider, cloud.Marking)
        assert isinstance(provider, cloud.Neighbourly)
        assert not isinstance(provider, cloud.Tidying)


@pytest.mark.parametrize("missing", ["vps-unjoined", f"vps-id:{OURS}", "vps-group:web"])
@pytest.mark.parametrize("name", ["linode", "digitalocean", "vultr"])
def test_a_machine_made_without_one_of_its_marks_is_deleted_again(name: str, missing: str) -> None:
    case = CASES[name]
    with case.bench.serving() as fake, case.bench.opened(fake) as provider:
        ordered = {"tags_of", "tagged"} & set(dir(fake))
        for method in ordered:
            honest = getattr(fake, method)
            setattr(
                fake,
                method,
                lambda value, honest=honest: [tag for tag in honest(value) if tag != missing],
            )
        if name == "vultr":

            def lose(reply: engine.Reply) -> engine.Reply:
                made = fake.instances[reply.json()["instance"]["id"]]
                made.tags.remove(missing)
                return engine.Reply(
                    status=202, body={"instance": _without(reply.json()["instance"], missing)}
                )

            fake.fail(engine.FaultKind.CHANGED, method="POST", change=lose)
        with pytest.raises(errors.BadOrder, match=r"without (its|our) tags"):
            provider.create(case.bench.order(identity=OURS))
        fake.advance(5)
        provider.instances()
        assert fake.log("DELETE")


def _without(row: dict[str, Any], missing: str) -> dict[str, Any]:
    return {**row, "tags": [tag for tag in row["tags"] if tag != missing]}
