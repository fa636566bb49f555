"""The requests that make, change or delete something."""

from __future__ import annotations

from externalgrpc import fleet as fleets
from externalgrpc.control import call
from externalgrpc.fleet import (
    finishing,
    marking,
    pausing,
    requests,
    sparing,
    spending,
    state,
    stock,
    tidying,
)
from externalgrpc.model import names
from providers import contract, errors, masking


class Create(call.Call[requests.Create, contract.Instance]):
    """Send the order of a launch."""

    operation = "create"
    writes = True
    counted = "orders"

    @property
    def counted_by(self) -> tuple[str, str]:
        """Count orders by group."""
        return "group", self.request.group.name

    def cost(self, _fleet: state.Fleet, costs: contract.Costs) -> int:
        """Return what the cloud says that it costs."""
        return costs.create

    def not_wanted(self, fleet: state.Fleet) -> str:
        """Say that the group was paused or closed meanwhile, its VPSNode too, or a cap lowered."""
        group = fleet.groups.get(self.request.group.name, self.request.group)
        if group.deletion:
            return "its VPSNode is being deleted"
        if group.closing:
            return "its group is no longer configured"
        if group.hold:
            return group.hold
        return pausing.of_group(fleet, group.name, self.request.account) or spending.exceeded(
            fleet, group, self.request.account
        )

    def run(self, tools: call.Tools) -> contract.Instance:
        """Order; what the order carries is hidden, should the cloud repeat it."""
        order = tools.prepare(self.request)
        _hide(order)
        tools.about_to_send()
        return tools.provider.create(order)

    def fold(
        self, fleet: state.Fleet, answer: contract.Instance | errors.CloudError, at: call.Moment
    ) -> state.Fleet:
        """Take what became of the order."""
        return fleets.ordered(fleet, self.request.name, answer, now=at.now)

    def line(self, answer: contract.Instance | errors.CloudError) -> call.Line:
        """Return whether the order was taken."""
        fields: dict[str, object] = {
            "account": self.request.account,
            "group": self.request.group.name,
            "name": self.request.name,
            "type": self.request.candidate.machine_type,
            "location": self.request.candidate.location,
        }
        if isinstance(answer, errors.CloudError):
            fields |= {"error": str(answer), "kind": call.kind(answer)}
            return call.Line("warning", "order not taken", fields)
        return call.Line("info", "order accepted", fields | {"provider_id": answer.provider_id})


class Finish(call.Call[requests.Finish, contract.Instance]):
    """Do what is left of the order of a machine that stands."""

    operation = "finish"
    writes = True
    counted = "finishes"

    def cost(self, _fleet: state.Fleet, costs: contract.Costs) -> int:
        """Say as much as for a create: it is the rest of one."""
        return costs.create

    def not_wanted(self, fleet: state.Fleet) -> str:
        """Say that the machine was retired meanwhile."""
        if finishing.wants(fleet, self.request.instance.provider_id) is None:
            return "the machine is not to be finished any more"
        return ""

    def run(self, tools: call.Tools) -> contract.Instance:
        """Send what is left of the order; what it carries is hidden as that of an order is."""
        provider = tools.provider
        assert isinstance(provider, contract.Finishing)  # noqa: S101 - the fleet asks no other
        order = tools.prepare(self.request.order)
        _hide(order)
        tools.about_to_send()
        return provider.finish(order, self.request.instance)

    def fold(
        self, fleet: state.Fleet, answer: contract.Instance | errors.CloudError, at: call.Moment
    ) -> state.Fleet:
        """Take what became of the machine."""
        mint = names.mint(self.request.order.group.name, at.chance)
        return fleets.finished(fleet, self.request, answer, mint=mint, now=at.now)

    def line(self, answer: contract.Instance | errors.CloudError) -> call.Line:
        """Return whether it is finished."""
        fields: dict[str, object] = {
            "name": self.request.order.name,
            "provider_id": self.request.instance.provider_id,
        }
        if isinstance(answer, errors.CloudError):
            return call.Line("warning", "machine not finished", fields | {"error": str(answer)})
        return call.Line("info", "machine finished", fields | {"state": answer.state.value})


class Delete(call.Call[requests.Delete, None]):
    """Delete a machine."""

    operation = "delete"
    writes = True
    counted = "deletions"

    def cost(self, _fleet: state.Fleet, costs: contract.Costs) -> int:
        """Return what the cloud says that it costs."""
        return costs.delete

    def not_wanted(self, fleet: state.Fleet) -> str:
        """Say that the machine became a node meanwhile, or that its group was paused."""
        if sparing.is_spared(fleet, self.request.key):
            return "the machine became a node meanwhile"
        held = fleet.retired.get(self.request.key)
        return pausing.holds(fleet, held) if held is not None else ""

    def run(self, tools: call.Tools) -> None:
        """Delete."""
        tools.about_to_send()
        tools.provider.delete(self.request.instance_id)

    def fold(
        self, fleet: state.Fleet, answer: errors.CloudError | None, at: call.Moment
    ) -> state.Fleet:
        """Take whether the cloud took it."""
        return fleets.deleted(fleet, self.request.key, answer, now=at.now)

    def line(self, answer: errors.CloudError | None) -> call.Line:
        """Return whether the cloud took it."""
        fields: dict[str, object] = {"name": self.request.key, "id": self.request.instance_id}
        if answer is not None:
            return call.Line("warning", "deletion not taken", fields | {"error": str(answer)})
        return call.Line("info", "deletion accepted", fields)


class Mark(call.Call[requests.Mark, contract.Instance]):
    """Put marks on a machine and take others off."""

    operation = "mark"
    writes = True
    counted = "marks"

    def cost(self, _fleet: state.Fleet, costs: contract.Costs) -> int:
        """Return what the cloud says that it costs."""
        return costs.mark

    def run(self, tools: call.Tools) -> contract.Instance:
        """Change the marks."""
        provider, wanted = tools.provider, self.request
        assert isinstance(provider, contract.Marking)  # noqa: S101 - the fleet asks no other
        tools.about_to_send()
        return provider.mark(wanted.instance_id, put=wanted.put, remove=wanted.remove)

    def fold(
        self, fleet: state.Fleet, answer: contract.Instance | errors.CloudError, at: call.Moment
    ) -> state.Fleet:
        """Take whether they are changed."""
        error = answer if isinstance(answer, errors.CloudError) else None
        wait_s = stock.retry_wait_s(error, 3) if error is not None else 0.0
        return marking.marked(fleet, self.request, error, now=at.now, wait_s=wait_s)

    def line(self, answer: contract.Instance | errors.CloudError) -> call.Line:
        """Return which marks were changed, or not."""
        fields: dict[str, object] = {
            "provider_id": self.request.provider_id,
            "put": {mark.value: value for mark, value in self.request.put.items()},
            "remove": sorted(mark.value for mark in self.request.remove),
        }
        if isinstance(answer, errors.CloudError):
            return call.Line("warning", "machine not marked", fields | {"error": str(answer)})
        return call.Line("info", "machine marked", fields)


class Tidy(call.Call[requests.Tidy, tuple[str, ...]]):
    """Clear what machines that are gone left beside them."""

    operation = "tidy"
    writes = True

    def run(self, tools: call.Tools) -> tuple[str, ...]:
        """Clear it; give what was."""
        provider, wanted = tools.provider, self.request
        assert isinstance(provider, contract.Tidying)  # noqa: S101 - the fleet asks no other
        tools.about_to_send()
        return provider.tidy(groups=wanted.groups, nodes=wanted.nodes)

    def fold(
        self, fleet: state.Fleet, answer: tuple[str, ...] | errors.CloudError, at: call.Moment
    ) -> state.Fleet:
        """Take whether it is cleared."""
        error = answer if isinstance(answer, errors.CloudError) else None
        return tidying.tidied(fleet, self.request, error, now=at.now)

    def line(self, answer: tuple[str, ...] | errors.CloudError) -> call.Line | None:
        """Return what was cleared, if anything."""
        if isinstance(answer, errors.CloudError):
            event = "what machines left behind not cleared"
            return call.Line("warning", event, {"error": str(answer)})
        if not answer:
            return None
        fields: dict[str, object] = {"account": self.request.account, "what": list(answer)}
        return call.Line("info", "what machines left behind cleared", fields)


def _hide(order: contract.Order) -> None:
    public = (order.node_name, order.group, order.image, order.machine_type.name)
    masking.hide(order.user_data, *public)
