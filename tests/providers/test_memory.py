from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import threading
from collections.abc import Iterator
from decimal import Decimal
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from providers import contract as cloud
from providers import errors, memory
from providers.memory import datacenter
from tests.providers import contract

WORDS = {
    "throttled": "rate limit exceeded",
    "token": "401 unauthorized",
    "down": "500 internal server error",
}


class Time:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


class MemoryControls(contract.Controls):
    def __init__(self, center: datacenter.Datacenter, time: Time) -> None:
        self.center = center
        self.time = time

    def add(self, *, cluster: str, group: str, node_name: str) -> str:
        mark = node_name if cluster else ""
        return self.center.add(name=node_name, cluster=cluster, group=group, node_name=mark)

    def count(self) -> int:
        return len(self.center.servers())

    def requests(self) -> int:
        return sum(self.center.requests().values())

    def user_data(self, instance_id: str) -> bytes:
        (server,) = (one for one in self.center.servers() if one.id == instance_id)
        return server.user_data.encode()

    def rename(self, instance_id: str, name: str) -> None:
        self.center.rename(instance_id, name)

    def run(self, instance_id: str) -> None:
        self.time.pass_by(self.center.options.boot_time_s)

    def power_off(self, instance_id: str) -> None:
        self.center.power_off(instance_id)

    def settle(self) -> None:
        self.time.pass_by(60)

    def sell_out(self, machine_type: str, location: str) -> str:
        self.center.sell_out(machine_type, location)
        return "sold out"

    def fill_quota(self) -> str:
        self.center.change(quota=self.count())
        return "resource_limit_exceeded"

    def throttle(self) -> str:
        self.center.exhaust()
        return WORDS["throttled"]

    def revoke_token(self) -> str:
        self.center.fail_all(errors.BadCredentials, WORDS["token"])
        return WORDS["token"]

    def go_down(self) -> str:
        self.center.fail_all(errors.Unreachable, WORDS["down"])
        return WORDS["down"]

    def fail_page(self, number: int) -> None:
        self.center.fail_next(
            errors.Unreachable, WORDS["down"], operation="instances", skip=number - 1
        )

    def vanish_before_page(self, number: int) -> None:
        pages, listed = 0, self.center.sales.page

        def page(now: float, *, cluster: str, after: int) -> tuple[datacenter.Server, ...]:
            nonlocal pages
            pages += 1
            if pages == number:
                self.center.sales.delete(self.center.servers()[0].id, now)
                self.settle()
                now = self.time()
            return listed(now, cluster=cluster, after=after)

        self.center.sales.page = page  # type: ignore[method-assign]

    def lose_reply(self, *, after_work: bool) -> None:
        lost = datacenter.Lost.AFTER if after_work else datacenter.Lost.BEFORE
        self.center.lose_next_reply(lost)

    def labels(self, instance_id: str) -> set[str]:
        (server,) = (one for one in self.center.servers() if one.id == instance_id)
        return {f"{key}={value}" for key, value in server.labels.items()}

    def lose_mark_reply(self, *, after_work: bool) -> None:
        lost = datacenter.Lost.AFTER if after_work else datacenter.Lost.BEFORE
        self.center.lose_next_reply(lost, operation="mark")

    def beside(self) -> set[str]:
        return {"/".join(each) for each in self.center.shelves()}

    def add_beside(self) -> None:
        green = memory.MemoryCloud(login(cluster="green"), cloud=self.center)
        made = green.create(
            dataclasses.replace(order("web-g1"), cluster="green", image="debian-13")
        )
        green.delete(made.id)
        self.settle()

    def mend(self) -> None:
        self.center.mend()


def login(**changes: object) -> cloud.Login:
    return dataclasses.replace(cloud.Login(account="ram", cluster="blue", token=""), **changes)


class TestMemory(contract.ProviderContract):
    machine_type, location, image = "small", "north", "debian-13"
    shows_deleting = False  # lists are late here

    def make(self, *, cluster: str, account: str, token: str) -> Iterator[contract.Bench]:
        time = Time()
        center = datacenter.Datacenter(
            datacenter.Options(images=("debian-13",), late_listing_s=20),
            clock=time,
            sleep=lambda _seconds: None,
        )
        entry = login(cluster=cluster, account=account, token=token)
        yield contract.Bench(
            provider=memory.MemoryCloud(entry, cloud=center),
            controls=MemoryControls(center, time),
            again=lambda: memory.MemoryCloud(entry, cloud=center),
        )


class TestMemoryWithNamesThatMayRepeat(TestMemory):
    names_unique = False

    def make(self, *, cluster: str, account: str, token: str) -> Iterator[contract.Bench]:
        for bench in super().make(cluster=cluster, account=account, token=token):
            bench.controls.center.change(unique_names=False, page_size=self.page_size)
            yield bench


# What is the memory cloud's own.


def bench(**options: object) -> tuple[datacenter.Datacenter, memory.MemoryCloud, Time]:
    time = Time()
    settings = datacenter.Options(**options)
    center = datacenter.Datacenter(settings, clock=time, sleep=lambda _seconds: None)
    return center, memory.MemoryCloud(login(), cloud=center), time


def order(node_name: str, machine_type: str = "small", location: str = "north") -> cloud.Order:
    return cloud.Order(
        node_name=node_name,
        cluster="blue",
        group="web",
        machine_type=cloud.MachineType(
            name=machine_type, cpu_millis=2000, memory_bytes=1, disk_bytes=1
        ),
        location=location,
        image="",
        user_data="secret-user-data",
    )


def states(provider: memory.MemoryCloud) -> list[str]:
    return [one.state.value for one in provider.instances()]


def test_the_entry_point_opens_with_the_builtin_catalogue():
    (entry,) = (
        one for one in metadata.entry_points(group=cloud.ENTRY_POINT_GROUP) if one.name == "memory"
    )
    provider = entry.load().open(login())
    names = {one.name for one in provider.machine_types()}
    assert {"small", "medium", "large", "medium-arm", "gpu"} <= names
    (gpu,) = (one for one in provider.machine_types() if one.gpus)
    assert gpu.gpu_model
    assert provider.settle_s == 1.0
    assert provider.budget().limit == 3600


def test_a_machine_lives_by_the_clock():
    center, provider, time = bench(boot_time_s=20, delete_time_s=5)
    made = provider.create(order("web-1"))
    assert states(provider) == ["creating"]
    time.pass_by(19.9)
    assert states(provider) == ["creating"]
    time.pass_by(0.1)
    assert states(provider) == ["running"]
    center.power_off(made.id)
    assert states(provider) == ["stopped"]
    center.edit(made.id, powered_off=False)
    provider.delete(made.id)
    time.pass_by(4.9)
    provider.delete(made.id)
    assert states(provider) == ["deleting"]
    time.pass_by(0.1)
    assert states(provider) == []


def test_listings_lag_behind_and_look_ups_do_not():
    _, provider, time = bench(late_listing_s=30, delete_time_s=0, seed=3)
    made = provider.create(order("web-1"))
    assert provider.instances() == ()
    assert provider.look_up(node_name="web-1", instance_id="", receipt="").id == made.id
    time.pass_by(30)
    assert [one.id for one in provider.instances()] == [made.id]
    provider.delete(made.id)
    assert provider.look_up(node_name="web-1", instance_id=made.id, receipt="") is None
    assert [one.id for one in provider.instances()] == [made.id]
    time.pass_by(30)
    assert provider.instances() == ()
    assert provider.settle_s > 30


def test_an_accepted_creation_may_fail_and_its_receipt_knows():
    center, provider, time = bench(fail_after_accept_rate=1, boot_time_s=20)
    made = provider.create(order("web-1"))
    found = provider.look_up(node_name="web-1", instance_id=made.id, receipt=made.receipt)
    assert found.state is cloud.InstanceState.CREATING
    time.pass_by(10)
    with pytest.raises(errors.OutOfStock, match="accepted and then failed") as caught:
        provider.look_up(node_name="web-1", instance_id=made.id, receipt=made.receipt)
    assert caught.value.operation == "look_up"
    assert states(provider) == ["creating"], "the cloud shows it for a while"
    time.pass_by(10)
    assert center.servers() == ()
    with pytest.raises(errors.OutOfStock):
        provider.look_up(node_name="web-1", instance_id=made.id, receipt=made.receipt)
    center.change(fail_after_accept_rate=0)
    assert provider.create(order("web-1")).id != made.id


def test_places_come_back_and_sold_out_stays():
    center, provider, time = bench(stock={"small/north": 1}, delete_time_s=5)
    made = provider.create(order("web-1"))
    with pytest.raises(errors.OutOfStock):
        provider.create(order("web-2"))
    assert {(o.machine_type, o.location) for o in provider.offers() if not o.in_stock} == {
        ("small", "north")
    }
    provider.create(order("web-2", location="south"))
    provider.delete(made.id)
    time.pass_by(5)
    made = provider.create(order("web-3"))
    center.sell_out("small", "north")
    provider.delete(made.id)
    time.pass_by(5)
    with pytest.raises(errors.OutOfStock):
        provider.create(order("web-4"))
    center.restock("small", "north")
    provider.create(order("web-4"))


def test_the_quota_counts_everybody_and_the_dying():
    center, provider, time = bench(quota=2, delete_time_s=5)
    center.add(name="someone-s-mail")
    made = provider.create(order("web-1"))
    provider.delete(made.id)
    with pytest.raises(errors.QuotaExceeded):
        provider.create(order("web-2"))
    assert provider.quota() == cloud.Quota(limit=2, used=2)
    time.pass_by(5)
    provider.create(order("web-2"))


def test_requests_pass_in_a_burst_and_then_at_their_pace():
    _, provider, time = bench(requests_per_hour=3600, burst=3)
    for _ in range(3):
        provider.instances()
    with pytest.raises(errors.Throttled) as caught:
        provider.create(order("web-1"))
    assert caught.value.retry_after_s == pytest.approx(1.0)
    assert provider.budget() == cloud.Budget(
        limit=3, remaining=0, reset_at=time.now + 3, seen_at=time.now
    )
    time.pass_by(caught.value.retry_after_s)
    provider.create(order("web-1"))
    time.pass_by(3600)
    provider.instances()
    assert provider.budget().remaining == 2


def test_a_listing_costs_a_request_a_page():
    center, provider, _ = bench(page_size=10)
    for number in range(25):
        center.add(name=f"web-{number}", cluster="blue", group="web", node_name=f"web-{number}")
    provider.instances()
    assert center.requests() == {"instances": 3}


def test_a_page_that_changes_between_two_reads_misses_nobody_who_stood():
    time = Time()
    settings = datacenter.Options(page_size=2, delete_time_s=0)
    hooks = []

    def meddle(_seconds: float) -> None:
        if hooks:
            hooks.pop()()

    center = datacenter.Datacenter(settings, clock=time, sleep=meddle)
    provider = memory.MemoryCloud(login(), cloud=center)
    ids = [
        center.add(name=f"w{n}", cluster="blue", group="web", node_name=f"w{n}") for n in range(6)
    ]
    # Gone between the first page and the second: with numbered pages the third would be skipped.
    hooks += [lambda: None, lambda: center.vanish(ids[0]), lambda: None, lambda: None]
    assert [one.id for one in provider.instances()][-5:] == ids[1:]


@pytest.mark.parametrize("rate", ["error_rate", "lost_reply_rate", "fail_after_accept_rate"])
def test_chance_follows_the_seed(rate: str):
    def history(seed: int) -> list[object]:
        center, provider, time = bench(seed=seed, **{rate: 0.5})
        for number in range(40):
            try:
                provider.create(order(f"web-{number}"))
            except errors.Unreachable:
                time.pass_by(1)
        outcomes = [call.outcome for call in center.calls()]
        return [outcomes, [(one.name, one.gone_at is None) for one in center.servers()]]

    assert history(1) == history(1)
    assert history(1) != history(2)


def test_two_clusters_share_one_cloud_and_see_their_own():
    center, blue, _ = bench()
    green = memory.MemoryCloud(login(cluster="green", account="ram2"), cloud=center)
    blue.create(order("web-1"))
    green.create(dataclasses.replace(order("web-2"), cluster="green"))
    assert [one.node_name for one in blue.instances()] == ["web-1"]
    assert [one.node_name for one in green.instances()] == ["web-2"]
    assert {call.account for call in center.calls()} == {"ram", "ram2"}


def test_latency_is_slept_half_before_the_work_and_half_after():
    slept: list[tuple[float, int]] = []
    center = datacenter.Datacenter(
        datacenter.Options(create_latency_s=2),
        sleep=lambda seconds: slept.append((seconds, len(center.servers()))),
    )
    memory.MemoryCloud(login(), cloud=center).create(order("web-1"))
    assert slept == [(1.0, 0), (1.0, 1)]


def test_two_machines_of_one_name_are_found_by_the_older():
    _, provider, _ = bench(unique_names=False)
    first = provider.create(order("web-1"))
    second = provider.create(order("web-1"))
    assert first.id != second.id
    assert provider.look_up(node_name="web-1", instance_id="", receipt="").id == first.id
    assert provider.look_up(node_name="web-1", instance_id=second.id, receipt="").id == second.id


def test_no_public_ipv4_means_a_private_address_alone():
    _, provider, _ = bench()
    made = provider.create(dataclasses.replace(order("web-1"), public_ipv4=False))
    assert [address.partition(".")[0] for address in made.addresses] == ["10"]


# Marks, neighbours, and what stays beside machines.

A, B = "0123456789", "9876543210"


def test_marks_are_changed_one_by_one_and_outlive_the_process(tmp_path: Path):
    settings = {"state_file": str(tmp_path / "state.json")}
    center, provider, _ = bench(**settings)
    made = provider.create(dataclasses.replace(order("web-1"), identity=A))
    assert (made.identity, made.unjoined) == (A, True)
    center.lose_next_reply(operation="mark")
    for outcome in (errors.Unreachable, None):
        with pytest.raises(outcome) if outcome else contextlib.nullcontext():
            result = provider.mark(made.id, put={}, remove=frozenset({cloud.Mark.UNJOINED}))
            assert result == dataclasses.replace(made, unjoined=False, receipt="")
    _, heir, _ = bench(**settings)
    (found,) = heir.instances()
    assert (found.node_name, found.group, found.identity, found.unjoined) == (
        "web-1", "web", A, False
    )  # fmt: skip
    heir.mark(made.id, put={cloud.Mark.IDENTITY: B, cloud.Mark.UNJOINED: "true"})
    assert [(one.identity, one.unjoined) for one in provider.instances()] == [(B, True)]


def test_marks_of_a_machine_that_is_gone_are_not_put():
    _, provider, _ = bench()
    with pytest.raises(errors.BadOrder, match="not_found"):
        provider.mark("4711", put={cloud.Mark.IDENTITY: A})
    with pytest.raises(errors.BadOrder, match="hexadecimal") as caught:
        provider.mark("4711", put={cloud.Mark.IDENTITY: "?"})
    assert (caught.value.account, caught.value.operation) == ("ram", "mark")


def test_a_name_that_another_identity_has_is_taken():
    center, provider, _ = bench()
    provider.create(dataclasses.replace(order("web-1"), identity=A))
    for identity in ("", B):
        with pytest.raises(errors.BadOrder, match="exists already"):
            provider.create(dataclasses.replace(order("web-1"), identity=identity))
    assert len(center.servers()) == 1


def test_neighbours_are_everybodys_clusters():
    center, provider, _ = bench()
    center.add(name="someone-s-mail")
    center.add(name="g", cluster="green", node_name="g")
    provider.create(dataclasses.replace(order("web-1"), identity=A))
    assert provider.neighbours() == (
        cloud.Neighbour(cluster="blue", identity=A, count=1),
        cloud.Neighbour(cluster="green", identity="", count=1),
    )


def test_what_stays_beside_machines_is_tidied_when_it_is_empty_and_ours(tmp_path: Path):
    settings = {"state_file": str(tmp_path / "state.json"), "delete_time_s": 5}
    center, provider, time = bench(**settings)
    green = memory.MemoryCloud(login(cluster="green"), cloud=center)
    made = provider.create(order("web-1"))
    provider.create(dataclasses.replace(order("db-1"), group="db"))
    green.delete(green.create(dataclasses.replace(order("web-2"), cluster="green")).id)
    provider.delete(made.id)
    assert provider.tidy(groups=("web", "db"), nodes=("web-1",)) == (), "it is not gone yet"
    time.pass_by(5)
    assert provider.tidy(groups=("web", "db", "x"), nodes=()) == ("shelf of group 'web'",)
    assert provider.tidy(groups=("web", "db", "x"), nodes=()) == ()
    heir, _, _ = bench(**settings)
    assert heir.shelves() == (("blue", "db"), ("green", "web"))


# The state file.


def test_machines_outlive_the_process(tmp_path: Path):
    path = tmp_path / "cloud" / "state.json"
    center, provider, time = bench(state_file=str(path), boot_time_s=20, delete_time_s=5)
    kept, gone = provider.create(order("web-1")), provider.create(order("web-2"))
    time.pass_by(20)
    provider.delete(gone.id)

    later, heir, time2 = bench(state_file=str(path), boot_time_s=20, delete_time_s=5)
    time2.now = time.now + 5
    assert heir.instances() == (
        dataclasses.replace(kept, state=cloud.InstanceState.RUNNING, receipt=""),
    )
    assert int(heir.create(order("web-3")).id) > int(gone.id)
    assert [one.name for one in center.servers()] == ["web-1", "web-3"], "both see it"
    assert [one.name for one in later.servers()] == ["web-1", "web-3"]
    assert "secret-user-data" not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0


def test_a_failure_outlives_the_process(tmp_path: Path):
    settings = {"state_file": str(tmp_path / "state.json"), "fail_after_accept_rate": 1}
    made = bench(**settings)[1].create(order("web-1"))
    _, heir, time = bench(**settings)
    time.pass_by(60)
    with pytest.raises(errors.OutOfStock):
        heir.look_up(node_name="web-1", instance_id=made.id, receipt=made.receipt)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"last_id": 1, "failed": {}, "servers": [{}]}']
)
def test_a_state_file_that_cannot_be_read_is_an_error_never_an_empty_cloud(
    tmp_path: Path, text: str
):
    path = tmp_path / "state.json"
    path.write_text(text)
    _, provider, _ = bench(state_file=str(path))
    for call in (provider.instances, lambda: provider.create(order("web-1"))):
        with pytest.raises(errors.Unreachable, match=r"state\.json") as caught:
            call()
        assert caught.value.account == "ram"
    assert path.read_text() == text


def test_many_writers_of_one_file_lose_nothing(tmp_path: Path):
    path = str(tmp_path / "state.json")
    centers = [datacenter.Datacenter(datacenter.Options(state_file=path)) for _ in range(4)]

    def fill(center: datacenter.Datacenter, who: int) -> None:
        for number in range(10):
            center.add(name=f"w{who}-{number}")

    threads = [
        threading.Thread(target=fill, args=(center, who)) for who, center in enumerate(centers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one.id for one in centers[0].servers()}) == 40
    assert len(json.loads(Path(path).read_text())["servers"]) == 40


# The settings.


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"error_rate": 1.5}, "error_rate 1.5 is not between 0 and 1"),
        ({"boot_time_s": -1}, "boot_time_s -1 is negative"),
        ({"page_size": 0}, "page_size 0 is below 1"),
        ({"quota": -1}, "quota -1 is negative"),
        ({"stock": {"small/nowhere": 1}}, "stock names 'small/nowhere'"),
        ({"stock": {"gpu/south": 1}}, "stock names 'gpu/south'"),
        ({"stock": {"small/north": -1}}, "stock of 'small/north' is negative"),
        ({"machine_types": ()}, "there are no machine types"),
        ({"locations": (), "machine_types": ()}, "there are no locations"),
        (
            {"machine_types": (datacenter.Plan(name="a", cpu=1, memory_gib=1),) * 2},
            "machine type 'a' is there 2 times",
        ),
        (
            {"machine_types": (datacenter.Plan(name="a/b", cpu=1, memory_gib=1),)},
            "without '/'",
        ),
        (
            {"machine_types": (datacenter.Plan(name="a", cpu=0, memory_gib=1),)},
            "machine type 'a' needs cpu",
        ),
        (
            {
                "machine_types": (
                    datacenter.Plan(name="a", cpu=1, memory_gib=1, price_per_hour=Decimal(0)),
                )
            },
            "price above 0",
        ),
        (
            {"machine_types": (datacenter.Plan(name="a", cpu=1, memory_gib=1, gpus=-1),)},
            "negative number of gpus",
        ),
        (
            {
                "machine_types": (
                    datacenter.Plan(name="a", cpu=1, memory_gib=1, locations=("moon",)),
                )
            },
            "sold in 'moon'",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object], text: str):
    with pytest.raises(ValueError, match="(?s).*" + text.replace("/", ".")):
        datacenter.Options(**wrong)


def test_all_mistakes_are_reported_at_once():
    with pytest.raises(ValueError, match=r"quota -1 .*; stock names"):
        datacenter.Options(quota=-1, stock={"x": 1})


def test_foreign_settings_are_refused():
    with pytest.raises(TypeError, match="Options"):
        memory.MemoryCloud(login(settings=cloud.NoOptions()))


def test_the_example_describes_this_cloud():
    """Every type, place and setting that the example names is one."""
    example = Path(__file__).parents[2] / "examples" / "memory.yaml"
    text = yaml.safe_load(example.read_text())
    (account,) = text["accounts"]
    snake = {re.sub(r"([A-Z])", r"_\1", key).lower(): v for key, v in account["options"].items()}
    _, provider, _ = bench(**snake)
    sold = {(one.machine_type, one.location): one.in_stock for one in provider.offers()}
    for group in text["nodes"]:
        regions = group.get("regions") or [group["region"]]
        stock = [sold[group["instanceType"], region] for region in regions]
        assert stock[-1] is True, group["name"]
    assert [sold["medium", region] for region in ("south", "east")] == [False, True]


def test_a_listing_stays_whole_and_cheap_after_many_came_and_went():
    _, provider, time = bench(page_size=10, delete_time_s=0, late_listing_s=5, seed=1)
    kept = []
    for number in range(400):
        made = provider.create(order(f"web-{number}"))
        if number % 20:
            provider.delete(made.id)
        else:
            kept.append(made.id)
        time.pass_by(1)
    time.pass_by(5)
    assert [one.id for one in provider.instances()] == kept


def test_a_machine_that_another_process_still_has_is_listed_once(tmp_path: Path):
    settings = {"state_file": str(tmp_path / "s.json"), "late_listing_s": 50, "delete_time_s": 0}
    _, ahead, time = bench(**settings)
    _, behind, _ = bench(**settings)
    made = ahead.create(order("web-1"))
    time.pass_by(60)
    ahead.delete(made.id)
    assert [one.id for one in ahead.instances()] == [made.id], "listings lag"
    # Its clock is behind: to it the machine stands, and it writes so.
    behind.cloud.power_off(behind.create(order("web-2")).id)
    ids = [one.id for one in ahead.instances()]
    assert sorted(ids) == sorted(set(ids))
