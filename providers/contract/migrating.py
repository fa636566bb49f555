"""What a cloud may do for who comes from another autoscaler; each is optional."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Protocol, runtime_checkable

from providers.contract.machines import Instance


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A machine of a login's project, whosever it is: what a person may have us adopt.

    ``instance`` is as :meth:`Provider.instances` would show it if it were ours, with what it
    carries of our marks. ``cluster`` is the cluster that these name: "" for none,
    :data:`NOBODYS` for two. ``name`` is what the cloud displays. ``labels`` is all else that it
    carries, as pairs of key and value; a tag is split at its first colon, one without has "".
    """

    instance: Instance
    cluster: str
    name: str
    labels: frozenset[tuple[str, str]] = frozenset()


@runtime_checkable
class Adopting(Protocol):
    """A cloud of :class:`Marking` that can list what is not ours; optional.

    ``group_label`` is the key of the label with which another autoscaler marks its groups'
    machines at this cloud, "" where there is no such.
    """

    group_label: ClassVar[str]

    def candidates(self) -> tuple[Candidate, ...]:
        """List every machine of the login's project, whosever it is: all pages, or an error.

        Changes nothing. Only the command ``adopt`` calls it, once.
        """
        ...
