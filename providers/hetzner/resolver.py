"""Find what the configuration names: images, keys, networks, firewalls, placement groups.

Answers are kept for some minutes, so that a hundred machines of a group ask once; not for ever,
since a snapshot of the same label may be newer tomorrow.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from providers import contract, errors
from providers.hetzner import listing, vocabulary, wire
from providers.kit import cache, naming

SPREAD = "spread"
"""The placement group that is ours to make: see :mod:`providers.hetzner.spreading`."""

Row = Mapping[str, Any]
_ARCHITECTURES = {ours: theirs for theirs, ours in vocabulary.ARCHITECTURES.items()}
_KEY, _VALUE = r"[A-Za-z0-9./_-]+", r"[A-Za-z0-9._-]*"
_SELECTS = re.compile(
    rf"(?=.*[=!(])({_KEY} *(=|==|!=) *{_VALUE}|!?{_KEY}|{_KEY} +(not)?in +\([^()]*\))"
    rf"( *, *({_KEY} *(=|==|!=) *{_VALUE}|!?{_KEY}|{_KEY} +(not)?in +\([^()]*\)))*"
)


class Resolver:
    """Turn names, ids and label selectors into ids; raises BadOrder for what is not there."""

    def __init__(self, connection: wire.Connection, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._kept = cache.Kept(clock)

    def image(self, name: str, architecture: str) -> int:
        """Find an image for an architecture of ours ("amd64", ...).

        ``name`` is a name, an id, or a label selector or a description, which find the newest
        snapshot that has them: snapshots have no names. One name stands for one image an
        architecture.
        """
        if not name:
            raise errors.BadOrder("no image is configured")
        return self._kept.once(
            ("image", name, architecture), lambda: self._image(name, architecture)
        )

    def network(self, name: str) -> int:
        """Find a network by name or id."""
        return self._kept.once(("network", name), lambda: int(self._row("network", name)["id"]))

    def firewall(self, name: str) -> int:
        """Find a firewall by name or id."""
        return self._kept.once(("firewall", name), lambda: int(self._row("firewall", name)["id"]))

    def placement_group(self, name: str) -> int:
        """Find a placement group by name or id."""
        key = ("placement_group", name)
        return self._kept.once(key, lambda: int(self._row("placement_group", name)["id"]))

    def forget(self) -> None:
        """Drop what is kept: the cloud no longer knows something that we sent."""
        self._kept.forget()

    def problems(self, order: contract.Order) -> tuple[str, ...]:
        """Look for everything that an order names, afresh; return a sentence for each problem."""
        self.forget()
        zone = self._zone(order.location)
        checks: list[Callable[[], object]] = [
            functools.partial(self.image, order.image, order.machine_type.arch),
            *(functools.partial(self._row, "ssh_key", key) for key in order.ssh_keys),
            *(functools.partial(self._row, "firewall", name) for name in order.firewalls),
            *(functools.partial(self._network_in, zone, name) for name in order.networks),
        ]
        if order.placement_group not in {"", SPREAD}:
            checks.append(functools.partial(self._row, "placement_group", order.placement_group))
        wrong = [] if zone else [f"there is no location {order.location!r}"]
        for check in checks:
            try:
                check()
            except errors.BadOrder as error:
                wrong.append(error.message)
        return tuple(wrong)

    def _zone(self, location: str) -> str:
        rows = self._connection.get("/locations", name=location)["locations"]
        return next((str(row["network_zone"]) for row in rows if row["name"] == location), "")

    def _network_in(self, zone: str, name: str) -> None:
        row = self._row("network", name)
        zones = {str(subnet["network_zone"]) for subnet in row["subnets"]}
        if zone and zone not in zones:
            raise errors.BadOrder(f"network {name!r} has no subnet in network zone {zone}")

    def _row(self, kind: str, name: str) -> Row:
        """Find one thing by id (digits) or name."""
        what = kind.replace("_", " ").replace("ssh", "SSH")
        if naming.is_number(name):
            row = self._by_id(kind, name)
        else:
            rows = self._connection.get(f"/{kind}s", name=name)[f"{kind}s"]
            return naming.only(rows, name, "name", what=what)
        if row is None:
            raise errors.BadOrder(f"there is no {what} {name!r}")
        return row

    def _by_id(self, kind: str, number: str) -> Row | None:
        try:
            row: Row = self._connection.get(f"/{kind}s/{number}")[kind]
        except wire.SaidNoError as error:
            if error.code == vocabulary.NOT_FOUND:
                return None
            raise
        return row

    def _image(self, name: str, architecture: str) -> int:
        theirs = _ARCHITECTURES.get(architecture, architecture)
        if naming.is_number(name):
            row = self._by_id("image", name)
            if row is None:
                raise errors.BadOrder(f"there is no image {name}")
            if row["architecture"] != theirs:
                raise errors.BadOrder(
                    f"image {name} is for {row['architecture']}, the machine type needs {theirs}"
                )
            if row["status"] != "available":
                raise errors.BadOrder(f"image {name} is {row['status']}, not available")
            return int(row["id"])
        if named := _newest(row for row in self._images(theirs, name=name) if row["name"] == name):
            return int(named["id"])
        labelled = None
        if _SELECTS.fullmatch(name):
            labelled = _newest(self._images(theirs, type="snapshot", label_selector=name))
        snapshots = self._images(theirs, type="snapshot")
        described = _newest(row for row in snapshots if row["description"] == name)
        if labelled and described and labelled["id"] != described["id"]:
            raise naming.ambiguous((labelled, described), f"image with labels or text {name!r}")
        newest = labelled or described
        if newest is None:
            raise errors.BadOrder(f"there is no image {name!r} for {theirs}")
        return int(newest["id"])

    def _images(self, theirs: str, **about: str) -> list[Row]:
        """List the images of an architecture of theirs that can be ordered."""
        about |= {"architecture": theirs, "status": "available", "include_deprecated": "true"}
        found = listing.pages(self._connection, "/images", "images", **about)
        return [row for row in found if row["architecture"] == theirs]


def _newest(rows: Iterable[Row]) -> Row | None:
    """Return the newest image, one that is not deprecated before one that is."""
    return max(rows, key=lambda row: (not row.get("deprecated"), row["created"]), default=None)
