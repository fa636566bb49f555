"""Whole-server fault histories, one a seed.

``python -m tests.laws.histories --seeds 0-2000`` replays them and says how many a minute; at the
first that breaks a law it prints the seed, the law and the log of events, and ends with 1.
``--seeds 1234 --log`` shows one history.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import logging
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from tests.laws import history


def play(seed: int) -> history.Reported:
    """Play the history of a seed."""
    with silence():
        return dataclasses.replace(history.History(seed).play(), seed=seed)


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keep the server's log out of the way: a history has a log of its own."""
    log = logging.getLogger("vps_autoscaler")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(level)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tests.laws.histories", description=__doc__)
    parser.add_argument("--seeds", default="0-300", help="one seed, or first-last")
    parser.add_argument("--jobs", type=int, default=1, help="so many processes at a time")
    parser.add_argument("--log", action="store_true", help="show the log of the last history")
    chosen = parser.parse_args(arguments)
    first, _, last = chosen.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    totals: Counter[str] = Counter()
    casts: Counter[str] = Counter()
    began = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(chosen.jobs) as pool:
        for item in pool.imap(play, seeds):
            casts[item.cast] += 1
            totals.update(
                histories=1,
                events=item.events,
                kills=item.kills,
                starts=item.autoscaler_starts,
                ordered=item.ordered,
            )
            if item.broken or chosen.log:
                say("\n".join(item.log))
            if item.broken:
                say(f"seed {item.seed} breaks a law: {item.broken}")
                return 1
    minutes = (time.monotonic() - began) / 60
    say(
        f"{totals['histories']} histories hold the laws, {totals['histories'] / minutes:.0f} a "
        f"minute: {totals['events']} events, {totals['ordered']} machines ordered, "
        f"{totals['kills']} kills of the server, {totals['starts']} starts of the autoscaler; "
        f"{', '.join(f'{count} of {cast}' for cast, count in sorted(casts.items()))}"
    )
    return 0


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
