from __future__ import annotations

import hashlib
import re
import socket
from pathlib import Path

import pytest

from externalgrpc.kube import api, identity, refusals
from externalgrpc.support import logs
from tests.kube import apiserver


def test_the_identity_is_the_uid_shortened(server: apiserver.FakeServer, link: api.Api) -> None:
    wanted = hashlib.sha256(server.uid.encode()).hexdigest()[:10]
    assert identity.read(link) == identity.Known(wanted)
    assert re.fullmatch(r"[0-9a-f]{10}", wanted)
    assert server.asked == [f"GET {identity.PATH}"]


def test_its_spelling_is_for_ever() -> None:
    # Machines carry it: another spelling would make all of them another cluster's.
    assert identity.shortened("7c7d6a3e-8f2b-4d0c-9a53-0f6f3a1b2c4d") == "8a68f5527e"


def test_another_cluster_has_another(server: apiserver.FakeServer, link: api.Api) -> None:
    first = identity.read(link)
    server.uid = "another"
    assert identity.read(link) != first


def test_a_right_that_lacks_makes_a_cluster_without_identity(
    server: apiserver.FakeServer, link: api.Api
) -> None:
    server.fail("GET", 403, path=identity.PATH, times=2)
    answer = identity.read(link)
    assert isinstance(answer, refusals.Withheld)
    assert "kube-system" in answer.why


def test_a_server_that_refuses_everything_says_nothing_of_our_rights(
    server: apiserver.FakeServer, link: api.Api
) -> None:
    server.fail("GET", 403, path="/", times=2)
    assert isinstance(identity.read(link), refusals.NotYet)
    # It learns its roles between our questions.
    server.fail("GET", 403, path=identity.PATH)
    assert isinstance(identity.read(link), identity.Known)
    server.fail("GET", 403, path=identity.PATH)
    server.fail("GET", 503, path="/api/v1/nodes")
    assert isinstance(identity.read(link), refusals.NotYet)
    # It goes away before it has confirmed the refusal.
    server.fail("GET", 403, path=identity.PATH)
    server.fail("GET", 503, path=identity.PATH)
    assert isinstance(identity.read(link), refusals.NotYet)
    assert isinstance(identity.read(link), identity.Known)


@pytest.mark.parametrize("status", [400, 401, 404, 408, 409, 410, 429, 500, 502, 503, 504, 302])
def test_trouble_is_no_answer(server: apiserver.FakeServer, link: api.Api, status: int) -> None:
    server.fail("GET", status, path=identity.PATH)
    assert isinstance(identity.read(link), refusals.NotYet)


def test_a_lost_answer_is_no_answer(server: apiserver.FakeServer, link: api.Api) -> None:
    server.fail("GET", apiserver.LOST, path=identity.PATH)
    assert isinstance(identity.read(link), refusals.NotYet)


def test_a_server_that_is_not_there_is_no_answer(
    server: apiserver.FakeServer, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server.url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    assert isinstance(identity.read(server.api(tmp_path)), refusals.NotYet)


@pytest.mark.parametrize(
    "text",
    [
        '"kube-system"',
        "not JSON",
        "{}",
        '{"metadata": null}',
        '{"metadata": {"uid": ""}}',
        '{"metadata": {"uid": 7}}',
    ],
)
def test_an_answer_that_makes_no_sense_is_none(
    server: apiserver.FakeServer, link: api.Api, text: str
) -> None:
    server.fail("GET", 200, path=identity.PATH, body=lambda _asked: text)
    assert isinstance(identity.read(link), refusals.NotYet)


def test_each_thing_is_reported_once(
    server: apiserver.FakeServer, link: api.Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    reader = identity.Reader(link)
    answers = []
    for status, times in ((500, 1), (503, 2), (403, 2), (500, 1), (403, 1)):
        for _ in range(times):
            # A refusal counts when it comes twice.
            server.fail("GET", status, path=identity.PATH, times=2 if status == 403 else 1)
            answers.append(type(reader.read()))
    answers += [type(reader.read()), type(reader.read())]
    refused = [refusals.Withheld] * 2 + [refusals.NotYet] + [refusals.Withheld]
    assert answers == [refusals.NotYet] * 3 + refused + [identity.Known] * 2
    lines = [logs.KeyValueFormatter().format(each) for each in caplog.records]
    mine = [each for each in lines if "identity" in each]
    assert len(mine) == 3
    assert "asking again" in mine[0]
    assert "kubectl apply -f deploy/rbac.yaml" in mine[1]
    assert mine[2].endswith(f"identity={identity.shortened(server.uid)}")
