"""Hold what a fake Vultr account has besides instances: catalogue, keys, VPCs, firewall groups,
snapshots; and what all of the API shares: its errors, cursors and rate limit.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from providers.fakes import engine, limits
from tests.fakes import vultr_catalogue, vultr_model

MAX_PER_PAGE = 500
REQUESTS_A_SECOND = 30
Row = dict[str, Any]


class Account(engine.Fake):
    """What an account has, and how the API says things.

    ``requests_a_second`` is the limit of one address. ``max_per_page`` bounds every page.
    """

    prefix = "/v2"

    def __init__(
        self,
        *,
        token: str = engine.FAKE_TOKEN,
        clock: Callable[[], float] = time.time,
        requests_a_second: int = REQUESTS_A_SECOND,
    ) -> None:
        super().__init__(token=token, clock=clock)
        self.ids = itertools.count(1)
        self.catalogue = vultr_catalogue.load()
        self.ssh_keys: list[Row] = []
        self.vpcs: list[Row] = []
        self.firewalls: list[Row] = []
        self.snapshots: list[Row] = []
        self.max_per_page = MAX_PER_PAGE
        self.requests_a_second = requests_a_second
        self._windows: dict[str, limits.Window] = {}

    def new_id(self) -> str:
        """Mint an id as the API does; they come in the order of their making here."""
        return str(uuid.UUID(int=(next(self.ids) << 64) + 0x8000_0000_0000_4711))

    # -- the vendor's words -------------------------------------------------------------------

    def error(self, status: int, code: str, message: str) -> engine.Reply:
        return engine.Reply(status=status, body={"error": message, "status": status})

    def unauthorised(self, request: engine.Request) -> engine.Reply:
        return self.error(401, "", "Invalid API token.")

    def malformed(self) -> engine.Reply:
        return self.error(400, "", "Bad request.")

    def limits(self, request: engine.Request) -> Sequence[engine.Limiter]:
        window = limits.Window(self.requests_a_second, 1.0)
        return (self._windows.setdefault(request.peer, window),)

    def throttled(self, limiter: engine.Limiter, now: float) -> engine.Reply:
        return self.error(429, "", "rate limit exceeded")

    def refuse_with(self, status: int, message: str) -> NoReturn:
        """Answer the request under way with an error."""
        raise engine.RefusalError(self.error(status, "", message))

    # -- lists ----------------------------------------------------------------------------------

    def paged(
        self, key: str, rows: Iterable[Row], request: engine.Request, *, hidden: int = 0
    ) -> engine.Reply:
        """Answer the page after the cursor's row; an empty cursor ends the list.

        ``hidden`` rows are not shown and counted all the same.
        """
        chosen = list(rows)
        response = request.one("per_page", "100")
        size = int(response) if response.isdigit() else 0
        if not 1 <= size <= MAX_PER_PAGE:
            self.refuse_with(422, "Invalid per_page.")
        size = min(size, self.max_per_page)
        start = 0
        if cursor := request.one("cursor"):
            start = self._after(cursor, chosen)
        cut = chosen[start : start + size]
        links = {"next": "", "prev": ""}
        if start + size < len(chosen):
            links["next"] = base64.urlsafe_b64encode(f"next__{cut[-1]['id']}".encode()).decode()
        meta = {"total": len(chosen) + hidden, "links": links}
        return engine.Reply(body={key: cut, "meta": meta})

    def _after(self, cursor: str, rows: Sequence[Row]) -> int:
        """Return the place after the cursor's row."""
        try:
            last = base64.urlsafe_b64decode(cursor).decode().removeprefix("next__")
            return [str(row["id"]) for row in rows].index(last) + 1
        except ValueError:
            self.refuse_with(400, "Invalid cursor.")

    def find(self, rows: Iterable[Row], value: Any, what: str) -> Row:
        """Find a row by id, or refuse."""
        row = next((row for row in rows if row["id"] == value), None)
        if row is None:
            self.refuse_with(400, f"Invalid {what}.")
        return row

    @engine.route("GET", "/account")
    def _account(self, request: engine.Request) -> engine.Reply:
        fields = {
            "name": "Ops",
            "email": "ops@example.com",
            "acls": ["provisioning", "subscriptions"],
            "balance": -5.0,
            "pending_charges": 1.5,
        }
        return engine.Reply(body={"account": fields})

    @engine.route("GET", "/plans")
    def _plans(self, request: engine.Request) -> engine.Reply:
        return self.paged("plans", self.catalogue["plans"], request)

    @engine.route("GET", "/regions")
    def _regions(self, request: engine.Request) -> engine.Reply:
        return self.paged("regions", self.catalogue["regions"], request)

    @engine.route("GET", "/regions/{id}/availability")
    def _availability(self, request: engine.Request) -> engine.Reply:
        place = request.params["id"]
        there = [row["id"] for row in self.catalogue["plans"] if place in row["locations"]]
        return engine.Reply(body={"available_plans": there})

    @engine.route("GET", "/os")
    def _os(self, request: engine.Request) -> engine.Reply:
        return self.paged("os", self.catalogue["os"], request)

    @engine.route("GET", "/ssh-keys")
    def _ssh_keys(self, request: engine.Request) -> engine.Reply:
        return self.paged("ssh_keys", self.ssh_keys, request)

    @engine.route("GET", "/vpcs")
    def _vpcs(self, request: engine.Request) -> engine.Reply:
        return self.paged("vpcs", self.vpcs, request)

    @engine.route("GET", "/firewalls")
    def _firewalls(self, request: engine.Request) -> engine.Reply:
        return self.paged("firewall_groups", self.firewalls, request)

    @engine.route("GET", "/snapshots")
    def _snapshots(self, request: engine.Request) -> engine.Reply:
        return self.paged("snapshots", self.snapshots, request)

    @engine.route("GET", "/bare-metals")
    def _bare_metals(self, request: engine.Request) -> engine.Reply:
        return self.paged("bare_metals", [], request)

    # -- what a test puts there -----------------------------------------------------------------

    def _row(self, rows: list[Row], **value: Any) -> Row:
        row = {"id": self.new_id(), "date_created": vultr_model.stamp(self.now()), **value}
        rows.append(row)
        return row

    def add_ssh_key(self, name: str) -> Row:
        """Put an SSH key there."""
        return self._row(self.ssh_keys, name=name, ssh_key=_public_key(name))

    def add_vpc(self, description: str, region: str) -> Row:
        """Put a VPC there."""
        net = f"10.{len(self.vpcs)}.96.0"
        fields = {"description": description, "v4_subnet": net, "v4_subnet_mask": 20}
        return self._row(self.vpcs, region=region, **fields)

    def add_firewall(self, description: str) -> Row:
        """Put a firewall group without rules there."""
        counts = {"instance_count": 0, "rule_count": 0, "max_rule_count": 50}
        modified = vultr_model.stamp(self.now())
        return self._row(self.firewalls, description=description, date_modified=modified, **counts)

    def add_snapshot(self, description: str, **more: Any) -> Row:
        """Put a snapshot there."""
        fields = {"size": 2_000_000_000, "status": "complete", "os_id": 2136, "app_id": 0, **more}
        return self._row(self.snapshots, description=description, **fields)


def _public_key(name: str) -> str:
    """Make the text of a public key that clients can parse."""
    parts = (b"ssh-ed25519", hashlib.sha256(name.encode()).digest())
    packed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return f"ssh-ed25519 {base64.b64encode(packed).decode()} {name}"
