"""Clear what orders made beside machines: one mechanism for every kind and every cloud.

A kind (placement groups, volumes, addresses, tags that are things of their own) says which of them
the cloud shows with our mark and whose they are, whether one is free, and how it is deleted. Kinds
are cleared in the order given, what hangs on another first. Nothing is remembered between two runs:
each begins with the cloud's own listing, so a process that dies between two steps loses nothing.

That a thing seems to be nobody's proves nothing. It goes only with our mark, only for an owner that
the caller knows to be gone, and only when the cloud, asked right before, says that it is free.
"""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol

from providers import contract, errors
from providers.kit import logs


class Kind(Protocol):
    """One kind of thing that stays when machines go."""

    def listed(self, *, groups: Collection[str], nodes: Collection[str]) -> Iterable[Leftover]:
        """Return what carries our mark and is of these owners, used or not; all or an error."""
        ...

    def is_free(self, left: Leftover) -> bool:
        """Return whether it is still there, ours, and used by nothing; asks the cloud now."""
        ...

    def delete(self, left: Leftover) -> bool:
        """Delete it; return whether it was there. Raises what the cloud says, "in use" among it."""
        ...


Leftover = contract.Leftover


def clear(
    kinds: Sequence[Kind], *, groups: Collection[str], nodes: Collection[str]
) -> tuple[str, ...]:
    """Delete what is left of these groups and node names; return what went, for a person.

    Raises what a kind raises: what was deleted before stays so, and the next run finds the rest.
    """
    gone: list[str] = []
    for kind in kinds:
        for left in kind.listed(groups=groups, nodes=nodes):
            owned = left.node_name in nodes if left.node_name else left.group in groups
            if owned and kind.is_free(left) and kind.delete(left):
                gone.append(str(left))
    return tuple(gone)


class Unmarked:
    """The machines of one account that a create made without our marks; safe in several threads.

    Where marks are tags, a create may be accepted and its tags left out. No listing by mark shows
    such a machine, so this kind alone is remembered, by the id in the create's own answer, and each
    is logged with that id: a process that dies right then leaves it to a person.

    ``is_ours`` asks the cloud now whether the machine is still the one that was made, of its
    order's name and lacking a mark; None when it is gone. ``delete`` asks for its deletion, and
    says whether it was gone already.
    """

    def __init__(
        self,
        account: str,
        *,
        is_ours: Callable[[str, contract.Order], bool | None],
        delete: Callable[[str], bool],
    ) -> None:
        self._log = logs.AccountLog("providers.kit.leftovers", account)
        self._is_ours = is_ours
        self._delete = delete
        self._guard = threading.Lock()
        self._made: dict[str, contract.Order] = {}

    def delete(self, machine_id: str, order: contract.Order) -> None:
        """Remember a machine that was made for an order, and ask for its deletion at once.

        The cloud has just said, in its answer to the create, what the machine lacks.
        """
        with self._guard:
            self._made[machine_id] = dataclasses.replace(order, user_data="")
        self._ask_for(machine_id, lambda: True)

    def sweep(self) -> None:
        """Ask for the deletion of what is still there; never raises: the next sweep tries again.

        A cloud may ignore a deletion, so it is asked until it says that the machine is gone.
        """
        with self._guard:
            made = sorted(self._made.items(), key=lambda each: each[0])
        for machine_id, order in made:
            self._ask_for(machine_id, functools.partial(self._is_ours, machine_id, order))

    def _ask_for(self, machine_id: str, is_ours: Callable[[], bool | None]) -> None:
        try:
            ours = is_ours()
            gone = ours is None or (ours and self._delete(machine_id))
        except errors.CloudError as error:
            self._log.warning("unmarked machine not deleted", id=machine_id, error=error.message)
            return
        if ours and not gone:
            self._log.warning("unmarked machine deleted", id=machine_id)
            return
        if gone:
            self._log.info("unmarked machine gone", id=machine_id)
        else:
            self._log.warning("unmarked machine belongs to another now", id=machine_id)
        with self._guard:
            self._made.pop(machine_id, None)
