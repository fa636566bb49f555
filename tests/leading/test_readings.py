"""What one reading of a Lease lets a server conclude, and what it does not."""

from __future__ import annotations

import random

import pytest

from externalgrpc.kube import errors, lease
from externalgrpc.leading import announcing, election, following, holding
from tests.leading import cluster

INF = float("inf")


def read(
    holder: str = "me", renewed: str = "t0", transitions: int = 0, uid: str = "u", lasts_s: int = 15
) -> lease.Lease:
    spec = {
        "holderIdentity": holder,
        "renewTime": renewed,
        "leaseTransitions": transitions,
        "leaseDurationSeconds": lasts_s,
    }
    return lease.parsed({"metadata": {"uid": uid}, "spec": spec})


# Following.


def test_the_first_reading_proves_nothing_of_when_it_was_renewed() -> None:
    seen = following.Following("me").read(read(), began=10.0, ended=11.0)
    assert seen.term is not None
    assert seen.term.renewed_at == -INF
    assert not seen.term.may_act(30.0)


def test_a_renewal_counts_from_the_beginning_of_the_reading_that_did_not_show_it() -> None:
    """And not from when it was read: a process may have been stopped in between."""
    one = following.Following("me")
    one.read(read(renewed="t0"), began=10.0, ended=11.0)
    one.read(read(renewed="t0"), began=12.0, ended=13.0)
    seen = one.read(read(renewed="t1"), began=14.0, ended=99.0)
    assert seen.term is not None
    assert (seen.term.since, seen.term.renewed_at) == (11.0, 12.0)
    assert (seen.term.begins_at(), seen.term.ends_at()) == (21.5, 22.0)
    same = one.read(read(renewed="t1"), began=100.0, ended=101.0)
    assert same.term is not None
    assert same.term.renewed_at == 12.0, "nothing new was seen"


def test_another_may_have_held_it_between_two_readings() -> None:
    one = following.Following("me")
    one.read(read(transitions=3), began=1.0, ended=2.0)
    again = one.read(read(transitions=5), began=30.0, ended=31.0)
    assert again.term is not None
    assert again.term.since == 31.0
    anew = one.read(read(transitions=5, uid="another"), began=40.0, ended=41.0)
    assert anew.term is not None
    assert anew.term.since == 41.0, "it was deleted and made anew"


@pytest.mark.parametrize(
    ("holder", "ours"), [("me", True), ("me_f00d", True), ("me2", False), ("", False), ("m", False)]
)
def test_whose_it_is(holder: str, *, ours: bool) -> None:
    seen = following.Following("me").read(read(holder), began=1.0, ended=2.0)
    assert (seen.term is not None) is ours
    assert seen.holder == holder


def test_a_host_without_a_name_holds_nothing() -> None:
    assert following.Following("").read(read(""), began=1.0, ended=2.0).term is None


def test_the_wait_is_for_the_longest_lease_that_was_seen() -> None:
    one = following.Following("me")
    one.read(read("other", lasts_s=60), began=1.0, ended=2.0)
    seen = one.read(read("me", lasts_s=15, transitions=1), began=3.0, ended=4.0)
    assert seen.term is not None
    assert (seen.term.deadline_s, seen.term.waits_s) == (10.0, pytest.approx(42.0))


def test_a_lease_that_is_gone_ends_by_itself() -> None:
    one = following.Following("me")
    one.read(read(renewed="t0"), began=1.0, ended=2.0)
    before = one.read(read(renewed="t1"), began=3.0, ended=4.0).term
    assert one.read(None, began=5.0, ended=6.0).term == before


@pytest.mark.parametrize(
    "odd", [{}, {"spec": 1}, {"spec": {"leaseDurationSeconds": "x"}, "metadata": []}]
)
def test_an_odd_lease_is_nobodys(odd: dict[str, object]) -> None:
    found = lease.parsed(odd)
    assert (found.holder, found.duration_s, found.transitions) == ("", 15.0, 0)


# Holding.


def test_anothers_lease_is_taken_when_it_was_unchanged_for_as_long_as_it_lasts() -> None:
    one = holding.Holding("me", 15.0)
    assert not one.wants(read("other", "t0"), now=100.0)
    assert not one.wants(read("other", "t0"), now=114.9)
    assert not one.wants(read("other", "t1"), now=115.0), "it was renewed"
    assert not one.wants(read("other", "t1"), now=129.9)
    assert one.wants(read("other", "t1"), now=130.0)
    assert one.wants(read("", "t1"), now=130.1), "released"
    assert one.wants(None, now=130.2)


def test_a_renewal_counts_from_before_it_was_sent_and_a_new_term_from_after() -> None:
    one = holding.Holding("me", 15.0)
    first = one.written(read("me", "t0"), began=10.0, ended=12.0)
    then = one.written(read("me", "t1"), began=14.0, ended=16.0)
    other = one.written(read("me", "t2", transitions=2), began=20.0, ended=22.0)
    terms = [each.term for each in (first, then, other)]
    assert [(each.since, each.renewed_at) for each in terms if each] == [
        (12.0, 10.0),
        (12.0, 14.0),
        (22.0, 20.0),
    ]


def test_whoever_takes_it_from_another_counts_a_transition_and_keeps_what_others_wrote() -> None:
    api = cluster.ApiServer()
    store = lease.Store(api.client(lambda: 0.0), namespace="n", name="l")
    first = store.make("one", 15.0)
    assert api.thing is not None
    api.thing["metadata"]["labels"] = {"somebody": "wrote"}
    seen = store.read()
    assert seen is not None
    again = store.take(seen, "one", 15.0)
    other = store.take(again, "two", 15.0)
    assert [each.transitions for each in (first, again, other)] == [0, 0, 1]
    assert first.term == again.term != other.term
    assert api.thing["metadata"]["labels"] == {"somebody": "wrote"}
    with pytest.raises(errors.Conflict):
        store.take(again, "one", 15.0)
    store.release(other)
    released = store.read()
    assert released is not None
    assert released.holder == ""


# The election.


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now

    def unix(self) -> float:
        return 0.0


def holder(api: cluster.ApiServer, clock: Clock, name: str) -> tuple[election.Election, list[str]]:
    store = lease.Store(api.client(clock.unix), namespace="n", name="l")
    made = election.Election(
        election.Hold(store, name, 15.0), time_source=clock, chance=random.Random(1)
    )
    heard: list[str] = []
    made.listen(
        leads=lambda: heard.append("leads"),
        waits=lambda why: heard.append(f"waits: {why}"),
        lost=lambda why: heard.append(f"lost: {why}"),
    )
    return made, heard


def test_who_led_and_lost_acts_never_again() -> None:
    api, clock = cluster.ApiServer(), Clock()
    one, heard = holder(api, clock, "one")
    assert one.why_not() == "the Lease was not read yet"
    one.round()
    assert "acting in 10.5 s" in one.why_not()
    assert one.refuses() == "", "wishes are taken and held"
    clock.now += 9.0
    one.round()
    clock.now += 1.5
    one.round()
    assert one.why_not() == ""
    assert "leads" in heard
    assert api.thing is not None
    api.thing["spec"]["holderIdentity"] = "two"
    one.round()
    assert heard[-2:] == [
        "lost: this server led, and the Lease is held by two",
        "waits: this server led, and the Lease is held by two",
    ]
    api.thing["spec"]["holderIdentity"] = ""
    for _ in range(4):
        one.round()
        clock.now += 6.0
        assert one.why_not()
        assert one.refuses()
    assert heard.count("leads") == 1


def test_an_api_server_that_comes_back_with_nobody_in_between_is_no_loss() -> None:
    api, clock = cluster.ApiServer(), Clock()
    one, heard = holder(api, clock, "one")
    one.round()
    clock.now += 9.0
    one.round()
    clock.now += 2.0
    one.round()
    assert one.why_not() == ""
    api.away = True
    clock.now += 10.0
    one.round()
    assert one.why_not() == "the Lease is ours and was not seen to be renewed in time"
    assert one.refuses() == one.why_not(), "who does not know takes no wishes"
    api.away = False
    one.round()
    assert one.why_not() == ""
    assert heard.count("leads") == 1
    assert heard[-1] == "waits: "


def test_who_stops_lets_another_take_it_at_once() -> None:
    api, clock = cluster.ApiServer(), Clock()
    one, _ = holder(api, clock, "one")
    two, _ = holder(api, clock, "two")
    one.round()
    two.round()
    assert two.standing.term is None
    one.stop(0.0)
    assert one.why_not() == "this server is being stopped"
    two.round()
    assert two.standing.term is not None


def test_only_the_holder_is_announced_and_again_after_a_while() -> None:
    clock, applied = Clock(), []

    class Api:
        def get(self, _path: str) -> dict[str, object]:
            return {"metadata": {"uid": "u"}}

        def apply(self, path: str, body: dict[str, object], *, manager: str) -> None:
            applied.append((path.rpartition("/")[2], body["addressType"], manager))

    holds = [False]
    announcer = announcing.Announcer(
        Api(),  # type: ignore[arg-type]  # all that is asked of it
        namespace="n",
        service="s",
        endpoint=("fd00::1", 8086),
        time_source=clock,
        holds=lambda: holds[0],
    )
    announcer.look()
    assert not applied
    holds[0] = True
    announcer.look()
    announcer.look()
    assert applied == [("s-leader", "IPv6", "vps-autoscaler")]
    clock.now += announcing.AGAIN_S
    announcer.look()
    assert len(applied) == 2
