"""The values that the fleet is made of.

Everything is keyed by **node name**, which we mint before a cloud answers, so that a launch, its
server, its Node and its deletion meet under one name from first to last. Instants (``*_at``,
``born``) are seconds of one monotonic clock; only :attr:`Instance.created_at` is Unix time.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from externalgrpc.fleet import memo as memos
from externalgrpc.model import groups
from externalgrpc.nodes import kubeletconfig, template
from providers import contract

NEVER = float("-inf")
Limits: TypeAlias = groups.Limits
Spending: TypeAlias = groups.Spending
_LIMITS = Limits()
_NO_CAP = groups.SpendCap()
_SPENDING = Spending()


class Phase(enum.Enum):
    """Where a launch is on its way."""

    HELD = "held"
    """Not sent yet: it waits for its turn, a listing, a catalogue or the cloud's patience."""
    ASKED = "asked"
    """The request is under way."""
    UNSURE = "unsure"
    """Sent, and nobody knows whether it was done: listings and look-ups decide."""
    ACCEPTED = "accepted"
    """The cloud took the order."""
    FAILED = "failed"
    """It will not come; shown with its error until CA deletes it."""


class ErrorClass(enum.IntEnum):
    """CA's InstanceErrorClass, as it goes over the wire."""

    OUT_OF_RESOURCES = 1
    OTHER = 99


@dataclasses.dataclass(frozen=True, slots=True)
class Failure:
    """Why a launch failed: a class, a code from a small fixed set, a sentence for a person."""

    error_class: ErrorClass
    code: str
    message: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """An order in the air.

    ``doubtful_since`` is the instant from which the settling time runs: when the order was
    accepted, or when its reply was lost. ``refused`` are the candidates that the cloud refused
    for this very launch. ``may_land`` stays true as long as a create that was sent may still
    make a machine that nobody knows. ``instance`` is the machine of an accepted order, and one that
    was seen while its create is under way. ``look_at`` is when its fate is looked up, infinite
    until a listing or the passing of time gives a reason to.
    """

    name: str
    group: str
    account: str
    born: float
    phase: Phase = Phase.HELD
    candidate: groups.Candidate | None = None
    not_before: float = NEVER
    refused: frozenset[groups.Candidate] = frozenset()
    asked_at: float = NEVER
    doubtful_since: float = NEVER
    instance: contract.Instance | None = None
    failure: Failure | None = None
    may_land: bool = False
    looking: bool = False
    look_at: float = float("inf")
    attempts: int = 0
    vanished: int = 0


class Deletion(enum.Enum):
    """Where the deletion of a retired name is."""

    AWAITED = "awaited"
    """A create of this name may still land; there is no id to delete yet."""
    OWED = "owed"
    """To be sent (again)."""
    SENT = "sent"
    """The request is under way."""
    DONE = "done"
    """The cloud took it; listings have to agree."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """A name that must not exist, or one machine of two that share a name (``surplus``).

    Kept until two listings that began after the settling time agree that it is gone. ``key`` is
    the node name, or the provider id where the machine has no name of its own. ``drained`` tells
    that CA let its real Node go; without that it is spared should its Node come after all. ``own``
    tells that it was let go on our own word, and not CA's: such wait while their group is paused.
    ``candidate`` is what was ordered, as far as that is known.
    """

    key: str
    name: str
    group: str
    account: str
    since: float
    deletion: Deletion
    instance_id: str = ""
    provider_id: str = ""
    doubtful_since: float = NEVER
    not_before: float = NEVER
    attempts: int = 0
    absences: int = 0
    looking: bool = False
    message: str = ""
    surplus: bool = False
    drained: bool = False
    own: bool = False
    candidate: groups.Candidate | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A member that was seen once and that the last listing lacks: look-ups decide.

    ``absences`` counts the look-ups that said that it is gone, ``gone_since`` is when the first of
    them did. One is enough for a single machine; see :mod:`externalgrpc.fleet.vanishing`.
    """

    instance: contract.Instance
    account: str
    looking: bool = False
    look_at: float = NEVER
    absences: int = 0
    gone_since: float = NEVER


class Seen(NamedTuple):
    """What a Node of the cluster says of itself: whose machine it claims to be, and if it is ready.

    ``provider_id`` is empty where the Node names no machine.
    """

    provider_id: str
    ready: bool


class Doubt(enum.Enum):
    """Why a machine with our mark is in quarantine; the values are codes for logs and metrics."""

    FOREIGN = "Foreign"
    """It carries the identity of another cluster of our name."""
    UNCLAIMED = "Unclaimed"
    """It carries no identity, and no Node of this cluster claims it."""
    MISNAMED = "Misnamed"
    """A Node and the machine's marks disagree about whose it is."""
    UNREGISTERED = "Unregistered"
    """CA takes it for one that never became a node, and nothing proves that."""


@dataclasses.dataclass(frozen=True, slots=True)
class Quarantine:
    """Why a machine is neither a member nor deleted, in a code and a sentence, and since when.

    ``ignored`` is what the operator's word excuses: it does not count against maxSize.
    """

    doubt: Doubt
    message: str
    since: float
    ignored: bool = False


class Verdict(NamedTuple):
    """A machine was shown to CA with an error: when, and in which group and account."""

    at: float
    group: str
    account: str


class Tries(NamedTuple):
    """How often something was tried, and when it may be tried again."""

    times: int
    not_before: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """A machine that exists and will not run unless it is finished.

    Known so ``since``, and last seen so at ``seen_at``: when that listing began. What was asked of
    it at ``doubtful_since`` may have been done. ``times`` counts the tries that may have done
    something, ``waits`` those that did nothing; ``message`` is what came of the last. ``failure``
    says why it will not be tried again.
    """

    account: str
    since: float
    seen_at: float
    doubtful_since: float = NEVER
    not_before: float = NEVER
    under_way: bool = False
    times: int = 0
    waits: int = 0
    message: str = ""
    failure: Failure | None = None


class Gone(NamedTuple):
    """A machine that is no more: whose it was, whether we let it go, and since when it is known.

    ``drained`` and ``own`` as for :class:`Retirement`.
    """

    group: str
    terminated: bool
    at: float = NEVER
    drained: bool = False
    own: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One complete listing of one account and the instant it began."""

    account: str
    begun_at: float
    instances: tuple[contract.Instance, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """What an account can order.

    ``machine_types`` keeps types that are no longer sold, so that a group of them keeps its
    shape; ``offers`` holds what is sold now, in stock or not: only that can be ordered. ``priced``
    holds, besides, the last offers of what is sold no more: machines of it may stand.
    """

    machine_types: Mapping[str, contract.MachineType] = dataclasses.field(default_factory=dict)
    offers: Mapping[groups.Candidate, contract.Offer] = dataclasses.field(default_factory=dict)
    priced: Mapping[groups.Candidate, contract.Offer] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often to list, in seconds: with something in the air, and with nothing."""

    busy_s: float = 3.0
    steady_s: float = 40.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """What we know of one account.

    ``settle_s``, ``scheme`` and ``hands`` are the cloud's constants, ``rate_per_s`` our share of
    its request budget, ``costs`` what each operation takes of that.
    ``listed_at`` is when the last listing was begun, successful or not.
    ``snapshot`` is None until the account was listed once; ``settles_at`` is the end of the first
    settling time, and orders are held until a listing that began after it was seen (``settled``):
    only that one shows all that the process before us ordered. A ``departed`` account is no longer
    configured and is kept for what it still has.

    ``marking`` tells whether the cloud can change the marks of a machine that stands, ``finishing``
    whether it can finish one that a create left half made. ``foreign``
    is the operator's word on machines of our name by their identity (``none`` for those without):
    adopt, ignore or gone; ``believe_vanished`` his word that machines that vanished at large are
    gone. ``max_orders_per_hour`` is the brake, ``orders`` when orders were sent in the last hour.
    ``paused`` and ``cap`` are the operator's words on all groups of the account.
    ``neighbours`` are the clusters in the project, None before they were asked for. ``untidy`` are
    machines, by group and name, that are gone and may have left something beside them; the name is
    empty for what a group left. The cloud is asked for such at ``leftovers_at``.
    """

    name: str
    provider: str
    scheme: str
    settle_s: float
    rate_per_s: float
    hands: int
    pace: Pace
    costs: contract.Costs = dataclasses.field(default_factory=contract.Costs)
    snapshot: Snapshot | None = None
    settles_at: float = float("inf")
    settled: bool = False
    departed: bool = False
    listing: bool = False
    listed_at: float = NEVER
    failures: int = 0
    trouble: str = ""
    catalogue: Catalogue | None = None
    cataloguing: bool = False
    catalogue_at: float = NEVER
    catalogue_failures: int = 0
    catalogue_trouble: str = ""
    marking: bool = False
    mark_at: float = NEVER
    mark_failures: int = 0
    foreign: Mapping[str, str] = dataclasses.field(default_factory=dict)
    believe_vanished: bool = False
    max_orders_per_hour: int | None = None
    paused: bool = False
    cap: groups.SpendCap = _NO_CAP
    orders: tuple[float, ...] = ()
    neighbourly: bool = False
    neighbours: tuple[contract.Neighbour, ...] | None = None
    asking_neighbours: bool = False
    neighbours_at: float = NEVER
    neighbours_failures: int = 0
    tidying: bool = False
    finishing: bool = False
    untidy: frozenset[tuple[str, str]] = frozenset()
    tidy_at: float = NEVER
    leaving: bool = False
    leftovers_at: float = NEVER


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """A no that later launches can learn from: when it was said, and what it said."""

    at: float
    failure: Failure


@dataclasses.dataclass(frozen=True, slots=True)
class SoldOut:
    """What a no was said to: a machine type in a location of an account."""

    account: str
    candidate: groups.Candidate | None


@dataclasses.dataclass(frozen=True, slots=True)
class OverQuota:
    """What a no was said to: a whole account, one machine type of it, or one location."""

    account: str
    machine_type: str = ""
    location: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class BadLogin:
    """What a no was said to: the login of an account."""

    account: str


@dataclasses.dataclass(frozen=True, slots=True)
class BadOrder:
    """What a no was said to: the orders of a group for a candidate."""

    group: str
    candidate: groups.Candidate | None


RefusedThing: TypeAlias = SoldOut | OverQuota | BadLogin | BadOrder


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

    ``watched`` tells that it was under our eyes from before it ran, so that its times are worth
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
        """Give the instants by step."""
        return (self.created_at, self.running_at, self.csr_at, self.node_at, self.ready_at)

    @property
    def step(self) -> Step:
        """Tell the last step taken."""
        return max((step for step in Step if self.instants[step]), default=Step.CREATED)

    @property
    def since(self) -> float:
        """Tell when the last step was taken."""
        return self.instants[self.step]


@dataclasses.dataclass(frozen=True, slots=True)
class Strikes:
    """How many machines of a group failed to join in a row, and when the last one did."""

    count: int
    last_at: float


class MachineProfile(NamedTuple):
    """What makes two machines alike, as far as a Node tells: one teaches what the other has.

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

    ``name`` is the key under which it is let go. What has a ``failure`` is shown as CREATING,
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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """All state that decides about machines: one frozen value; functions make the next one of it.

    ``blocked`` says of groups that cannot work at all, as configured, why. ``refusals`` is the
    memory of what was sold out, over quota or refused, by what the no was said to.
    ``registered`` holds, by provider id, the names of the Nodes that were seen to be our machines;
    ``misnamed`` those of Nodes that claim a machine whose mark has another name.
    ``pending_at_start`` holds, for each group that a fresh CA has not grown yet, the names of the
    machines that were in the air when it started. ``gone`` remembers, for a while and by name and
    provider id, machines that were ours. ``unjoined`` are, by key, machines that did not become
    nodes, and ``strikes`` counts those in a row by group. ``journeys`` tells, by key, how far
    machines have come. ``learned`` is what Nodes reported by the make of their machines, and
    ``kubelets`` the cluster's own kubelet-config, where it is known.

    ``cluster`` is the name of our cluster, ``identity`` what tells it from others of its name:
    None before it could be read, empty where there is none to be had. ``unmarked`` are machines
    that lack a mark, or have one too many, once a Node claims them. ``started_at`` is when this
    process started, in Unix seconds, 0 when nobody said. ``nodes`` are the cluster's Nodes by
    name, None where they are not known; with ``nodes_stale`` nobody has heard of them for so long
    that one may have come meanwhile. ``minted`` are the names that this process ordered and the
    provider ids of the machines that came of them, empty while there is none. ``asked`` tells of
    those that are in the air or listed when the autoscaler asked for them, in Unix seconds.

    ``quarantine`` holds, by provider id, machines of which we cannot be sure, ``accused`` those
    that CA called unregistered without proof, ``remarked`` those that a listing showed without
    ``unjoined`` and a later one with it: somebody put it on, and it proves nothing.
    ``going`` tells since when listings show a machine as being deleted, ``mark_tries`` how often
    and until when a machine's marks were changed in vain, both by provider id.
    ``proved`` holds, by provider id, the beginning of the first of an unbroken row of listings that
    prove that a machine never was a node, ``doubled`` the same of second machines of our orders,
    which are such from their first listing on. ``verdicts`` are the failures shown lately.
    ``outage`` says that the cluster has lost its nodes at large. ``finishes`` are, by provider id,
    the machines that will not run unless they are finished. ``awaited`` says what of the groups is
    not known yet, empty when all are: until then none is served, no machine is called an orphan and
    no order is sent.

    ``paused`` says that the file pauses everything, ``annotation`` what our ConfigMap says of that:
    a sentence that it does, empty where it does not, None before it could be read. ``spending``
    is what may be spent in all, and how prices are converted. ``standby`` says why this process may
    not act now, since another does or may; empty when it may.

    ``memo`` keeps what is derived of the value; nothing in it depends on ``registered``
    but whether machines have vanished, and what follows of that.
    """

    groups: Mapping[str, groups.NodeGroup] = dataclasses.field(default_factory=dict)
    blocked: Mapping[str, str] = dataclasses.field(default_factory=dict)
    accounts: Mapping[str, AccountState] = dataclasses.field(default_factory=dict)
    index: Index = Index()
    launches: Mapping[str, Launch] = dataclasses.field(default_factory=dict)
    retired: Mapping[str, Retirement] = dataclasses.field(default_factory=dict)
    missing: Mapping[str, Missing] = dataclasses.field(default_factory=dict)
    refusals: Mapping[RefusedThing, Refusal] = dataclasses.field(default_factory=dict)
    registered: Mapping[str, str] = dataclasses.field(default_factory=dict)
    misnamed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    pending_at_start: Mapping[str, frozenset[str]] = dataclasses.field(default_factory=dict)
    gone: Mapping[str, Gone] = dataclasses.field(default_factory=dict)
    unjoined: Mapping[str, Unjoined] = dataclasses.field(default_factory=dict)
    strikes: Mapping[str, Strikes] = dataclasses.field(default_factory=dict)
    journeys: Mapping[str, Journey] = dataclasses.field(default_factory=dict)
    learned: Mapping[MachineProfile, template.Learned] = dataclasses.field(default_factory=dict)
    kubelets: kubeletconfig.KubeletConfig | None = None
    cluster: str = ""
    identity: str | None = ""
    started_at: float = 0.0
    nodes: Mapping[str, Seen] | None = None
    nodes_stale: bool = False
    minted: Mapping[str, str] = dataclasses.field(default_factory=dict)
    asked: Mapping[str, float] = dataclasses.field(default_factory=dict)
    quarantine: Mapping[str, Quarantine] = dataclasses.field(default_factory=dict)
    accused: frozenset[str] = frozenset()
    remarked: frozenset[str] = frozenset()
    unmarked: frozenset[str] = frozenset()
    mark_tries: Mapping[str, Tries] = dataclasses.field(default_factory=dict)
    going: Mapping[str, float] = dataclasses.field(default_factory=dict)
    proved: Mapping[str, float] = dataclasses.field(default_factory=dict)
    doubled: Mapping[str, float] = dataclasses.field(default_factory=dict)
    limits: Limits = _LIMITS
    verdicts: tuple[Verdict, ...] = ()
    outage: str = ""
    finishes: Mapping[str, Finish] = dataclasses.field(default_factory=dict)
    awaited: str = ""
    paused: bool = False
    annotation: str | None = ""
    spending: Spending = _SPENDING
    standby: str = ""
    memo: memos.Memo = dataclasses.field(
        default_factory=memos.Memo, init=False, compare=False, repr=False
    )
