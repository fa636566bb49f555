"""Run a fake cloud as a program, for tests that span processes.

Prints the endpoint's address as its first line, then serves until SIGTERM or SIGINT. What it does
is steered over ``/_control/`` beside the endpoint (see :mod:`providers.fakes.engine`).
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Sequence

from providers.fakes import engine

Build = Callable[[argparse.Namespace], engine.Fake]


def run(
    argv: Sequence[str],
    build: Build,
    describe: Callable[[argparse.ArgumentParser], None] = lambda _parser: None,
) -> int:
    """Parse ``argv``, serve the fake that ``build`` makes of it, and stop on a signal.

    ``describe`` adds the cloud's own arguments. ``--latency METHOD PATH SECONDS`` may be given
    many times; ``--latency-create`` is for every POST, ``--latency-all`` for everything.
    """
    parser = argparse.ArgumentParser(description=build.__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--token", default="fake-token")
    parser.add_argument("--latency-all", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--latency-create", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument(
        "--latency", nargs=3, action="append", default=[], metavar=("METHOD", "PATH", "SECONDS")
    )
    describe(parser)
    arguments = parser.parse_args(argv)
    fake = build(arguments)
    if arguments.latency_all:
        fake.slow(arguments.latency_all)
    if arguments.latency_create:
        fake.slow(arguments.latency_create, method="POST")
    for method, path, seconds in arguments.latency:
        fake.slow(float(seconds), method=method, path=path)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    fake.start(arguments.port, arguments.host)
    sys.stdout.write(fake.url + "\n")
    sys.stdout.flush()
    stop.wait()
    fake.close()
    return 0
