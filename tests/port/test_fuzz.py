"""The fuzzer finds a fault when there is one; `make fuzz` runs it for a minute and longer."""

from __future__ import annotations

import random

import grpc

from tests.port import fuzz


def test_some_seconds_of_fuzz_find_nothing():
    assert fuzz.run(1.0, seed=9) == 0


def test_a_status_that_the_contract_does_not_know_is_a_fault(monkeypatch, capsys):
    monkeypatch.setattr(fuzz, "ask", lambda *_: grpc.StatusCode.INTERNAL)
    assert fuzz.run(0.05, seed=9) > 0
    assert "answered INTERNAL" in capsys.readouterr().out


def test_a_run_can_be_replayed():
    flows = [fuzz.cases(random.Random(5)) for _ in range(2)]
    for _ in range(200):
        assert next(flows[0]) == next(flows[1])


def test_every_method_is_under_fire():
    assert len({method for method, _ in fuzz.seeds()}) == 15 + 5
