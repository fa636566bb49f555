"""Plant the mistakes of :mod:`tests.laws.plants` one by one and show that each is caught.

``python -m tests.laws.mutations`` works on a temporary copy of the packages, never on the tree it
is started from. It prints what caught each mistake and how fast, and ends with 1 when one
survives. ``--only WORDS`` plants those whose name holds the words; ``--jobs N`` runs N at a time.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.laws import histories, plants

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("externalgrpc", "providers", "tests", "pyproject.toml")

MACHINE = ("tests/laws/test_machine.py",)
UNITS = (
    "tests/fleet",
    "tests/control/test_budgets.py",
    "tests/control/test_lane.py",
    "tests/joining/test_stale_nodes.py",
    "tests/control/test_reconciler.py",
    "tests/rpc/test_service.py",
    "tests/kube/test_nodes.py",
    "tests/kube/test_tries.py",
    "tests/commands/test_purge.py",
    "tests/vpsnodes/test_composing.py",
    "tests/vpsnodes/test_status.py",
    # What waits for threads or starts processes comes last.
    "tests/joining/test_registrar.py",
    "tests/joining/test_repair.py",
    "tests/test_unfinished.py",
    "tests/test_reload.py",
    "tests/trial/test_trial.py",
    "tests/commands/test_try.py",
)
LINES = (
    ("unit tests", UNITS, {}),
    ("the state machine", MACHINE, {"FLEET_EXAMPLES": "120", "FLEET_SHRINK": "no"}),
    (
        "whole histories",
        ("tests/laws/test_histories.py",),
        {"HISTORIES": "60", "HISTORIES_S": "60"},
    ),
    ("the state machine", MACHINE, {"FLEET_EXAMPLES": "1000", "FLEET_SHRINK": "no"}),
)
"""What defends the core, in the order in which it is asked."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tests.laws.mutations", description=__doc__)
    parser.add_argument("--only", default="", help="plant those whose name holds these words")
    parser.add_argument("--jobs", type=int, default=1, help="so many at a time")
    chosen = parser.parse_args(arguments)
    wanted = [plant for plant in plants.PLANTS if chosen.only in plant.name]
    survivors: list[str] = []
    histories.say(f"{'planted':58} {'caught by':46} {'s':>5}")
    with concurrent.futures.ThreadPoolExecutor(chosen.jobs) as pool:
        for plant, (caught, seconds) in zip(wanted, pool.map(attack, wanted), strict=True):
            histories.say(
                f"{plant.name:58} {caught or 'NOTHING: IT SURVIVES':46.46} {seconds:5.1f}"
            )
            if not caught:
                survivors.append(plant.name)
    histories.say(f"{len(wanted) - len(survivors)} of {len(wanted)} caught")
    return 1 if survivors else 0


def attack(plant: plants.Plant) -> tuple[str, float]:
    """Plant one mistake in a fresh copy; return what caught it, empty for nothing, and seconds."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                skipped = shutil.ignore_patterns("__pycache__", "tools")
                shutil.copytree(source, copy / name, ignore=skipped)
            else:
                shutil.copy(source, copy / name)
        sow(plant, copy)
        for line, tests, settings in LINES:
            caught = _fails(copy, tests, settings)
            if caught:
                return f"{line}: {caught}", time.monotonic() - began
    return "", time.monotonic() - began


def sow(plant: plants.Plant, tree: Path) -> None:
    """Write the mistake into a tree; raises ValueError where its place is not found once."""
    path = tree / plant.path
    text = path.read_text()
    if text.count(plant.old) != 1:
        raise ValueError(f"{plant.name}: its place stands {text.count(plant.old)} times in {path}")
    path.write_text(text.replace(plant.old, plant.new))


def _fails(copy: Path, tests: Sequence[str], settings: dict[str, str]) -> str:
    there = [test for test in tests if (copy / test).exists()]
    if not there:
        return ""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    command += ["--hypothesis-seed=1", *there]
    environment = {**os.environ, **settings, "PYTHONPATH": str(copy)}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    done = subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode in (0, 5):
        return ""
    if done.returncode != 1:
        raise RuntimeError(f"pytest ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return _said(done.stdout)


def _said(output: str) -> str:
    law = re.search(r"LawBroken: ([^:\n{]+)", output)
    if law is not None:
        return law.group(1)
    failed = re.search(r"^(?:FAILED|ERROR) \S*::(\S+)", output, re.MULTILINE)
    return failed.group(1) if failed is not None else "a failing test"


if __name__ == "__main__":
    sys.exit(main())
