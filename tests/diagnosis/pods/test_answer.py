"""What is said of a pod, from facts alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from externalgrpc.diagnosis.findings import Severity, Unseen
from externalgrpc.diagnosis.pods import answer, autoscaler, matching, terms, wanted
from externalgrpc.diagnosis.pods.seen import Claim, Seen
from externalgrpc.pb import fleet_pb2 as pb

NOW = 1_000_000.0
ROOMY = matching.Node(labels={}, gives={"cpu": 4000, "pods": 110})
SMALL = matching.Node(labels={}, gives={"cpu": 500, "pods": 110})
POD = wanted.Pod(
    namespace="shop",
    name="web-0",
    uid="u",
    needs=wanted.Needs(requests={"cpu": 1000, "pods": 1}),
    phase="Pending",
    judged=True,
)


def shown(**codes: str) -> pb.ShowResponse:
    return pb.ShowResponse(
        groups=[
            pb.Group(
                id=name,
                target=1,
                max=5,
                why=pb.Answer(code=code, sentence=f"Said of {name}.", cure=f"Cure of {name}."),
            )
            for name, code in codes.items()
        ]
    )


def seen(pod: wanted.Pod = POD, nodes: Any = None, **codes: str) -> Seen:
    templates = dict.fromkeys(codes, ROOMY) if nodes is None else nodes
    return Seen(pod=pod, now=NOW, shown=shown(**codes), templates=templates)


def head(of: Seen) -> tuple[Severity, str]:
    first = answer.answer(of).findings[0]
    return first.severity, first.what


def said(of: Seen) -> str:
    return "\n".join(f"{each.subject}: {each.what}" for each in answer.answer(of).findings)


@pytest.mark.parametrize(
    ("of", "severity", "words"),
    [
        (seen(web="NotAsked"), Severity.WARNING, "A node of web would take it and may be ordered"),
        (seen(web="OnTheWay"), Severity.NOTE, "was asked for, and is on the way"),
        (seen(web="AtMaxSize"), Severity.WARNING, "A node of web would take it, and none can come"),
        (seen(web="SpendCap", big="OnTheWay"), Severity.NOTE, "A node of big would take it"),
        (seen(web="Paused", big="NotAsked"), Severity.WARNING, "A node of big would take it and"),
        (seen(web="NotAsked", nodes={"web": SMALL}), Severity.WARNING, "no group would take it"),
        (
            seen(web="OnTheWay", big="NotAsked", nodes={"web": SMALL, "big": ROOMY}),
            Severity.WARNING,
            "A node of big would take it and may be ordered",
        ),
        (seen(web="NotAsked", nodes={}), Severity.WARNING, "no group is known whose"),
        (seen(), Severity.WARNING, "the server has no group"),
        (Seen(pod=POD, now=NOW), Severity.WARNING, "no server answered"),
    ],
)
def test_the_first_sentence(of: Seen, severity: Severity, words: str) -> None:
    found = head(of)
    assert found[0] is severity
    assert words in found[1]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"node": "n-1", "phase": "Running"}, "It has a node: n-1."),
        ({"node": "n-1"}, "Its containers do not run yet"),
        ({"phase": "Succeeded"}, "It came to its end: Succeeded"),
        ({"deleting": True}, "It is being deleted"),
    ],
)
def test_a_pod_that_waits_for_no_node_is_not_measured(how: dict[str, Any], words: str) -> None:
    made = answer.answer(
        dataclasses.replace(
            seen(dataclasses.replace(POD, **how), web="NotAsked"),
            not_looked_at=(Unseen(what="DaemonSets", because="denied"),),
        )
    )
    (found,) = made.findings
    assert words in found.what
    assert found.severity is Severity.FINE
    assert made.groups == ()
    assert made.complete


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"gates": ("quota",)}, "It is gated (quota)"),
        ({"judged": False, "scheduler": "own"}, "Its scheduler, own, has not called it"),
        ({"daemon": True}, "A DaemonSet owns it"),
        ({"priority": -11}, "Its priority is -11"),
        ({"nominated": "n-1"}, "waits for other pods to leave Node n-1"),
        ({"unjudged": ("pod affinity",)}, "It also has pod affinity, which are not judged"),
        ({"unschedulable": "0/3 nodes"}, "scheduler: 0/3 nodes"),
    ],
)
def test_what_else_keeps_a_pod_from_a_node(how: dict[str, Any], words: str) -> None:
    assert words in said(seen(dataclasses.replace(POD, **how), web="NotAsked"))
    assert words not in said(seen(web="NotAsked"))


def test_a_priority_at_the_cutoff_is_looked_at() -> None:
    assert "priority" not in said(seen(dataclasses.replace(POD, priority=-10), web="NotAsked"))


def test_a_claim_in_trouble_and_one_bound_elsewhere() -> None:
    there = terms.read([{"matchExpressions": [{"key": "zone", "operator": "Exists"}]}])
    claims = (Claim(name="a", trouble="its claim a is not there"), Claim(name="b", fits=there))
    of = dataclasses.replace(seen(web="NotAsked"), claims=claims)
    assert "pod shop/web-0: Its claim a is not there." in said(of)
    assert "the volume of its claim b" in said(of)
    assert "no group would take it" in head(of)[1]


def status(age_s: float | None = 5.0, state: str = "Running", **scale_ups: str) -> Any:
    return autoscaler.Status(
        written_at=None if age_s is None else NOW - age_s,
        state=state,
        health="Healthy",
        groups={
            name: autoscaler.GroupStatus(
                health="Healthy", scale_up=each, backoff="why" if each == "Backoff" else ""
            )
            for name, each in scale_ups.items()
        },
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (status(web="Backoff"), "The autoscaler backs off from the group (why)"),
        (status(), "The autoscaler does not list the group"),
        (status(age_s=600.0, web="NoActivity"), "autoscaler: It wrote its status last 10m ago"),
        (status(age_s=None, web="NoActivity"), "last, but it does not say when: does it run?"),
        (status(state="Initializing"), "Its state is Initializing"),
    ],
)
def test_the_autoscalers_words(given: Any, words: str) -> None:
    of = dataclasses.replace(seen(web="NotAsked"), status=given, status_in="kube-system")
    assert words in said(of)


def test_one_that_begins_is_not_said_to_pass_over_groups() -> None:
    of = dataclasses.replace(seen(web="NotAsked"), status=status(state="Initializing"))
    assert "does not list" not in said(of)


def test_an_event_says_how_old_it_is() -> None:
    event = autoscaler.Event(
        reason="FailedScheduling", message="0/1 nodes", source="default-scheduler", at=NOW - 300
    )
    pod = dataclasses.replace(POD, unschedulable="the same in the condition")
    of = dataclasses.replace(seen(pod, web="NotAsked"), events=(event,))
    assert "event FailedScheduling: 0/1 nodes (5m ago)" in said(of)
    assert "the same in the condition" not in said(of)


def test_groups_of_one_reason_share_a_row_and_many_are_counted() -> None:
    codes = {f"g-{number:02}": "NotAsked" for number in range(30)}
    of = seen(nodes=dict.fromkeys(codes, SMALL), **codes)
    found = answer.answer(of).findings
    rows = [each for each in found if each.subject.startswith("groups ")]
    assert [each.subject for each in rows] == [
        "groups g-00, g-01, g-02, g-03, g-04, g-05 and 24 more"
    ]
    fitting = answer.answer(seen(**codes))
    assert len(fitting.findings) <= answer.MOST_ROWS + 3
    assert any("There are 22 more" in each.what for each in fitting.findings)
    assert len(answer.plain(fitting)["groups"]) == 30


def test_those_that_fit_come_first() -> None:
    of = seen(a="NotAsked", b="NotAsked", c="NotAsked", nodes={"a": SMALL, "b": ROOMY})
    assert [each.group for each in answer.answer(of).groups] == ["b", "c", "a"]


def test_the_group_of_a_trial_is_none_that_a_pod_could_come_to() -> None:
    of = seen(web="AtMaxSize", tried="NotAsked")
    of.shown.groups[1].trial_of = "web"
    assert [each.group for each in answer.answer(of).groups] == ["web"]
    assert "tried" not in said(of)


def test_a_server_that_is_older_than_the_command() -> None:
    old = dataclasses.replace(
        seen(web="NotAsked"), shown=pb.ShowResponse(groups=[pb.Group(id="web")])
    )
    assert "older than this command" in said(old)


def test_what_was_not_looked_at_is_incomplete() -> None:
    missed = Unseen(what="Events on the pod", because="denied")
    made = answer.answer(dataclasses.replace(seen(web="NotAsked"), not_looked_at=(missed,)))
    assert not made.complete
    assert "not looked at: Events on the pod" in said(made.seen)
