"""Hold a fake Hetzner project's standing things: catalogue, images, keys, networks, groups.

They are plain dictionaries in the API's own shape. Errors, pages, filters and rate limits, which
everything in the API shares, live here too; servers and actions are in :mod:`tests.fakes.hetzner`.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from providers.fakes import engine, limits
from tests.fakes import hetzner_catalogue, hetzner_model, selectors

MAX_PER_PAGE = 50
SPREAD_MAX = 10
REQUESTS_AN_HOUR = 3600
Row = dict[str, Any]


class Project(engine.Fake):
    """What a project has besides servers, and how the API says things."""

    prefix = "/v1"

    def __init__(
        self, *, token: str = engine.FAKE_TOKEN, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(token=token, clock=clock)
        self.max_per_page = MAX_PER_PAGE
        self.ids = itertools.count(4_711_001)
        self.catalogue = hetzner_catalogue.load()
        self.pricing = hetzner_catalogue.pricing(self.catalogue)
        self.images: list[Row] = self.catalogue["images"]
        self.ssh_keys: list[Row] = []
        self.networks: list[Row] = []
        self.firewalls: list[Row] = []
        self.placement_groups: list[Row] = []
        self.bucket = limits.Bucket(REQUESTS_AN_HOUR, REQUESTS_AN_HOUR / 3600)
        self.readonly_token = False

    # -- the vendor's words -------------------------------------------------------------------

    def error(self, status: int, code: str, message: str, details: Any = None) -> engine.Reply:
        fields = {"code": code, "message": message, "details": details}
        return engine.Reply(status=status, body={"error": fields})

    def limits(self, request: engine.Request) -> Sequence[engine.Limiter]:
        return (self.bucket,)

    def rate_headers(self, limiter: engine.Limiter, now: float) -> Mapping[str, str]:
        return {
            "RateLimit-Limit": str(limiter.limit),
            "RateLimit-Remaining": str(limiter.remaining(now)),
            "RateLimit-Reset": str(int(limiter.reset_at(now))),
        }

    def throttled(self, limiter: engine.Limiter, now: float) -> engine.Reply:
        return self.error(429, "rate_limit_exceeded", "limit of 3600 requests per hour reached")

    def reply_headers(self) -> Mapping[str, str]:
        return {"X-Correlation-Id": f"{next(self.ids):016x}"}

    def refuse_with(self, status: int, code: str, message: str, details: Any = None) -> NoReturn:
        """Answer the request under way with an error."""
        raise engine.RefusalError(self.error(status, code, message, details))

    def invalid(self, field: str, message: str) -> NoReturn:
        """Answer that a field of the input is wrong."""
        details = {"fields": [{"name": field, "messages": [message]}]}
        text = f"invalid input in field '{field}': {message}"
        self.refuse_with(422, "invalid_input", text, details)

    def taken(self, kind: str) -> NoReturn:
        """Answer that a name is not unique."""
        details = {"fields": [{"name": "name"}]}
        self.refuse_with(409, "uniqueness_error", f"{kind} name is already used", details)

    # -- lists ----------------------------------------------------------------------------------

    def paged(self, key: str, rows: Iterable[Row], request: engine.Request) -> engine.Reply:
        """Filter by name and labels, sort, and answer one page."""
        chosen = self.filtered(rows, request)
        number, size = self._count(request, "page", 1), self._count(request, "per_page", 25)
        size = min(self.max_per_page, size)
        cut, pages = engine.page(chosen, number, size)
        pagination = {
            "page": number,
            "per_page": size,
            "previous_page": number - 1 if number > 1 else None,
            "next_page": number + 1 if number < pages else None,
            "last_page": pages,
            "total_entries": len(chosen),
        }
        return engine.Reply(body={key: list(cut), "meta": {"pagination": pagination}})

    def _count(self, request: engine.Request, name: str, default: int) -> int:
        response = request.one(name, str(default))
        if not response.isdigit() or int(response) < 1:
            self.invalid(name, "must be a number greater than zero")
        return int(response)

    def filtered(self, rows: Iterable[Row], request: engine.Request) -> list[Row]:
        """Apply ``name``, ``label_selector`` and ``sort``."""
        chosen = list(rows)
        if name := request.one("name"):
            chosen = [row for row in chosen if row.get("name") == name]
        if selector := request.one("label_selector"):
            try:
                test = selectors.parse(selector)
            except ValueError as error:
                self.invalid("label_selector", str(error))
            chosen = [row for row in chosen if test(row["labels"])]
        for order in reversed(request.all("sort")):
            field, _, way = order.partition(":")
            chosen.sort(key=lambda row: row[field], reverse=way == "desc")
        return chosen

    @staticmethod
    def find(rows: Iterable[Row], value: Any) -> Row | None:
        """Find by id or name, as most request fields allow."""
        return next((row for row in rows if str(value) in {str(row["id"]), row.get("name")}), None)

    @engine.route("GET", "/server_types")
    def _server_types(self, request: engine.Request) -> engine.Reply:
        return self.paged("server_types", self.catalogue["server_types"], request)

    @engine.route("GET", "/locations")
    def _locations(self, request: engine.Request) -> engine.Reply:
        return self.paged("locations", self.catalogue["locations"], request)

    @engine.route("GET", "/datacenters")
    def _datacenters(self, request: engine.Request) -> engine.Reply:
        details = {"announcement": "https://docs.hetzner.cloud/changelog"}
        return self.error(410, "deprecated_api_endpoint", "this endpoint is gone", details)

    @engine.route("GET", "/pricing")
    def _pricing(self, request: engine.Request) -> engine.Reply:
        return engine.Reply(body={"pricing": self.pricing})

    @engine.route("GET", "/images")
    def _images(self, request: engine.Request) -> engine.Reply:
        rows = self.images
        for field in ("type", "status", "architecture"):
            if wanted := request.all(field):
                rows = [row for row in rows if row[field] in wanted]
        if request.one("include_deprecated") != "true":
            rows = [row for row in rows if row["deprecated"] is None]
        return self.paged("images", rows, request)

    @engine.route("GET", "/images/{id}")
    def _image(self, request: engine.Request) -> engine.Reply:
        return self.one("image", self.images, request)

    @engine.route("GET", "/ssh_keys")
    def _ssh_keys(self, request: engine.Request) -> engine.Reply:
        return self.paged("ssh_keys", self.ssh_keys, request)

    @engine.route("GET", "/ssh_keys/{id}")
    def _ssh_key(self, request: engine.Request) -> engine.Reply:
        return self.one("ssh_key", self.ssh_keys, request)

    @engine.route("GET", "/networks")
    def _networks(self, request: engine.Request) -> engine.Reply:
        return self.paged("networks", self.networks, request)

    @engine.route("GET", "/networks/{id}")
    def _network(self, request: engine.Request) -> engine.Reply:
        return self.one("network", self.networks, request)

    @engine.route("GET", "/firewalls")
    def _firewalls(self, request: engine.Request) -> engine.Reply:
        return self.paged("firewalls", self.firewalls, request)

    @engine.route("GET", "/firewalls/{id}")
    def _firewall(self, request: engine.Request) -> engine.Reply:
        return self.one("firewall", self.firewalls, request)

    @engine.route("GET", "/placement_groups")
    def _placement_groups(self, request: engine.Request) -> engine.Reply:
        return self.paged("placement_groups", self.placement_groups, request)

    @engine.route("GET", "/placement_groups/{id}")
    def _placement_group(self, request: engine.Request) -> engine.Reply:
        return self.one("placement_group", self.placement_groups, request)

    @engine.route("POST", "/placement_groups")
    def _make_placement_group(self, request: engine.Request) -> engine.Reply:
        document = request.json()
        if document.get("type") != "spread":
            self.invalid("type", "must be spread")
        if self.find(self.placement_groups, document["name"]):
            self.taken("placement group")
        if len(self.placement_groups) >= MAX_PER_PAGE:
            details = {"limits": [{"name": "placement_group_limit"}]}
            text = "placement group limit exceeded"
            self.refuse_with(403, "resource_limit_exceeded", text, details)
        row = self.add_placement_group(document["name"], **document.get("labels", {}))
        return engine.Reply(status=201, body={"placement_group": row, "action": None})

    @engine.route("DELETE", "/placement_groups/{id}")
    def _drop_placement_group(self, request: engine.Request) -> engine.Reply:
        # What a group with servers answers is not documented: here it goes, and they stay.
        row = self.one("placement_group", self.placement_groups, request).body["placement_group"]
        self.placement_groups.remove(row)
        return engine.Reply(status=204)

    def one(self, key: str, rows: Iterable[Row], request: engine.Request) -> engine.Reply:
        """Answer one row by its id."""
        number = request.params["id"]
        row = next((row for row in rows if str(row["id"]) == number), None)
        if row is None:
            self.refuse_with(404, "not_found", f"{key} with ID '{number}' not found")
        return engine.Reply(body={key: row})

    # -- what a test puts there -----------------------------------------------------------------

    def _row(self, name: str, labels: dict[str, str], **more: Any) -> Row:
        created = hetzner_model.stamp(self.now())
        return {"id": next(self.ids), "name": name, "labels": labels, "created": created, **more}

    def add_image(self, name: str | None, architecture: str = "x86", **more: Any) -> Row:
        """Put an image there; without a name it is a snapshot."""
        more.setdefault("created", hetzner_model.stamp(self.now()))
        row = hetzner_catalogue.image(next(self.ids), name, architecture, **more)
        self.images.append(row)
        return row

    def add_ssh_key(self, name: str, **labels: str) -> Row:
        """Put an SSH key there."""
        key = {"fingerprint": "b7:2f:30", "public_key": f"ssh-ed25519 AAAAC3 {name}"}
        row = self._row(name, labels, **key)
        self.ssh_keys.append(row)
        return row

    def add_network(self, name: str, zone: str = "eu-central", **labels: str) -> Row:
        """Put a network with one subnet there."""
        number = len(self.networks)
        subnet = {
            "type": "cloud",
            "ip_range": f"10.{number}.0.0/24",
            "network_zone": zone,
            "gateway": f"10.{number}.0.1",
        }
        more = {
            "ip_range": f"10.{number}.0.0/16",
            "subnets": [subnet],
            "routes": [],
            "servers": [],
            "load_balancers": [],
            "protection": {"delete": False},
            "expose_routes_to_vswitch": False,
        }
        row = self._row(name, labels, **more)
        self.networks.append(row)
        return row

    def add_firewall(self, name: str, **labels: str) -> Row:
        """Put a firewall without rules there."""
        row = self._row(name, labels, rules=[], applied_to=[])
        self.firewalls.append(row)
        return row

    def add_placement_group(self, name: str, **labels: str) -> Row:
        """Put an empty spread group there."""
        row = self._row(name, labels, type="spread", servers=[])
        self.placement_groups.append(row)
        return row
