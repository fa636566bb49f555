"""One request, once, in bounded time; whatever comes back is an answer, a no, or nothing."""

from __future__ import annotations

import base64
import contextlib
import datetime
import email.utils
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from providers import contract, errors, rest
from providers.fakes import engine
from providers.kit import exchange

TOKEN = "tok-3nS3cret4711"
NOW = 1_790_000_000.0


class Toy(engine.Fake):
    """A cloud whose every answer is the test's."""

    prefix = "/v9"

    def __init__(self, *answers: engine.Reply) -> None:
        super().__init__(token=TOKEN)
        self.answers = list(answers)
        self.shown: list[str] = []

    def error(self, status: int, code: str, message: str) -> engine.Reply:
        return engine.Reply(status=status, body={"id": code, "message": message})

    @engine.route("GET", "/thing")
    @engine.route("POST", "/thing")
    @engine.route("DELETE", "/thing")
    @engine.route("PATCH", "/thing")
    def thing(self, request: engine.Request) -> engine.Reply:
        return self.answers.pop(0) if self.answers else engine.Reply(body={"thing": 1})


def translate(error: rest.SaidNoError) -> errors.CloudError:
    """Mean by a status what the tests need."""
    message = error.sentence("message")
    match error.status:
        case 401:
            return errors.BadCredentials(message)
        case 409:
            return errors.OutOfStock(message)
        case 422:
            return errors.BadOrder(message, request_id="r-1")
        case 429:
            return errors.Throttled(message, retry_after_s=error.wait_s)
    return errors.Unreachable(message)


def budget(headers: rest.Headers, now: float) -> contract.Budget | None:
    left = headers.get("left")
    if left is None:
        return None
    return contract.Budget(limit=9, remaining=int(left), reset_at=now + 5, seen_at=now)


def connection(endpoint: str, **changes: Any) -> rest.Connection:
    fields = {"connect_timeout_s": 2.0, "read_timeout_s": 5.0, **changes}
    login = contract.Login(
        account="the-account", cluster="blue", token=TOKEN, endpoint=endpoint, **fields
    )
    vendor = rest.Vendor(endpoint="https://api.example", translate=translate, budget=budget)
    return rest.Connection(login, vendor, hands=4, clock=lambda: NOW)


@contextlib.contextmanager
def talking(*answers: engine.Reply) -> Iterator[tuple[Toy, rest.Connection]]:
    with Toy(*answers) as fake:
        talk = connection(fake.url)
        try:
            yield fake, talk
        finally:
            talk.close()


def fails(talk: rest.Connection, *, orders: bool = False) -> errors.CloudError:
    """Ask within an operation that must fail; give what came out."""
    with pytest.raises(errors.CloudError) as caught, talk.operation("create", orders=orders):
        talk.ask("POST", "/thing", body={"name": "é"})
    return caught.value


def test_a_request_says_who_what_and_in_json() -> None:
    with talking(engine.Reply(status=201, body={"price": 0.00595, "n": 1})) as (fake, talk):
        answer = talk.ask("POST", "/thing", params={"page": 2}, body={"name": "é ☃"})
    assert answer == {"price": Decimal("0.00595"), "n": 1}
    (exchange,) = fake.exchanges
    assert exchange.request.query == (("page", "2"),)
    assert exchange.request.json() == {"name": "é ☃"}
    assert exchange.request.header("Content-Type") == "application/json"
    assert exchange.request.header("User-Agent") == "vps-autoscaler"


def test_a_204_is_empty_and_a_read_has_no_body() -> None:
    with talking(engine.Reply(status=204), engine.Reply(body={"a": 1})) as (fake, talk):
        assert talk.ask("DELETE", "/thing") == {}
        assert talk.get("/thing", q="x") == {"a": 1}
    assert [each.request.body for each in fake.exchanges] == [b"", b""]


@pytest.mark.parametrize("odd", [None, "", "odd", 0, 7, [], [{}], True, "missing"], ids=repr)
def test_what_is_no_object_is_no_answer(odd: object) -> None:
    """``{"machine": null}`` taken for "there is none" would give a running machine up."""
    body = {} if odd == "missing" else {"machine": odd}
    with (
        talking(engine.Reply(body=body)) as (_, talk),
        pytest.raises(errors.Unreachable) as caught,
        talk.operation("look_up"),
    ):
        rest.object_in(talk.get("/thing"), "machine")
    assert "answered without an object 'machine'" in caught.value.message
    assert rest.object_in({"machine": {}}, "machine") == {}


# What is a vendor's own: headers, bodies that are no JSON, what an answer's headers say.


def its_own(login: contract.Login) -> dict[str, str]:
    return {"X-Auth-Token": login.token, "X-Project": "p-1", "User-Agent": "toy/1"}


@contextlib.contextmanager
def of(
    headers: Callable[[contract.Login], dict[str, str]], *answers: engine.Reply
) -> Iterator[tuple[Toy, rest.Connection]]:
    """Talk with a cloud that takes headers of its own, and notes its Authorization."""

    class Own(Toy):
        def authorised(self, request: engine.Request) -> bool:
            self.shown.append(request.header("Authorization"))
            return True

    with Own(*answers) as fake:
        login = contract.Login(account="a", cluster="blue", token=TOKEN, endpoint=fake.url)
        vendor = rest.Vendor(endpoint="", translate=translate, headers=headers)
        talk = rest.Connection(login, vendor, hands=2)
        try:
            yield fake, talk
        finally:
            talk.close()


def test_a_vendors_headers_take_the_place_of_ours() -> None:
    with of(its_own) as (fake, talk):
        assert talk.get("/thing") == {"thing": 1}
        talk.ask("POST", "/thing", body={})
    for each in fake.exchanges:
        request = each.request
        assert request.header("X-Auth-Token") == TOKEN
        assert request.header("X-Project") == "p-1"
        assert request.header("User-Agent") == "toy/1"
        assert request.header("Accept") == "application/json"
    assert set(fake.shown) == {""}


def test_what_a_header_makes_of_the_token_is_reported_nobody() -> None:
    made = base64.b64encode(f"me:{TOKEN}".encode()).decode()
    said = engine.Reply(status=422, body={"message": f"bad credentials {made}"})
    with of(lambda _login: {"Authorization": f"Basic {made}"}, said) as (fake, talk):
        error = fails(talk, orders=True)
        assert fake.shown == [f"Basic {made}"]
    assert error.message == "bad credentials (our token)"


def test_a_header_that_none_can_be_is_said_so_without_quoting_it() -> None:
    with of(lambda _login: {"X-Key": "se\ncret-of-mine"}) as (fake, talk):
        error = fails(talk, orders=True)
        assert fake.exchanges == []
    assert type(error) is errors.BadCredentials
    assert "x-key" in error.message
    assert "cret" not in str(error)


def test_the_connections_own_headers_are_nobody_elses() -> None:
    with (
        pytest.raises(errors.BadOrder, match="content-length"),
        of(lambda _login: {"Content-Length": "3"}),
    ):
        pass


@pytest.mark.parametrize(
    ("body", "text", "kind", "sent"),
    [
        ("#!/bin/sh\necho é\n", "", "text/plain; charset=utf-8", "#!/bin/sh\necho é\n".encode()),
        ("#cloud-config\n", "text/cloud-config", "text/cloud-config", b"#cloud-config\n"),
        (b"\x1f\x8b\x00", "", "application/octet-stream", b"\x1f\x8b\x00"),
        ({"a": 1}, "application/merge-patch+json", "application/merge-patch+json", b'{"a": 1}'),
    ],
)
def test_a_body_may_be_no_json(body: Any, text: str, kind: str, sent: bytes) -> None:
    with talking(engine.Reply(status=204)) as (fake, talk):
        assert talk.send("PATCH", "/thing", body=body, content_type=text).body == {}
    request = fake.exchanges[0].request
    assert (request.body, request.header("Content-Type")) == (sent, kind)


def test_a_good_answer_tells_its_headers() -> None:
    headers = {"Location": f"https://elsewhere.example/{TOKEN}/7", "X-Total-Count": "12"}
    reply = engine.Reply(status=201, body={"id": "7"}, headers=headers)
    with talking(reply) as (fake, talk):
        result = talk.send("POST", "/thing", body={})
        assert len(fake.exchanges) == 1, "nobody goes where a Location leads"
    assert (result.status, result.body, result.seen_at) == (201, {"id": "7"}, NOW)
    assert result.headers["x-total-count"] == "12"
    assert result.headers["location"] == "https://elsewhere.example/(our token)/7"


@pytest.mark.parametrize("status", [200, 201, 202])
def test_an_empty_answer_is_one_only_where_the_vendor_says_so(status: int) -> None:
    accepted = engine.Reply(status=status, body=None, headers={"Location": "/thing/7"})
    with talking(accepted, accepted) as (_, talk):
        result = talk.send("POST", "/thing", body={}, may_be_empty=True)
        assert (result.body, result.headers["location"]) == ({}, "/thing/7")
        with pytest.raises(rest.NoAnswerError, match="nothing in it"):
            talk.send("POST", "/thing", body={})


def test_what_may_be_empty_may_be_nothing_else() -> None:
    page = engine.Reply(status=202, body=engine.HTML_PAGE, content_type="text/html")
    with talking(page) as (_, talk), pytest.raises(rest.NoAnswerError, match="no JSON object"):
        talk.send("POST", "/thing", body={}, may_be_empty=True)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (engine.Reply(body=None), "nothing in it"),
        (engine.Reply(status=202, body=None), "202 with nothing in it"),
        (engine.Reply(body=b"<html>hello</html>", content_type="text/html"), "no JSON object"),
        (engine.Reply(body=b'{"thing": '), "no JSON object"),
        (engine.Reply(body=b'{"thing": NaN}'), "NaN, which is no JSON"),
        (engine.Reply(body=b"[1]"), "no JSON object"),
        (engine.Reply(body=b"null"), "no JSON object"),
        (engine.Reply(body=b'{"a":' * 100_000), "more than 64 deep"),
        (engine.Reply(body=b'{"a":' + b"9" * 5000 + b"}"), "a number beyond reason"),
        (engine.Reply(body=b"\xff\xfe\x00"), "no JSON object"),
        (engine.Reply(status=302, headers={"Location": "http://127.0.0.1:1/"}), "really"),
        (engine.Reply(status=500, body=engine.HTML_PAGE, content_type="text/html"), "500"),
        (engine.Reply(status=503), "503 Service Unavailable without a word of its own"),
    ],
)
def test_what_is_no_answer_makes_nobody_wiser(reply: engine.Reply, words: str) -> None:
    with talking(reply) as (fake, talk):
        error = fails(talk, orders=True)
        assert len(fake.exchanges) == 1
    assert type(error) is errors.Unreachable
    assert words in error.message
    assert (error.account, error.operation) == ("the-account", "create")


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (engine.FaultKind.LOST, {}),
        (engine.FaultKind.LOST, {"after": True}),
        (engine.FaultKind.CUT, {}),
        (engine.FaultKind.TRUNCATED, {}),
        (engine.FaultKind.EMPTY, {}),
        (engine.FaultKind.HTML, {}),
        (engine.FaultKind.HTML, {"after": True, "status": 200}),
        (engine.FaultKind.ERROR, {"status": 500}),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_nothing_is_sent_twice(
    kind: engine.FaultKind, settings: dict[str, Any], method: str
) -> None:
    with talking() as (fake, talk):
        fake.fail(kind, times=None, **settings)
        with pytest.raises(errors.Unreachable), talk.operation("any"):
            talk.ask(method, "/thing")
        assert len(fake.exchanges) == 1


def test_a_refused_connection_is_no_answer_and_heals() -> None:
    with talking() as (fake, talk):
        fake.refuse()
        assert "no connection" in fails(talk).message
        fake.accept()
        assert talk.get("/thing") == {"thing": 1}


def test_an_address_that_is_none() -> None:
    for endpoint in ("http://127.0.0.1:1", "ftp://x", "nonsense"):
        assert type(fails(connection(endpoint))) is errors.Unreachable


def test_silence_ends_with_the_read_timeout() -> None:
    with Toy() as fake:
        fake.fail(engine.FaultKind.HANG, times=None)
        talk = connection(fake.url, read_timeout_s=0.2)
        began = time.monotonic()
        assert "no answer in time" in fails(talk).message
        assert time.monotonic() - began < 2
        fake.release()
        talk.close()


@contextlib.contextmanager
def raw(serve: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """Answer one connection with bytes of one's own."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def work() -> None:
            peer, _ = listener.accept()
            with peer, contextlib.suppress(OSError):
                peer.recv(65536)
                serve(peer, over)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            thread.join(10)
            assert not thread.is_alive()


def test_an_answer_that_drips_ends_too() -> None:
    def drip(peer: socket.socket, over: threading.Event) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not over.wait(0.05):
            peer.sendall(b" ")

    with raw(drip) as url:
        talk = connection(url, read_timeout_s=0.3)
        began = time.monotonic()
        assert "no whole answer within 0.3 s" in fails(talk).message
        assert time.monotonic() - began < 3
        talk.close()


@pytest.mark.parametrize(
    "spoken",
    [
        b"I am no HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
    ],
)
def test_garbage_on_the_wire_is_no_answer(spoken: bytes) -> None:
    with raw(lambda peer, _over: peer.sendall(spoken)) as url:
        talk = connection(url, read_timeout_s=2.0)
        assert type(fails(talk)) is errors.Unreachable
        talk.close()


def test_an_endless_answer_is_not_kept() -> None:
    with talking(engine.Reply(body={"a": "x" * exchange.LARGEST_ANSWER_BYTES})) as (_, talk):
        assert "more than 8388608 bytes" in fails(talk).message


# What the cloud says no to.


def test_a_no_has_the_vendors_text() -> None:
    said = {"id": "x", "message": "  the size\n is   wrong "}
    with talking(engine.Reply(status=422, body=said)) as (_, talk):
        error = fails(talk, orders=True)
    assert type(error) is errors.BadOrder
    assert str(error) == "the-account create: the size is wrong (request r-1)"
    assert isinstance(error.__cause__, rest.SaidNoError)


def test_a_long_text_is_cut() -> None:
    with talking(engine.Reply(status=422, body={"message": "x" * 9000})) as (_, talk):
        assert len(fails(talk, orders=True).message) < 600


@pytest.mark.parametrize("status", [409, 422])
def test_only_an_order_can_be_refused_for_what_it_orders(status: int) -> None:
    """A look-up that raised NoCapacity or BadOrder would tell a machine's fate."""
    reply = engine.Reply(status=status, body={"message": "no such plan"})
    with talking(reply, reply) as (_, talk):
        assert isinstance(fails(talk, orders=True), errors.NoCapacity | errors.BadOrder)
        error = fails(talk)
    assert type(error) is errors.Unreachable
    assert error.message == "no such plan"


def test_what_our_own_code_raises_gets_its_place() -> None:
    talk = connection("http://127.0.0.1:1")
    with pytest.raises(errors.BadOrder) as caught, talk.operation("create", orders=True):
        raise errors.BadOrder("no image is configured")
    assert str(caught.value) == "the-account create: no image is configured"
    with pytest.raises(errors.Unreachable) as unread, talk.operation("instances"):
        raise KeyError("droplets")
    assert "could not be read: it lacks 'droplets'" in str(unread.value)


def test_the_token_is_never_reported(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said = engine.Reply(status=401, body={"message": f"bad token {TOKEN}!"})
    with talking(said, engine.Reply()) as (_, talk):
        error = fails(talk)
        values = [repr(error), str(error), repr(error.__cause__), repr(talk)]
        values.append(str(fails(talk)))
    assert "bad token (our token)!" in error.message
    assert TOKEN not in caplog.text + "".join(values)


# How long to wait, and what is left.


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("7", 7.0),
        ("2.5", 2.5),
        ("0", 1.0),
        ("-17", 1.0),
        ("86400", 60.0),
        ("inf", 60.0),
        ("nan", 1.0),
        ("-inf", 1.0),
        ("soon", None),
        ("", None),
        ("Fri, 99 Foo 2026", None),
    ],
)
def test_a_retry_after_within_bounds(header: str, wait_s: float | None) -> None:
    assert exchange.retry_after_s(header, NOW) == wait_s


def test_a_retry_after_may_be_a_date() -> None:
    when = datetime.datetime.fromtimestamp(NOW + 30, datetime.UTC)
    assert exchange.retry_after_s(email.utils.format_datetime(when, usegmt=True), NOW) == 30.0
    past = datetime.datetime.fromtimestamp(NOW - 9000, datetime.UTC)
    assert exchange.retry_after_s(email.utils.format_datetime(past, usegmt=True), NOW) == 1.0


def test_a_429_tells_how_long() -> None:
    slow = engine.Reply(status=429, body={"message": "slow down"}, headers={"Retry-After": "-3"})
    with talking(slow) as (_, talk):
        error = fails(talk)
    assert isinstance(error, errors.Throttled)
    assert error.retry_after_s == 1.0


def test_the_budget_is_what_the_last_answer_said_of_it() -> None:
    replies = (
        engine.Reply(body={}, headers={"Left": "4"}),
        engine.Reply(body={}),
        engine.Reply(status=500, headers={"Left": "3"}),
    )
    with talking(*replies) as (_, talk):
        assert talk.budget is None
        values = []
        for _ in replies:
            with contextlib.suppress(rest.SaidNoError):
                talk.get("/thing")
            assert talk.budget is not None
            values.append(talk.budget.remaining)
    assert values == [4, 4, 3]


def test_many_threads_share_a_connection() -> None:
    with talking() as (fake, talk):
        fake.slow(0.05)
        with contextlib.ExitStack() as all_done:
            for _ in range(6):
                thread = threading.Thread(target=lambda: talk.get("/thing"))
                thread.start()
                all_done.callback(thread.join, 10)
        assert len(fake.exchanges) == 6
        assert fake.peak > 1
    talk.close()
