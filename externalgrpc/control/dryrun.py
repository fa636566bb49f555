"""Look at a cloud as always, and make or delete nothing: what would be done is logged."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from externalgrpc.support import logs
from providers import contract, errors

_LOG = logs.Log("dryrun")


class DryRun:
    """A provider that passes every question on and answers every create with a refusal.

    A refusal, not a pretence: a machine that only seems to exist would be counted, and CA would
    wait for its node. CA sees a failed launch that says why.
    """

    def __init__(self, provider: contract.Provider) -> None:
        self._provider = provider

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the provider has
        return getattr(self._provider, name)

    def create(self, order: contract.Order) -> contract.Instance:
        """Return what would be ordered; raises BadOrder."""
        _LOG.warning(
            "dry run: would create",
            name=order.node_name,
            group=order.group,
            type=order.machine_type.name,
            location=order.location,
            image=order.image,
            user_data_bytes=len(order.user_data.encode()),
        )
        raise errors.BadOrder("dry run: nothing is created")

    def delete(self, instance_id: str) -> None:
        """Log what would be deleted; raises Throttled, so that it stays owed."""
        _LOG.warning("dry run: would delete", id=instance_id)
        raise errors.Throttled("dry run: nothing is deleted", retry_after_s=600.0)

    def mark(
        self,
        instance_id: str,
        *,
        put: Mapping[contract.Mark, str],
        remove: frozenset[contract.Mark] = frozenset(),
    ) -> contract.Instance:
        """Return which marks would change; raises Throttled, so that it stays owed."""
        _LOG.warning(
            "dry run: would mark",
            id=instance_id,
            put={mark.value: value for mark, value in put.items()},
            remove=sorted(mark.value for mark in remove),
        )
        raise errors.Throttled("dry run: nothing is marked", retry_after_s=600.0)

    def finish(self, order: contract.Order, instance: contract.Instance) -> contract.Instance:
        """Return which machine would be finished; raises Throttled, so that it stays to be done."""
        _LOG.warning(
            "dry run: would finish",
            id=instance.id,
            name=order.node_name,
            group=order.group,
            user_data_bytes=len(order.user_data.encode()),
        )
        raise errors.Throttled("dry run: nothing is finished", retry_after_s=600.0)

    def neighbours(self) -> tuple[contract.Neighbour, ...]:
        """Pass on; a cloud that cannot say has none."""
        if isinstance(self._provider, contract.Neighbourly):
            return self._provider.neighbours()
        return ()

    def tidy(self, *, groups: Collection[str], nodes: Collection[str]) -> tuple[str, ...]:
        """Delete nothing, say nothing: what would be left is little."""
        del groups, nodes
        return ()

    def leftovers(self) -> tuple[contract.Leftover, ...]:
        """Show none: nothing of it would be deleted."""
        return ()
