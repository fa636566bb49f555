"""Run a fake cloud: the part that is the same under every vendor's words.

A vendor's fake subclasses :class:`Fake`, says its errors in :meth:`Fake.error`, and answers
requests in plain methods::

    class Toy(engine.Fake):
        prefix = "/v1"

        def error(self, status, code, message):
            return engine.Reply(status=status, body={"error": {"code": code, "message": message}})

        @engine.route("GET", "/things/{id}")
        def thing(self, request):
            return engine.Reply(body={"thing": self.things[request.params["id"]]})

        @engine.control("stock")
        def set_stock(self, body):
            self.stock = body["count"]

    with Toy() as cloud:
        client = Client(endpoint=cloud.url, token=cloud.token)

The order of an exchange: fault before, key check, rate limit, latency, the work (under one lock,
the state first brought up to now), fault after, the log. ``/_control/...`` lies outside all that.
"""

from __future__ import annotations

import dataclasses
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from providers.fakes import faults, limits, remote, vendor, wire
from providers.fakes.faults import Fault, FaultKind
from providers.fakes.limits import Bucket, Limiter, Window
from providers.fakes.vendor import control, page, route
from providers.fakes.wire import RefusalError, Reply, Request

__all__ = [
    "Bucket", "Exchange", "Fake", "Fault", "FaultKind", "Limiter", "RefusalError", "Reply",
    "Request", "StoppedClock", "Window", "control", "page", "route",
]  # fmt: skip

HTML_PAGE = b"<html><head><title>Bad Gateway</title></head><body>nginx</body></html>"
FAKE_TOKEN = "fake-token"


class StoppedClock:
    """A clock that moves only when asked to; hand it in as ``clock`` for exact tests."""

    def __init__(self, now: float = 1_790_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time at which it stands."""
        return self.now


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What the log keeps of one exchange; ``sent`` is False when no whole answer went out.

    ``worked`` says whether a route did its work, so that a lost reply differs from a lost request.
    ``request.headers`` come without the authorization.
    """

    at: float
    request: wire.Request
    template: str
    reply: wire.Reply
    fault: faults.FaultKind | None
    worked: bool
    sent: bool


class _Route(NamedTuple):
    method: str
    pattern: re.Pattern[str]
    template: str
    function: Callable[[Request], Reply]


class Fake(vendor.Vendor, remote.Knobs):
    """One fake cloud behind one port of 127.0.0.1."""

    def __init__(self, *, token: str = FAKE_TOKEN, clock: Callable[[], float] = time.time) -> None:
        self.token = token
        self.clock = clock
        self.skew_s = 0.0
        self.faults = faults.FaultQueue()
        self.before: Callable[[wire.Request], None] = lambda _request: None
        """Called under the lock before the work of each request: the world moves meanwhile."""
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.exchanges: list[Exchange] = []
        self.peak = 0
        self._busy = 0
        self._latency: list[tuple[str, str, float]] = []
        self._released = threading.Event()
        self._closed = threading.Event()
        self._bugs: list[Exception] = []
        self._listener: wire.Listener | None = None
        self._routes = self._collect()

    # -- how a test drives it ----------------------------------------------------------------

    @property
    def url(self) -> str:
        """Return the address that a client takes as the vendor's endpoint."""
        return f"{self.root}{self.prefix}"

    @property
    def root(self) -> str:
        """Return the address without the vendor's prefix, where /_control lives."""
        if self._listener is None:
            raise RuntimeError("the fake was not started")
        return self._listener.url

    def start(self, port: int = 0, host: str = "127.0.0.1") -> Fake:
        """Listen; port 0 takes a free one."""
        self._listener = wire.Listener(self._answer, host, port)
        self._listener.start()
        return self

    def close(self) -> None:
        """Stop, ending everything that hangs; raises what broke inside the fake itself."""
        if self._listener is not None:
            self._listener.stop()
        self._closed.set()
        self._released.set()
        if self._listener is None:
            return
        broken = (*self._bugs, *self._listener.faults)
        if broken:
            raise AssertionError(f"the fake itself broke: {broken!r}") from broken[0]

    def __enter__(self) -> Any:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def refuse(self) -> None:
        """Stop listening: callers get connection refused."""
        assert self._listener is not None
        self._listener.stop()

    def accept(self) -> None:
        """Listen again at the same port."""
        assert self._listener is not None
        self._listener.start()

    def release(self) -> None:
        """End every exchange that hangs now; those that hang later wait for the next release."""
        self._released.set()
        self._released = threading.Event()

    def now(self) -> float:
        """Return the fake's time in Unix seconds."""
        return self.clock() + self.skew_s

    def advance(self, seconds: float) -> None:
        """Move the fake's time forward."""
        with self.changed:
            self.skew_s += seconds
            self.settle()
            self.changed.notify_all()

    def fail(self, kind: faults.FaultKind, **rule: Any) -> None:
        """Queue a fault; the keywords are the fields of :class:`faults.Fault`."""
        self.faults.add(faults.Fault(kind=kind, **rule))

    def slow(self, seconds: float, *, method: str = ".*", path: str = ".*") -> None:
        """Let matching requests wait before their work; the latest matching rule counts."""
        self._latency.insert(0, (method, path, seconds))

    def log(self, method: str = ".*", path: str = ".*") -> list[Exchange]:
        """Return the exchanges whose method matches whole and whose path holds ``path``."""
        with self.lock:
            return [
                each
                for each in self.exchanges
                if re.fullmatch(method, each.request.method) and re.search(path, each.request.path)
            ]

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Wait until a condition over the fake holds; raises AssertionError when it does not."""
        with self.changed:
            assert self.changed.wait_for(condition, timeout_s), "the condition never held"

    def knobs(self) -> dict[str, Callable[[Any], object]]:
        """Return what ``POST /_control/<name>`` calls, by name."""
        marked = (method for method in self._methods() if hasattr(method, "_control"))
        return {method._control: method for method in marked}

    # -- the exchange ------------------------------------------------------------------------

    def _methods(self) -> Iterable[Any]:
        names = dict.fromkeys(name for cls in type(self).__mro__ for name in vars(cls))
        functions = (name for name in names if callable(getattr(type(self), name, None)))
        return (getattr(self, name) for name in functions)

    def _collect(self) -> list[_Route]:
        table = []
        for function in self._methods():
            for method, template in getattr(function, "_routes", ()):
                pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template)
                table.append(_Route(method, re.compile(pattern + r"\Z"), template, function))
        return sorted(table, key=lambda each: each.template.count("{"))

    def _answer(self, request: wire.Request) -> wire.Answer:
        if request.path.startswith(remote.PREFIX):
            return remote.answer(self, request), None
        with self.changed:
            self._busy += 1
            self.peak = max(self.peak, self._busy)
            self.changed.notify_all()
        try:
            return self._exchange(request)
        finally:
            with self.changed:
                self._busy -= 1
                self.changed.notify_all()

    def _exchange(self, request: wire.Request) -> wire.Answer:
        released = self._released
        fault = self.faults.strike(request)
        reply, worked = None, False
        if fault is None or fault.works:
            reply, worked = self._work(request)
        cut: wire.Cut | None = None
        if fault is not None and fault.kind is faults.FaultKind.HANG:
            self._note(request, reply or Reply(status=0), fault, worked=worked, sent=False)
            released.wait()
            return Reply(status=0), wire.Cut.SILENT
        if fault is not None:
            reply, cut = self._struck(fault, reply)
        assert reply is not None
        self._note(request, reply, fault, worked=worked, sent=cut is None)
        return reply, cut

    def _work(self, request: wire.Request) -> tuple[Reply, bool]:
        """Answer as the vendor would, and return whether a route was reached."""
        if not self.authorised(request):
            return self.unauthorised(request), False
        with self.lock:
            now = self.now()
            counted = tuple(self.limits(request))
            empty = next((each for each in counted if not each.room(now)), None)
            if empty is None:
                for each in counted:
                    each.take(now)
            fields = dict(self.rate_headers(empty or counted[0], now)) if counted else {}
        fields.update(self.reply_headers())
        if empty is not None:
            return self.throttled(empty, now).with_headers(fields), False
        self._wait(request)
        return self._routed(request).with_headers(fields), True

    def _wait(self, request: wire.Request) -> None:
        for method, path, seconds in self._latency:
            if re.fullmatch(method, request.method) and re.search(path, request.path):
                self._closed.wait(seconds)
                return

    def _matching(self, request: wire.Request) -> Iterator[_Route]:
        """Yield the routes whose template the path fits, whatever their method."""
        if request.path.startswith(self.prefix):
            below = request.path.removeprefix(self.prefix)
            yield from (each for each in self._routes if each.pattern.match(below))

    def _routed(self, request: wire.Request) -> Reply:
        matching = tuple(self._matching(request))
        for each in matching:
            if each.method == request.method:
                found = each.pattern.match(request.path.removeprefix(self.prefix))
                params = found.groupdict() if found else {}
                with self.lock:
                    asked = dataclasses.replace(request, params=params)
                    return self._done(each.function, asked).frozen()
        if matching:
            return self.error(405, "method_not_allowed", "method not allowed")
        return self.error(404, "not_found", "not found")

    def _done(self, function: Callable[[Request], Reply], request: Request) -> Reply:
        try:
            self.settle()
            self.before(request)
            return function(request)
        except wire.RefusalError as refusal:
            return refusal.reply
        except wire.MalformedError:
            return self.malformed()
        except Exception as error:  # noqa: BLE001  (kept, and raised by close)
            self._bugs.append(error)
            return self.error(500, "server_error", f"the fake itself broke: {error!r}")

    def _struck(  # noqa: PLR0911  (one row a kind)
        self, fault: faults.Fault, reply: Reply | None
    ) -> tuple[Reply, wire.Cut | None]:
        whole = reply or Reply()
        match fault.kind:
            case faults.FaultKind.LOST | faults.FaultKind.HANG:
                return whole, wire.Cut.SILENT
            case faults.FaultKind.CUT:
                return whole, wire.Cut.MIDWAY
            case faults.FaultKind.ERROR:
                code = fault.code or "server_error"
                message = fault.message or "something broke on our side"
                problem = self.error(fault.status or 503, code, message)
                return problem.with_headers(self.reply_headers()), None
            case faults.FaultKind.HTML:
                page_body = Reply(
                    status=fault.status or 502, body=HTML_PAGE, content_type="text/html"
                )
                return page_body, None
            case faults.FaultKind.TRUNCATED:
                payload = whole.payload()
                return dataclasses.replace(whole, body=payload[: len(payload) // 2]), None
            case faults.FaultKind.EMPTY:
                return Reply(status=fault.status or whole.status, body=None), None
            case faults.FaultKind.THROTTLED:
                return self._throttled_now(fault), None
            case faults.FaultKind.CHANGED:
                return (fault.change or (lambda same: same))(whole), None

    def _throttled_now(self, fault: faults.Fault) -> Reply:
        now = self.now()
        counted = tuple(self.limits(Request(method="GET", path=self.prefix)))
        spent = limits.Spent(counted[0].limit if counted else 0, now + fault.reset_s)
        headers = {**self.rate_headers(spent, now), **self.reply_headers()}
        return self.throttled(spent, now).with_headers(headers)

    def _note(
        self,
        request: wire.Request,
        reply: Reply,
        fault: faults.Fault | None,
        *,
        worked: bool,
        sent: bool,
    ) -> None:
        quiet = {key: value for key, value in request.headers.items() if key != "authorization"}
        route = next((r for r in self._matching(request) if r.method == request.method), None)
        with self.changed:
            self.exchanges.append(
                Exchange(
                    at=self.now(),
                    request=dataclasses.replace(request, headers=quiet),
                    template=route.template if route else "",
                    reply=reply,
                    fault=fault.kind if fault else None,
                    worked=worked,
                    sent=sent,
                )
            )
            self.changed.notify_all()
