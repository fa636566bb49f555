"""Check orders for servers as Hetzner does: the input, then room, quota and stock."""

from __future__ import annotations

import abc
import re
import time
from collections.abc import Callable, Collection
from typing import Any

from providers.fakes import engine
from tests.fakes import hetzner_project
from tests.fakes.hetzner_model import Server
from tests.fakes.hetzner_project import Row

USER_DATA_MAX_BYTES = 32_768
_HOST = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9.-]{0,61}[a-zA-Z0-9])?\Z")
_LABEL = re.compile(r"(([A-Za-z0-9][A-Za-z0-9._-]{0,61})?[A-Za-z0-9])?\Z")
_KEY = re.compile(r"([A-Za-z0-9][A-Za-z0-9.-]{0,252}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")


class Orders(hetzner_project.Project):
    """What is refused. ``server_limit`` is the quota, ``sold_out`` what is out of stock."""

    def __init__(
        self, *, token: str = engine.FAKE_TOKEN, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(token=token, clock=clock)
        self.server_limit: int | None = None
        self.sold_out: dict[tuple[str, str], str] = {}

    @abc.abstractmethod
    def names(self) -> Collection[str]:
        """Return the names that servers have."""

    def ordered(self, body: dict[str, Any], *, create_s: float, boot_s: float) -> Server:
        """Check an order as the API does, and make the server that it asks for."""
        name = str(body.get("name", ""))
        if not _HOST.match(name):
            self.invalid("name", "must be a valid hostname")
        if name in self.names():
            self.taken("server")
        kind = self.wanted("server type", self.catalogue["server_types"], body.get("server_type"))
        image = self.wanted("image", self._for(kind), body.get("image"))
        place = self.wanted("location", self.catalogue["locations"], body.get("location") or "fsn1")
        if image["architecture"] != kind["architecture"]:
            self.invalid("image", "the image's architecture is not the server type's")
        if place["name"] not in {each["name"] for each in kind["locations"]}:
            text = "unsupported location for server type"
            self.refuse_with(422, "invalid_input", text, {"fields": [{"name": "location"}]})
        if len(str(body.get("user_data", "")).encode()) > USER_DATA_MAX_BYTES:
            self.invalid("user_data", "is too long, maximum is 32768 bytes")
        labels = self.labelled(body.get("labels", {}))
        public = {"enable_ipv4": True, "enable_ipv6": True, **body.get("public_net", {})}
        networks = [
            self.wanted("network", self.networks, each) for each in body.get("networks", ())
        ]
        if not (public["enable_ipv4"] or public["enable_ipv6"] or networks):
            self.invalid("public_net", "a server without public addresses needs a network")
        for network in networks:
            zones = {each["network_zone"] for each in network["subnets"]}
            if place["network_zone"] not in zones:
                self.refuse_with(422, "no_subnet_available", "no subnet in this network zone")
        now = self.now()
        number = next(self.ids)
        return Server(
            id=number,
            name=name,
            labels=labels,
            server_type=kind,
            location=place,
            image=image,
            created=now,
            made_at=now + create_s,
            up_at=now + create_s + boot_s,
            seen_at=now,
            user_data=str(body.get("user_data", "")),
            ssh_keys=tuple(
                self.wanted("SSH key", self.ssh_keys, each)["name"]
                for each in body.get("ssh_keys", ())
            ),
            networks={
                row["id"]: f"10.{index}.0.{number % 250 + 2}" for index, row in enumerate(networks)
            },
            firewalls=tuple(
                self.wanted("firewall", self.firewalls, each["firewall"])["id"]
                for each in body.get("firewalls", ())
            ),
            placement_group=int(body.get("placement_group") or 0),
            ipv4=public["enable_ipv4"],
            ipv6=public["enable_ipv6"],
            locked_until=now + create_s,
        )

    def labelled(self, labels: dict[str, str]) -> dict[str, str]:
        """Take labels that fit."""
        for key, value in labels.items():
            if not _KEY.match(key) or not _LABEL.match(value):
                self.invalid("labels", f"label {key!r} is not valid")
        return dict(labels)

    def _for(self, kind: Row) -> list[Row]:
        """Return the images with those of the type's architecture first: a name is there twice."""
        return sorted(self.images, key=lambda row: row["architecture"] != kind["architecture"])

    def wanted(self, what: str, rows: list[Row], given: Any) -> Row:
        row = self.find(rows, given)
        if row is None:
            self.refuse_with(404, "not_found", f"{what} '{given}' not found")
        return row

    def check_room(self, server: Server, servers: int) -> None:
        """Refuse what there is no room for: placement group, quota, stock, in this order."""
        if server.placement_group:
            group = self.wanted("placement group", self.placement_groups, server.placement_group)
            if len(group["servers"]) >= hetzner_project.SPREAD_MAX:
                self.refuse_with(422, "placement_error", "the placement group is full")
        if self.server_limit is not None and servers >= self.server_limit:
            details = {"limits": [{"name": "server_limit"}]}
            self.refuse_with(403, "resource_limit_exceeded", "server limit exceeded", details)
        kind, place = server.server_type["name"], server.location["name"]
        for key in ((kind, place), ("*", place), (kind, "*")):
            if key in self.sold_out:
                self.refuse_with(412, "resource_unavailable", self.sold_out[key])

    def sell_out(self, kind: str, place: str, *, listed: bool = True, text: str = "") -> None:
        """Have none left ("*" for any); ``listed`` says whether the catalogue admits it."""
        self.sold_out[kind, place] = text or "error during placement"
        self._list_stock(kind, place, available=not listed)

    def restock(self, kind: str, place: str) -> None:
        """Have it again."""
        self.sold_out.pop((kind, place), None)
        self._list_stock(kind, place, available=True)

    def _list_stock(self, kind: str, place: str, *, available: bool) -> None:
        for row in self.catalogue["server_types"]:
            for each in row["locations"]:
                if kind in {"*", row["name"]} and place in {"*", each["name"]}:
                    each["available"] = available
