"""Sell, find and scrap machines: the work that requests to the memory cloud have done.

Called with the books open, from inside
:meth:`providers.memory.datacenter.center.Datacenter.exchange`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

from providers import contract, errors
from providers.kit import marks
from providers.memory.datacenter import options, racks, troubles
from providers.memory.datacenter.racks import Server
from providers.memory.datacenter.troubles import Request

_FIELDS = {
    contract.Mark.CLUSTER: "cluster",
    contract.Mark.GROUP: "group",
    contract.Mark.NODE: "node_name",
    contract.Mark.IDENTITY: "identity",
    contract.Mark.UNJOINED: "unjoined",
    contract.Mark.ADOPTED: "adopted",
}
_FAILED_LATER = "resource_unavailable: the creation was accepted and then failed: sold out"


class Sales:
    """The counter of the cloud; ``options`` is what it sells and how, as of now.

    ``failed`` holds the ids of orders that fail after they were accepted, and when they do.
    ``shelves`` are what orders make beside machines, one for each (cluster, group), and what stays
    when the machines go until somebody tidies up: as placement groups do elsewhere.
    """

    def __init__(
        self, settings: options.Options, stand: racks.Racks, chance: troubles.Troubles
    ) -> None:
        self.options = settings
        self.failed: dict[str, float] = {}
        self.shelves: set[tuple[str, str]] = set()
        self._racks = stand
        self._troubles = chance

    def rent(self, request: Request, now: float, order: contract.Order) -> Server:
        """Make a machine, or refuse; where names are unique, an order finds its own machine."""
        self._refuse_nonsense(request, order)
        there = self._racks.named(order.node_name) if self.options.unique_names else None
        if there is not None:
            if _carried(there) == _wanted(order):
                return there
            words = f"uniqueness_error: a machine named {order.node_name!r} exists already"
            raise request.refusal(errors.BadOrder, words)
        if self.options.quota is not None and len(self._racks) >= self.options.quota:
            words = f"resource_limit_exceeded: this account may have {self.options.quota} machines"
            raise request.refusal(errors.QuotaExceeded, words)
        if not self.free(order.machine_type.name, order.location):
            place = options.place(order.machine_type.name, order.location)
            words = f"resource_unavailable: {place} is sold out"
            raise request.refusal(errors.OutOfStock, words)
        server_id = self._racks.next_id()
        runs_at = now + self.options.boot_time_s
        fails = self._troubles.roll(self.options.fail_after_accept_rate)
        if fails:
            self.failed[server_id] = now + self.options.boot_time_s / 2
        server = Server(
            id=server_id,
            name=order.node_name,
            cluster=order.cluster,
            group=order.group,
            node_name=order.node_name,
            identity=order.identity,
            unjoined=True,
            machine_type=order.machine_type.name,
            location=order.location,
            image=order.image,
            addresses=addresses(int(server_id), public_ipv4=order.public_ipv4),
            created_at=now,
            runs_at=runs_at,
            gone_at=runs_at if fails else None,
            lag_s=self._troubles.lag_s(self.options),
            labels=dict(order.labels),
            user_data=order.user_data,
        )
        self._racks.put(server)
        self.shelves.add((order.cluster, order.group))
        return server

    def mark(
        self,
        request: Request,
        server_id: str,
        *,
        put: Mapping[contract.Mark, str],
        remove: Collection[contract.Mark],
    ) -> Server:
        """Put marks on a machine, whosever it is, and take others off; refuse one that is gone."""
        server = self._racks.get(server_id)
        if server is None:
            raise request.refusal(errors.BadOrder, f"not_found: no machine {server_id!r}")
        fields = {_FIELDS[mark]: value for mark, value in put.items()}
        fields |= {_FIELDS[mark]: "" for mark in remove}
        fresh = dataclasses.replace(
            server,
            cluster=fields.get("cluster", server.cluster),
            group=fields.get("group", server.group),
            node_name=fields.get("node_name", server.node_name),
            identity=fields.get("identity", server.identity),
            unjoined=bool(fields.get("unjoined", server.unjoined)),
            adopted=bool(fields.get("adopted", server.adopted)),
        )
        if fresh != server:
            self._racks.put(fresh)
        return fresh

    def everybodys(self, now: float) -> tuple[Server, ...]:
        """Return every machine that there is, as it is now."""
        return tuple(one for one in self._racks.all() if one.state(now) is not None)

    def neighbours(self) -> tuple[contract.Neighbour, ...]:
        """Count everybody's machines by the marks of clusters that they carry."""
        there = self._racks.all()
        return marks.counted((one.cluster, one.identity) for one in there if one.cluster)

    def clear(self, *, cluster: str, groups: Collection[str]) -> tuple[str, ...]:
        """Take away the shelves of a cluster's groups that have no machine; return which."""
        used = {(one.cluster, one.group) for one in self._racks.all()}
        bare = sorted({(cluster, group) for group in groups} & self.shelves - used)
        self.shelves -= set(bare)
        self._racks.unsaved = self._racks.unsaved or bool(bare)
        return tuple(f"shelf of group {group!r}" for _, group in bare)

    def delete(self, server_id: str, now: float) -> None:
        """Begin to delete a machine, whosever it is; one that is gone or going is left to go."""
        server = self._racks.get(server_id)
        if server is None or server.deleted_at is not None:
            return
        gone_at = now + self.options.delete_time_s
        self._racks.put(dataclasses.replace(server, deleted_at=now, gone_at=gone_at))

    def page(self, now: float, *, cluster: str, after: int) -> tuple[Server, ...]:
        """Return one page of a cluster's machines as listings show them; the last is short."""
        size = self.options.page_size
        return self._racks.page(now, cluster=cluster, after=after, size=size)

    def find(self, *, cluster: str, server_id: str, node_name: str) -> Server | None:
        """Find a machine of a cluster by id, or by node name: the truth, without a lag.

        Where two carry one name, find the older.
        """
        if not server_id:
            return self._racks.marked(cluster, node_name)
        server = self._racks.get(server_id)
        return server if server is not None and server.cluster == cluster else None

    def failure(self, server_id: str, now: float) -> str:
        """Return why an accepted order failed, once it has; empty when it has not."""
        fails_at = self.failed.get(server_id)
        return _FAILED_LATER if fails_at is not None and now >= fails_at else ""

    def free(self, machine_type: str, location: str) -> bool:
        """Return whether a machine type can be had in a location now."""
        place = options.place(machine_type, location)
        return self._racks.taken(place) < self.options.stock.get(place, len(self._racks) + 1)

    def used(self) -> int:
        """Count everybody's machines: what the quota bounds."""
        return len(self._racks)

    def nonsense(self, order: contract.Order) -> list[str]:
        """Return what is wrong with an order, whatever the stock."""
        plan = self.options.plan(order.machine_type.name)
        wrong = []
        if plan is None:
            wrong.append(f"no machine type {order.machine_type.name!r}")
        elif order.location not in self.options.sold_in(plan):
            wrong.append(f"{plan.name} is not sold in {order.location!r}")
        if self.options.images and order.image not in self.options.images:
            wrong.append(f"image {order.image!r} not found")
        return wrong

    def _refuse_nonsense(self, request: Request, order: contract.Order) -> None:
        wrong = self.nonsense(order)
        if wrong:
            raise request.refusal(errors.BadOrder, f"invalid_input: {'; '.join(wrong)}")


def _wanted(order: contract.Order) -> tuple[str, str, str, str]:
    return order.cluster, order.group, order.node_name, order.identity


def _carried(server: Server) -> tuple[str, str, str, str]:
    return server.cluster, server.group, server.node_name, server.identity


def addresses(number: int, *, public_ipv4: bool) -> tuple[str, ...]:
    """Return a machine's addresses: nobody's, and different for each."""
    private = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    # 198.18.0.0/15 is set aside for benchmarks of networks: it is nobody's.
    public = f"198.{18 + (number >> 16 & 1)}.{number >> 8 & 255}.{number & 255}"
    return (public, private) if public_ipv4 else (private,)
