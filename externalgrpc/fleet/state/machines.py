"""How far machines came, what they taught, and those that count."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import NamedTuple

from externalgrpc.fleet.state.launches import Failure, Launch
from externalgrpc.model import groups
from providers import contract


@dataclasses.dataclass(frozen=True, slots=True)
class Unjoined:
    """A machine that did not become a node in its time: since when that is known, and why.

    Showing CA the failure is a deletion. Where that is not proved, or too much of it was shown
    lately, ``withheld`` says why it is not, and the machine is shown as it was. ``provider_id`` is
    the machine's: keys may pass to another machine of the same name.
    """

    since: float
    failure: Failure
    withheld: str = ""
    provider_id: str = ""


class Step(enum.IntEnum):
    """How far a machine has come on its way to a ready node."""

    CREATED = 0
    RUNNING = 1
    CSR = 2
    """Its kubelet has asked for a certificate with the machine's own token."""
    NODE = 3
    READY = 4


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """When a machine took which step, in Unix seconds; 0 for one not taken, or not seen.

    ``watched`` says that it was under our eyes from before it ran, so that its times are worth
    telling; ``guessed`` that nobody saw it ready, and its Node looks as if it had been.
    ``provider_id`` is the machine's: keys may pass to another machine of the same name.
    """

    created_at: float
    provider_id: str = ""
    running_at: float = 0.0
    csr_at: float = 0.0
    node_at: float = 0.0
    ready_at: float = 0.0
    watched: bool = False
    guessed: bool = False

    @property
    def instants(self) -> tuple[float, ...]:
        """Return the instants by step."""
        return (self.created_at, self.running_at, self.csr_at, self.node_at, self.ready_at)

    @property
    def step(self) -> Step:
        """Return the last step taken."""
        return max((step for step in Step if self.instants[step]), default=Step.CREATED)

    @property
    def since(self) -> float:
        """Return when the last step was taken."""
        return self.instants[self.step]


@dataclasses.dataclass(frozen=True, slots=True)
class Strikes:
    """How many machines of a group failed to join in a row, and when the last one did."""

    count: int
    last_at: float


class MachineProfile(NamedTuple):
    """What makes two machines alike, as far as a Node says: one teaches what the other has.

    By account, type and image, and by what decides what its kubelet keeps; ``options`` are the
    cloud's own of the group, where a disk may be one of them.
    """

    account: str
    machine_type: str
    image: str
    join: str
    reserve: groups.KubeletReserve
    user_data: str
    options: str = ""


class Showing(enum.IntEnum):
    """The state shown to CA; the numbers are those of its InstanceState."""

    RUNNING = 1
    CREATING = 2
    DELETING = 3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A machine that counts: one that the cloud shows, or a launch of one.

    ``name`` is the key under which it is retired. What has a ``failure`` is shown as CREATING,
    never as running: that is the worst combination CA can get.
    """

    name: str
    provider_id: str
    showing: Showing
    instance: contract.Instance | None = None
    launch: Launch | None = None
    failure: Failure | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """The machines of all snapshots, arranged for look-ups; rebuilt once a listing.

    ``members`` holds, by group and key, all that are not being deleted by somebody; what was let
    go, or put into quarantine, since the listing is still in it. Of machines that share a name the
    oldest has it as its key, the others have their provider ids. ``booting`` names the accounts
    with a machine that boots.
    """

    by_provider_id: Mapping[str, contract.Instance] = dataclasses.field(default_factory=dict)
    by_name: Mapping[str, contract.Instance] = dataclasses.field(default_factory=dict)
    members: Mapping[str, Mapping[str, Member]] = dataclasses.field(default_factory=dict)
    deleting: Mapping[str, tuple[contract.Instance, ...]] = dataclasses.field(default_factory=dict)
    account_of: Mapping[str, str] = dataclasses.field(default_factory=dict)
    booting: frozenset[str] = frozenset()
