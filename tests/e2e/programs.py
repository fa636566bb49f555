"""Run programs: each with a log of its own, stopped by its own process and no other."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from tests.e2e import waiting

BUILD = Path(__file__).parent / "tools" / "build"


class DiedError(AssertionError):
    """A program ended that should be running."""


class Startable(Protocol):
    """What :func:`running` starts and stops."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


S = TypeVar("S", bound=Startable)


@contextlib.contextmanager
def running(made: S) -> Iterator[S]:
    """Start something, and stop it at the end, also when it did not start wholly."""
    try:
        made.start()
        yield made
    finally:
        made.stop()


def built(*names: str) -> Path:
    """Return the folder of the programs (without names: of all); builds those that are missing."""
    done = subprocess.run([sys.executable, str(BUILD), *names], stdout=subprocess.PIPE, check=True)
    return Path(done.stdout.decode().strip())


def output(program: Path, *argv: str, stdin: str | None = None) -> str:
    """Run a program to its end and return what it printed; it must succeed."""
    done = subprocess.run(
        [str(program), *argv], input=stdin, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"{program} {' '.join(argv)}:\n{done.stdout}{done.stderr}"
    return done.stdout


def free_port() -> int:
    """Find a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Program:
    """A child process whose output goes into a file; it may be run many times, one log for all."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        folder: Path,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.argv = [str(each) for each in argv]
        self.within: list[str] = []
        """What runs it, and becomes it by exec: its pid is the program's."""
        self.log = folder / f"{name}.log"
        self._environ = {**os.environ, **(environ or {})}
        self._child: subprocess.Popen[bytes] | None = None
        self._begun = 0

    def start(self) -> None:
        """Start it; returns at once."""
        assert self._child is None, f"{self.name} is running already"
        self.log.touch()
        self._begun = self.log.stat().st_size
        with self.log.open("ab") as out:
            self._child = subprocess.Popen(
                [*self.within, *self.argv],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=self._environ,
            )

    def check(self) -> None:
        """Raise DiedError when it was started and is no more."""
        if self._child is not None and self._child.poll() is not None:
            raise DiedError(f"{self.name} ended with {self._child.returncode}:\n{self.tail(30)}")

    def says(self, pattern: str) -> re.Match[str]:
        """Wait until this run's output holds a pattern."""
        wanted = re.compile(pattern, re.MULTILINE)
        return waiting.until(
            lambda: wanted.search(self.output()),
            f"{self.name} says {pattern!r}",
            meanwhile=self.check,
        )

    def output(self) -> str:
        """Return what this run has written so far."""
        with self.log.open("rb") as log:
            log.seek(self._begun)
            return log.read().decode(errors="replace")

    def tail(self, lines: int) -> str:
        """Return the last lines of the log of all runs."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def nudge(self) -> None:
        """Send it SIGHUP: it reads its files again."""
        assert self._child is not None, f"{self.name} does not run"
        self._child.send_signal(signal.SIGHUP)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal and go on."""
        assert self._child is not None, f"{self.name} does not run"
        self._child.send_signal(number)

    def ended(self) -> int | None:
        """Return the status with which it ended by itself; None while it runs."""
        return self._child.poll() if self._child is not None else None

    def kill(self) -> None:
        """End it with SIGKILL, as a power cut would."""
        self._end(signal.SIGKILL, 10.0)

    def stop(self, within_s: float = 30.0) -> None:
        """End it with SIGTERM, and after a while with SIGKILL; harmless when it never ran."""
        self._end(signal.SIGTERM, within_s)

    def _end(self, number: signal.Signals, within_s: float) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.send_signal(number)
        try:
            child.wait(within_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
