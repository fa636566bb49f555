"""Find what the configuration names: images, keys, VPCs, firewall groups.

Answers are kept for some minutes (see :mod:`providers.kit.cache`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from providers import contract, errors, rest
from providers.kit import cache, naming
from providers.vultr import listing, reading

Row = dict[str, Any]

MARKETPLACE = "image:"
"""What stands before the id of a marketplace image: the API of images is another one."""


class Resolver:
    """Turn names and ids into what the API takes; raises BadOrder for what is not there."""

    def __init__(self, connection: rest.Connection, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._kept = cache.Kept(clock)

    def image(self, wanted: str) -> dict[str, str | int]:
        """Find an image; return the field of the order that says it.

        ``wanted`` is an operating system's name or number, a snapshot's id or description (the
        newest one), or ``image:`` and a marketplace image's id, which is taken as it is.
        """
        if not wanted:
            raise errors.BadOrder("no image is configured")
        if wanted.startswith(MARKETPLACE):
            return {"image_id": wanted.removeprefix(MARKETPLACE)}
        systems = self._list("/os", "os")
        for row in systems:
            if wanted in (str(row["id"]), row.get("name")):
                return {"os_id": int(row["id"])}
        return {"snapshot_id": self._snapshot(wanted)}

    def ssh_key(self, wanted: str) -> str:
        """Find a key by id or name."""
        return self._one("/ssh-keys", "ssh_keys", wanted, "name", "SSH key")

    def firewall(self, wanted: str) -> str:
        """Find a firewall group by id or description."""
        return self._one("/firewalls", "firewall_groups", wanted, "description", "firewall group")

    def vpcs(self, names: Collection[str], location: str) -> list[str]:
        """Find those of these VPCs (ids or descriptions) that lie in a region.

        A VPC lies in one region: a group that may order in several names one for each.
        """
        rows = self._list("/vpcs", "vpcs")
        here: dict[str, None] = {}
        for wanted in names:
            found = naming.every(rows, wanted, "id", "description", what="VPC")
            in_region = [row for row in found if row.get("region") == location]
            if len(in_region) > 1:
                raise naming.ambiguous(in_region, f"VPC {wanted!r} in {location}")
            here.update((str(row["id"]), None) for row in in_region)
        if not here:
            named = ", ".join(repr(wanted) for wanted in names)
            raise errors.BadOrder(f"of the networks {named} none lies in {location}")
        return list(here)

    def forget(self) -> None:
        """Drop what is kept: the cloud no longer knows something that we sent."""
        self._kept.forget()

    def problems(self, order: contract.Order) -> tuple[str, ...]:
        """Look for everything that an order names, afresh; return a sentence for each problem."""
        wrong: list[str] = []

        def look(find: Callable[[], object]) -> None:
            try:
                find()
            except errors.BadOrder as error:
                wrong.append(error.message)

        self.forget()
        regions = {str(row["id"]) for row in self._list("/regions", "regions")}
        if order.location not in regions:
            wrong.append(f"there is no region {order.location!r}")
        look(lambda: self.image(order.image))
        for name in order.ssh_keys:
            look(lambda name=name: self.ssh_key(name))  # type: ignore[misc]
        for name in order.firewalls:
            look(lambda name=name: self.firewall(name))  # type: ignore[misc]
        if order.networks:
            look(lambda: self.vpcs(order.networks, order.location))
        return tuple(wrong)

    def _list(self, path: str, key: str) -> list[Row]:
        return self._kept.once(path, lambda: listing.pages(self._connection, path, key))

    def _one(self, path: str, key: str, wanted: str, name: str, what: str) -> str:
        return str(naming.only(self._list(path, key), wanted, "id", name, what=what)["id"])

    def _snapshot(self, wanted: str) -> str:
        field = "id" if reading.is_id(wanted) else "description"
        found = [row for row in self._list("/snapshots", "snapshots") if row.get(field) == wanted]
        complete = [row for row in found if row.get("status") == "complete"]
        if complete:
            return str(max(complete, key=lambda row: str(row.get("date_created")))["id"])
        if found:
            raise errors.BadOrder(f"image {wanted!r} is {found[0].get('status')}, not complete")
        raise errors.BadOrder(
            f"there is no image {wanted!r}: neither an OS nor a snapshot is so called"
        )
