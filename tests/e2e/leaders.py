"""Ask servers all the while which of them acts, and keep what they said."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import httpx

from tests.e2e import programs, waiting

METRIC = "vps_autoscaler_leader 1.0"


def metrics_flag() -> str:
    """Choose where a server's metrics are to be, as a flag of ``serve``."""
    return f"--metrics=127.0.0.1:{programs.free_port()}"


class Watch:
    """Of servers, by name, who acted, one after the other; and of whom two did at once.

    A server is asked what it would do this instant: the metric is its fence's own answer, not what
    its last look at the Lease made of it. Two acted at once if one says that it does before and
    after the other says so: nobody leads twice.
    """

    def __init__(self, flags: Mapping[str, str]) -> None:
        self._where = {
            name: f"http://{flag.partition('=')[2]}/metrics" for name, flag in flags.items()
        }
        self.acted: list[str] = []
        self.at_once: list[tuple[str, str]] = []
        self.asked = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10.0)

    def await_acted(self, among: Sequence[str]) -> str:
        """Wait until the last one that acted is one of these."""
        return waiting.until(
            lambda: next((each for each in self.acted[-1:] if each in among), ""), f"of {among} one"
        )

    def later(self) -> None:
        """Wait until everybody was asked some times more."""
        aim = self.asked + 10
        waiting.until(lambda: self.asked >= aim, "they were asked again")

    def _run(self) -> None:
        with httpx.Client(timeout=0.5, trust_env=False) as client:
            while not self._stop.wait(0.05):
                acting = [name for name in self._where if self._acts(client, name)]
                if len(acting) > 1 and self._acts(client, acting[0]):
                    self.at_once.append((acting[0], acting[1]))
                for each in acting:
                    if each not in self.acted[-1:]:
                        self.acted.append(each)
                self.asked += 1

    def _acts(self, client: httpx.Client, name: str) -> bool:
        try:
            return f"\n{METRIC}\n" in client.get(self._where[name]).text
        except httpx.TransportError:
            return False  # it is stopped, or gone
