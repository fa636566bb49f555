"""What was derived of one Fleet value, kept with it: each of it once, by whoever asks first.

Plain attributes, None until they are known, and dictionaries by group or account: the busiest
look-ups of the server read them. No bytes and no messages: replies are kept in
:mod:`externalgrpc.rpc.replies`, by :attr:`Memo.version`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from externalgrpc.fleet import notnow, state
    from externalgrpc.model import groups
    from providers import contract

_OF_REGISTERED = frozenset({"vanished", "not_now"})
"""What depends on which Nodes are known: whether many of them are lost."""


class Memo:
    """The memos of one Fleet value; a fresh value has none.

    Two threads that miss the same one both derive it: they derive the same. Only ``version`` must
    be one for both, and is made with the memo.
    """

    __slots__ = (
        "accepted",
        "blocks",
        "busy",
        "came_of_orders",
        "claims",
        "launches",
        "machines",
        "members",
        "not_now",
        "orphans",
        "quarantined",
        "retired",
        "served",
        "unlisted",
        "vanished",
        "version",
    )

    def __init__(self) -> None:
        self.version = object()
        """Identifies what is read of the value; see :func:`externalgrpc.fleet.view.version`."""
        self.accepted: dict[str, tuple[str, str]] | None = None
        self.busy: frozenset[str] | None = None
        self.came_of_orders: frozenset[str] | None = None
        self.claims: dict[str, tuple[str, ...]] | None = None
        self.launches: dict[str, list[state.Launch]] | None = None
        self.orphans: tuple[contract.Instance, ...] | None = None
        self.quarantined: dict[str, list[contract.Instance]] | None = None
        self.retired: dict[str, str] | None = None
        self.served: tuple[groups.NodeGroup, ...] | None = None
        self.unlisted: dict[str, str] | None = None
        self.members: dict[str, tuple[state.Member, ...]] = {}
        """By group, as the machines are."""
        self.machines: dict[str, dict[str, state.Member]] = {}
        self.blocks: dict[str, str] = {}
        """By account, as what has vanished and what says "not now"."""
        self.vanished: dict[str, str] = {}
        self.not_now: dict[str, notnow.NotNow | None] = {}

    def keep(self, of: Memo) -> None:
        """Take over what was derived of a value that differs only in which Nodes are known."""
        for name in self.__slots__:
            if name not in _OF_REGISTERED:
                setattr(self, name, getattr(of, name))
