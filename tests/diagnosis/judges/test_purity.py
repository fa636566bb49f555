"""Judgements ask nobody: they read facts, and import nothing that could do more."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from externalgrpc.diagnosis import facts, findings
from externalgrpc.diagnosis.judges import flags, judging
from externalgrpc.diagnosis.pods import (
    answer,
    autoscaler,
    matching,
    seen,
    terms,
    verdicts,
    wanted,
)
from externalgrpc.diagnosis.probes import reading

JUDGES = [each.__module__ for each in judging.JUDGES]
OF_PODS = (answer, autoscaler, matching, seen, terms, verdicts, wanted)
PURE = [*JUDGES, *(each.__name__ for each in (judging, facts, findings, flags, reading, *OF_PODS))]
ASKING = (
    "socket",
    "ssl",
    "http",
    "httpx",
    "urllib.request",
    "urllib3",
    "grpc",
    "time",
    "threading",
    "subprocess",
    "os",
    "pathlib",
    "externalgrpc.rpc.client",
    "externalgrpc.support.clock",
    "externalgrpc.kube.connection",
    "externalgrpc.diagnosis.probes",
    "externalgrpc.diagnosis.examining",
)


def imported(name: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(Path(str(sys.modules[name].__file__)).read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{each.name}" for each in node.names)


@pytest.mark.parametrize("name", PURE)
def test_a_judgement_cannot_ask(name: str) -> None:
    wrong = [each for each in imported(name) if each.startswith(ASKING)]
    assert not wrong


def test_every_judgement_is_made() -> None:
    folder = Path(str(sys.modules[judging.__name__].__file__)).parent
    judges = {
        f"externalgrpc.diagnosis.judges.{path.stem}"
        for path in folder.glob("*.py")
        if "def judge(facts: Facts) -> Iterator[Finding]" in path.read_text()
    }
    assert judges == set(JUDGES)
    assert len(JUDGES) == 17
