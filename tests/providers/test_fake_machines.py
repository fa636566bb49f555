"""The machines of a fake, and a fault that its caller dies of: what histories stand on."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from providers.fakes import engine, faults, machines


class Plain(machines.Cloud):
    """A cloud that shows ids."""

    def error(self, status: int, code: str, message: str) -> engine.Reply:
        return engine.Reply(status=status, body={"code": code})

    @engine.route("GET", "/machines")
    def _list(self, request: engine.Request) -> engine.Reply:
        return engine.Reply(body={"machines": [each.id for each in self.listed()]})

    @engine.route("POST", "/machines")
    def _create(self, request: engine.Request) -> engine.Reply:
        if self.full():
            self.refuse_with(409, "full", "no room")
        return engine.Reply(body={"id": self.add("a", {}).id})


@pytest.fixture
def cloud() -> Iterator[Plain]:
    with Plain(clock=engine.StoppedClock()) as fake:
        yield fake


@pytest.fixture
def client(cloud: Plain) -> Iterator[httpx.Client]:
    key = {"Authorization": f"Bearer {cloud.token}"}
    with httpx.Client(base_url=cloud.url, headers=key, timeout=5, trust_env=False) as it:
        yield it


def test_a_machine_takes_its_time(cloud: Plain) -> None:
    cloud.lag_s = 5.0
    machine = cloud.add("web", {})
    running = cloud.add("old", {}, running=True)
    assert [each.id for each in cloud.listed()] == [running.id], "lists are late"
    cloud.advance(5.0)
    assert cloud.listed() == [machine, running]
    assert (cloud.runs(machine), cloud.runs(running)) == (False, True)
    cloud.advance(cloud.boot_s)
    assert cloud.runs(machine)
    cloud.remove(machine)
    assert (machine.going, cloud.runs(machine)) == (True, False)
    cloud.advance(cloud.delete_s - 1)
    cloud.remove(machine)
    assert machine in cloud.listed(), "what is deleted is still shown for a while"
    cloud.advance(1)
    assert cloud.listed() == [running]


def test_locks_end_and_quotas_fill(cloud: Plain, client: httpx.Client) -> None:
    machine = cloud.add("web", {})
    machine.locked_until = cloud.now() + 10
    assert cloud.locked(machine)
    cloud.advance(10)
    assert not cloud.locked(machine)
    cloud.limit = 2
    assert [client.post("/machines").status_code for _ in range(2)] == [200, 409]
    assert len(cloud.machines) == 2


@pytest.mark.parametrize("after", [False, True])
def test_who_dies_of_a_fault_is_heard_no_more(
    cloud: Plain, client: httpx.Client, *, after: bool
) -> None:
    cloud.fail(faults.FaultKind.LOST, method="POST", skip=1, after=after, fatal=True)
    assert client.post("/machines").status_code == 200
    for _ in range(3):
        with pytest.raises(httpx.TransportError):
            client.post("/machines")
    assert cloud.faults.dead
    assert len(cloud.machines) == (2 if after else 1), "the first did its work, or not; no other"
    cloud.faults.revive()
    assert len(client.get("/machines").json()["machines"]) == len(cloud.machines)


def test_a_torn_list_lacks_its_last_row() -> None:
    whole = engine.Reply(body={"meta": {"total": 2}, "machines": [1, 2]})
    assert faults.torn(whole).json() == {"meta": {"total": 2}, "machines": [1]}
    assert faults.torn(engine.Reply(body={"machines": []})).json() == {"machines": []}
