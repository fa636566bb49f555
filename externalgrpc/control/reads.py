"""The requests that only look."""

from __future__ import annotations

from typing import TypeAlias

from externalgrpc import fleet as fleets
from externalgrpc.control import call
from externalgrpc.fleet import catalogue, neighbours, requests, state, tidying
from externalgrpc.model import names
from externalgrpc.support import logs
from providers import contract, errors

_LOG = logs.Log("cloud_calls")

Sold: TypeAlias = tuple[tuple[contract.MachineType, ...], tuple[contract.Offer, ...]]


class ListInstances(call.Call[requests.ListInstances, state.Snapshot]):
    """List an account."""

    operation = "instances"

    def cost(self, fleet: state.Fleet, costs: contract.Costs) -> int:
        """Return how many pages the listing is expected to have."""
        return call.listed_cost(fleet, self.request.account, costs)

    def run(self, tools: call.Tools) -> state.Snapshot:
        """List; the snapshot knows when it was begun."""
        begun_at = tools.clock.monotonic()
        return state.Snapshot(
            account=self.request.account, begun_at=begun_at, instances=tools.provider.instances()
        )

    def fold(
        self, fleet: state.Fleet, answer: state.Snapshot | errors.CloudError, at: call.Moment
    ) -> state.Fleet:
        """Take the listing."""
        if isinstance(answer, errors.CloudError):
            return fleets.not_listed(fleet, self.request.account, answer.message)
        return fleets.observe(fleet, answer, now=at.now, unix_now=at.unix_now)

    def line(self, answer: state.Snapshot | errors.CloudError) -> call.Line:
        """Return how many machines were listed, or why none."""
        account = self.request.account
        if isinstance(answer, errors.CloudError):
            return call.Line(
                "warning", "listing failed", {"account": account, "error": str(answer)}
            )
        fields: dict[str, object] = {"account": account, "machines": len(answer.instances)}
        return call.Line("debug", "listed", fields)


class ReadCatalogue(call.Call[requests.ReadCatalogue, Sold]):
    """Read an account's machine types and offers."""

    operation = "catalogue"

    def cost(self, _fleet: state.Fleet, costs: contract.Costs) -> int:
        """Return what the cloud says that it costs."""
        return costs.catalogue

    def run(self, tools: call.Tools) -> Sold:
        """Read what a cloud sells, without what no cloud can mean: a template must hold it."""
        types: tuple[contract.MachineType, ...]
        offers: tuple[contract.Offer, ...]
        types, offers = tools.beside(tools.provider.machine_types, tools.provider.offers)
        odd = [f"type {each.name}" for each in types if not _is_machine(each)]
        odd += [f"{each.machine_type} in {each.location}" for each in offers if not _is_price(each)]
        if odd:
            _LOG.warning("numbers beyond reason left out", count=len(odd), first=odd[0][:100])
        return tuple(filter(_is_machine, types)), tuple(filter(_is_price, offers))

    def fold(
        self, fleet: state.Fleet, answer: Sold | errors.CloudError, at: call.Moment
    ) -> state.Fleet:
        """Take the catalogue."""
        account = self.request.account
        if isinstance(answer, errors.CloudError):
            return catalogue.not_read(fleet, account, answer.message, now=at.now)
        return catalogue.read(fleet, account, *answer, now=at.now)

    def line(self, answer: Sold | errors.CloudError) -> call.Line | None:
        """Return why it could not be read."""
        return _not_read("catalogue not read", self.request.account, answer)


class _LookUp(call.Call[call.Q, contract.Instance | None]):
    """Look one machine up."""

    operation = "look_up"

    def cost(self, _fleet: state.Fleet, costs: contract.Costs) -> int:
        """Return what the cloud says that it costs."""
        return costs.look_up


class LookUp(_LookUp[requests.LookUp]):
    """Look a launch or a retired name up."""

    def run(self, tools: call.Tools) -> contract.Instance | None:
        """Ask for the machine of an order."""
        wanted = self.request
        return tools.provider.look_up(
            node_name=wanted.name, instance_id=wanted.instance_id, receipt=wanted.receipt
        )

    def fold(
        self,
        fleet: state.Fleet,
        answer: contract.Instance | errors.CloudError | None,
        at: call.Moment,
    ) -> state.Fleet:
        """Take what is known of it now."""
        launch = fleet.launches.get(self.request.name)
        mint = names.mint(launch.group if launch is not None else "", at.chance)
        return fleets.looked_up(fleet, self.request.name, answer, mint=mint, now=at.now)

    def line(self, answer: contract.Instance | errors.CloudError | None) -> call.Line:
        """Return what kind of answer it was."""
        fields: dict[str, object] = {"name": self.request.name, "answer": call.kind(answer)}
        return call.Line("info", "launch looked up", fields)


class LookUpMissing(_LookUp[requests.LookUpMissing]):
    """Look a member up that the last listing lacked."""

    def run(self, tools: call.Tools) -> contract.Instance | None:
        """Ask for the machine by its id."""
        instance = self.request.instance
        return tools.provider.look_up(
            node_name=instance.node_name, instance_id=instance.id, receipt=""
        )

    def fold(
        self,
        fleet: state.Fleet,
        answer: contract.Instance | errors.CloudError | None,
        at: call.Moment,
    ) -> state.Fleet:
        """Take whether it is there."""
        provider_id = self.request.instance.provider_id
        return fleets.missing_looked_up(fleet, provider_id, answer, now=at.now)

    def line(self, answer: contract.Instance | errors.CloudError | None) -> call.Line:
        """Return which machine is missing, and what kind of answer it was."""
        instance = self.request.instance
        fields: dict[str, object] = {
            "name": instance.node_name,
            "provider_id": instance.provider_id,
            "look_up": call.kind(answer),
        }
        return call.Line("warning", "machine missing from a listing", fields)


class ReadNeighbours(call.Call[requests.ReadNeighbours, tuple[contract.Neighbour, ...]]):
    """Ask whose machines are in an account's project."""

    operation = "neighbours"

    def cost(self, fleet: state.Fleet, costs: contract.Costs) -> int:
        """Say as much as for a listing."""
        return call.listed_cost(fleet, self.request.account, costs)

    def run(self, tools: call.Tools) -> tuple[contract.Neighbour, ...]:
        """Ask."""
        provider = tools.provider
        assert isinstance(provider, contract.Neighbourly)  # noqa: S101 - the fleet asks no other
        return provider.neighbours()

    def fold(
        self,
        fleet: state.Fleet,
        answer: tuple[contract.Neighbour, ...] | errors.CloudError,
        at: call.Moment,
    ) -> state.Fleet:
        """Take whose they are."""
        value = None if isinstance(answer, errors.CloudError) else answer
        return neighbours.read(fleet, self.request.account, value, now=at.now)

    def line(self, answer: tuple[contract.Neighbour, ...] | errors.CloudError) -> call.Line | None:
        """Return why it could not be read."""
        return _not_read("neighbours not read", self.request.account, answer)


class ReadLeftovers(call.Call[requests.ReadLeftovers, tuple[contract.Leftover, ...]]):
    """Ask what lies beside machines with our cluster's mark."""

    operation = "leftovers"

    def run(self, tools: call.Tools) -> tuple[contract.Leftover, ...]:
        """Ask."""
        provider = tools.provider
        assert isinstance(provider, contract.Leaving)  # noqa: S101 - the fleet asks no other
        return provider.leftovers()

    def fold(
        self,
        fleet: state.Fleet,
        answer: tuple[contract.Leftover, ...] | errors.CloudError,
        at: call.Moment,
    ) -> state.Fleet:
        """Take what lies there."""
        found = None if isinstance(answer, errors.CloudError) else answer
        return tidying.found(fleet, self.request.account, found, now=at.now)

    def line(self, answer: tuple[contract.Leftover, ...] | errors.CloudError) -> call.Line | None:
        """Return why it could not be read."""
        return _not_read("leftovers not read", self.request.account, answer)


def _not_read(event: str, account: str, answer: object) -> call.Line | None:
    if not isinstance(answer, errors.CloudError):
        return None
    return call.Line("warning", event, {"account": account, "error": str(answer)})


def _is_machine(machine_type: contract.MachineType) -> bool:
    return (
        0 < machine_type.cpu_millis < 10**8
        and 0 < machine_type.memory_bytes < 2**50
        and 0 <= machine_type.disk_bytes < 2**55
        and 0 <= machine_type.gpus < 10**4
    )


def _is_price(offer: contract.Offer) -> bool:
    prices = (offer.price_per_hour, offer.ipv4_per_hour)
    return all(each.is_finite() and 0 <= each < 10**6 for each in prices)
