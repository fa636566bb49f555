"""Be Toycloud: its words, over the engine that comes with ``vps-autoscaler[conformance]``.

Nothing here knows the provider: it is written from the vendor's side, so that what the provider
believes is held against something. Time, pages, limits and everything that goes wrong between a
client and a cloud are the engine's: see :mod:`providers.fakes`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from providers.fakes import engine, machines
from providers.fakes.engine import Reply, Request
from providers.fakes.machines import Machine

SIZES = [
    {"name": "small", "cpus": 2, "memory_mib": 4096, "disk_gb": 40, "price_per_hour": 0.0065},
    {"name": "large", "cpus": 8, "memory_mib": 16384, "disk_gb": 160, "price_per_hour": 0.0260},
    {"name": "bare", "cpus": 4, "memory_mib": 8192, "disk_gb": 0, "price_per_hour": 0.0100},
]
REGIONS = ["north", "south"]
_TAG = re.compile(r"[a-z0-9:_-]{3,50}")


class Api(machines.Cloud):
    """The cloud behind its API."""

    prefix = "/v1"

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.limit, self.images, self.keys = 1000, {"debian-13"}, {"ops"}
        self.orders: dict[str, dict[str, str]] = {}
        self.failing: list[str] = []  # codes that the next orders fail with, once accepted
        self.filters = True  # whether lists are filtered by the tag that is asked for
        self.lies: dict[str, Any] = {}  # what every page says instead of the truth
        self.window = engine.Window(600, 60.0)

    # Its words.

    def error(self, status: int, code: str, message: str) -> Reply:
        return Reply(status=status, body={"code": code, "message": message})

    def unauthorised(self, request: Request) -> Reply:
        return self.error(401, "bad_token", "this token opens nothing")

    def limits(self, request: Request) -> tuple[engine.Limiter, ...]:
        return (self.window,)

    def throttled(self, limiter: engine.Limiter, now: float) -> Reply:
        problem = self.error(429, "too_many_requests", "not so fast")
        return problem.with_headers({"Retry-After": f"{limiter.reset_at(now) - now:.0f}"})

    def rate_headers(self, limiter: engine.Limiter, now: float) -> Mapping[str, str]:
        value = (limiter.limit, limiter.remaining(now), int(limiter.reset_at(now) - now))
        names = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
        return dict(zip(names, map(str, value), strict=True))

    def reply_headers(self) -> Mapping[str, str]:
        return {"X-Request-Id": f"r-{len(self.exchanges)}"}

    def shown(self, machine: Machine) -> dict[str, Any]:
        alive = "running" if self.runs(machine) else "building"
        number = machine.id.removeprefix("m-")
        return {
            **{key: machine.asked[key] for key in ("size", "region", "image", "tags")},
            "id": machine.id,
            "name": machine.name,
            "state": machine.word or ("deleting" if machine.going else alive),
            "created": machine.created,
            "addresses": [f"198.51.100.{int(number) % 250 + 1}", f"2001:db8::{number}"],
        }

    # Its requests.

    @engine.route("GET", "/sizes")
    def _sizes(self, request: Request) -> Reply:
        def sold_out(size: Any) -> list[str]:
            return [region for region in REGIONS if (size["name"], region) in self.sold_out]

        rows = [{**size, "regions": REGIONS, "sold_out": sold_out(size)} for size in SIZES]
        return Reply(body={"sizes": rows})

    @engine.route("GET", "/machines")
    def _list(self, request: Request) -> Reply:
        tag, number = request.one("tag"), int(request.one("page"))
        there = self.listed()
        if tag and self.filters:
            there = [each for each in there if tag in each.asked["tags"]]
        rows, pages = self.page(there, number, int(request.one("per_page")))
        following = number + 1 if number < pages else None
        fields = {"machines": [self.shown(each) for each in rows], "next_page": following}
        return Reply(body={**fields, "total": len(there), **self.lies})

    @engine.route("POST", "/machines")
    def _create(self, request: Request) -> Reply:
        document = request.json()
        what = (document["size"], document["region"])
        if what[0] not in {size["name"] for size in SIZES} or what[1] not in REGIONS:
            self.refuse_with(422, "size_not_found", f"{what[0]} is not sold there")
        if document["image"] not in self.images:
            self.refuse_with(422, "image_not_found", f"no image of this name: {document['image']}")
        if not set(document["keys"]) <= self.keys:
            self.refuse_with(422, "key_not_found", "no key of this name")
        self._check_tags(document["tags"])
        if what in self.sold_out:
            self.refuse_with(409, "sold_out", f"{what[0]} is sold out in {what[1]}")
        if self.full():
            self.refuse_with(409, "machine_limit", "your account may not have more machines")
        document["user_data"] = base64.b64decode(document["user_data"])
        machine = self.add(document["name"], document)
        order = f"o-{machine.id}"
        self.orders[order] = {"state": "done", "code": "", "message": ""}
        if self.failing:
            self.orders[order] = {"state": "failed", "code": self.failing.pop(), "message": "sorry"}
            self.remove(machine)
        return Reply(status=202, body={"machine": self.shown(machine), "order": order})

    @engine.route("GET", "/machines/{id}")
    def _get(self, request: Request) -> Reply:
        return Reply(body={"machine": self.shown(self._known(request))})

    @engine.route("DELETE", "/machines/{id}")
    def _delete(self, request: Request) -> Reply:
        machine = self._known(request)
        if self.locked(machine):
            self.refuse_with(423, "machine_busy", "something else is done with it just now")
        self.remove(machine)
        return Reply(status=204)

    @engine.route("PUT", "/machines/{id}/tags")
    def _mark(self, request: Request) -> Reply:
        machine, tags = self._known(request), request.json()["tags"]
        self._check_tags(tags)
        machine.asked["tags"] = tags
        return Reply(status=202, body={"machine": self.shown(machine)})

    @engine.route("GET", "/orders/{id}")
    def _order(self, request: Request) -> Reply:
        return Reply(body={"order": self.orders[request.params["id"]]})

    @engine.route("GET", "/images/{name}")
    def _image(self, request: Request) -> Reply:
        return self._named("image", self.images, request.params["name"])

    @engine.route("GET", "/keys/{name}")
    def _key(self, request: Request) -> Reply:
        return self._named("key", self.keys, request.params["name"])

    @engine.route("GET", "/account")
    def _account(self, request: Request) -> Reply:
        return Reply(body={"limit": self.limit, "used": len(self.machines)})

    def _known(self, request: Request) -> Machine:
        machine = self.machines.get(request.params["id"])
        if machine is None:
            self.refuse_with(404, "machine_not_found", f"no machine {request.params['id']}")
        return machine

    def _named(self, kind: str, there: set[str], name: str) -> Reply:
        if name not in there:
            self.refuse_with(404, f"{kind}_not_found", f"no {kind} of this name: {name}")
        return Reply(body={"name": name})

    def _check_tags(self, tags: list[str]) -> None:
        if not all(_TAG.fullmatch(tag) for tag in tags):
            self.refuse_with(422, "bad_request", "a tag has characters that no tag may have")
