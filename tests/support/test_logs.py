from __future__ import annotations

import io
import json
import logging

import pytest

from externalgrpc.support import logs


@pytest.fixture
def logged():
    stream = io.StringIO()

    def set_up(*, as_json):
        logs.set_up(level="info", as_json=as_json, stream=stream)
        return stream

    return set_up


def test_an_event_is_one_line_whatever_a_cloud_says(logged):
    stream = logged(as_json=False)
    logs.Log("test").warning("order not taken", reason='sold "out"\nlevel=fake', names=["a", "b"])
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1
    assert 'reason="sold \\"out\\"\\nlevel=fake"' in lines[0]
    assert lines[0].endswith("names=a,b")
    assert " warning order not taken " in lines[0]


def test_an_event_is_one_json_object(logged):
    stream = logged(as_json=True)
    try:
        raise ValueError("boom")
    except ValueError:
        logs.Log("test").exception("cloud code failed", account="a", seconds=1.23456)
    document = json.loads(stream.getvalue())
    assert document["event"] == "cloud code failed"
    assert document["account"] == "a"
    assert document["seconds"] == 1.235
    assert "ValueError: boom" in document["traceback"]


def test_the_libraries_below_stay_silent_at_every_level(logged):
    stream = logged(as_json=False)
    logs.set_up(level="debug", as_json=False, stream=stream)
    for name in ("urllib3.connectionpool", "httpx", "httpcore.http11", "hcloud"):
        logging.getLogger(name).debug("Authorization: Bearer secret")
        logging.getLogger(name).info("user_data")
    assert stream.getvalue() == ""
