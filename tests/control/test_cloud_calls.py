"""What a cloud's catalogue says in numbers that nobody can mean is left out, the rest is not."""

from __future__ import annotations

import dataclasses
import random
import types
import typing
from decimal import Decimal

import pytest

from externalgrpc.control import call, cloud_calls
from externalgrpc.fleet import requests
from externalgrpc.support import clock
from providers import contract, errors
from tests.fleet import scene

GOOD = contract.MachineType(name="good", cpu_millis=2000, memory_bytes=2**32, disk_bytes=10**10)
SOLD = contract.Offer(
    machine_type="good", location="north", price_per_hour=Decimal("0.01"), currency="EUR"
)


@pytest.mark.parametrize(
    "change",
    [
        {"cpu_millis": 0},
        {"cpu_millis": -1000},
        {"memory_bytes": 2**63},
        {"memory_bytes": -1},
        {"disk_bytes": 10**40},
        {"gpus": -1},
        {"gpus": 10**9},
    ],
)
def test_a_type_beyond_reason_is_left_out(change: dict[str, int]) -> None:
    odd = dataclasses.replace(GOOD, name="odd", **change)
    assert _read((odd, GOOD), (SOLD,)) == ((GOOD,), (SOLD,))


@pytest.mark.parametrize("price", ["NaN", "Infinity", "-1", "1e30"])
def test_a_price_beyond_reason_is_left_out(price: str) -> None:
    odd = dataclasses.replace(SOLD, location="south", price_per_hour=Decimal(price))
    ipv4 = dataclasses.replace(SOLD, location="east", ipv4_per_hour=Decimal(price))
    assert _read((GOOD,), (odd, ipv4, SOLD)) == ((GOOD,), (SOLD,))


def _read(kinds: tuple[object, ...], offers: tuple[object, ...]) -> object:
    provider = types.SimpleNamespace(machine_types=lambda: kinds, offers=lambda: offers)
    request = requests.ReadCatalogue(account="a")
    tools = call.Tools(provider, lambda _: None, clock.SystemClock())  # type: ignore
    return cloud_calls.of(request).run(tools)


def test_every_request_has_a_call_and_every_write_is_known():
    kinds = cloud_calls.KINDS
    assert set(kinds) == set(typing.get_args(requests.Request))
    assert {kind.operation for kind in kinds.values() if kind.writes} == {
        "create", "delete", "finish", "mark", "tidy",
    }  # fmt: skip
    assert {kind.operation: kind.counted for kind in kinds.values() if kind.counted} == {
        "create": "orders", "delete": "deletions", "finish": "finishes", "mark": "marks",
    }  # fmt: skip


def test_what_could_not_be_read_of_neighbours_is_not_known_and_asked_for_again():
    there = scene.Scene()
    (account,) = there.fleet.accounts
    at = call.Moment(there.now, there.now, random.Random(1))
    asked = cloud_calls.of(requests.ReadNeighbours(account))
    failed = asked.fold(there.fleet, errors.Unreachable("away"), at).accounts[account]
    assert failed.neighbours is None
    assert failed.neighbours_at > there.now
    assert asked.fold(there.fleet, (), at).accounts[account].neighbours == ()


class _Asked:
    """A provider of which nothing may be asked."""

    def _sent(self, *_args: object, **_fields: object) -> None:
        raise AssertionError("it was sent")

    create = delete = mark = finish = tidy = _sent


@pytest.mark.parametrize(
    "kind", [each for each in cloud_calls.KINDS.values() if each.writes], ids=lambda k: k.__name__
)
def test_every_write_asks_in_the_last_moment_whether_this_server_may_act(
    kind: type[call.Call[typing.Any, typing.Any]],
) -> None:
    """It may have waited for its turn, and have minted a token, since it was decided."""
    orders = kind.operation in ("create", "finish")
    may = ["" if orders else "the Lease is held by another"]

    def prepare(_request: object) -> object:
        may[0] = "the Lease is held by another"
        return types.SimpleNamespace(
            user_data="x", node_name="n", group="g", image="i", machine_type=GOOD
        )

    tools = call.Tools(
        typing.cast("contract.Provider", _Asked()),
        typing.cast("call.Prepare", prepare),
        clock.SystemClock(),
        may_act=lambda: may[0],
    )
    request = types.SimpleNamespace(
        order=None, instance=None, instance_id="1", put={}, remove=(), groups=(), nodes=()
    )
    with pytest.raises(errors.Throttled, match="not sent: the Lease is held by another"):
        kind(request).run(tools)
