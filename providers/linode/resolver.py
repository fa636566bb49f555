"""Find what the configuration names: images, keys, subnets, firewalls, placement groups.

Answers are kept for some minutes, so that a hundred machines of a group ask once; not for ever,
since an image of the same label may be newer tomorrow.
"""

from __future__ import annotations

import functools
import re
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

from providers import contract, errors
from providers.kit import cache, naming
from providers.linode import listing, wire

METADATA = "Metadata"
CLOUD_INIT = "cloud-init"
"""What a region and an image must be capable of for user-data to reach cloud-init."""

_IMAGE_ID = re.compile(r"[a-z]+/[A-Za-z0-9][A-Za-z0-9._-]*")
_KEY_TEXT = re.compile(r"(sk-)?(ssh|ecdsa)-[^ ]+ +[A-Za-z0-9+/=]+( .*)?")

Row = Mapping[str, Any]


class Resolver:
    """Turn names into what an order needs; raises BadOrder for what is not there."""

    def __init__(self, connection: wire.Connection, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._kept = cache.Kept(clock)

    def forget(self) -> None:
        """Drop what is kept: the cloud may no longer know something that we sent."""
        self._kept.forget()

    def image(self, name: str, *, for_user_data: bool) -> str:
        """Find an image by id ("linode/debian13", "private/123", "123"), label or tag.

        Of several with one label or tag the newest is taken. One that must take user-data and
        has no cloud-init is refused.
        """
        if not name:
            raise errors.BadOrder("no image is configured")
        row = self._kept.once(("image", name), lambda: self._image(name))
        if for_user_data and CLOUD_INIT not in row.get("capabilities", [CLOUD_INIT]):
            raise errors.BadOrder(f"image {name!r} has no cloud-init, so user-data would be lost")
        return str(row["id"])

    def region(self, name: str, *, for_user_data: bool) -> str:
        """Find a region; one that must take user-data and has no metadata service is refused."""
        row = self._kept.once(("region", name), lambda: self._region(name))
        if for_user_data and METADATA not in row.get("capabilities", [METADATA]):
            raise errors.BadOrder(
                f"region {name!r} has no metadata service, so user-data would be lost"
            )
        return str(row["id"])

    def key(self, name: str) -> str:
        """Return a public key's text: itself, or that of the profile's key by label or id."""
        if _KEY_TEXT.fullmatch(name):
            return name
        return self._kept.once(("key", name), lambda: self._key(name))

    def firewall(self, name: str) -> int:
        """Find a firewall by label or id."""
        kind = "/networking/firewalls"
        return int(self._kept.once((kind, name), lambda: self._row(kind, "firewall", name))["id"])

    def placement_group(self, name: str, location: str) -> int:
        """Find a placement group by label or id; it must be in the order's region."""
        kind = "/placement/groups"
        row = self._kept.once((kind, name), lambda: self._row(kind, "placement group", name))
        if row["region"] != location:
            raise errors.BadOrder(
                f"placement group {name!r} is in {row['region']}, the order is for {location}"
            )
        return int(row["id"])

    def subnet(self, names: tuple[str, ...], location: str) -> int:
        """Find the one subnet of an order among its networks.

        Each is a subnet's id, ``<vpc>/<subnet>`` by labels, or a VPC's label when that has only
        one subnet. A VPC lives in one region, so a group in several names one network for each,
        and that of the order's region is taken.
        """
        here = {
            number
            for each in names
            for region, number in self._kept.once(
                ("network", each), functools.partial(self._subnets, each)
            )
            if region == location
        }
        if len(here) != 1:
            ids = ", ".join(map(str, sorted(here)))
            what, which = ("more than one subnet", f" ({ids})") if here else ("no subnet", "")
            raise errors.BadOrder(
                f"networks {', '.join(names)} name {what} in {location}{which}; a machine has one"
            )
        return here.pop()

    def problems(self, order: contract.Order) -> tuple[str, ...]:
        """Look for everything that an order names, afresh; return a sentence for each problem."""
        self.forget()
        needed = bool(order.user_data)
        checks: list[Callable[[], object]] = [
            functools.partial(self.region, order.location, for_user_data=needed),
            functools.partial(self.image, order.image, for_user_data=needed),
            *(functools.partial(self.key, key) for key in order.ssh_keys),
            *(functools.partial(self.firewall, name) for name in order.firewalls),
        ]
        if order.networks:
            checks.append(functools.partial(self.subnet, order.networks, order.location))
        if order.placement_group:
            checks.append(
                functools.partial(self.placement_group, order.placement_group, order.location)
            )
        wrong: list[str] = []
        for check in checks:
            try:
                check()
            except errors.BadOrder as error:
                wrong.append(error.message)
        return tuple(wrong)

    def _key(self, name: str) -> str:
        rows = listing.pages(self._connection, "/profile/sshkeys")
        whose = " in the profile of the token's user"
        return str(naming.only(rows, name, "id", "label", what="SSH key", where=whose)["ssh_key"])

    def _subnets(self, name: str) -> tuple[tuple[str, int], ...]:
        """Return the subnets that a network of the configuration may mean: (region, id)."""
        label, _, inner = name.partition("/")
        found = tuple(
            (str(vpc["region"]), int(subnet["id"]))
            for vpc in listing.pages(self._connection, "/vpcs")
            for subnet in vpc["subnets"]
            if (
                str(subnet["id"]) == name
                if naming.is_number(name)
                else vpc["label"] == label and inner in ("", subnet["label"])
            )
        )
        if not found:
            how = "give its id, <vpc>/<subnet>, or a VPC that has only one"
            raise errors.BadOrder(f"there is no subnet {name!r}: {how}")
        return found

    def _region(self, name: str) -> Row:
        row = self._connection.maybe(f"/regions/{urllib.parse.quote(name, safe='')}")
        if row is None:
            raise errors.BadOrder(f"there is no region {name!r}")
        if row["id"] != name:  # an old name still works, but machines are shown in the new one
            raise errors.BadOrder(f"region {name!r} is called {row['id']!r} now")
        return row

    def _image(self, name: str) -> Row:
        number = f"private/{name}" if naming.is_number(name) else name
        if _IMAGE_ID.fullmatch(number):
            row = self._connection.maybe(f"/images/{number}")
            if row is not None and row.get("status", "available") != "available":
                raise errors.BadOrder(f"image {name!r} is {row['status']}, not available")
            if row is not None:
                return row  # else a label, which may look like an id
        filters = {"+or": [{"label": name}, {"tags": name}]}
        found = [
            row
            for row in listing.pages(self._connection, "/images", filters=filters)
            if name == row["label"] or name in (row.get("tags") or ())
        ]
        ready = [row for row in found if row.get("status", "available") == "available"]
        newest = max(
            ready, key=lambda row: (not row.get("deprecated"), str(row["created"])), default=None
        )
        if newest is None:
            what = "no image" if not found else "no image that is available yet of"
            raise errors.BadOrder(f"there is {what} {name!r}")
        return newest

    def _row(self, path: str, kind: str, name: str) -> Row:
        """Find one thing by id (digits) or label."""
        if naming.is_number(name):
            row = self._connection.maybe(f"{path}/{name}")
            if row is None:
                raise errors.BadOrder(f"there is no {kind} {name!r}")
            return row
        rows = listing.pages(self._connection, path, filters={"label": name})
        return naming.only(rows, name, "label", what=kind)
