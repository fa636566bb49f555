"""Hold what a fake DigitalOcean account has besides droplets: catalogue, images, keys, VPCs,
firewalls, tags; and what all of the API shares: its errors, pages and rate limits.
"""

from __future__ import annotations

import itertools
import re
import time
import urllib.parse
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from providers.fakes import engine, limits
from tests.fakes import digitalocean_catalogue, digitalocean_model

MAX_PER_PAGE = 200
REQUESTS_AN_HOUR, REQUESTS_A_MINUTE = 5000, 250
Row = dict[str, Any]

_ORIGIN = "https://api.digitalocean.com"
_TAG = re.compile(r"[A-Za-z0-9:_-]{1,255}")
_WORDS = {
    400: "bad_request",
    404: "not_found",
    409: "conflict",
    422: "unprocessable_entity",
    500: "server_error",
    503: "service_unavailable",
}


class Account(engine.Fake):
    """What an account has, and how the API says things."""

    prefix = "/v2"

    def __init__(
        self, *, token: str = engine.FAKE_TOKEN, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(token=token, clock=clock)
        self.max_per_page = MAX_PER_PAGE
        self.ids = itertools.count(500_001)
        self.catalogue = digitalocean_catalogue.load()
        self.images: list[Row] = self.catalogue["images"]
        self.ssh_keys: list[Row] = []
        self.vpcs: list[Row] = []
        self.firewalls: list[Row] = []
        self.tags: dict[str, str] = {}
        self.hourly = limits.Window(REQUESTS_AN_HOUR, 3600.0)
        self.burst = limits.Window(REQUESTS_A_MINUTE, 60.0)
        self.account_status = "active"

    # -- the vendor's words -------------------------------------------------------------------

    def error(self, status: int, code: str, message: str) -> engine.Reply:
        fields = {"id": code, "message": message, "request_id": str(uuid.uuid4())}
        return engine.Reply(status=status, body=fields)

    def unauthorised(self, request: engine.Request) -> engine.Reply:
        return self.error(401, "Unauthorized", "Unable to authenticate you")

    def malformed(self) -> engine.Reply:
        return self.error(400, "bad_request", "error parsing request body")

    def limits(self, request: engine.Request) -> Sequence[engine.Limiter]:
        return (self.hourly, self.burst)

    def rate_headers(self, limiter: engine.Limiter, now: float) -> Mapping[str, str]:
        fields = {
            "ratelimit-limit": str(self.hourly.limit),
            "ratelimit-remaining": str(self.hourly.remaining(now)),
            "ratelimit-reset": str(int(self.hourly.reset_at(now))),
        }
        if isinstance(limiter, limits.Spent):
            fields["ratelimit-remaining"] = "0"
            fields["ratelimit-reset"] = str(int(limiter.reset_at(now)))
        elif limiter is self.burst:
            fields["retry-after"] = str(int(self.burst.reset_at(now) - now) + 1)
        return fields

    def throttled(self, limiter: engine.Limiter, now: float) -> engine.Reply:
        return self.error(429, "too_many_requests", "API Rate limit exceeded.")

    def refuse_with(self, status: int, message: str) -> NoReturn:
        """Answer the request under way with an error."""
        raise engine.RefusalError(self.error(status, _WORDS[status], message))

    # -- lists ----------------------------------------------------------------------------------

    def paged(self, key: str, rows: Iterable[Row], request: engine.Request) -> engine.Reply:
        """Answer one page, newest pages nowhere: in the order of the rows."""
        chosen = list(rows)
        number, size = int(request.one("page", "1")), int(request.one("per_page", "20"))
        if number < 1 or not 1 <= size <= MAX_PER_PAGE:
            self.refuse_with(422, "page and per_page must be within bounds")
        cut, pages = engine.page(chosen, number, min(size, self.max_per_page))
        near: dict[str, int] = {}
        if number > 1:
            near |= {"first": 1, "prev": number - 1}
        if number < pages:
            near |= {"next": number + 1, "last": pages}
        links = {"pages": {rel: self._link(request, page) for rel, page in near.items()}}
        body = {key: list(cut), "links": links if near else {}, "meta": {"total": len(chosen)}}
        return engine.Reply(body=body)

    def _link(self, request: engine.Request, page: int) -> str:
        query = {**dict(request.query), "page": str(page)}
        return f"{_ORIGIN}{request.path}?{urllib.parse.urlencode(query)}"

    def find(self, rows: Iterable[Row], value: Any, *keys: str) -> Row | None:
        """Find the first row that has ``value`` under one of these keys."""
        return next((row for row in rows if any(row.get(key) == value for key in keys)), None)

    @engine.route("GET", "/account")
    def _account(self, request: engine.Request) -> engine.Reply:
        fields = {
            "droplet_limit": self.shown_limit(),
            "floating_ip_limit": 5,
            "email": "ops@example.com",
            "name": "Ops",
            "uuid": "b6fr89dbf6d9156cace5f3c78dc9851d957381ef",
            "email_verified": True,
            "status": self.account_status,
            "status_message": "" if self.account_status == "active" else "see your mail",
        }
        return engine.Reply(body={"account": fields})

    def shown_limit(self) -> int:
        """Return the droplet limit."""
        return 25

    @engine.route("GET", "/sizes")
    def _sizes(self, request: engine.Request) -> engine.Reply:
        return self.paged("sizes", self.catalogue["sizes"], request)

    @engine.route("GET", "/regions")
    def _regions(self, request: engine.Request) -> engine.Reply:
        return self.paged("regions", self.catalogue["regions"], request)

    @engine.route("GET", "/images")
    def _images(self, request: engine.Request) -> engine.Reply:
        rows = self.images
        if request.one("private") == "true":
            rows = [row for row in rows if not row["public"]]
        if tag := request.one("tag_name"):
            rows = [row for row in rows if tag in row["tags"]]
        return self.paged("images", rows, request)

    @engine.route("GET", "/images/{id}")
    def _image(self, request: engine.Request) -> engine.Reply:
        value = request.params["id"]
        row = self.find(self.images, int(value) if value.isdigit() else value, "id", "slug")
        if row is None:
            self.refuse_with(404, "The resource you requested could not be found.")
        return engine.Reply(body={"image": row})

    @engine.route("GET", "/account/keys")
    def _keys(self, request: engine.Request) -> engine.Reply:
        return self.paged("ssh_keys", self.ssh_keys, request)

    @engine.route("GET", "/vpcs")
    def _vpcs(self, request: engine.Request) -> engine.Reply:
        return self.paged("vpcs", self.vpcs, request)

    @engine.route("GET", "/firewalls")
    def _firewalls(self, request: engine.Request) -> engine.Reply:
        return self.paged("firewalls", self.firewalls, request)

    # -- tags -----------------------------------------------------------------------------------

    def tagged(self, values: Iterable[str]) -> list[str]:
        """Return the tags that stick: in the spelling of their first use, none at all when one of
        them is no tag, which the API does not say.
        """
        wanted = list(values)
        if not all(_TAG.fullmatch(tag) for tag in wanted):
            return []
        return [self.tags.setdefault(tag.lower(), tag) for tag in wanted]

    def same_tag(self, left: str, right: str) -> bool:
        """Return whether two spellings are one tag."""
        return left.lower() == right.lower()

    # -- what a test puts there -----------------------------------------------------------------

    def add_image(self, name: str, **more: Any) -> Row:
        """Put a snapshot there."""
        row = {
            "id": next(self.ids),
            "name": name,
            "distribution": "Debian",
            "slug": None,
            "public": False,
            "regions": ["fra1"],
            "type": "snapshot",
            "min_disk_size": 25,
            "status": "available",
            "created_at": digitalocean_model.stamp(self.now()),
            "size_gigabytes": 2.3,
            "description": "",
            "tags": [],
            "error_message": "",
            **more,
        }
        self.images.append(row)
        return row

    def add_ssh_key(self, name: str) -> Row:
        """Put an SSH key there."""
        number = next(self.ids)
        pairs = [f"{number % 256:02x}", *(f"{n:02x}" for n in range(15))]
        row = {
            "id": number,
            "name": name,
            "fingerprint": ":".join(pairs),
            "public_key": f"ssh-ed25519 AAAAC3 {name}",
        }
        self.ssh_keys.append(row)
        return row

    def add_vpc(self, name: str, region: str) -> Row:
        """Put a VPC there."""
        number = str(uuid.uuid4())
        row = {
            "id": number,
            "urn": f"do:vpc:{number}",
            "name": name,
            "description": "",
            "region": region,
            "ip_range": f"10.{len(self.vpcs)}.0.0/20",
            "default": False,
            "created_at": digitalocean_model.stamp(self.now()),
        }
        self.vpcs.append(row)
        return row

    def add_firewall(self, name: str, *tags: str) -> Row:
        """Put a firewall there that applies to droplets with any of these tags."""
        row = {
            "id": str(uuid.uuid4()),
            "name": name,
            "status": "succeeded",
            "created_at": digitalocean_model.stamp(self.now()),
            "pending_changes": [],
            "droplet_ids": [],
            "tags": list(tags),
            "inbound_rules": [],
            "outbound_rules": [],
        }
        self.firewalls.append(row)
        return row
