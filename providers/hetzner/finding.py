"""Find what the configuration names: images, keys, networks, firewalls, placement groups.

Answers are kept for some minutes, so that a hundred machines of a group ask once; not for ever,
since a snapshot of the same label may be newer tomorrow.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from providers import contract, errors, keeping, naming
from providers.hetzner import wire, words

KEPT_S = keeping.KEPT_S
SPREAD = "spread"
"""The placement group that is ours to make: see :mod:`providers.hetzner.spreading`."""

Row = Mapping[str, Any]
_ARCHITECTURES = {ours: theirs for theirs, ours in words.ARCHITECTURES.items()}
_KEY, _VALUE = r"[A-Za-z0-9./_-]+", r"[A-Za-z0-9._-]*"
_SELECTS = re.compile(
    rf"(?=.*[=!(])({_KEY} *(=|==|!=) *{_VALUE}|!?{_KEY}|{_KEY} +(not)?in +\([^()]*\))"
    rf"( *, *({_KEY} *(=|==|!=) *{_VALUE}|!?{_KEY}|{_KEY} +(not)?in +\([^()]*\)))*"
)


class Finder:
    """Turn names, ids and label selectors into ids; raises BadOrder for what is not there."""

    def __init__(self, connection: wire.Connection, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._kept = keeping.Kept(clock)

    def image(self, told: str, architecture: str) -> int:
        """Find an image for an architecture of ours ("amd64", ...).

        ``told`` is a name, an id, or a label selector or a description, which find the newest
        snapshot that has them: snapshots have no names. One name stands for one image an
        architecture.
        """
        if not told:
            raise errors.BadOrder("no image is configured")
        return self._kept.once(
            ("image", told, architecture), lambda: self._image(told, architecture)
        )

    def network(self, told: str) -> int:
        """Find a network by name or id."""
        return self._kept.once(("network", told), lambda: int(self._row("network", told)["id"]))

    def firewall(self, told: str) -> int:
        """Find a firewall by name or id."""
        return self._kept.once(("firewall", told), lambda: int(self._row("firewall", told)["id"]))

    def placement_group(self, told: str) -> int:
        """Find a placement group by name or id."""
        key = ("placement_group", told)
        return self._kept.once(key, lambda: int(self._row("placement_group", told)["id"]))

    def forget(self) -> None:
        """Drop what is kept: the cloud no longer knows something that we sent."""
        self._kept.forget()

    def problems(self, order: contract.Order) -> tuple[str, ...]:
        """Look for everything that an order names, afresh; give a sentence for each problem."""
        self.forget()
        zone = self._zone(order.location)
        checks: list[Callable[[], object]] = [
            functools.partial(self.image, order.image, order.machine_type.arch),
            *(functools.partial(self._row, "ssh_key", told) for told in order.ssh_keys),
            *(functools.partial(self._row, "firewall", told) for told in order.firewalls),
            *(functools.partial(self._network_in, zone, told) for told in order.networks),
        ]
        if order.placement_group not in {"", SPREAD}:
            told = order.placement_group
            checks.append(functools.partial(self._row, "placement_group", told))
        wrong = [] if zone else [f"there is no location {order.location!r}"]
        for check in checks:
            try:
                check()
            except errors.BadOrder as error:
                wrong.append(error.message)
        return tuple(wrong)

    def _zone(self, location: str) -> str:
        rows = self._connection.get("/locations", name=location)["locations"]
        return str(rows[0]["network_zone"]) if rows else ""

    def _network_in(self, zone: str, told: str) -> None:
        row = self._row("network", told)
        zones = {str(subnet["network_zone"]) for subnet in row["subnets"]}
        if zone and zone not in zones:
            raise errors.BadOrder(f"network {told!r} has no subnet in network zone {zone}")

    def _row(self, kind: str, told: str) -> Row:
        """Find one thing by id (digits) or name."""
        words_for_people = kind.replace("_", " ").replace("ssh", "SSH")
        if told.isascii() and told.isdigit():
            row = self._by_id(kind, told)
        else:
            rows = self._connection.get(f"/{kind}s", name=told)[f"{kind}s"]
            return naming.only(rows, told, "name", what=words_for_people)
        if row is None:
            raise errors.BadOrder(f"there is no {words_for_people} {told!r}")
        return row

    def _by_id(self, kind: str, number: str) -> Row | None:
        try:
            row: Row = self._connection.get(f"/{kind}s/{number}")[kind]
        except wire.SaidNoError as error:
            if error.code == words.NOT_FOUND:
                return None
            raise
        return row

    def _image(self, told: str, architecture: str) -> int:
        theirs = _ARCHITECTURES.get(architecture, architecture)
        if told.isascii() and told.isdigit():
            row = self._by_id("image", told)
            if row is None:
                raise errors.BadOrder(f"there is no image {told}")
            if row["architecture"] != theirs:
                raise errors.BadOrder(
                    f"image {told} is for {row['architecture']}, the machine type needs {theirs}"
                )
            if row["status"] != "available":
                raise errors.BadOrder(f"image {told} is {row['status']}, not available")
            return int(row["id"])
        if named := _newest(self._images(theirs, name=told)):
            return int(named["id"])
        labelled = None
        if _SELECTS.fullmatch(told):
            labelled = _newest(self._images(theirs, type="snapshot", label_selector=told))
        snapshots = self._images(theirs, type="snapshot")
        described = _newest(row for row in snapshots if row["description"] == told)
        if labelled and described and labelled["id"] != described["id"]:
            raise naming.ambiguous((labelled, described), f"image with labels or text {told!r}")
        newest = labelled or described
        if newest is None:
            raise errors.BadOrder(f"there is no image {told!r} for {theirs}")
        return int(newest["id"])

    def _images(self, theirs: str, **about: str) -> list[Row]:
        """List the images of an architecture of theirs that can be ordered."""
        about |= {"architecture": theirs, "status": "available", "include_deprecated": "true"}
        found = self._connection.pages("/images", "images", **about)
        return [row for row in found if row["architecture"] == theirs]


def _newest(rows: Iterable[Row]) -> Row | None:
    """Give the newest image, one that is not deprecated before one that is."""
    return max(rows, key=lambda row: (not row.get("deprecated"), row["created"]), default=None)
