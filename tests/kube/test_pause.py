from __future__ import annotations

import pytest

from externalgrpc.kube import api, pause, refusals
from externalgrpc.support import logs
from tests.kube import apiserver

PATH = "/api/v1/namespaces/ours/configmaps/pools"
WHERE = {"namespace": "ours", "name": "pools"}


def annotate(server: apiserver.FakeServer, value: object, key: str = pause.ANNOTATION) -> None:
    server.put(PATH, {"metadata": {"annotations": {key: value}}})


def test_its_name_is_for_ever() -> None:
    assert pause.ANNOTATION == "vps-autoscaler/paused"


@pytest.mark.parametrize("value", ["true", "True", "yes", "no order before Monday", " 1 "])
def test_whatever_is_written_pauses(
    server: apiserver.FakeServer, link: api.Api, value: str
) -> None:
    annotate(server, value)
    wanted = f"annotation vps-autoscaler/paused: {value.strip()} of ConfigMap ours/pools"
    assert pause.read(link, **WHERE) == pause.Known(wanted)
    assert server.asked == [f"GET {PATH}"]


@pytest.mark.parametrize("value", ["false", "False", "", "  ", 7, None])
def test_what_says_no_or_nothing_does_not(
    server: apiserver.FakeServer, link: api.Api, value: object
) -> None:
    annotate(server, value)
    assert pause.read(link, **WHERE) == pause.Known("")


def test_another_annotation_none_or_no_config_map_pauses_nothing(
    server: apiserver.FakeServer, link: api.Api
) -> None:
    assert pause.read(link, **WHERE) == pause.Known("")
    annotate(server, "true", key="vps-autoscaler/other")
    assert pause.read(link, **WHERE) == pause.Known("")
    server.put(PATH, {"metadata": {"annotations": []}})
    assert pause.read(link, **WHERE) == pause.Known("")
    server.put(PATH, {"metadata": []})
    assert pause.read(link, **WHERE) == pause.Known("")


def test_what_somebody_wrote_is_shown_as_characters_and_cut(
    server: apiserver.FakeServer, link: api.Api
) -> None:
    annotate(server, "\u202etrue\n" + "x" * 1000)
    answer = pause.read(link, **WHERE)
    assert isinstance(answer, pause.Known)
    assert "\\u202etrue\\n" in answer.said
    assert len(answer.said) < 250


def test_a_right_that_lacks_pauses_nothing_and_is_said_once(
    server: apiserver.FakeServer, link: api.Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    server.fail("GET", 403, path=PATH, times=4)
    reader = pause.Reader(link, **WHERE)
    assert isinstance(reader.read(), refusals.Withheld)
    assert isinstance(reader.read(), refusals.Withheld)
    lines = [logs.KeyValueFormatter().format(each) for each in caplog.records]
    said = [each for each in lines if "ConfigMap not readable" in each]
    assert len(said) == 1
    assert "deploy/rbac.yaml" in said[0]
    assert reader.read() == pause.Known("")


def test_a_right_that_is_taken_away_changes_nothing(
    server: apiserver.FakeServer, link: api.Api
) -> None:
    annotate(server, "true")
    reader = pause.Reader(link, **WHERE)
    assert isinstance(reader.read(), pause.Known)
    server.fail("GET", 403, path=PATH, times=2)
    assert isinstance(reader.read(), refusals.NotYet)


def test_a_server_that_refuses_everything_says_nothing_of_our_rights(
    server: apiserver.FakeServer, link: api.Api
) -> None:
    server.fail("GET", 403, path="/", times=2)
    assert isinstance(pause.read(link, **WHERE), refusals.NotYet)
    server.fail("GET", 403, path=PATH)
    assert pause.read(link, **WHERE) == pause.Known("")


@pytest.mark.parametrize("status", [400, 401, 408, 409, 410, 429, 500, 503, apiserver.LOST])
def test_trouble_is_no_answer(server: apiserver.FakeServer, link: api.Api, status: int) -> None:
    annotate(server, "true")
    server.fail("GET", status, path=PATH)
    assert isinstance(pause.read(link, **WHERE), refusals.NotYet)
