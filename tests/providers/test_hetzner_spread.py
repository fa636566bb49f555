"""Placement groups that we make: ten servers each, no matter how many hands order at once."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
from collections.abc import Iterator

import pytest

from providers import contract as cloud
from providers import errors
from providers.fakes import engine
from providers.hetzner import HetznerCloud
from tests.fakes import hetzner
from tests.providers import hetzner_bench


@pytest.fixture
def fake() -> Iterator[hetzner.HetznerFake]:
    with hetzner_bench.serving() as it:
        yield it


@pytest.fixture
def clock() -> engine.StoppedClock:
    return engine.StoppedClock()


@pytest.fixture
def provider(fake: hetzner.HetznerFake, clock: engine.StoppedClock) -> Iterator[HetznerCloud]:
    it = HetznerCloud(hetzner_bench.login(fake), clock=clock)
    yield it
    it.close()


def order(number: int, group: str = "web") -> cloud.Order:
    return hetzner_bench.order(f"{group}-{number}", group=group, placement_group="spread")


def sizes(fake: hetzner.HetznerFake) -> dict[str, int]:
    return {group["name"]: len(group["servers"]) for group in fake.placement_groups}


def test_the_eleventh_server_gets_the_second_group(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    for number in range(23):
        provider.create(order(number))
    assert sizes(fake) == {"blue-web-1": 10, "blue-web-2": 10, "blue-web-3": 3}
    marks = {"vps-autoscaler/cluster": "blue", "vps-autoscaler/group": "web"}
    assert all(group["labels"] == marks for group in fake.placement_groups)
    provider.create(order(0, "db"))
    assert sizes(fake)["blue-db-1"] == 1
    assert len(fake.log("GET", "/placement_groups")) == 2, "one listing a group, not one a server"


def test_parallel_creates_do_not_overfill(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    fake.slow(0.02, method="POST")
    with concurrent.futures.ThreadPoolExecutor(8) as hands:
        made = list(hands.map(provider.create, map(order, range(35))))
    assert len({each.id for each in made}) == 35
    assert collections.Counter(sizes(fake).values()) == {10: 3, 5: 1}
    refused = [each for each in fake.log("POST", "/servers$") if each.reply.status != 201]
    assert refused == []


def test_room_that_came_free_is_used_again(
    fake: hetzner.HetznerFake, provider: HetznerCloud, clock: engine.StoppedClock
) -> None:
    made = [provider.create(order(number)) for number in range(10)]
    fake.advance(20)
    provider.delete(made[3].id)
    fake.advance(5)
    clock.now += 120
    provider.create(order(10))
    assert sizes(fake) == {"blue-web-1": 10}


def test_a_second_process_goes_on_where_the_first_stood(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    for number in range(12):
        provider.create(order(number))
    with hetzner_bench.opened(fake) as successor:
        successor.create(order(12))
    assert sizes(fake) == {"blue-web-1": 10, "blue-web-2": 3}


def test_a_group_that_others_filled_is_passed_over(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    provider.create(order(0))
    (first,) = fake.placement_groups
    first["servers"] += range(100, 109)
    made = provider.create(order(1))
    assert sizes(fake) == {"blue-web-1": 10, "blue-web-2": 1}
    assert [each.reply.status for each in fake.log("POST", "/servers$")] == [201, 422, 201]
    assert fake.servers[int(made.id)].placement_group == fake.placement_groups[1]["id"]
    provider.create(order(2))
    assert sizes(fake) == {"blue-web-1": 10, "blue-web-2": 2}


def test_a_cloud_that_cannot_place_is_out_of_stock(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    fake.fail(
        engine.FaultKind.ERROR,
        method="POST",
        path="/servers$",
        status=422,
        code="placement_error",
        times=None,
    )
    with pytest.raises(errors.OutOfStock, match="placement_error"):
        provider.create(order(0))
    assert len(fake.log("POST", "/servers$")) == 2, "one other placement group is tried, no more"


def test_a_refused_order_takes_no_room(fake: hetzner.HetznerFake, provider: HetznerCloud) -> None:
    fake.sell_out("cx23", "nbg1")
    for number in range(15):
        with pytest.raises(errors.OutOfStock):
            provider.create(order(number))
    fake.restock("cx23", "nbg1")
    for number in range(10):
        provider.create(order(number))
    assert sizes(fake) == {"blue-web-1": 10}


def test_a_lost_reply_keeps_its_room_and_its_group(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    for number in range(9):
        provider.create(order(number))
    fake.fail(engine.FaultKind.LOST, method="POST", path="/servers$")
    with pytest.raises(errors.Unreachable):
        provider.create(order(9))
    provider.create(order(10))
    assert sizes(fake) == {"blue-web-1": 9, "blue-web-2": 1}
    provider.create(order(9))
    assert sizes(fake) == {"blue-web-1": 10, "blue-web-2": 1}


def test_a_group_whose_making_was_lost_is_found_again(
    fake: hetzner.HetznerFake, provider: HetznerCloud, clock: engine.StoppedClock
) -> None:
    fake.fail(engine.FaultKind.LOST, method="POST", path="/placement_groups$", after=True)
    with pytest.raises(errors.Unreachable):
        provider.create(order(0))
    assert sizes(fake) == {"blue-web-1": 0}
    clock.now += 1
    provider.create(order(0))
    assert sizes(fake) == {"blue-web-1": 1}


def test_a_name_that_others_took_is_passed_over(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    fake.add_placement_group("blue-web-1")
    provider.create(order(0))
    assert sizes(fake) == {"blue-web-1": 0, "blue-web-2": 1}
    for number in range(1, 6):
        fake.add_placement_group(f"blue-db-{number}")
    with pytest.raises(errors.BadOrder, match="are not ours"):
        provider.create(order(0, "db"))


def test_a_group_that_was_deleted_is_made_again(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    """Whoever tidied it away between our listing and our create: the order does not fail."""
    provider.create(order(0))
    fake.placement_groups.clear()
    provider.create(order(1))
    assert sizes(fake) == {"blue-web-1": 1}
    assert len(fake.log("POST", "/servers$")) == 3


def test_what_else_is_not_there_is_not_tried_for_ever(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    fake.add_network("kubernetes")
    provider.create(dataclasses.replace(order(0), networks=("kubernetes",)))
    fake.networks.clear()
    with pytest.raises(errors.BadOrder, match="network"):
        provider.create(dataclasses.replace(order(1), networks=("kubernetes",)))
    assert len(fake.log("POST", "/servers$")) == 3


# Groups that stay behind.


def test_groups_of_ours_without_servers_go(
    fake: hetzner.HetznerFake, provider: HetznerCloud, clock: engine.StoppedClock
) -> None:
    made = [provider.create(order(number)) for number in range(12)]
    provider.create(order(0, "db"))
    fake.advance(20)
    for each in made:
        provider.delete(each.id)
    fake.advance(5)
    clock.now += 120
    assert sizes(fake) == {"blue-web-1": 0, "blue-web-2": 0, "blue-db-1": 1}
    assert [
        cleared.split(" (")[0] for cleared in provider.tidy(groups=["web", "db"], nodes=[])
    ] == [
        "placement group blue-web-1",
        "placement group blue-web-2",
    ]
    assert sizes(fake) == {"blue-db-1": 1}
    assert provider.tidy(groups=["web", "db"], nodes=[]) == ()
    before = len(fake.log("POST", "/servers$"))
    provider.create(order(12))
    provider.create(order(1, "db"))
    assert sizes(fake) == {"blue-db-1": 2, "blue-web-1": 1}, "one with servers is used as before"
    assert len(fake.log("POST", "/servers$")) == before + 2, "nobody asks for one that is gone"


def test_a_group_that_an_order_may_still_come_into_stays(
    fake: hetzner.HetznerFake, provider: HetznerCloud, clock: engine.StoppedClock
) -> None:
    fake.fail(engine.FaultKind.LOST, method="POST", path="/servers$", after=False)
    with pytest.raises(errors.Unreachable):
        provider.create(order(0))
    clock.now += 600
    assert provider.tidy(groups=["web"], nodes=[]) == ()
    provider.create(order(0))
    assert sizes(fake) == {"blue-web-1": 1}


def test_a_server_that_came_between_keeps_its_group(
    fake: hetzner.HetznerFake, provider: HetznerCloud, clock: engine.StoppedClock
) -> None:
    """Another process with our name orders while we tidy: asked again, the group is not empty."""
    gone = provider.create(order(0))
    fake.advance(20)
    provider.delete(gone.id)
    fake.advance(5)
    clock.now += 120
    (group,) = fake.placement_groups

    def come(request: engine.Request) -> None:
        if request.method == "GET" and request.path.endswith(f"/placement_groups/{group['id']}"):
            group["servers"].append(4711)

    fake.before = come
    assert provider.tidy(groups=["web"], nodes=[]) == ()
    assert fake.placement_groups == [group]


def test_an_order_that_comes_between_is_not_given_the_group_that_goes(
    fake: hetzner.HetznerFake,
    provider: HetznerCloud,
    clock: engine.StoppedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = provider.create(order(0))
    fake.advance(20)
    provider.delete(gone.id)
    fake.advance(5)
    clock.now += 120
    delete = provider._shards.delete

    def order_first(left: cloud.Leftover, cluster: str) -> bool:
        provider.create(order(1))  # no lock may be held while the cloud is asked
        return delete(left, cluster)

    monkeypatch.setattr(provider._shards, "delete", order_first)
    assert len(provider.tidy(groups=["web"], nodes=[])) == 1
    assert sizes(fake) == {"blue-web-2": 1}
    assert len(fake.log("POST", "/servers$")) == 2


def test_orders_that_come_while_we_tidy_get_a_group(
    fake: hetzner.HetznerFake, provider: HetznerCloud, clock: engine.StoppedClock
) -> None:
    gone = provider.create(order(0))
    fake.advance(20)
    provider.delete(gone.id)
    fake.advance(5)
    clock.now += 120
    fake.slow(0.05)
    with concurrent.futures.ThreadPoolExecutor(9) as hands:
        tidied = hands.submit(provider.tidy, groups=["web"], nodes=[])
        made = list(hands.map(provider.create, map(order, range(1, 9))))
    assert len(made) == 8
    assert sum(sizes(fake).values()) == 8
    assert len(tidied.result()) <= 1
    refused = [each for each in fake.log("POST", "/servers$") if each.reply.status != 201]
    assert refused == [], "no order is given a group that is about to go"


def test_the_projects_limit_on_groups_is_a_quota(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    for number in range(50):
        fake.add_placement_group(f"other-{number}")
    with pytest.raises(errors.QuotaExceeded, match="placement_group_limit"):
        provider.create(order(0))


def test_what_the_filter_lets_through_is_not_ours_to_list(
    fake: hetzner.HetznerFake, provider: HetznerCloud
) -> None:
    provider.create(order(0))
    hetzner_bench.HetznerControls(fake).add_beside()
    everything = engine.Reply(
        body={
            "placement_groups": fake.placement_groups,
            "meta": {"pagination": {"next_page": None, "total_entries": None}},
        }
    )
    fake.fail(engine.FaultKind.CHANGED, path="/placement_groups$", change=lambda _: everything)
    assert [(each.name, each.group) for each in provider.leftovers()] == [
        ("blue-web-1", "web"),
        ("blue-app-1", "app"),
    ]
