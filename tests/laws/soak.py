"""Simulated weeks with hostile neighbours in one process: the laws hold, and memory stays flat.

``make soak`` runs it for an hour, ``SECONDS=120 make soak`` for as long as it says. The first
server is never killed: what it forgets to forget shows in the process's memory. Prints a line a
simulated day, and ends with 1 when a law breaks or memory grows after the warm-up.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import sys
import time
from pathlib import Path

from externalgrpc.fleet import listing
from tests.laws import caps, histories, history, life, witness

A_DAY_S = 86_400.0
A_LOOK_S = 600.0
WARM_UP = 0.3
"""The part of the time in which memory may grow: caches fill, the allocator takes its arenas."""

GROWTH_MIB = 8.0
"""How much more the process may have at its end than after the warm-up."""

REMEMBERED = 500
"""What is gone is remembered for so many names here, not for thousands: full after the warm-up."""


class Soak(history.History):
    """A history without an end: two clusters of one name, and everything but the end of the first.

    Somebody looks after things once a day: undoes edits, says whose machines are.
    """

    def _cast(self) -> tuple[tuple[str, bool, bool], ...]:
        return (("one", True, False), ("two", True, False))

    def begin(self) -> None:
        """Set everything going."""
        self._seen: frozenset[str] = frozenset()
        self._asked: dict[str, frozenset[str]] = {}
        self._storm()
        self._run_everything()
        self._want()
        for mean_s, act in (*self._common(), *self._rare()):
            if act not in (self._kill_server, self.mishaps.wrong_context, self.mishaps.rebuild):
                self._again(mean_s, act)
        self._again(600.0, self._kill_neighbour)

    def look_after(self) -> None:
        """Do an operator's daily round, and forget what the test itself has piled up."""
        self.mishaps.mend()
        self._say_whose()
        self._storm()
        # What vanished today may be asked for once more: it is forgotten a day later.
        seen = frozenset().union(*(one.kubernetes.ever for one in self.sides))
        standing = frozenset(self.sides[0].by_id()) | (seen - self._seen)
        self._seen = seen
        names = {machine.name for _, machine in self.sides[0].standing()}
        self.edited &= standing
        self.truth.drained &= standing
        self.truth.forget(standing)
        for provider_id in self.unmarked.keys() - standing:
            del self.unmarked[provider_id]
        for cloud in self.clouds.values():
            # The data centre knows every order that it took and that failed later, for its receipt.
            for order in list(cloud.sales.failed)[:-REMEMBERED]:
                del cloud.sales.failed[order]
        for one in self.sides:
            one.kubernetes.forget(standing)
            one.autoscaler.forget()
            # What CA let go today may be deleted late: that too is forgotten a day later.
            lately = one.setting.asked - self._asked.get(one.name, frozenset())
            one.setting.asked &= lately | standing | names
            self._asked[one.name] = frozenset(one.setting.asked)
            one.server.witness = witness.Witness()
            one.server.judge = life.Judge(self.truth)
            one.server.judge.follow(one.server.fleet)
            one.server.caps = caps.Caps()

    def _kill_neighbour(self) -> None:
        one = self.sides[1]
        if one.kill_server():
            self.sim.at(self.chance.choice((0.0, 2.0, 30.0)), "", one.start_server)

    def _again(self, mean_s: float, act: history.Act) -> None:
        def again() -> None:
            act()
            self.sim.at(self.chance.expovariate(1 / mean_s), "", again)

        self.sim.at(self.chance.expovariate(1 / mean_s), "", again)


def main() -> int:
    wanted_s = float(os.environ.get("SECONDS_TO_SOAK", "3600"))
    listing.GONE_REMEMBERED = REMEMBERED
    began = time.monotonic()
    warm_mib = 0.0
    with histories.silence():
        soak = Soak(int(os.environ.get("SEED", "1")))
        soak.begin()
        days = 0
        while (lasted_s := time.monotonic() - began) < wanted_s:
            with _laws(soak):
                for _ in range(int(A_DAY_S / A_LOOK_S)):
                    soak.sim.run(A_LOOK_S)
                    if time.monotonic() - began > wanted_s:
                        break
                soak.look_after()
            days += 1
            held = rss_mib()
            if not warm_mib and lasted_s > WARM_UP * wanted_s:
                warm_mib = held
            fleet = soak.sides[0].server.fleet
            histories.say(
                f"day {days}: {held:.1f} MiB, {soak.sim.events} events, "
                f"{sum(one.autoscaler.ordered for one in soak.sides)} machines ordered, "
                f"{len(fleet.gone)} remembered as gone, {len(fleet.retired)} being deleted"
            )
    grown = rss_mib() - warm_mib if warm_mib else 0.0
    histories.say(
        f"{days} simulated days; {grown:+.1f} MiB since the warm-up, {GROWTH_MIB} are allowed"
    )
    return int(grown > GROWTH_MIB)


def rss_mib() -> float:
    """Return the resident memory of this process, after everything was collected."""
    gc.collect()
    with contextlib.suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


@contextlib.contextmanager
def _laws(soak: Soak):
    try:
        yield
    except AssertionError:
        histories.say("\n".join(soak.sim.log))
        raise


if __name__ == "__main__":
    sys.exit(main())
