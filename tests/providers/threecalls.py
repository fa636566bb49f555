"""A cloud in RAM that takes three requests for a machine: make it, give it user-data, start it.

So Scaleway is, and others; here each request is one exchange with the data centre, which may be
lost or refused like any other. That a machine was never started is what the cloud itself keeps: it
has no instant at which it runs.
"""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

from providers import contract, errors, memory
from providers.kit import marks
from providers.memory import datacenter

UNFINISHED = contract.InstanceState.UNFINISHED


class ThreeCalls(memory.MemoryCloud):
    """One login at it; the first request carries the marks."""

    costs: ClassVar[contract.Costs] = contract.Costs(create=3)

    def create(self, order: contract.Order) -> contract.Instance:
        self.check(order, "create")
        made = self.make(order)
        if made.state is not UNFINISHED:
            return made
        try:
            return self.go_on(order, made.id, "create")
        except errors.CloudError as error:
            # Whatever it was: there is a machine.
            raise errors.Unreachable(
                f"{made.id} is half made: {error.message}",
                account=error.account,
                operation=error.operation,
                request_id=error.request_id,
            ) from error

    def finish(self, order: contract.Order, instance: contract.Instance) -> contract.Instance:
        self.check(order, "finish")
        there = self.step("finish", instance.id, lambda server, _now: server)
        return there if there.state is not UNFINISHED else self.go_on(order, there.id, "finish")

    def check(self, order: contract.Order, operation: str) -> None:
        if self._is_too_large(order):
            raise self._bad_order(operation, self._too_large(order))
        if order.identity and not marks.is_identity(order.identity):
            raise self._bad_order(operation, f"{order.identity!r} is no identity of a cluster")

    def make(self, order: contract.Order) -> contract.Instance:
        """Send the first request: a machine that is off, with all its marks."""

        def work(request: datacenter.Request, now: float) -> contract.Instance:
            before = {server.id for server in self._cloud.servers()}
            server = self._cloud.sales.rent(request, now, order)
            if server.id not in before:
                self._cloud.edit(server.id, **self.first(order))
            return self._instance(self.server(server.id), now, receipt=server.id)

        return self._write("create", order.node_name, 0.0, work)

    def first(self, order: contract.Order) -> dict[str, object]:
        """Return what a machine has after the first request, other than its order."""
        return {"runs_at": math.inf, "user_data": ""}

    def go_on(self, order: contract.Order, server_id: str, operation: str) -> contract.Instance:
        """Send the second request, and the third."""

        def put(server: datacenter.Server, _now: float) -> datacenter.Server:
            return dataclasses.replace(server, user_data=order.user_data)

        self.step(operation, server_id, put, unstarted=True)
        return self.power_on(operation, server_id)

    def power_on(self, operation: str, server_id: str) -> contract.Instance:
        def start(server: datacenter.Server, now: float) -> datacenter.Server:
            return dataclasses.replace(server, runs_at=now + self._cloud.options.boot_time_s)

        return self.step(operation, server_id, start, unstarted=True)

    def step(self, operation, server_id, change, *, unstarted=False) -> contract.Instance:
        """Send one request about a machine; ``unstarted``: it is done to one that never ran."""

        def work(request: datacenter.Request, now: float) -> contract.Instance:
            server = self.server(server_id)
            if server is None or server.deleted_at is not None:
                raise request.refusal(errors.BadOrder, f"not_found: no machine {server_id!r}")
            if not unstarted or server.runs_at == math.inf:
                fresh = change(server, now)
                fields = {name: getattr(fresh, name) for name in ("user_data", "runs_at")}
                self._cloud.edit(server_id, **fields)
            return self._instance(self.server(server_id), now)

        return self._write(operation, server_id, 0.0, work)

    def server(self, server_id: str) -> datacenter.Server | None:
        return next((each for each in self._cloud.servers() if each.id == server_id), None)

    def _instance(
        self, server: datacenter.Server, at: float, *, receipt: str = ""
    ) -> contract.Instance:
        shown = super()._instance(server, at, receipt=receipt)
        half = server.runs_at == math.inf and shown.state is contract.InstanceState.CREATING
        return dataclasses.replace(shown, state=self.half_state) if half else shown

    half_state = UNFINISHED
