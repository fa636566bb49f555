"""Answer the four clouds' wires with spoilt replies: ``python -m tests.fuzz.replies --seconds 60``.

The seeds are what the fakes themselves answer to every call. Each round asks one call of one cloud
while some of the answers on the way are spoilt, in their bytes, their JSON, their headers or their
framing. The law: a call ends in time, with a value of the contract or an error of ours, which is
short, can be written, and holds none of our secrets; and memory stays.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import os
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from externalgrpc.model import installed_clouds
from providers import contract, errors, masking
from tests import hostile
from tests.bench import clouds as places
from tests.hostile import Asked, Hostile, Step

TOKEN = "fake-token-0815-4711"
SECRET = "a1b2c3.0123456789abcdef"
USER_DATA = f"#!/bin/sh\nkubeadm join --token {SECRET} 10.0.0.1:6443 # and so on and so forth\n"
WHOLE_S = 1.0
LATEST_S = 6 * WHOLE_S
"""A call may take several exchanges, of which each may take its time."""

GROWTH_BYTES = 150 * 1024 * 1024

ODD: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, 10**40, -(10**19), 1.5, 1e30, "", "x" * 5000, "\ud800", "\x00\x1b[2J",
    "a\u202eb", [], {}, [None], [[]], {"id": 1}, TOKEN, f"join {SECRET}", USER_DATA,
)  # fmt: skip
RAW_ODD = (b"NaN", b"1e999", b"-Infinity", b"9" * 5000, b"1e999999999", b"[" * 5000, b"\xff", b"\\")
HEADERS = (
    ("Retry-After", ("-1", "1e9", "nan", "soon", "Thu, 01 Jan 1970 00:00:00 GMT", "9" * 4000)),
    ("RateLimit-Limit", ("0", "-1", "1e400", "x", "9" * 30)),
    ("RateLimit-Remaining", ("-1", "nan", "9" * 30)),
    ("RateLimit-Reset", ("-1", "inf", "9" * 30)),
    ("X-RateLimit-Limit", ("0", "nan", "1e30")),
    ("X-RateLimit-Remaining", ("inf", "-5")),
    ("X-RateLimit-Reset", ("1e300", "x")),
    ("Content-Encoding", ("gzip", "br", "gzip, gzip", "")),
    ("Location", ("http://127.0.0.1:1/", "//x")),
    ("Set-Cookie", ("a=b", "x" * 3000)),
    ("X-Correlation-Id", (TOKEN, "x" * 5000)),
)
STATUSES = (
    "200 OK", "201 Made", "204 None", "206 Part", "302 Found", "400 No", "401 No", "403 No",
    "404 Not Found", "409 Taken", "422 No", "429 Slow", "500 Oh", "503 No",
)  # fmt: skip


def spoil_json(chance: random.Random, value: Any) -> Any:
    """Put something odd in a random place of a JSON value."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(sorted(value))
        kind = chance.random()
        if kind < 0.15:
            return {k: v for k, v in value.items() if k != key}
        return {**value, key: spoil_json(chance, value[key])}
    if isinstance(value, list) and value and chance.random() < 0.85:
        at = chance.randrange(len(value))
        if chance.random() < 0.2:
            return value[:at] + value[at:] * 2
        return [*value[:at], spoil_json(chance, value[at]), *value[at + 1 :]]
    return chance.choice(ODD)


def spoil_bytes(chance: random.Random, raw: bytes) -> bytes:
    """Change, cut or stuff some bytes."""
    spoilt = bytearray(raw)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(spoilt) + 1)
        match chance.randrange(5):
            case 0:
                spoilt[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del spoilt[at : at + chance.randint(1, 40)]
            case 2:
                spoilt[at:at] = chance.choice(RAW_ODD)
            case 3:
                other = chance.randrange(len(spoilt) + 1)
                spoilt[at:at] = spoilt[other : other + 60]
            case 4:
                spoilt[at:at] = chance.choice((b"\r\n", b"\r\n\r\n", b'"', b"{", b"}", b"0\r\n"))
    return bytes(spoilt)


def spoil(chance: random.Random, reply: bytes) -> list[Step]:
    """Spoil a whole answer in one of many ways; some come in slow pieces."""
    head, _, body = reply.partition(b"\r\n\r\n")
    status = head.split(b"\r\n")[0].decode("latin-1").partition(" ")[2]
    headers: list[tuple[str, str]] = []
    kind = chance.randrange(8)
    if kind < 4:
        with contextlib.suppress(ValueError):
            parsed = json.loads(body)
            for _ in range(chance.randint(1, 3)):
                parsed = spoil_json(chance, parsed)
            body = json.dumps(parsed).encode()
    elif kind == 4:
        body = spoil_bytes(chance, body)
    if chance.random() < 0.3:
        name, values = chance.choice(HEADERS)
        headers.append((name, chance.choice(values)))
    if chance.random() < 0.3:
        status = chance.choice(STATUSES)
    if chance.random() < 0.1:
        body, headers = gzip.compress(body), [*headers, ("Content-Encoding", "gzip")]
    spoilt = hostile.answer(body, status=status, headers=headers)
    if kind == 5:
        spoilt = spoil_bytes(chance, spoilt)
    elif kind == 6:
        spoilt = spoilt[: chance.randrange(len(spoilt) + 1)]
    if kind == 7:
        at = chance.randrange(len(spoilt) + 1)
        return [spoilt[:at], chance.choice((0.01, 0.05, WHOLE_S * 2)), spoilt[at:]]
    return [spoilt]


class Round:
    """One cloud, its fake, and the hostile relay before it."""

    def __init__(self, place: places.Place, stack: contextlib.ExitStack, seed: int) -> None:
        self.place = place
        self.chance = random.Random(seed)
        self.often = 0.0
        self.fake = stack.enter_context(place.start(token=TOKEN))
        for number in range(3):
            place.add(self.fake, f"web-{number}", "web")
        relay = stack.enter_context(Hostile(self._answer))
        login = contract.Login(
            account="acc",
            cluster=places.CLUSTER,
            token=TOKEN,
            endpoint=relay.url + self.fake.prefix,
            connect_timeout_s=WHOLE_S,
            read_timeout_s=WHOLE_S,
        )
        self.provider = installed_clouds.installed()[place.provider].open(login)
        stack.callback(self.provider.close)
        self.relay = relay
        self.ids = [each.id for each in self.provider.instances()]

    def _answer(self, asked: Asked) -> Iterable[Step]:
        reply = hostile.forward(self.fake.root, asked)
        return spoil(self.chance, reply) if self.chance.random() < self.often else [reply]

    def calls(self) -> tuple[Callable[[], object], ...]:
        of, number = self.provider, self.chance.choice(self.ids)
        return (
            of.instances,
            of.machine_types,
            of.offers,
            of.quota,
            lambda: of.create(self.order()),
            lambda: of.check_order(self.order()),
            lambda: of.look_up(node_name="web-1", instance_id=number, receipt="1"),
            lambda: of.look_up(node_name="web-1", instance_id="", receipt=""),
            lambda: of.delete(number),
        )

    def order(self) -> contract.Order:
        place = self.place
        masking.hide(USER_DATA)
        return contract.Order(
            node_name=f"web-{self.chance.randrange(10**6)}",
            cluster=places.CLUSTER,
            group="web",
            machine_type=contract.MachineType(
                name=place.machine_type, cpu_millis=1, memory_bytes=1, disk_bytes=1
            ),
            location=place.location,
            image=place.image,
            user_data=USER_DATA,
        )

    def play(self) -> str:
        """Ask once; give what came of it. Raises AssertionError where the law is broken."""
        self.often = self.chance.choice((0.3, 1.0))
        call = self.chance.choice(self.calls())
        began = time.monotonic()
        try:
            call()
            outcome = "an answer"
        except errors.CloudError as error:
            outcome = type(error).__name__
            text = f"{error} {error!r}"
            assert len(text) < 4000, f"an error of {len(text)} characters"
            text.encode()
            for hidden in (TOKEN, SECRET, "and so forth"):
                assert hidden not in text, text
        took_s = time.monotonic() - began
        assert took_s < LATEST_S, f"{took_s:.1f} s"
        budget = self.provider.budget()
        assert budget is None or isinstance(budget, contract.Budget)
        del self.relay.asked[:]
        return outcome


def main() -> int:
    """Fuzz for a while; give 1 where the law was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.replies", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    args = parser.parse_args()
    outcomes: Counter[str] = Counter()
    with contextlib.ExitStack() as stack:
        rounds = [Round(place, stack, args.seed) for place in places.installed()]
        for each in rounds:
            each.fake.limits = lambda _request: ()
        ends = time.monotonic() + args.seconds
        before = 0
        while time.monotonic() < ends:
            each = rounds[sum(outcomes.values()) % len(rounds)]
            try:
                outcomes[each.play()] += 1
            except Exception as error:  # whatever it is, it breaks the law
                print(f"seed {args.seed}, round {sum(outcomes.values())}, {each.place.provider}:")  # noqa: T201
                raise SystemExit(f"the law is broken: {error!r}") from error
            if sum(outcomes.values()) == 200:
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"seed {args.seed}: {sum(outcomes.values())} calls: {dict(outcomes)}")  # noqa: T201
    if before and peak - before > GROWTH_BYTES:
        print(f"memory grew by {(peak - before) / 1e6:.0f} MB")  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
