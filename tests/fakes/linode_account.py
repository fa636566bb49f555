"""Hold a fake Linode account's standing things: catalogue, images, keys, VPCs, firewalls, groups.

They are plain dictionaries in the API's own shape. Errors, pages, filters and rate limits, which
everything in the API shares, live here too; machines are in :mod:`tests.fakes.linode`.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from providers.fakes import engine, limits
from tests.fakes import linode_catalogue, linode_filters, linode_model

PAGE_SIZES = range(25, 501)
Row = dict[str, Any]


class Account(engine.Fake):
    """What an account has besides machines, and how the API says things."""

    prefix = "/v4"

    def __init__(
        self, *, token: str = engine.FAKE_TOKEN, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(token=token, clock=clock)
        self.max_per_page = PAGE_SIZES[-1]
        self.ids = itertools.count(71_000_001)
        self.catalogue = linode_catalogue.load()
        self.availability: list[Row] = []
        self.images: list[Row] = self.catalogue["images"]
        self.ssh_keys: list[Row] = []
        self.vpcs: list[Row] = []
        self.firewalls: list[Row] = []
        self.placement_groups: list[Row] = []
        self.readonly_token = False
        self.creates = limits.Window(20, 15)
        self.image_lists = limits.Window(20, 60)
        self.lists = limits.Window(200, 60)
        self.others = limits.Window(1600, 60)

    # -- the vendor's words -------------------------------------------------------------------

    def error(self, status: int, code: str, message: str) -> engine.Reply:
        reason = {"not_found": "Not found", "unauthorized": "Invalid Token"}.get(code, message)
        return self.errors(status, (reason, ""))

    @staticmethod
    def errors(status: int, *values: tuple[str, str]) -> engine.Reply:
        """Say errors: (reason, field or "")."""
        rows = [{"reason": why, **({"field": field} if field else {})} for why, field in values]
        return engine.Reply(status=status, body={"errors": rows})

    def refuse_with(self, status: int, reason: str, field: str = "") -> NoReturn:
        """Answer the request under way with an error."""
        raise engine.RefusalError(self.errors(status, (reason, field)))

    def limits(self, request: engine.Request) -> Sequence[engine.Limiter]:
        path = request.path.removeprefix(self.prefix)
        if request.method == "POST" and path == "/linode/instances":
            return (self.creates,)
        if request.method == "GET" and path == "/images":
            return (self.image_lists,)
        return (self.lists,) if request.method == "GET" and path in LISTS else (self.others,)

    def rate_headers(self, limiter: engine.Limiter, now: float) -> Mapping[str, str]:
        return {
            "X-RateLimit-Limit": str(limiter.limit),
            "X-RateLimit-Remaining": str(limiter.remaining(now)),
            "X-RateLimit-Reset": str(int(limiter.reset_at(now))),
        }

    def throttled(self, limiter: engine.Limiter, now: float) -> engine.Reply:
        wait = str(int(limiter.reset_at(now) - now))
        return self.errors(429, ("Too many requests", "")).with_headers({"Retry-After": wait})

    def reply_headers(self) -> Mapping[str, str]:
        return {"X-Spec-Version": "4.229.1", "X-OAuth-Scopes": "*"}

    # -- lists ----------------------------------------------------------------------------------

    def paged(
        self, rows: Iterable[Row], request: engine.Request, fields: Collection[str] = ()
    ) -> engine.Reply:
        """Filter, order, and answer one page; ``fields`` may be filtered by."""
        try:
            found = self.filtered(list(rows), request.header("X-Filter"), fields)
        except ValueError as error:
            self.refuse_with(400, str(error), "X-Filter")
        number, size = (
            self._whole(request.one(name) or default, name)
            for name, default in (("page", "1"), ("page_size", "100"))
        )
        if size not in PAGE_SIZES:
            self.refuse_with(400, "Must be 25-500", "page_size")
        cut, pages = engine.page(found, number, min(size, self.max_per_page))
        if not 1 <= number <= pages:
            self.refuse_with(404, "Not found")
        body = {"data": list(cut), "page": number, "pages": pages, "results": len(found)}
        return engine.Reply(body=body)

    def filtered(self, rows: list[Row], header: str, fields: Collection[str]) -> list[Row]:
        """Apply X-Filter."""
        return linode_filters.apply(header, rows, fields)

    def _whole(self, text: str, name: str) -> int:
        if not text.isdigit():
            self.refuse_with(400, "Must be an integer", name)
        return int(text)

    def one(self, rows: Iterable[Row], number: str) -> engine.Reply:
        """Answer one row by its id."""
        row = self.find(rows, number)
        if row is None:
            self.refuse_with(404, "Not found")
        return engine.Reply(body=row)

    @staticmethod
    def find(rows: Iterable[Row], number: object) -> Row | None:
        """Find by id."""
        return next((row for row in rows if str(row["id"]) == str(number)), None)

    @engine.route("GET", "/linode/types")
    def _types(self, request: engine.Request) -> engine.Reply:
        return self.paged(self.catalogue["types"], request, ("class", "label", "gpus"))

    @engine.route("GET", "/linode/types/{id}")
    def _type(self, request: engine.Request) -> engine.Reply:
        return self.one(self.catalogue["types"], request.params["id"])

    @engine.route("GET", "/regions")
    def _regions(self, request: engine.Request) -> engine.Reply:
        return self.paged(self.catalogue["regions"], request, ("country", "site_type"))

    @engine.route("GET", "/regions/availability")
    def _availability(self, request: engine.Request) -> engine.Reply:
        return self.paged(self.availability, request, ("available", "plan", "region"))

    @engine.route("GET", "/regions/{id}")
    def _region(self, request: engine.Request) -> engine.Reply:
        return self.one(self.catalogue["regions"], request.params["id"])

    @engine.route("GET", "/images")
    def _images(self, request: engine.Request) -> engine.Reply:
        fields = ("label", "tags", "is_public", "status", "type", "vendor", "deprecated")
        return self.paged(self.images, request, fields)

    @engine.route("GET", "/images/{owner}/{name}")
    def _image(self, request: engine.Request) -> engine.Reply:
        return self.one(self.images, f"{request.params['owner']}/{request.params['name']}")

    @engine.route("GET", "/profile/sshkeys")
    def _ssh_keys(self, request: engine.Request) -> engine.Reply:
        return self.paged(self.ssh_keys, request)

    @engine.route("GET", "/vpcs")
    def _vpcs(self, request: engine.Request) -> engine.Reply:
        return self.paged(self.vpcs, request, ("id", "label", "region"))

    @engine.route("GET", "/networking/firewalls")
    def _firewalls(self, request: engine.Request) -> engine.Reply:
        return self.paged(self.firewalls, request, ("id", "label", "tags"))

    @engine.route("GET", "/networking/firewalls/{id}")
    def _firewall(self, request: engine.Request) -> engine.Reply:
        return self.one(self.firewalls, request.params["id"])

    @engine.route("GET", "/placement/groups")
    def _placement_groups(self, request: engine.Request) -> engine.Reply:
        return self.paged(self.placement_groups, request, ("label", "region"))

    @engine.route("GET", "/placement/groups/{id}")
    def _placement_group(self, request: engine.Request) -> engine.Reply:
        return self.one(self.placement_groups, request.params["id"])

    # -- what a test puts there -----------------------------------------------------------------

    def _row(self, label: str, **more: Any) -> Row:
        return {
            "id": next(self.ids),
            "label": label,
            "created": linode_model.stamp(self.now()),
            **more,
        }

    def add_image(self, label: str, number: str = "", **more: Any) -> Row:
        """Put an image there: a private one unless ``number`` says "linode/..."."""
        more.setdefault("created", linode_model.stamp(self.now()))
        row = linode_catalogue.image(number or f"private/{next(self.ids)}", label, **more)
        self.images.append(row)
        return row

    def add_ssh_key(self, label: str) -> Row:
        """Put an SSH key into the profile."""
        row = self._row(label, ssh_key=f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5{label}= ops@example")
        self.ssh_keys.append(row)
        return row

    def add_vpc(self, label: str, region: str, *subnets: str) -> Row:
        """Put a VPC with subnets of these labels there."""
        index = len(self.vpcs)
        inner = [
            self._row(
                name, ipv4=f"10.{index}.{number}.0/24", linodes=[], updated=linode_model.stamp(0)
            )
            for number, name in enumerate(subnets)
        ]
        row = self._row(
            label, region=region, description="", subnets=inner, updated=linode_model.stamp(0)
        )
        self.vpcs.append(row)
        return row

    def add_firewall(self, label: str) -> Row:
        """Put a firewall that lets everything through there."""
        rules = {
            "inbound": [],
            "inbound_policy": "ACCEPT",
            "outbound": [],
            "outbound_policy": "ACCEPT",
            "version": 1,
            "fingerprint": "997dd135",
        }
        row = self._row(
            label, rules=rules, status="enabled", tags=[], updated=linode_model.stamp(0)
        )
        self.firewalls.append(row)
        return row

    def add_placement_group(self, label: str, region: str, policy: str = "strict") -> Row:
        """Put an empty placement group there."""
        row = {
            "id": next(self.ids),
            "label": label,
            "region": region,
            "placement_group_type": "anti_affinity:local",
            "placement_group_policy": policy,
            "is_compliant": True,
            "members": [],
            "migrations": {"inbound": [], "outbound": []},
        }
        self.placement_groups.append(row)
        return row


LISTS = frozenset(
    {
        "/linode/instances",
        "/linode/types",
        "/regions",
        "/regions/availability",
        "/profile/sshkeys",
        "/vpcs",
        "/networking/firewalls",
        "/placement/groups",
    }
)
"""The lists that count against the limit of paged reads."""
