"""Sell, find and scrap machines: the work that requests to the memory cloud have done.

Called with the books open, from inside :meth:`providers.datacenter.center.Datacenter.exchange`.
"""

from __future__ import annotations

import dataclasses

from providers import contract, errors
from providers.datacenter import options, racks, troubles
from providers.datacenter.racks import Server
from providers.datacenter.troubles import Request

_FAILED_LATER = "resource_unavailable: the creation was accepted and then failed: sold out"


class Sales:
    """The counter of the cloud; ``options`` is what it sells and how, as of now.

    ``failed`` holds the ids of orders that fail after they were accepted, and when they do.
    """

    def __init__(
        self, settings: options.Options, stand: racks.Racks, chance: troubles.Troubles
    ) -> None:
        self.options = settings
        self.failed: dict[str, float] = {}
        self._racks = stand
        self._troubles = chance

    def rent(self, request: Request, now: float, order: contract.Order) -> Server:
        """Make a machine, or refuse; where names are unique, an order finds its own machine."""
        self._refuse_nonsense(request, order)
        there = self._racks.named(order.node_name) if self.options.unique_names else None
        if there is not None:
            if (there.cluster, there.group, there.node_name) == _marks(order):
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
        cluster, group, node_name = _marks(order)
        server = Server(
            id=server_id,
            name=order.node_name,
            cluster=cluster,
            group=group,
            node_name=node_name,
            machine_type=order.machine_type.name,
            location=order.location,
            image=order.image,
            addresses=addresses(int(server_id), public_ipv4=order.public_ipv4),
            created_at=now,
            runs_at=runs_at,
            gone_at=runs_at if fails else None,
            lag_s=self._troubles.lag_s(self.options),
            user_data=order.user_data,
        )
        self._racks.put(server)
        return server

    def scrap(self, server_id: str, now: float) -> None:
        """Begin to delete a machine, whosever it is; one that is gone or going is left to go."""
        server = self._racks.get(server_id)
        if server is None or server.deleted_at is not None:
            return
        gone_at = now + self.options.delete_time_s
        self._racks.put(dataclasses.replace(server, deleted_at=now, gone_at=gone_at))

    def page(self, now: float, *, cluster: str, after: int) -> tuple[Server, ...]:
        """Give one page of a cluster's machines as listings show them; a short one is the last."""
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
        """Tell why an accepted order failed, once it has; empty when it has not."""
        fails_at = self.failed.get(server_id)
        return _FAILED_LATER if fails_at is not None and now >= fails_at else ""

    def free(self, machine_type: str, location: str) -> bool:
        """Tell whether a machine type can be had in a location now."""
        place = options.place(machine_type, location)
        return self._racks.taken(place) < self.options.stock.get(place, len(self._racks) + 1)

    def used(self) -> int:
        """Count everybody's machines: what the quota bounds."""
        return len(self._racks)

    def nonsense(self, order: contract.Order) -> list[str]:
        """Tell what is wrong with an order, whatever the stock."""
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


def _marks(order: contract.Order) -> tuple[str, str, str]:
    return order.cluster, order.group, order.node_name


def addresses(number: int, *, public_ipv4: bool) -> tuple[str, ...]:
    """Give a machine its addresses: nobody's, and different for each."""
    private = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    # 198.18.0.0/15 is set aside for benchmarks of networks: it is nobody's.
    public = f"198.{18 + (number >> 16 & 1)}.{number >> 8 & 255}.{number & 255}"
    return (public, private) if public_ipv4 else (private,)
