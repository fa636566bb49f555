"""Whoever follows a trial ends it, whatever the server does meanwhile."""

from __future__ import annotations

import contextlib
import signal

import pytest

from externalgrpc.commands import trialing
from externalgrpc.pb import fleet_pb2 as pb
from externalgrpc.rpc import client, trial_client

TRIAL, MACHINE = "vps-trial-g", "sky://1"


class Clock:
    """A clock that goes on by itself, so that nothing is waited for."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        self.now += 5.0
        return self.now

    unix = monotonic


class Server:
    """A server that answers by a script: a phase, silence, or a life that knows of no trial."""

    def __init__(self, *script: str, left: str = "") -> None:
        self.script = list(script)
        self.left = left
        self.there = True
        self.cleared: list[str] = []
        self.ended = 0
        self.refuses = False
        self.torn = False

    def start(self, group: str) -> pb.Trial:
        self.started = group
        if self.torn:
            raise trialing.Interrupted
        return pb.Trial(
            group=group, trial=TRIAL, phase="ordering", watched=True, provider_id=MACHINE
        )

    def look(self) -> pb.Trial:
        word = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if word == "silent":
            raise client.CannotReach("no answer from there")
        if word == "anew":
            return pb.Trial()
        found = pb.Trial(group="g", trial=TRIAL, phase=word, provider_id=MACHINE, watched=True)
        if word == "ready":
            found.compared = True
        if word == "ending" and self.left:
            found.left.append(self.left)
        return found

    def end(self) -> pb.Trial:
        self.ended += 1
        return self.look()

    def show(self) -> pb.ShowResponse:
        machines = [pb.Machine(group=TRIAL, provider_id=MACHINE, phase="trial")]
        return pb.ShowResponse(
            machines=machines if self.there else [],
            accounts=[pb.Account(name="a", listed_seconds_ago=1.0)],
        )

    def clear(self, provider_id: str) -> None:
        if self.refuses:
            raise trial_client.Refused("nothing proves that it is ours")
        self.cleared.append(provider_id)
        self.there = False


def followed(server: Server) -> tuple[pb.Trial, list[str]]:
    said: list[str] = []
    over = trialing.Following(
        server, "g", said.append, time_source=Clock(), look_s=0.0
    ).to_its_end()
    return over, said


def test_a_trial_is_ended_once_it_is_ready():
    server = Server("ordering", "joining", "ready", "ending", "over")
    over, _ = followed(server)
    assert over.phase == "over"
    assert server.ended == 1


class Swallowing(Server):
    """Takes a signal in its second look where an exception is lost, as in a finalizer."""

    looks = 0

    def look(self) -> pb.Trial:
        self.looks += 1
        if self.looks == 2:
            with contextlib.suppress(trialing.Interrupted):
                signal.raise_signal(signal.SIGHUP)
        return super().look()


def test_a_signal_that_no_exception_tells_of_ends_the_trial_too():
    server = Swallowing("joining", "joining", "joining", "ending", "over")
    over, said = followed(server)
    assert server.ended == 1
    assert over.phase == "over"
    assert any(line.startswith("interrupted") for line in said)


def test_a_server_that_is_away_for_a_while_is_awaited():
    over, said = followed(Server("joining", "silent", "silent", "ready", "ending", "over"))
    assert over.phase == "over"
    assert any("no answer" in line for line in said)


def test_one_that_started_anew_is_asked_to_delete_what_the_one_before_it_left():
    server = Server("joining", "anew")
    over, said = followed(server)
    assert server.cleared == [MACHINE]
    assert over.code == "ServerRestarted"
    assert any("started anew" in line for line in said)


def test_one_that_does_not_come_back_leaves_the_lines_that_delete_by_hand():
    with pytest.raises(trialing.GivenUp) as given_up:
        followed(Server("joining", "silent"))
    assert f"purge --config FILE --machine {MACHINE}" in str(given_up.value)


def test_what_a_new_one_will_not_delete_is_said_with_its_line():
    server = Server("joining", "anew")
    server.refuses = True
    with pytest.raises(trialing.GivenUp, match="nothing proves") as given_up:
        followed(server)
    assert f"purge --config FILE --machine {MACHINE}" in str(given_up.value)


def test_what_stays_is_said_with_the_line_against_it():
    server = Server("ready", "ending", left=f"{MACHINE}; by hand: purge it")
    with pytest.raises(trialing.GivenUp, match="by hand: purge it"):
        followed(server)


def test_a_signal_ends_the_trial_and_a_second_one_the_waiting():
    server = Server("joining", "ending", left=f"{MACHINE}; by hand: purge it")
    looked = server.look
    looks = 0

    def interrupting() -> pb.Trial:
        nonlocal looks
        looks += 1
        if looks in (1, 3):
            raise trialing.Interrupted
        return looked()

    server.look = interrupting  # type: ignore[method-assign]
    with pytest.raises(trialing.GivenUp, match="may be left"):
        followed(server)
    assert server.ended == 1


def test_an_order_that_was_interrupted_is_ended_if_the_server_took_it():
    server = Server("joining", "ending", "over")
    server.torn = True
    over, _ = followed(server)
    assert (over.phase, server.ended) == ("over", 1)
    server = Server("anew")
    server.torn = True
    with pytest.raises(trialing.GivenUp, match="nothing was ordered"):
        followed(server)
    assert server.ended == 0
