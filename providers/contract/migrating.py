"""What a cloud may do for who comes from another autoscaler; each is optional."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How another autoscaler was started: its command line, its environment, its files by path.

    Only those of its variables and files are there that could be had: the token is not.
    """

    arguments: tuple[str, ...] = ()
    environ: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    files: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A group of another autoscaler's, in the words of our configuration file.

    ``name`` is as it was there. ``settings`` are keys of ``nodes`` but ``name``, ``account``,
    ``userDataFile`` and ``join``. ``losses`` are sentences, each with its cure.
    """

    name: str
    settings: Mapping[str, object]
    user_data: str = dataclasses.field(default="", repr=False)
    losses: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """All that was read of a :class:`Setup`: ``account`` are keys of ``accounts``.

    ``losses`` are what is lost and belongs to no pool. None of it holds a secret but the
    user-data of pools.
    """

    pools: tuple[Pool, ...]
    account: Mapping[str, object] = dataclasses.field(default_factory=dict)
    losses: tuple[str, ...] = ()


@runtime_checkable
class Converting(Protocol):
    """A cloud that reads how another autoscaler was set up for it; optional.

    ``config_variable`` is that autoscaler's variable which names a file with its configuration; ""
    where it has none.
    """

    config_variable: ClassVar[str]

    @classmethod
    def convert(cls, setup: Setup) -> Converted:
        """Read it; pure. Raises ValueError, with a sentence, for what that autoscaler refuses."""
        ...
