"""Own approval under attack, on a small API server: other keys, other names, floods, restarts."""

from __future__ import annotations

import base64
import dataclasses
import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest

from externalgrpc.kube import api, approval, csr, errors, identity, nodes, tokens, tries
from externalgrpc.support import clock, logs
from tests.e2e import waiting
from tests.kube import apiserver, idle, requests, test_cluster

NAME = "pool-aaaaaa"
SIBLING = "pool-bbbbbb"
NODE = f"{nodes.PATH}/{NAME}"
FLOOD = 300

side = test_cluster.side


class Attacker:
    """Root on one machine that has not joined yet, or whoever read its user-data."""

    def __init__(self, server: apiserver.FakeServer, token: str) -> None:
        self.server = server
        self.token_id = token.partition(".")[0]
        self.number = 0

    def ask(self, pem: bytes, *, age_s: float = 0.0) -> str:
        """Ask for a certificate; give the request's path."""
        self.number += 1
        path = f"{approval.PATH}/{self.token_id}-{self.number:04}"
        made = datetime.datetime.now(tz=datetime.UTC) - datetime.timedelta(seconds=age_s)
        reported: api.Object = {
            "metadata": {"creationTimestamp": made.strftime("%Y-%m-%dT%H:%M:%SZ")},
            "spec": {
                "signerName": csr.SIGNER,
                "username": f"system:bootstrap:{self.token_id}",
                "groups": [tokens.OWN_GROUP],
                "usages": ["digital signature", "client auth"],
                "request": base64.b64encode(pem).decode(),
            },
        }
        self.server.put(path, reported)
        return path


@pytest.fixture
def attacker(server: apiserver.FakeServer, side: test_cluster.Side) -> Attacker:
    side.expected |= {NAME, SIBLING}
    made = side.cluster.credentials(NAME, "pool", provision_timeout_s=600)
    return Attacker(server, made.token)


@pytest.fixture
def restarted(
    server: apiserver.FakeServer, side: test_cluster.Side, tmp_path: Path
) -> Iterator[test_cluster.Side]:
    """Have a second process ready that follows the first, as after a crash."""
    after = test_cluster.Side(server, tmp_path)
    after.expected |= {NAME, SIBLING}
    yield after
    after.cluster.stop()


def conditions(server: apiserver.FakeServer, path: str) -> list[str]:
    reported = server.items[path].get("status", {}).get("conditions", [])
    return [each["type"] for each in reported]


def approved(server: apiserver.FakeServer) -> set[str]:
    with server.changed:
        paths = [each for each in server.items if each.startswith(approval.PATH)]
    return {each for each in paths if conditions(server, each) == ["Approved"]}


def await_approved(server: apiserver.FakeServer, *paths: str) -> None:
    waiting.until(lambda: approved(server) >= set(paths), f"approved: {paths}", within_s=20)


def reported(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the lines of the log, with their fields."""
    return [logs.KeyValueFormatter().format(each) for each in caplog.records]


def left_alone(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each for each in reported(caplog) if "left alone" in each]


def await_judged(server: apiserver.FakeServer, side: test_cluster.Side, token: str) -> None:
    """Wait until all that was asked so far is judged: a request of a sibling's comes last."""
    last = Attacker(server, token).ask(requests.pem(SIBLING))
    await_approved(server, last)
    assert idle.wait(side.cluster, 20)


def test_another_key_is_refused_once_the_node_is_there(
    server: apiserver.FakeServer,
    side: test_cluster.Side,
    attacker: Attacker,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = side.cluster.credentials(SIBLING, "pool", provision_timeout_s=600).token
    key = requests.new_key()
    first = attacker.ask(requests.pem(NAME, key=key))
    await_approved(server, first)
    # It names no machine or another's, so that nobody counts it as joined.
    server.put(NODE, {"spec": {"providerID": "memory://another"}})
    waiting.until(lambda: NAME in side.seen, "the Node is seen", within_s=20)
    stolen = attacker.ask(requests.pem(NAME))
    again = attacker.ask(requests.pem(NAME, key=key))
    await_approved(server, again)
    await_judged(server, side, other)
    assert conditions(server, stolen) == [], "left alone, not denied"
    (line,) = left_alone(caplog)
    assert stolen.rpartition("/")[2] in line
    assert "a Node of that name is or was there" in line
    # Its Node goes (somebody deleted it): that makes its name nobody else's.
    server.put(NODE, None)
    waiting.until(lambda: side.seen[-1] == "", "the Node is gone", within_s=20)
    later = attacker.ask(requests.pem(NAME))
    same = attacker.ask(requests.pem(NAME, key=key))
    await_approved(server, same)
    assert conditions(server, later) == []


def test_a_node_that_no_watch_has_reported_of_counts(
    server: apiserver.FakeServer, side: test_cluster.Side, attacker: Attacker
) -> None:
    other = side.cluster.credentials(SIBLING, "pool", provision_timeout_s=600).token
    waiting.until(lambda: side.cluster.node_list.complete, "listed", within_s=20)
    server.items[NODE] = {"metadata": {"name": NAME, "uid": "u"}, "spec": {}}
    stolen = attacker.ask(requests.pem(NAME))
    await_judged(server, side, other)
    assert conditions(server, stolen) == []


def test_three_keys_are_a_join_and_a_fourth_is_not(
    server: apiserver.FakeServer,
    side: test_cluster.Side,
    attacker: Attacker,
    restarted: test_cluster.Side,
    caplog: pytest.LogCaptureFixture,
) -> None:
    keys = [requests.new_key() for _ in range(tries.KEYS)]
    asked = []
    for key in keys:
        asked.append(attacker.ask(requests.pem(NAME, key=key)))
        await_approved(server, *asked)
    fourth = attacker.ask(requests.pem(NAME))
    waiting.until(lambda: left_alone(caplog), "it is logged", within_s=20)
    assert fourth.rpartition("/")[2] in left_alone(caplog)[0]
    assert conditions(server, fourth) == []
    side.cluster.stop()
    restarted.cluster.start()
    fifth = attacker.ask(requests.pem(NAME))
    again = attacker.ask(requests.pem(NAME, key=keys[0]))
    await_approved(server, again)
    assert idle.wait(restarted.cluster, 20)
    assert approved(server) == {*asked, again}
    assert conditions(server, fifth) == []


def test_four_keys_that_wait_for_us_are_three_machines_at_most(
    server: apiserver.FakeServer,
    side: test_cluster.Side,
    attacker: Attacker,
    restarted: test_cluster.Side,
) -> None:
    side.cluster.stop()
    asked = [attacker.ask(requests.pem(NAME), age_s=60.0 - n) for n in range(4)]
    restarted.cluster.start()
    await_approved(server, *asked[:3])
    assert idle.wait(restarted.cluster, 20)
    assert approved(server) == set(asked[:3]), "the oldest"


def test_siblings_names_cost_no_request_and_few_lines(
    server: apiserver.FakeServer,
    side: test_cluster.Side,
    attacker: Attacker,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = side.cluster.credentials(SIBLING, "pool", provision_timeout_s=600).token
    wants = [SIBLING, "control-plane-1", "x\ny", "system:masters"]
    asked = [attacker.ask(requests.pem(wants[n % len(wants)])) for n in range(FLOOD)]
    await_judged(server, side, other)
    assert not approved(server) & set(asked)
    assert not any(server.count(f"GET {each}") for each in asked)
    assert server.count("PUT") == 1
    assert len(left_alone(caplog)) == approval.LOGGED_EACH + 1
    assert side.asking == [SIBLING]
    # A request of such a token is not even judged any more; a sibling's is.
    late = csr.read(server.items[attacker.ask(requests.pem(NAME))])
    assert late is not None
    assert not side.cluster._approver.concerns(late)
    theirs = dataclasses.replace(late, username=f"system:bootstrap:{other.partition('.')[0]}")
    assert side.cluster._approver.concerns(theirs)


def test_a_flood_of_keys_delays_nobody_else(
    server: apiserver.FakeServer,
    side: test_cluster.Side,
    attacker: Attacker,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = side.cluster.credentials(SIBLING, "pool", provision_timeout_s=600).token
    side.expected.discard(NAME)
    pems = [requests.pem(NAME) for _ in range(FLOOD)]
    for pem in pems:
        attacker.ask(pem)
    sibling = Attacker(server, other).ask(requests.pem(SIBLING))
    await_approved(server, sibling)
    side.cluster.revoke(SIBLING)
    waiting.until(lambda: server.count("DELETE"), "revoked", within_s=20)
    assert len(side.cluster._work_queue._waiting) <= 1, "one job, however many requests"
    side.expected.add(NAME)
    waiting.until(lambda: len(approved(server)) == 4, "three of the flood", within_s=90)
    assert idle.wait(side.cluster, 20)
    assert len(approved(server)) == 4
    assert server.count(f"GET {approval.PATH}/") <= 8
    assert len(left_alone(caplog)) == approval.LOGGED_EACH + 1


def test_a_flood_of_one_key_ends_too(
    server: apiserver.FakeServer, side: test_cluster.Side, attacker: Attacker
) -> None:
    other = side.cluster.credentials(SIBLING, "pool", provision_timeout_s=600).token
    pem = requests.pem(NAME)
    asked = [attacker.ask(pem) for _ in range(FLOOD)]
    waiting.until(lambda: len(approved(server)) >= tries.REQUESTS, "some", within_s=20)
    await_judged(server, side, other)
    assert len(approved(server) & set(asked)) == tries.REQUESTS


def test_what_a_person_denied_is_not_approved_under_another_name(
    server: apiserver.FakeServer, side: test_cluster.Side, attacker: Attacker
) -> None:
    other = side.cluster.credentials(SIBLING, "pool", provision_timeout_s=600).token
    side.expected.discard(NAME)
    key = requests.new_key()
    first = attacker.ask(requests.pem(NAME, key=key))
    server.put(first, {**server.items[first], "status": {"conditions": [{"type": "Denied"}]}})
    side.expected.add(NAME)
    again = attacker.ask(requests.pem(NAME, key=key))
    right = attacker.ask(requests.pem(NAME))
    await_approved(server, right)
    await_judged(server, side, other)
    assert conditions(server, again) == []


def test_a_request_that_is_older_than_any_token_is_left_alone(
    server: apiserver.FakeServer, side: test_cluster.Side, attacker: Attacker
) -> None:
    other = side.cluster.credentials(SIBLING, "pool", provision_timeout_s=600).token
    stale = attacker.ask(requests.pem(NAME), age_s=tokens.LONGEST_S + 60)
    await_judged(server, side, other)
    assert conditions(server, stale) == []


def test_an_approval_whose_answer_is_lost_counts_once(
    server: apiserver.FakeServer, side: test_cluster.Side, attacker: Attacker
) -> None:
    other = side.cluster.credentials(SIBLING, "pool", provision_timeout_s=600).token
    server.fail("PUT", apiserver.LOST, after=True)
    asked = []
    for _ in range(3):
        asked.append(attacker.ask(requests.pem(NAME)))
        await_approved(server, *asked)
    fourth = attacker.ask(requests.pem(NAME))
    await_judged(server, side, other)
    assert len(approved(server)) == 4
    assert conditions(server, fourth) == []


class Late:
    """An approver whose list shows what it is given, however old that is by now."""

    def __init__(
        self,
        server: apiserver.FakeServer,
        link: api.Api,
        time_source: clock.Clock | None = None,
    ) -> None:
        link.get(identity.PATH)
        minted = tokens.Tokens(link, cluster="prod", auth_group=tokens.OWN_GROUP)
        token = minted.mint(NAME, "pool", ttl_s=600)
        self.attacker = Attacker(server, token.text)
        self.shown: list[csr.Request] = []
        self.approver = approval.Approver(
            link,
            minted=minted,
            auth_group=tokens.OWN_GROUP,
            expected=lambda _name: True,
            listed=lambda: self.shown,
            time_source=time_source or clock.SystemClock(),
        )

    def ask(self, *, age_s: float = 0.0) -> str:
        path = self.attacker.ask(requests.pem(NAME), age_s=age_s)
        found = csr.read(self.attacker.server.items[path])
        assert found is not None
        self.shown.append(found)
        return path

    def approve(self) -> int:
        return self.approver.approve(self.attacker.token_id)


def test_a_list_that_lags_gives_no_fourth_key(server: apiserver.FakeServer, link: api.Api) -> None:
    late = Late(server, link)
    first = {late.ask() for _ in range(3)}
    assert late.approve() == 3
    late.ask(age_s=60.0)
    assert late.approve() == 0
    assert approved(server) == first


def test_an_approval_that_came_to_nothing_is_none(
    server: apiserver.FakeServer, link: api.Api
) -> None:
    late = Late(server, link)
    late.ask()
    server.fail("PUT", 409)
    with pytest.raises(errors.Conflict):
        late.approve()
    server.put(NODE, {"spec": {}})
    assert late.approve() == 0
    assert not approved(server)


class Ahead(clock.SystemClock):
    """A clock that is set forward by hand."""

    ahead_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s


def test_who_was_a_node_is_remembered_for_longer_than_a_token_lives(
    server: apiserver.FakeServer, link: api.Api
) -> None:
    time_source = Ahead()
    late = Late(server, link, time_source)
    gone, other = nodes.Node(name=NAME, uid="u"), nodes.Node(name=SIBLING, uid="v")
    for node in (gone, other):
        late.approver.node(None, node)
    late.approver.node(gone, None)
    time_source.ahead_s = tokens.LONGEST_S + 1
    late.approver.node(other, None)
    late.ask()
    assert late.approve() == 0
    time_source.ahead_s = 3 * tokens.LONGEST_S
    late.approver.node(None, other)
    late.approver.node(other, None)
    assert late.approve() == 1
