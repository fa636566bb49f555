"""All four clouds against one that means ill: every call ends, in time, in bounds, in our words."""

from __future__ import annotations

import base64
import gzip
import io
import itertools
import json
import time
import tracemalloc
import types
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from externalgrpc.control import call, cloud_calls
from externalgrpc.fleet import requests
from externalgrpc.model import installed_clouds
from externalgrpc.support import clock, logs
from providers import contract, errors
from providers.kit import paging
from tests import hostile
from tests.bench import clouds as places
from tests.hostile import Asked, Hostile, Step

TOKEN = "tok-3nS3cret4711"
SECRET = "a1b2c3.0123456789abcdef"
USER_DATA = f"""#!/bin/sh
# what a machine joins with
kubeadm join 10.0.0.1:6443 --token {SECRET} --discovery-token-ca-cert-hash sha256:0815
echo 'password: correct horse battery staple' > /root/raw-groups-have-secrets-too
"""
QUICK_S = 1.0
QUICK = {"connect_timeout_s": QUICK_S / 2, "read_timeout_s": QUICK_S}
"""The deadline where it is the deadline that is looked at."""

WHOLE_S = 20.0
"""The deadline everywhere else, out of the way: a busy machine must not stand in for the cloud."""

LATE_S = 1.5
"""How much later than its deadline a call may end, on a machine with other things to do."""

KINDS = {place.provider: place for place in places.ALL}


@pytest.fixture(params=sorted(KINDS))
def place(request: pytest.FixtureRequest) -> places.Place:
    return KINDS[request.param]


def opened(place: places.Place, url: str, **changes: Any) -> contract.Provider:
    fields = {"connect_timeout_s": WHOLE_S, "read_timeout_s": WHOLE_S, **changes}
    login = contract.Login(account="acc", cluster="blue", token=TOKEN, endpoint=url, **fields)
    return installed_clouds.installed()[place.provider].open(login)


def order(place: places.Place) -> contract.Order:
    return contract.Order(
        node_name="web-a1b2c3",
        cluster="blue",
        group="web",
        machine_type=contract.MachineType(
            name=place.machine_type, cpu_millis=2000, memory_bytes=4 * 1024**3, disk_bytes=10**10
        ),
        location=place.location,
        # An id needs no look-up by name on three clouds; Linode asks what the image can do.
        image="2136" if place.provider != "linode" else place.image,
        user_data=USER_DATA,
        ssh_keys=(),
    )


def calls(place: places.Place, provider: contract.Provider) -> dict[str, Callable[[], object]]:
    number = "cb676a46-66fd-4dfb-b839-443f2e6c0b60" if place.provider == "vultr" else "4711"
    return {
        "instances": provider.instances,
        "machine_types": provider.machine_types,
        "offers": provider.offers,
        "create": lambda: provider.create(order(place)),
        "look_up": lambda: provider.look_up(node_name="w", instance_id=number, receipt=""),
        "delete": lambda: provider.delete(number),
    }


def ends(call: Callable[[], object], within_s: float = WHOLE_S + LATE_S) -> errors.CloudError:
    """Make a call that must fail in time; give our error for it."""
    began = time.monotonic()
    with pytest.raises(errors.CloudError) as caught:
        call()
    assert time.monotonic() - began < within_s
    assert len(str(caught.value)) < 1200
    return caught.value


# Time.

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"


def silent(_asked: Asked) -> Iterable[Step]:
    yield 3600.0


def drips_headers(_asked: Asked) -> Iterable[Step]:
    return hostile.drip(b"HTTP/1.1 200 OK\r\nX-Long: ")


def drips_a_body(_asked: Asked) -> Iterable[Step]:
    return itertools.chain([HEAD], hostile.drip(b""))


def drips_chunks(_asked: Asked) -> Iterable[Step]:
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    while True:
        yield b"1\r\n \r\n"
        yield 0.05


def continues_for_ever(_asked: Asked) -> Iterable[Step]:
    while True:
        yield b"HTTP/1.1 100 Continue\r\n\r\n"
        yield 0.01


SLOW = (silent, drips_headers, drips_a_body, drips_chunks, continues_for_ever)


@pytest.mark.parametrize("script", SLOW)
def test_every_call_ends_by_one_deadline(place: places.Place, script: hostile.Script) -> None:
    with Hostile(script) as cloud:
        provider = opened(place, cloud.url, **QUICK)
        for name in ("instances", "create", "delete"):
            error = ends(calls(place, provider)[name], QUICK_S + LATE_S)
            assert type(error) is errors.Unreachable
        provider.close()


def test_a_connection_that_is_never_made_ends(place: places.Place) -> None:
    with hostile.deaf() as url:
        provider = opened(place, url, **QUICK)
        error = ends(provider.instances, QUICK_S + LATE_S)
        assert "no connection in time" in error.message
        provider.close()


def test_a_name_server_that_hangs_holds_nobody(
    place: places.Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket  # noqa: PLC0415
    import threading  # noqa: PLC0415

    let = threading.Event()
    asked = []

    def hangs(*of: Any, **_: Any) -> list[Any]:
        asked.append(of)
        let.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    provider = opened(place, "http://cloud.example", **QUICK)
    try:
        for _ in range(3):
            error = ends(provider.instances, QUICK_S + LATE_S)
            assert "cloud.example" in error.message
        assert len(asked) == 1, "one thread hangs, not one a call"
    finally:
        let.set()
        provider.close()


# Size and shape.


def json_of(body: bytes, **headers: str) -> hostile.Script:
    values = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return lambda _asked: [hostile.answer(body, headers=values)]


def endless(_asked: Asked) -> Iterator[Step]:
    yield b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{"\r\n'
    while True:
        yield b"10000\r\n" + b"x" * 0x10000 + b"\r\n"


def headers_without_end(_asked: Asked) -> Iterator[Step]:
    yield b"HTTP/1.1 200 OK\r\n"
    for number in itertools.count():
        yield b"".join(b"X-%d: %d\r\n" % (number, each) for each in range(1000))


def one_long_header(_asked: Asked) -> Iterator[Step]:
    yield b"HTTP/1.1 200 OK\r\nX-Long: "
    while True:
        yield b"x" * 65536


def bomb(size: int, wbits: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    block = b" " * (1024 * 1024)
    return b"".join(packer.compress(block) for _ in range(size)) + packer.flush()


GZIP, DEFLATE = bomb(512, 31), bomb(512, 15)

DEEP = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
BOUNDS: dict[str, hostile.Script] = {
    "gzip bomb": json_of(GZIP, Content_Encoding="gzip"),
    "deflate bomb": json_of(DEFLATE, Content_Encoding="deflate"),
    "twice packed": json_of(gzip.compress(GZIP), Content_Encoding="gzip, gzip"),
    "br": json_of(b"\x8b\x03\x80{}\n\x03", Content_Encoding="br"),
    "zstd": json_of(b"\x28\xb5\x2f\xfd", Content_Encoding="zstd"),
    "broken gzip": json_of(gzip.compress(b"{}")[:-4], Content_Encoding="gzip"),
    "gzip with more": json_of(gzip.compress(b"{}") * 2, Content_Encoding="gzip"),
    "deep JSON": json_of(DEEP),
    "JSON a little too deep": json_of(b'{"a":' + b"[" * 64 + b"]" * 64 + b"}"),
    "deep JSON in UTF-16": json_of(DEEP.decode().encode("utf-16")),
    "many values": json_of(b'{"a":[' + b"[],[]," * 1_000_000 + b"1]}"),
    "an endless body": endless,
    "headers without end": headers_without_end,
    "one long header": one_long_header,
    "too short a body": lambda _: [HEAD, b"{}"],
    "no length at all": lambda _: [b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}"],
    "a negative length": lambda _: [b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}"],
    "two lengths": lambda _: [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} "
    ],
    "no HTTP": lambda _: [b"SSH-2.0-OpenSSH_9.6\r\n"],
    "an upgrade": lambda _: [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n{}"],
    "a billion digits": json_of(b'{"id":' + b"9" * 1_000_000 + b"}"),
    "an exponent": json_of(b'{"servers":1e999999999,"meta":1}'),
    "NaN": json_of(b'{"servers":NaN}'),
    "nothing": json_of(b""),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_nothing_takes_more_than_its_share(place: places.Place, name: str) -> None:
    with Hostile(BOUNDS[name]) as cloud:
        provider = opened(place, cloud.url, read_timeout_s=5.0)
        tracemalloc.start()
        try:
            error = ends(provider.instances, 5.0 + LATE_S)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            provider.close()
    assert type(error) is errors.Unreachable
    assert peak < 100 * 1024 * 1024, f"{peak / 1e6:.0f} MB"
    assert "could not be read" not in error.message, "refused by its bounds, not by luck"


# Pages.


def pages(place: places.Place, rows: Callable[[int], list[Any]]) -> hostile.Script:
    """Give pages that are always followed by one more."""

    def script(asked: Asked) -> Iterable[Step]:
        page = asked.number
        body: dict[str, Any] = {
            "hetzner": {
                "servers": rows(page),
                "meta": {"pagination": {"next_page": page + 1, "total_entries": 10**9}},
            },
            "linode": {"data": rows(page), "page": page, "pages": 10**9, "results": 10**9},
            "digitalocean": {
                "droplets": rows(page),
                "links": {"pages": {"next": f"http://evil.example/?page={page + 1}"}},
                "meta": {"total": 10**9},
            },
            "vultr": {
                "instances": rows(page),
                "meta": {"total": 10**9, "links": {"next": f"c{page}", "prev": ""}},
            },
        }[place.provider]
        return [hostile.answer(body)]

    return script


STRANGER: dict[str, Any] = {"labels": {}, "tags": []}
"""What is read of a machine that is not ours: pages are translated as they come."""


@pytest.mark.parametrize("kind", ["new", "the same", "none"])
def test_pages_without_end_end(place: places.Place, kind: str) -> None:
    rows = {
        "new": lambda page: [{"id": page, **STRANGER}],
        "the same": lambda _page: [{"id": 1, **STRANGER}],
        "none": lambda _page: [],
    }[kind]
    with Hostile(pages(place, rows)) as cloud:
        provider = opened(place, cloud.url, read_timeout_s=10.0)
        error = ends(provider.instances, 60.0)
        provider.close()
        assert type(error) is errors.Unreachable
        most = {"new": paging.MOST_PAGES, "the same": 2, "none": 1}[kind]
        assert len(cloud.asked) == most


def test_pages_that_never_stop_trickling_end_in_time(
    place: places.Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "LONGEST_S", 0.5)
    slow = pages(place, lambda page: [{"id": page, **STRANGER}])

    def script(asked: Asked) -> Iterable[Step]:
        yield 0.2
        yield from slow(asked)

    with Hostile(script) as cloud:
        provider = opened(place, cloud.url, read_timeout_s=10.0)
        assert "not whole within 0.5 s" in ends(provider.instances, 10.0).message
        provider.close()


# Answers that lie about what they hold.

ODD = (None, -1, 0, 10**19, 10**40, 1e30, "", "x" * 20_000, [], {}, [[]], "\ud800", True, 1.5)


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
def test_wrong_types_and_absurd_numbers_are_errors_of_ours(place: places.Place, odd: Any) -> None:
    fields = (
        "servers", "droplets", "instances", "data", "meta", "links", "page", "pages", "results",
        "server_types", "sizes", "plans", "regions", "pricing", "server", "droplet", "instance",
        "action", "id", "tags", "errors", "error", "message",
    )  # fmt: skip
    bodies = [dict.fromkeys(fields, odd), {each: [odd] for each in fields}]
    bodies += [{each: dict.fromkeys(fields, odd) for each in fields}]
    answers = [
        hostile.answer(body, status=status)
        for status in ("200 OK", "422 No", "429 Slow", "500 Oh", "404 Gone")
        for body in bodies
    ]
    with Hostile(lambda asked: [answers[asked.number % len(answers)]]) as cloud:
        provider = opened(place, cloud.url)
        for _ in range(15):
            for call in calls(place, provider).values():
                try:
                    call()
                except errors.CloudError as error:
                    assert len(str(error)) < 1200
                    str(error).encode()
        provider.close()


# Where our token goes.


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Same", "308 Same"])
def test_no_redirect_takes_the_token_elsewhere(place: places.Place, status: str) -> None:
    with Hostile(lambda _asked: [hostile.answer({})]) as elsewhere:
        where = [("Location", f"{elsewhere.url}/v1/servers"), ("Refresh", f"0; {elsewhere.url}")]
        with Hostile(lambda _asked: [hostile.answer({}, status=status, headers=where)]) as cloud:
            provider = opened(place, cloud.url)
            for name in ("instances", "create", "delete", "look_up"):
                assert type(ends(calls(place, provider)[name])) is errors.Unreachable
            provider.close()
        assert elsewhere.asked == []


def test_no_cookie_is_kept(place: places.Place) -> None:
    cookies = [("Set-Cookie", f"c{number}=" + "x" * 1000) for number in range(20)]
    with Hostile(lambda _asked: [hostile.answer({}, headers=cookies)]) as cloud:
        provider = opened(place, cloud.url)
        for _ in range(3):
            ends(provider.instances)
        provider.close()
        assert not any(b"cookie" in asked.head.lower() for asked in cloud.asked)


def test_an_answer_longer_than_it_says_is_no_answer_to_the_next(place: places.Place) -> None:
    """The rest of it would be taken for the answer to whatever is asked next."""
    smuggled = (
        b'HTTP/1.1 404 Not Found\r\nContent-Length: 30\r\n\r\n{"error":"Invalid instance."}\n'
    )

    def script(asked: Asked) -> Iterable[Step]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}" + smuggled
        yield 1.0

    with Hostile(script) as cloud:
        provider = opened(place, cloud.url, read_timeout_s=5.0)
        for _ in range(3):
            ends(provider.instances)
        provider.close()
        assert len(cloud.asked) == 3


# What is told of it.


def echo(place: places.Place, text: str) -> Any:
    """Say no in a vendor's own form."""
    return {
        "hetzner": {"error": {"code": "invalid_input", "message": text}},
        "linode": {"errors": [{"reason": text, "field": "metadata.user_data"}]},
        "digitalocean": {"id": "unprocessable_entity", "message": text, "request_id": text},
        "vultr": {"error": text, "status": 400},
    }[place.provider]


ANOTHER = "zzz999.fedcba9876543210"
ENCODED = base64.b64encode(USER_DATA.encode()).decode()
ECHOES = {
    "token": f"unable to authenticate Bearer {TOKEN}!",
    "join token": f"could not parse: kubeadm join --token {SECRET} no",
    "another's join token": f"could not parse: token {ANOTHER} is in use",
    "escaped join token": f"could not parse: 'join\\n{SECRET}\\n'",
    "user-data": f"bad user_data: {USER_DATA}",
    "escaped user-data": f"bad user_data: {USER_DATA!r}",
    "JSON user-data": f"bad user_data: {json.dumps(USER_DATA)}",
    "the end of it": f"bad user_data: ...{USER_DATA[150:]}",
    "base64": f"bad user_data: {ENCODED}",
    "cut base64": f"bad user_data: {ENCODED[40:200]}...",
}
HIDDEN = (ANOTHER, TOKEN, SECRET.split(".")[1], "correct horse", "battery staple", ENCODED[60:100])


@pytest.mark.parametrize("kind", ECHOES)
@pytest.mark.parametrize("status", ["422 No", "400 No", "401 No", "403 No", "500 Oh"])
def test_what_a_cloud_echoes_reaches_nobody(place: places.Place, kind: str, status: str) -> None:
    ids = [("X-Correlation-Id", f"id {TOKEN}"), ("X-Request-Id", TOKEN)]
    result = hostile.answer(echo(place, ECHOES[kind]), status=status, headers=ids)
    for as_json in (False, True):
        log = io.StringIO()
        logs.set_up(level="debug", as_json=as_json, stream=log)
        with Hostile(lambda _asked: [result]) as cloud:
            provider = opened(place, cloud.url)
            seen = _created(place, provider)
            provider.close()
        text = log.getvalue() + "".join(seen)
        assert "refused" in log.getvalue()
        assert "authenticate" in seen[0] or "bad user_data" in seen[0] or "parse" in seen[0]
        for hidden in HIDDEN:
            assert hidden not in text
        if as_json:
            assert all(json.loads(line) for line in log.getvalue().splitlines())


def _created(place: places.Place, provider: contract.Provider) -> list[str]:
    """Order as the server does, in vain; give what becomes of the error."""
    launch = requests.Create(
        account="acc",
        name="web-a1b2c3",
        group=types.SimpleNamespace(name="web"),  # type: ignore[arg-type]
        candidate=None,  # type: ignore[arg-type]
        machine_type=None,  # type: ignore[arg-type]
    )
    tools = call.Tools(provider, lambda _: order(place), clock.SystemClock())
    try:
        cloud_calls.of(launch).run(tools)
    except errors.CloudError as error:
        logs.Log("lane").exception("refused", error=str(error))
        return [str(error), repr(error), error.message, error.request_id]
    raise AssertionError("the order was taken")
