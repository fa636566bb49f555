"""Streams of events take a bounded number of places and no thread, and end when the server does."""

from __future__ import annotations

import contextlib
import threading
import time

from externalgrpc.control import http_pages, httpd
from tests import serving
from tests.control import test_httpd as crowds

LISTEN = b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n"


def answer(environ, start_response):
    kind = "text/event-stream" if environ["PATH_INFO"] == "/events" else "text/plain"
    start_response("200 OK", [("Content-Type", kind)])
    return http_pages.STREAM if environ["PATH_INFO"] == "/events" else [b"fine\n"]


@contextlib.contextmanager
def up(**settings):
    with crowds.up(answer, **settings) as server:
        yield server


def until_said(one, words):
    """Read until some words came, and give all that did."""
    got = b""
    while words not in got:
        part = one.recv(4096)
        assert part, got
        got += part
    return got


def listening(server, stack, number):
    for _ in range(number):
        one = stack.enter_context(crowds.knock(server.port, said=LISTEN))
        until_said(one, b"\r\n\r\n")
        yield one


def test_what_is_published_reaches_every_stream():
    with up() as server, contextlib.ExitStack() as stack:
        ones = list(listening(server, stack, 3))
        for number in (b"1", b"2"):
            server.publish(b"data: " + number + b"\n\n")
            for one in ones:
                assert until_said(one, b"data: " + number + b"\n\n")


def test_a_stream_has_no_length_and_says_what_it_is():
    with up() as server, crowds.knock(server.port, said=LISTEN) as one:
        head = until_said(one, b"\r\n\r\n")
    assert b"Content-Type: text/event-stream" in head
    assert b"Content-Length" not in head


def test_the_head_alone_does_not_stay_open():
    with up() as server:
        assert crowds.ask(server.port, LISTEN.replace(b"GET", b"HEAD")).startswith(b"HTTP/1.1 200")
        assert server.streams() == 0


def test_streams_are_bounded_and_take_no_thread_and_no_place_of_others():
    with up() as server, contextlib.ExitStack() as stack:
        assert crowds.asked_in(server.port) < 5
        before = threading.active_count()
        list(listening(server, stack, httpd.MOST_STREAMS))
        refused = crowds.ask(server.port, LISTEN)
        assert refused.startswith(b"HTTP/1.1 503")
        assert b"Retry-After" in refused
        assert threading.active_count() - before <= 3  # the makers, as far as they were not up
        assert crowds.asked_in(server.port) < 5
        serving.until(lambda: not server._peers)


def test_a_flood_of_requests_ends_no_stream():
    with up() as server, crowds.knock(server.port, said=LISTEN) as one:
        until_said(one, b"\r\n\r\n")
        with crowds.crowd(server.port, httpd.MOST_CONNECTIONS * 2, crowds.HALF):
            assert crowds.asked_in(server.port) < 5
            server.publish(b"data: here\n\n")
            assert until_said(one, b"data: here")


def test_who_leaves_frees_the_place_at_once():
    with up() as server:
        with crowds.knock(server.port, said=LISTEN) as one:
            until_said(one, b"\r\n\r\n")
            assert server.streams() == 1
        serving.until(lambda: server.streams() == 0)


def test_who_goes_on_talking_is_hung_up_on():
    with up() as server, crowds.knock(server.port, said=LISTEN) as one:
        until_said(one, b"\r\n\r\n")
        one.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert crowds.all_of(one) == b""


def test_hearts_beat_and_a_stream_has_its_time():
    with up(heartbeat_s=0.2, stream_s=1.0) as server:
        began = time.monotonic()
        said = crowds.ask(server.port, LISTEN)
        assert 0.5 < time.monotonic() - began < 8
        assert said.partition(b"\r\n\r\n")[2].count(b":\n\n") >= 2


def test_who_takes_nothing_is_hung_up_on_and_never_owed_more_than_one_event():
    large = b"data: " + b"x" * crowds.LARGE + b"\n\n"
    with up(write_s=0.5) as server, crowds.knock(server.port, said=LISTEN) as one:
        until_said(one, b"\r\n\r\n")
        for _ in range(3):
            server.publish(large)
        serving.until(lambda: server.streams() == 0)
        assert len(crowds.all_of(one)) < crowds.LARGE


def test_an_event_that_is_on_its_way_is_not_cut_by_the_next():
    large = b"data: " + b"x" * crowds.LARGE + b"\n\n"
    with up() as server, crowds.knock(server.port, said=LISTEN) as one:
        until_said(one, b"\r\n\r\n")
        server.publish(large)
        got = bytearray(one.recv(4096))  # the rest of it cannot have been taken yet
        server.publish(b"data: other\n\n")
        serving.until(lambda: not server._news)
        while len(got) < len(large):
            part = one.recv(1 << 20)
            assert part
            got += part
        assert bytes(got[: len(large)]) == large


def test_streams_end_with_the_server():
    with up() as server, crowds.knock(server.port, said=LISTEN) as one:
        until_said(one, b"\r\n\r\n")
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 2
        assert crowds.all_of(one) == b""
        server.stop = lambda: None
