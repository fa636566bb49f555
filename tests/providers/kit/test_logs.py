"""Events of clouds read as the server's do: a phrase and fields, the account always among them."""

from __future__ import annotations

import logging

import pytest

from externalgrpc.support import logs as server_logs
from providers.kit import logs


def fields(record: logging.LogRecord) -> object:
    return record.fields  # type: ignore[attr-defined]


def test_an_event_of_a_login_carries_its_account(caplog: pytest.LogCaptureFixture) -> None:
    logs.AccountLog("providers.sky", "blue").warning("machine without our mark", id="7")
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("providers.sky", logging.WARNING)
    assert record.getMessage() == "machine without our mark"
    assert fields(record) == {"account": "blue", "id": "7"}


def test_a_warning_is_given_once_for_each_set_of_fields(caplog: pytest.LogCaptureFixture) -> None:
    log = logs.AccountLog("providers.sky", "blue")
    for word in ("odd", "odd", "new", "odd"):
        log.unknown_state(word)
    log.warn_once("no SSH key", state="odd")
    assert [(r.getMessage(), r.fields["state"]) for r in caplog.records] == [  # type: ignore[attr-defined]
        ("unknown machine state", "odd"),
        ("unknown machine state", "new"),
        ("no SSH key", "odd"),
    ]


def test_server_and_clouds_write_the_same_lines(caplog: pytest.LogCaptureFixture) -> None:
    server_logs.Log("joining").warning("job failed", job="x y")
    logs.Log("providers.sky").warning("job failed", job="x y")
    ours, theirs = (server_logs.KeyValueFormatter().format(each) for each in caplog.records)
    assert ours.split(" ", 1)[1] == theirs.split(" ", 1)[1] == 'warning job failed job="x y"'
