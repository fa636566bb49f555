"""Find what the configuration names: images, keys, VPCs, firewalls.

Answers are kept for some minutes (see :mod:`providers.kit.cache`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

from providers import contract, errors, rest
from providers.digitalocean import listing, vocabulary
from providers.kit import cache, naming

Row = dict[str, Any]

_SLUG = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*", re.ASCII)


class Resolver:
    """Turn names and ids into what the API takes; raises BadOrder for what is not there."""

    def __init__(self, connection: rest.Connection, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._kept = cache.Kept(clock)

    def image(self, wanted: str, location: str) -> int | str:
        """Find an image: by slug or id, or the newest of ours in a region by name or tag.

        A public image is sent by its slug, which outlives its id.
        """
        if not wanted:
            raise errors.BadOrder("no image is configured")
        return self._kept.once(("image", wanted, location), lambda: self._image(wanted, location))

    def ssh_key(self, wanted: str) -> int:
        """Find a key by id, fingerprint or name."""
        keys = self._list("/account/keys", "ssh_keys")
        return int(naming.only(keys, wanted, "id", "fingerprint", "name", what="SSH key")["id"])

    def vpc(self, names: Collection[str], location: str) -> str:
        """Find the one VPC among these ids and names that lies in a region.

        A droplet is in one VPC, and a VPC in one region: a group that may order in several
        regions names one VPC for each.
        """
        rows = self._list("/vpcs", "vpcs")
        here: set[str] = set()
        for wanted in names:
            here.update(
                str(row["id"])
                for row in naming.every(rows, wanted, "id", "name", what="VPC")
                if row.get("region") == location
            )
        if len(here) != 1:
            named = ", ".join(repr(wanted) for wanted in names)
            how_many = f"{len(here)} lie" if here else "none lies"
            which = f" ({', '.join(sorted(here))})" if here else ""
            raise errors.BadOrder(
                f"of the networks {named} {how_many} in {location}{which}, not one"
            )
        return here.pop()

    def firewall_tag(self, wanted: str, worn: Collection[str]) -> str:
        """Find the tag through which a firewall takes a droplet; "" when it wears one already.

        The API attaches no firewall at create, but a firewall applies to whatever carries one of
        its tags. ``wanted`` is its id or name.
        """
        rows = self._list("/firewalls", "firewalls")
        row = naming.only(rows, wanted, "id", "name", what="firewall")
        tags = sorted(str(tag) for tag in row.get("tags") or ())
        if set(tags) & set(worn):
            return ""
        if len(tags) != 1:
            having = f"has {len(tags)} ({', '.join(tags)})" if tags else "has none"
            raise errors.BadOrder(
                f"firewall {wanted!r} {having}: droplets join a firewall by its tag, so it needs "
                "exactly one, or one that the group's server labels set"
            )
        return tags[0]

    def forget(self) -> None:
        """Drop what is kept: the cloud no longer knows something that we sent."""
        self._kept.forget()

    def problems(self, order: contract.Order, worn: Collection[str]) -> tuple[str, ...]:
        """Look for everything that an order names, afresh; return a sentence for each problem."""
        wrong: list[str] = []

        def look(find: Callable[[], object]) -> None:
            try:
                find()
            except errors.BadOrder as error:
                wrong.append(error.message)

        self.forget()
        regions = {str(row["slug"]) for row in self._list("/regions", "regions")}
        if order.location not in regions:
            wrong.append(f"there is no region {order.location!r}")
        look(lambda: self.image(order.image, order.location))
        for name in order.ssh_keys:
            look(lambda name=name: self.ssh_key(name))  # type: ignore[misc]
        for name in order.firewalls:
            look(lambda name=name: self.firewall_tag(name, worn))  # type: ignore[misc]
        if order.networks:
            look(lambda: self.vpc(order.networks, order.location))
        return tuple(wrong)

    def _list(self, path: str, key: str, **params: str) -> list[Row]:
        return self._kept.once(
            (path, *sorted(params.items())),
            lambda: listing.pages(self._connection, path, key, **params),
        )

    def _image(self, wanted: str, location: str) -> int | str:
        row = self._public_or_by_id(wanted)
        if row is None:
            ours = self._list("/images", "images", private="true")
            named = [
                each for each in ours if wanted in (each.get("name"), *(each.get("tags") or ()))
            ]
            row = _newest(named, location)
        if row is None:
            raise errors.BadOrder(f"there is no image {wanted!r}")
        status = row.get("status", "available")
        if status != "available":
            raise errors.BadOrder(f"image {wanted!r} is {status}, not available")
        if row.get("slug") == wanted:
            return wanted
        if not row.get("public") and not _is_in(row, location):
            places = ", ".join(sorted(map(str, row["regions"]))) or "no region"
            raise errors.BadOrder(
                f"image {wanted!r} is in {places}, not in {location}: transfer it"
            )
        return int(row["id"])

    def _public_or_by_id(self, wanted: str) -> Row | None:
        if not _SLUG.fullmatch(wanted):
            return None
        try:
            row: Row = self._connection.get(f"/images/{wanted}")["image"]
        except rest.SaidNoError as error:
            if vocabulary.code_of(error) == vocabulary.NOT_FOUND:
                return None
            raise
        return row


def _newest(rows: list[Row], location: str) -> Row | None:
    """Return the newest image, one that is usable in a region before one that is not."""
    return max(
        rows,
        key=lambda row: (
            _is_in(row, location),
            row.get("status") == "available",
            str(row.get("created_at", "")),
        ),
        default=None,
    )


def _is_in(row: Row, location: str) -> bool:
    """Return whether an image is in a region; where it does not say, the order will."""
    regions = row.get("regions")
    return regions is None or location in regions
