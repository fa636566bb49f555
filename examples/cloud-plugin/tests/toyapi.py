"""Be Toycloud: an HTTP API on loopback with machines, time, pages and troubles.

Nothing here knows the provider: it is written from the vendor's side, so that what the provider
believes is held against something. Time is :attr:`Api.now`; it moves when a test says so.
"""

from __future__ import annotations

import base64
import dataclasses
import http.server
import json
import re
import socket
import threading
import time
import urllib.parse
from typing import Any, Self

BOOT_S, DELETE_S, WINDOW_S = 30.0, 10.0, 60.0
LIMIT = 600
SIZES = [
    {"name": "small", "cpus": 2, "memory_mib": 4096, "disk_gb": 40, "price_per_hour": 0.0065},
    {"name": "large", "cpus": 8, "memory_mib": 16384, "disk_gb": 160, "price_per_hour": 0.0260},
    {"name": "bare", "cpus": 4, "memory_mib": 8192, "disk_gb": 0, "price_per_hour": 0.0100},
]
REGIONS = ["north", "south"]
PAGE_OF_A_GATEWAY = b"<html><body>Bad Gateway</body></html>"
_TAG = re.compile(r"[a-z0-9:_-]{3,50}")


class RefusedError(Exception):
    """The API says no: a status, its own word, and a sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class CutError(Exception):
    """The connection ends without an answer."""


@dataclasses.dataclass
class Machine:
    id: str
    asked: dict[str, Any]
    created: float
    running_at: float
    gone_at: float = float("inf")
    deleting: bool = False
    state: str = ""  # what is shown instead of the truth

    def shown(self, now: float) -> dict[str, Any]:
        alive = "building" if now < self.running_at else "running"
        told = {key: self.asked[key] for key in ("name", "size", "region", "image", "tags")}
        state = self.state or ("deleting" if self.deleting else alive)
        number = self.id.removeprefix("m-")
        addresses = [f"198.51.100.{int(number) % 250 + 1}", f"2001:db8::{number}"]
        return {
            **told, "id": self.id, "state": state, "created": self.created, "addresses": addresses,
        }  # fmt: skip


class Api:
    """The cloud behind its API, and what a test may do to it."""

    def __init__(self, token: str, *, boot_s: float = BOOT_S) -> None:
        self.token, self.boot_s, self.now = token, boot_s, time.time()
        self.machines: dict[str, Machine] = {}
        self.orders: dict[str, dict[str, str]] = {}
        self.sold_out: set[tuple[str, str]] = set()
        self.images, self.keys = {"debian-13"}, {"ops"}
        self.limit, self.requests, self.used, self.made = 1000, 0, 0, 0
        self.refusal: RefusedError | None = None  # given to every request
        self.babbling = 0  # the status of the gateway's page that answers every request
        self.torn_page = 0  # the page of the next list of machines that fails, once
        self.tearing_page = 0  # before the page of this number a machine vanishes, once
        self.lost = ""  # "before" or "after" the work of the next create, once
        self.lost_mark = ""  # the same of the next change of tags
        self.filters = True  # whether lists are filtered by the tag that is asked for
        self.lies: dict[str, Any] = {}  # what every page says instead of the truth
        self.hanging: threading.Event | None = None
        self.guard = threading.RLock()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Exchange)
        self._server.daemon_threads = True
        self._server.api = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.mend()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def mend(self) -> None:
        """End all troubles but sold-out sizes and the limit."""
        self.refusal, self.babbling, self.torn_page, self.lost = None, 0, 0, ""
        self.lost_mark = ""
        if self.hanging is not None:
            self.hanging.set()
        self.hanging = None

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self.guard:
            self.now += seconds
            if seconds >= WINDOW_S:
                self.used = 0
            gone = [key for key, machine in self.machines.items() if machine.gone_at <= self.now]
            for key in gone:
                del self.machines[key]

    def add(self, asked: dict[str, Any], *, running: bool = False) -> Machine:
        """Make a machine, asking nobody."""
        with self.guard:
            self.made += 1
            ready = self.now if running else self.now + self.boot_s
            machine = Machine(f"m-{self.made}", asked, self.now, ready)
            self.machines[machine.id] = machine
            return machine

    def answer(  # noqa: PLR0911 - a route a row
        self, method: str, where: str, token: str, body: Any
    ) -> tuple[int, Any]:
        """Answer one request: a status and what becomes JSON; raises RefusedError or CutError."""
        path, _, query = where.partition("?")
        asked = dict(urllib.parse.parse_qsl(query))
        if self.refusal is not None:
            raise self.refusal
        if token != f"Bearer {self.token}":
            raise RefusedError(401, "bad_token", "this token opens nothing")
        match method, [urllib.parse.unquote(part) for part in path.split("/")[2:]]:
            case "GET", ["sizes"]:
                return 200, {"sizes": [{**size, **self._sold(size["name"])} for size in SIZES]}
            case "GET", ["machines"]:
                return 200, self._page(asked.get("tag"), int(asked["page"]), int(asked["per_page"]))
            case "POST", ["machines"]:
                return 202, self._create(body)
            case "GET", ["machines", key]:
                return 200, {"machine": self._machine(key).shown(self.now)}
            case "DELETE", ["machines", key]:
                machine = self._machine(key)
                machine.deleting, machine.gone_at = True, self.now + DELETE_S
                return 204, None
            case "PUT", ["machines", key, "tags"]:
                return 202, {"machine": self._mark(self._machine(key), body["tags"])}
            case "GET", ["orders", key]:
                return 200, {"order": self.orders[key]}
            case "GET", ["images" | "keys" as kind, name]:
                if name not in (self.images if kind == "images" else self.keys):
                    what = kind.removesuffix("s")
                    raise RefusedError(404, f"{what}_not_found", f"no {what} of this name: {name}")
                return 200, {"name": name}
            case "GET", ["account"]:
                return 200, {"limit": self.limit, "used": len(self.machines)}
        raise RefusedError(404, "no_such_path", f"there is no {method} {path}")

    def _sold(self, size: Any) -> dict[str, Any]:
        return {
            "regions": REGIONS,
            "sold_out": [region for region in REGIONS if (size, region) in self.sold_out],
        }

    def _page(self, tag: str | None, page: int, per_page: int) -> dict[str, Any]:
        if self.torn_page == page:
            self.torn_page = 0
            raise RefusedError(503, "internal", "this page cannot be had just now")
        if self.tearing_page == page:
            self.tearing_page = 0
            del self.machines[next(iter(self.machines))]
        shown = [
            machine.shown(self.now)
            for machine in self.machines.values()
            if tag is None or not self.filters or tag in machine.asked["tags"]
        ]
        ends = page * per_page
        return {
            "machines": shown[ends - per_page : ends],
            "next_page": page + 1 if ends < len(shown) else None,
            "total": len(shown),
            **self.lies,
        }

    def _create(self, body: Any) -> dict[str, Any]:
        if self.lost == "before":
            self.lost = ""
            raise CutError
        if body["size"] not in {size["name"] for size in SIZES} or body["region"] not in REGIONS:
            raise RefusedError(422, "size_not_found", f"{body['size']} is not sold there")
        if body["image"] not in self.images:
            raise RefusedError(422, "image_not_found", f"no image of this name: {body['image']}")
        if not set(body["keys"]) <= self.keys:
            raise RefusedError(422, "key_not_found", "no key of this name")
        if not all(_TAG.fullmatch(tag) for tag in body["tags"]):
            raise RefusedError(422, "bad_request", "a tag has characters that no tag may have")
        if (body["size"], body["region"]) in self.sold_out:
            raise RefusedError(409, "sold_out", f"{body['size']} is sold out in {body['region']}")
        if len(self.machines) >= self.limit:
            raise RefusedError(409, "machine_limit", "your account may not have more machines")
        machine = self.add({**body, "user_data": base64.b64decode(body["user_data"])})
        order = f"o-{machine.id}"
        self.orders[order] = {"state": "done", "code": "", "message": ""}
        if self.lost == "after":
            self.lost = ""
            raise CutError
        return {"machine": machine.shown(self.now), "order": order}

    def _mark(self, machine: Machine, tags: list[str]) -> dict[str, Any]:
        lost, self.lost_mark = self.lost_mark, ""
        if lost == "before":
            raise CutError
        if not all(_TAG.fullmatch(tag) for tag in tags):
            raise RefusedError(422, "bad_request", "a tag has characters that no tag may have")
        machine.asked["tags"] = tags
        if lost == "after":
            raise CutError
        return machine.shown(self.now)

    def _machine(self, key: str) -> Machine:
        if key not in self.machines:
            raise RefusedError(404, "machine_not_found", f"there is no machine {key}")
        return self.machines[key]


class _Exchange(http.server.BaseHTTPRequestHandler):
    """One connection: read a request, answer it, again."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body go out apart; the second must not wait
    timeout = 30

    def do_GET(self) -> None:
        api: Api = self.server.api  # type: ignore[attr-defined]
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with api.guard:
            api.requests += 1
            api.used += 1
            hanging, babbling = api.hanging, api.babbling
        if hanging is not None:
            hanging.wait(60)
            self._cut()
            return
        if babbling:
            self._send(babbling, "text/html", PAGE_OF_A_GATEWAY)
            return
        token = self.headers.get("Authorization") or ""
        try:
            with api.guard:
                status, told = api.answer(
                    self.command, self.path, token, json.loads(sent or b"null")
                )
        except CutError:
            self._cut()
            return
        except RefusedError as no:
            status, told = no.status, {"code": no.code, "message": no.message}
        self._send(status, "application/json", b"" if told is None else json.dumps(told).encode())

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - the library's names

    def _send(self, status: int, kind: str, body: bytes) -> None:
        api: Api = self.server.api  # type: ignore[attr-defined]
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "7")
        for name, value in {
            "Content-Type": kind,
            "Content-Length": len(body),
            "X-Request-Id": f"r-{api.requests}",
            "RateLimit-Limit": LIMIT,
            "RateLimit-Remaining": max(0, LIMIT - api.used),
            "RateLimit-Reset": int(WINDOW_S),
        }.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""
