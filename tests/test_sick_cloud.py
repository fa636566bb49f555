"""One cloud of four is sick: nobody sees it in the other three's answers, and it recovers."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from externalgrpc import assembly
from externalgrpc.fleet import state
from externalgrpc.pb import externalgrpc_pb2 as pb
from externalgrpc.pb import externalgrpc_pb2_grpc
from externalgrpc.rpc import fleet_service, server, service
from externalgrpc.support import clock
from providers import contract
from providers.fakes import troubles
from tests import serving
from tests.bench import clouds as places

CALM_S = 1.5
"""No answer may take longer: a call that waited for the sick cloud would wait for a time-out."""

TIMEOUT_S = 4.0
"""How long the clouds' clients wait for an answer here."""

SPEED = 10.0


class Quick(clock.SystemClock):
    """The machine's clock, run faster: back-offs of the server are not waited out in full."""

    def monotonic(self) -> float:
        return time.monotonic() * SPEED


@dataclasses.dataclass
class Four:
    fakes: dict[str, Any]
    plant: assembly.Assembly
    stub: externalgrpc_pb2_grpc.CloudProviderStub
    longest_s: float = 0.0

    def call(self, rpc: str, request: Any) -> Any:
        """Call, and keep how long the longest call took; an error of the server's is raised."""
        began = time.perf_counter()
        answer = getattr(self.stub, rpc)(request, timeout=5.0)
        self.longest_s = max(self.longest_s, time.perf_counter() - began)
        return answer

    def groups(self) -> set[str]:
        self.call("Refresh", pb.RefreshRequest())
        return {each.id for each in self.call("NodeGroups", pb.NodeGroupsRequest()).nodeGroups}

    def target(self, group: str) -> int:
        reply = self.call("NodeGroupTargetSize", pb.NodeGroupTargetSizeRequest(id=group))
        return reply.targetSize

    def nodes(self, group: str) -> list[str]:
        reply = self.call("NodeGroupNodes", pb.NodeGroupNodesRequest(id=group))
        return [each.id for each in reply.instances if "launching" not in each.id]

    def grow(self, group: str) -> None:
        self.call("NodeGroupIncreaseSize", pb.NodeGroupIncreaseSizeRequest(id=group, delta=1))

    def failing(self, account: str) -> bool:
        return self.plant.reconciler.fleet.accounts[account].failures > 0


@pytest.fixture
def four(tmp_path) -> Iterator[Four]:
    def impatient(cloud: Any, login: contract.Login) -> contract.Provider:
        times = {"connect_timeout_s": TIMEOUT_S, "read_timeout_s": TIMEOUT_S}
        return cloud.open(dataclasses.replace(login, **times))

    with contextlib.ExitStack() as stack:
        fakes = {each.provider: stack.enter_context(each.start()) for each in places.ALL}
        token = tmp_path / "token"
        token.write_text(next(iter(fakes.values())).token)
        urls = {name: fake.url for name, fake in fakes.items()}
        loaded, installed = serving.loaded(
            tmp_path, places.side_by_side(urls, str(token), options="settleS: 2")
        )
        parts = assembly.Parts(
            time_source=Quick(),
            chance=random.Random(5),
            pace=state.Pace(busy_s=2.0, steady_s=10.0),
            open_provider=impatient,
        )
        plant = assembly.Assembly(loaded, installed, parts)
        listening = server.Server(
            server.Listening(address="127.0.0.1:0"),
            service.CloudProvider(plant.reconciler, plant.describer),
            fleet_service.Show(
                plant.reconciler, plant.describer, clock.SystemClock(), version="test"
            ),
        )
        plant.start()
        stack.callback(plant.stop, 0.5)
        assert plant.reconciler.await_first_listings(30.0)
        listening.start()
        stack.callback(listening.stop, 0.2)
        channel = stack.enter_context(grpc.insecure_channel(listening.address))
        yield Four(fakes, plant, externalgrpc_pb2_grpc.CloudProviderStub(channel))


SICK = {
    troubles.Trouble.ERRORS: "hetzner",
    troubles.Trouble.HANGS: "linode",
    troubles.Trouble.REFUSES: "digitalocean",
    troubles.Trouble.BLACK_HOLE: "vultr",
    troubles.Trouble.EXPIRED: "vultr",
}


@pytest.mark.parametrize("trouble", troubles.Trouble)
def test_three_clouds_go_on_while_the_fourth_is_sick(four: Four, trouble):
    sick = SICK[trouble]
    everyone = set(four.fakes)
    healthy = everyone - {sick}
    with troubles.struck(four.fakes[sick], trouble):
        four.grow(sick)
        for group in healthy:
            four.grow(group)

        def went_on() -> bool:
            assert four.groups() == everyone
            assert four.target(sick) == 1
            return all(four.nodes(group) for group in healthy) and four.failing(sick)

        serving.until(went_on, 40.0)
        assert {group: four.target(group) for group in everyone} == dict.fromkeys(everyone, 1)
        assert not any(four.failing(group) for group in healthy)
        assert four.longest_s < CALM_S, "a call waited for the sick cloud"
    if trouble is troubles.Trouble.EXPIRED:
        # What was refused for good stays for CA to clear away; orders are made again.
        assert four.nodes(sick) == []
        serving.until(lambda: four.groups() == everyone and not four.failing(sick), 30.0)
        four.grow(sick)

    def recovered() -> bool:
        assert four.groups() == everyone
        return not four.failing(sick) and bool(four.nodes(sick))

    serving.until(recovered, 60.0)
    assert four.longest_s < CALM_S
