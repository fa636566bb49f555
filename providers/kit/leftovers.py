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
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from providers import contract, errors
from providers.kit import logs, marks, noanswer

Shown = TypeVar("Shown", bound=Mapping[str, Any])


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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A machine that was made for an order; ``bare`` once it was seen without its marks."""

    order: contract.Order
    bare: bool

    def is_marked(self, machine_tags: Collection[str]) -> bool:
        """Return whether these are the marks of its order.

        One that was never seen bare may have been found by its marks meanwhile and have joined:
        ``unjoined`` is off then, and an identity may have been put on.
        """
        if self.bare:
            return marks.is_fresh(machine_tags, self.order)
        return (
            marks.is_ours(machine_tags, self.order.cluster)
            and marks.is_node(machine_tags, self.order.node_name)
            and marks.read(machine_tags).group == self.order.group
        )


class Unmarked(Generic[Shown]):
    """The machines of one account that a create made without our marks; safe in several threads.

    Where marks are tags, a create may be accepted and its tags left out. No listing by mark shows
    such a machine, so this kind alone is remembered, by the id in the create's own answer, and each
    is logged with that id: a process that dies right then leaves it to a person.

    ``read`` asks the cloud now and returns the machine, None when the cloud says that there is
    none; ``tags`` returns those of a machine and ``name`` is the field of its name. ``delete`` asks
    for its deletion, and returns whether it was gone already. All raise only CloudErrors.
    """

    def __init__(
        self,
        account: str,
        *,
        read: Callable[[str], Shown | None],
        tags: Callable[[Shown], Collection[str]],
        name: str,
        delete: Callable[[str], bool],
    ) -> None:
        self._log = logs.AccountLog("providers.kit.leftovers", account)
        self._read = read
        self._tags = tags
        self._name = name
        self._delete = delete
        self._guard = threading.Lock()
        self._made: dict[str, _Made] = {}

    def second_look(self, machine_id: str, order: contract.Order) -> Shown | None:
        """Read a new machine again whose create was answered without its marks.

        Tags may be put on a moment later: then the machine is returned. One that has none indeed is
        remembered, its deletion asked for, and None returned. NoAnswerError where nobody knows: a
        machine that cannot be read, or is not there yet, is remembered, and :meth:`sweep` asks for
        it again; one of another name is somebody else's and left alone.
        """
        # Remembered only once this look is over: a sweep meanwhile must not judge it too.
        what = f"machine {machine_id} was made and its tags were not shown"
        try:
            row = self._read(machine_id)
        except errors.CloudError as error:
            self._remember(machine_id, order, bare=False)
            self._log.warning("unmarked machine not deleted", id=machine_id, error=error.message)
            raise noanswer.NoAnswerError(f"{what}; read again: {error.message}") from error
        if row is None:
            self._remember(machine_id, order, bare=False)
            missing = "read again, it was not there"
            self._log.warning("unmarked machine not deleted", id=machine_id, error=missing)
            raise noanswer.NoAnswerError(f"{what}; {missing}")
        if row.get(self._name) != order.node_name:
            raise noanswer.NoAnswerError(
                f"a create was answered with another machine, {machine_id}"
            )
        if marks.is_fresh(self._tags(row), order):
            return row
        self._remember(machine_id, order, bare=True)
        self._ask_for(machine_id)
        return None

    def sweep(self) -> None:
        """Ask for the deletion of what is still there; never raises: the next sweep tries again.

        A cloud may ignore a deletion, so it is asked until it says that the machine is gone.
        """
        with self._guard:
            made = sorted(self._made.items(), key=lambda each: each[0])
        for machine_id, one in made:
            try:
                row = self._read(machine_id)
            except errors.CloudError as error:
                self._log.warning(
                    "unmarked machine not deleted", id=machine_id, error=error.message
                )
                continue
            if row is None:
                self._log.info("unmarked machine gone", id=machine_id)
                self._forget(machine_id)
            elif row.get(self._name) != one.order.node_name:
                self._log.warning("unmarked machine belongs to another now", id=machine_id)
                self._forget(machine_id)
            elif one.is_marked(self._tags(row)):
                self._log.info("unmarked machine has its marks now", id=machine_id)
                self._forget(machine_id)
            else:
                self._remember(machine_id, one.order, bare=True)
                self._ask_for(machine_id)

    def _ask_for(self, machine_id: str) -> None:
        """Ask for the deletion of a machine that was just seen without its marks."""
        try:
            gone = self._delete(machine_id)
        except errors.CloudError as error:
            self._log.warning("unmarked machine not deleted", id=machine_id, error=error.message)
            return
        if gone:
            self._log.info("unmarked machine gone", id=machine_id)
            self._forget(machine_id)
        else:
            self._log.warning("unmarked machine deleted", id=machine_id)

    def _remember(self, machine_id: str, order: contract.Order, *, bare: bool) -> None:
        with self._guard:
            kept = dataclasses.replace(order, user_data="")
            self._made[machine_id] = _Made(order=kept, bare=bare)

    def _forget(self, machine_id: str) -> None:
        with self._guard:
            self._made.pop(machine_id, None)
