"""When a pool's app is proved to want it no more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from externalgrpc.kubero import proof

APART_S = 300.0


def look(
    known: proof.Proof, now: float, *, gone: bool = True, uid: str = "a"
) -> tuple[proof.Proof, bool]:
    return proof.looked(known, uid, gone=gone, now=now, apart_s=APART_S)


def test_one_look_is_no_proof_and_two_are_that_are_apart() -> None:
    known, may_go = look(proof.Proof(), 0.0)
    assert not may_go
    assert not proof.due(known, "a", now=299.0, apart_s=APART_S)
    assert not look(known, 299.0)[1]
    assert proof.due(known, "a", now=300.0, apart_s=APART_S)
    assert look(known, 300.0)[1]


def test_an_app_that_was_seen_between_begins_anew() -> None:
    known, _ = look(proof.Proof(), 0.0)
    known, _ = look(known, 100.0, gone=False)
    known, may_go = look(known, 400.0)
    assert not may_go
    known, _ = look(known, 400.0, uid="b")
    assert proof.kept(known, {"b"}, now=401.0).first == {"b": 400.0}


@pytest.mark.parametrize(
    ("lost", "of", "what"),
    [
        (3, 3, "chance"),
        (4, 4, "outage"),
        (4, 8, "outage"),
        (4, 9, "chance"),
        (5, 11, "outage"),
        (45, 100, "chance"),
    ],
)
def test_many_at_once_are_an_outage(lost: int, of: int, what: str) -> None:
    there = {str(n) for n in range(of)}
    without = {str(n) for n in range(lost)}
    assert bool(proof.outage(proof.Proof(), without, there)) is (what == "outage")


def test_what_was_deleted_lately_is_one_of_many() -> None:
    known = proof.Proof()
    for n in range(3):
        known = proof.went(known, f"old{n}", now=100.0)
    assert proof.outage(known, {"a"}, {"a", "b"})
    assert not proof.outage(proof.kept(known, {"a"}, now=701.0), {"a"}, {"a", "b"})


@given(
    st.lists(
        st.tuples(
            st.floats(1.0, 400.0),
            st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from([True, False, None])),
        ),
        max_size=30,
    )
)
def test_none_goes_that_was_there_within_the_time_and_never_many_at_once(rounds) -> None:
    """None for what could not be looked at."""
    known, now = proof.Proof(), 0.0
    there = set("abcdefgh")
    seen: dict[str, float] = dict.fromkeys(there, 0.0)
    went: list[float] = []
    for passed, said in rounds:
        now += passed
        without = {uid for uid, gone in said.items() if gone is not False} & there
        seen.update({uid: now for uid, gone in said.items() if gone is False})
        known = proof.kept(known, without, now=now)
        if proof.outage(known, without, there):
            continue
        for uid in sorted(without):
            if said[uid] is None or not proof.due(known, uid, now=now, apart_s=APART_S):
                continue
            known, may_go = look(known, now, uid=uid)
            if may_go:
                assert now - seen[uid] >= APART_S
                known = proof.went(known, uid, now=now)
                there.discard(uid)
                went.append(now)
    for at in went:
        assert sum(1 for each in went if at - proof.LATELY_S < each <= at) <= 3 + 1
