"""Somebody else's program, waited for within bounds by however many."""

from __future__ import annotations

import concurrent.futures
import contextlib
import threading
import time

import pytest

from externalgrpc.kube import plugin


def test_who_comes_while_it_runs_gets_what_it_gives() -> None:
    go, begun, runs = threading.Event(), threading.Event(), []

    def work() -> str:
        runs.append(1)
        begun.set()
        go.wait(10)
        return "a token"

    shared = plugin.Plugin(10.0)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(shared.run, work) for _ in range(4)]
        assert begun.wait(10)
        go.set()
        assert [each.result() for each in asked] == ["a token"] * 4


def test_what_hangs_is_waited_for_once() -> None:
    hangs, shared = threading.Event(), plugin.Plugin(0.2)
    began = time.monotonic()
    for _ in range(51):
        with pytest.raises(plugin.TimedOut, match=r"within 0\.2 s"):
            shared.run(hangs.wait)
    assert time.monotonic() - began < 5, "each of them waited anew: that is ten seconds"
    hangs.set()


def test_what_hung_is_run_again_later() -> None:
    hangs, shared = threading.Event(), plugin.Plugin(0.05, again_s=0.1)
    with pytest.raises(plugin.TimedOut):
        shared.run(hangs.wait)
    got = ""
    while not got:
        with contextlib.suppress(plugin.TimedOut):
            got = shared.run(lambda: "a token")
    assert got == "a token"
    hangs.set()


def test_what_it_raises_is_raised_where_it_was_asked_for() -> None:
    def work() -> str:
        raise LookupError("no login")

    with pytest.raises(LookupError, match="no login"):
        plugin.Plugin(5.0).run(work)
