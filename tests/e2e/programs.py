"""Run programs: each with a log of its own, stopped by its own process and no other."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.e2e import waiting


class DiedError(AssertionError):
    """A program ended that should be running."""


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
