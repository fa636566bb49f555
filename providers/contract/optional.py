"""What a cloud may do besides: each is a protocol of its own, found by its methods."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol, runtime_checkable

from providers.contract.machines import Instance, Leftover, Neighbour, Order
from providers.contract.marks import Mark


@runtime_checkable
class Marking(Protocol):
    """A cloud that can change the marks of a machine that stands; optional.

    Where it cannot, machines keep ``unjoined`` for ever and never get an identity later.
    """

    def mark(
        self,
        instance_id: str,
        *,
        put: Mapping[Mark, str],
        remove: frozenset[Mark] = frozenset(),
    ) -> Instance:
        """Put marks on one machine, take others off, and return the machine as it is then.

        Reads what the machine carries, merges, writes once, reads back. Labels and tags that are
        no marks of ours stay byte for byte, marks that are not named here too. A mark that is put
        replaces every other value that the machine carries of it. Nothing is written when nothing
        would change, so that the same call twice, or after a lost answer, is harmless.

        Whose machine it is was settled before, as for :meth:`Provider.delete`.

        Where the API has no precondition for writes, what somebody else writes between our reading
        and our writing may be lost: say so in the cloud's own docstring.

        Raises BadOrder, nothing written, when the machine is certainly gone or a value does not
        fit; Unreachable when what was read back is not what was written, and when nobody knows
        whether it was; Throttled and BadCredentials as everywhere.
        """
        ...


@runtime_checkable
class Packing(Protocol):
    """A cloud whose user-data is packed on the way (:mod:`providers.packing`); optional."""

    @classmethod
    def user_data_bytes(cls, text: str) -> int:
        """Return how much of ``user_data_limit_bytes`` a user-data takes; pure, asked of the class.

        Without this method it is what the text has in UTF-8.
        """
        ...


@runtime_checkable
class Neighbourly(Protocol):
    """A cloud that can count whose machines are in the login's project; optional."""

    def neighbours(self) -> tuple[Neighbour, ...]:
        """Count the project's machines that carry any cluster's mark, by name and identity.

        Our own too; all pages, or an error. A machine with the marks of two clusters counts for
        both. Sorted by name, then identity. Called at start, by ``check --online``, and every ten
        minutes while orders are held for what it found.
        """
        ...


@runtime_checkable
class Tidying(Protocol):
    """A cloud where orders make more than machines: placement groups, resources of tags; optional.

    A create that finds such a thing deleted under its hands makes it anew: it does not fail.
    """

    def tidy(self, *, groups: Collection[str], nodes: Collection[str]) -> tuple[str, ...]:
        """Delete what was made beside machines for groups and node names that have none any more.

        Only what this program made for our cluster, and only what the cloud, asked right before,
        says is empty; never a machine. Returns, for a person, what was deleted; what is not there
        is nothing to do, so that the same call twice is harmless. Raises CloudError as
        everywhere; what was deleted before stays so.
        """
        ...


@runtime_checkable
class Finishing(Protocol):
    """A cloud where one request does not make a machine that runs; optional.

    There :meth:`Provider.create` sends the rest as well, and whoever sends it may die, or lose an
    answer, between any two. So the first request carries all marks. Once it may have been done,
    create raises nothing but Unreachable, or returns the machine UNFINISHED: a Throttled or a
    NoCapacity would say that there is none. And every listing and look-up shows such a machine as
    UNFINISHED, known by what the cloud itself keeps, never from memory; never one that ran once and
    was switched off.
    """

    def finish(self, order: Order, instance: Instance) -> Instance:
        """Do what is left of an order, and return the machine as it is then.

        ``order`` is rendered anew for this very machine: same name, group, type and location, but
        user-data and credentials of now, which must replace what the machine got before. One that
        was started meanwhile is returned as it is, nothing changed: so the same call twice, or
        after a lost answer, is harmless. Whose machine it is was settled before, as for
        :meth:`Provider.delete`. The server calls it for a machine that still carries ``unjoined``,
        once create has said so or a listing that began ``settle_s`` after the last answer shows it.

        Raises BadOrder when it can never run as ordered (it is gone, or took other user-data that
        cannot be replaced), OutOfStock and QuotaExceeded when the cloud will not start it: it is
        then deleted. Throttled, Unreachable and BadCredentials as everywhere: it is tried again,
        not for ever. Deletes nothing.
        """
        ...


@runtime_checkable
class Leaving(Protocol):
    """A cloud of :class:`Tidying` that can list what lies beside machines by our mark; optional.

    So a server that starts finds what one that died before it did not clear: it remembers nothing.
    """

    def leftovers(self) -> tuple[Leftover, ...]:
        """List everything beside machines that carries our cluster's mark, in use or not.

        All pages, or an error. Not what only looks like ours: a thing whose marks do not name our
        cluster is somebody else's. Called after the start's first settling, then about hourly.
        """
        ...
