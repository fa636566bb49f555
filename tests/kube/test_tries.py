"""One machine's requests, judged together: laws over every history of asking and deciding."""

from __future__ import annotations

import dataclasses

import hypothesis
from hypothesis import strategies

from externalgrpc.kube import csr, tries


def asked(name: str, key: str, *, at: float = 1.0, **decided: bool) -> csr.Request:
    wanted = csr.Subject(node_name="pool-aaaaaa", key=key)
    return csr.Request(name=name, uid=f"u-{name}", wanted=wanted, created_at=at, **decided)


def approved(name: str, key: str, *, at: float = 1.0) -> csr.Request:
    return asked(name, key, at=at, decided=True, approved=True)


def test_as_many_keys_as_tries() -> None:
    every = [asked(f"r{9 - n}", f"k{n}", at=n) for n in range(5)]
    verdicts = tries.judge(every, seen=False)
    assert [verdicts[each.name] for each in every] == ["", "", "", *[tries.TOO_MANY_KEYS] * 2]


def test_what_was_approved_holds_its_place_whatever_came_before_it() -> None:
    early = asked("aaa", "new", at=0.0)
    three = [approved(f"r{n}", f"k{n}", at=9.0) for n in range(3)]
    assert tries.judge([early, *three], seen=False) == {"aaa": tries.TOO_MANY_KEYS}
    assert tries.judge([early, *three[:2]], seen=False) == {"aaa": ""}


def test_what_may_have_been_approved_counts_as_if_it_were() -> None:
    three = [asked(f"r{n}", f"k{n}", at=9.0) for n in range(3)]
    early = asked("aaa", "new", at=0.0)
    sent = {each.uid for each in three}
    verdicts = tries.judge([early, *three], sent=sent, seen=False)
    assert verdicts == {"aaa": tries.TOO_MANY_KEYS, "r0": "", "r1": "", "r2": ""}


def test_what_may_have_been_approved_counts_among_the_requests() -> None:
    every = [asked(f"r{n:02}", "k", at=9.0) for n in range(tries.REQUESTS)]
    early = asked("aaa", "k", at=0.0)
    sent = {each.uid for each in every}
    verdicts = tries.judge([early, *every], sent=sent, seen=False)
    assert verdicts.pop("aaa") == tries.TOO_MANY
    assert set(verdicts.values()) == {""}


def test_a_machine_that_is_a_node_keeps_its_key_and_gets_no_other() -> None:
    every = [approved("first", "k1"), asked("again", "k1"), asked("other", "k2")]
    assert tries.judge(every, seen=True) == {"again": "", "other": tries.SEEN}


def test_a_key_that_was_denied_stays_denied() -> None:
    every = [asked("first", "k1", decided=True), asked("again", "k1"), asked("other", "k2")]
    assert tries.judge(every, seen=False) == {"again": tries.DENIED, "other": ""}


STEPS = strategies.lists(
    strategies.tuples(
        strategies.sampled_from(["ask", "approve", "lose", "deny", "restart", "node"]),
        strategies.integers(min_value=0, max_value=7),
    ),
    max_size=60,
)


@hypothesis.given(STEPS)
def test_no_history_gives_a_machine_a_fourth_key_or_a_new_one_to_a_node(
    steps: list[tuple[str, int]],
) -> None:
    listed: dict[str, csr.Request] = {}
    shown: dict[str, csr.Request] = {}
    sent: set[str] = set()
    given: set[str] = set()
    seen, then = False, set[str]()
    for step, number in steps:
        if step == "ask":
            name = f"r{len(listed)}"
            listed[name] = shown[name] = asked(name, f"k{number}", at=float(number % 3))
        elif step in ("approve", "lose"):
            for name, why in tries.judge(shown.values(), sent=sent, seen=seen).items():
                if why == "" and not listed[name].decided:
                    given.add(listed[name].wanted.key)
                    sent.add(listed[name].uid)
                    listed[name] = dataclasses.replace(listed[name], decided=True, approved=True)
                    if step == "approve":
                        shown[name] = listed[name]
        elif step == "deny" and (name := f"r{number}") in listed and not listed[name].decided:
            listed[name] = shown[name] = dataclasses.replace(listed[name], decided=True)
        elif step == "restart":
            shown, sent = dict(listed), set()
        elif step == "node" and not seen:
            seen, then = True, set(given)
        assert len(given) <= tries.KEYS
        assert sum(each.approved for each in listed.values()) <= tries.REQUESTS
        assert not seen or given == then
