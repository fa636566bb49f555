"""Define what a cloud is to us: the Provider protocol and the values that cross it.

A cloud's file translates these values into its vendor's API and back; no SDK object, HTTP
status or vendor's word crosses. Everything here is a plain frozen value; the standard library
is all it takes. Money is :class:`decimal.Decimal`, sizes are bytes, instants are Unix seconds.

A cloud is a class that fits :class:`Provider`, in a package of ours or of anybody's; it inherits
nothing. docs/adding-a-cloud.md walks through one, :mod:`providers.conformance` holds it to this.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import ClassVar, Final, Protocol, runtime_checkable

from providers import masking, metadata

ENTRY_POINT_GROUP = "vps_autoscaler.providers"
"""The entry point group under which a package registers its class (the class, no instance). The
entry point's name is what ``provider:`` says in the configuration: lower-case letters, digits and
dashes, beginning with a letter."""


NOBODYS: Final = "?"
"""The :attr:`Instance.identity` of a machine whose marks name two clusters' identities at once, or
what is no identity at all. It equals nobody's: neither a cluster's own nor that of a machine of an
older version, which has none ("")."""


class Mark(enum.Enum):
    """What a machine carries of ours; a cloud writes each as a label, or as a flat tag.

    The value of UNJOINED is :data:`UNJOINED_VALUE`, whatever the cloud writes for it; that of
    IDENTITY is 10 lower-case hexadecimal digits; the others hold the names of :class:`Order`. So is
    that of ADOPTED, which no order carries: a person put the marks on a machine that stood.
    """

    CLUSTER = "cluster"
    GROUP = "group"
    NODE = "node"
    IDENTITY = "identity"
    UNJOINED = "unjoined"
    ADOPTED = "adopted"


UNJOINED_VALUE: Final = "true"
"""Also that of ADOPTED: both are there, or are not."""


class InstanceState(enum.Enum):
    """What a machine is doing; each cloud maps its own words here by an exhaustive table.

    UNFINISHED exists, was never started, and will not run unless :meth:`Finishing.finish` makes it;
    CREATING is on its way to its first boot with nothing left to ask for; STOPPED ran or was to
    run, is off and stays so; DELETING is on its way out and cannot come back; all else that lives,
    also while it reboots or migrates, is RUNNING. A word that the table does not know means RUNNING
    and a warning in the log: taking a live machine for a dead one costs more than the reverse.

    What the server does on each: docs/adding-a-cloud.md, "What each state causes".
    """

    UNFINISHED = "unfinished"
    CREATING = "creating"
    RUNNING = "running"
    STOPPED = "stopped"
    DELETING = "deleting"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MachineType:
    """A size that the cloud sells, sold out or not.

    ``name`` is the vendor's own and unique. ``cpu_millis`` is in thousandths of a (v)CPU.
    ``memory_bytes`` is nominal: what the price list says, before kernel and firmware take theirs.
    ``disk_bytes`` is the local disk that comes with it, 0 where it is ordered for itself (see
    :func:`as_ordered`). ``arch`` is ``amd64`` or ``arm64``, as
    Kubernetes has it. ``gpus`` counts whole cards; a fraction of a card is 0 with ``gpu_model``
    set. A ``gpu_model`` of AMD's begins with ``AMD``; any other counts as NVIDIA's.
    ``deprecated`` says that it will not be sold for long: ``check`` warns of it.
    """

    name: str
    cpu_millis: int
    memory_bytes: int
    disk_bytes: int
    arch: str = "amd64"
    gpus: int = 0
    gpu_model: str = ""
    deprecated: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A machine type in a location: at what price, and whether the cloud says it is in stock.

    What has no offer is never ordered, so a type that is sold out has one all the same, with
    ``in_stock`` False. That is a hint: clouds sell what they list as sold out and refuse what they
    list as available, so an order is tried all the same.

    Prices are net, per hour, above zero. ``currency`` is three capital letters (ISO 4217).
    ``ipv4_per_hour`` is what a public IPv4 address costs on top, zero where it is included.
    """

    machine_type: str
    location: str
    price_per_hour: Decimal
    currency: str
    ipv4_per_hour: Decimal = Decimal(0)
    in_stock: bool = True


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What we ask a cloud to make: one machine.

    The server must end up carrying ``cluster``, ``group`` and ``node_name`` as marks that
    :meth:`Provider.instances` reads back, in whatever the cloud has for it: labels, or tags as
    :mod:`providers.kit.marks` writes them. The names fit most clouds: ``cluster`` has at most 32
    characters, ``group`` 40, ``node_name`` 47, of lower-case letters, digits and single dashes.

    ``identity`` is one more mark: 10 lower-case hexadecimal digits that no other cluster has, also
    none of the same name; empty for a cluster without one, whose machines get no such mark. And
    every machine is made with the mark ``unjoined``, which says so much: no Node of it was seen
    yet. It is taken off, by :meth:`Marking.mark`, when there was one.

    ``ssh_keys``, ``networks``, ``firewalls`` and ``placement_group`` are the cloud's ids or names
    as the user wrote them, empty where the cloud does not claim to know them (``supports``). So is
    ``image``, which is empty when the user named none: refuse that with BadOrder unless the cloud
    has an image of its own choice. ``labels`` are the user's for the cloud's own server (not the
    Node's); marks win over them. ``user_data`` is plain text: encode it as the cloud wants it.
    ``options`` is an instance of the cloud's own :attr:`Provider.group_options`; None only where
    somebody made the order by hand.
    """

    node_name: str
    cluster: str
    group: str
    identity: str = ""
    machine_type: MachineType
    location: str
    image: str
    user_data: str = dataclasses.field(repr=False)
    ssh_keys: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    firewalls: tuple[str, ...] = ()
    placement_group: str = ""
    public_ipv4: bool = True
    public_ipv6: bool = True
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    options: object = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A machine as the cloud shows it.

    ``id`` is the cloud's own id, never reused. ``provider_id`` is ``<scheme>://<prefix><id>``, as
    :attr:`Provider.metadata_service` says, and equals the Node's ``spec.providerID`` byte for byte:
    ``id`` is what a machine learns of itself, and what a controller manager of the cloud's sets.
    ``node_name`` and ``group`` come from our marks, never from the server's display name (people
    rename servers); ``group`` is empty when the machine carries the cluster's mark and no group's.
    ``identity``, ``unjoined`` and ``adopted`` come from the marks too: the identity is empty where
    the machine carries none, and :data:`NOBODYS` where it carries several or what is none. Whose a
    machine of another identity is, the caller decides: here it is one like any other.
    ``addresses`` are IP addresses, public ones first, none when there are none yet.
    ``created_at`` is in Unix seconds, 0 when unknown; of two machines of one name the older stays.
    ``receipt`` is what :meth:`Provider.look_up` needs to learn an order's fate (an action's id),
    set by :meth:`Provider.create`; opaque to everyone else, empty where the cloud has none.
    """

    id: str
    provider_id: str
    node_name: str
    group: str
    identity: str = ""
    unjoined: bool = False
    adopted: bool = False
    machine_type: str
    location: str
    image: str = ""
    addresses: tuple[str, ...] = ()
    state: InstanceState
    created_at: float = 0.0
    receipt: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A cluster that has machines in a login's project: as many as ``count`` carry its marks.

    ``identity`` reads as :attr:`Instance.identity` does.
    """

    cluster: str
    identity: str
    count: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A thing beside machines that carries our cluster's mark: ``kind`` says what, for a person.

    It belongs to the machine of ``node_name``, or where that is empty to the whole ``group``.
    """

    kind: str
    id: str
    name: str
    group: str = ""
    node_name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name} ({self.id})" if self.id else f"{self.kind} {self.name}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A documented limit: ``requests`` every ``per_s`` seconds, so many at once at most.

    Where the vendor documents none, say what you would not be ashamed of: 3600 an hour is usual.
    """

    requests: int
    per_s: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """How many requests of the rate budget each operation takes, as a rule: counted before it is
    begun, so that a create of three requests never meets a limit after its first.

    ``page`` is how many machines a request of a listing shows; ``catalogue`` is all requests of
    ``machine_types`` and ``offers`` together. Rare extras are not counted: headers show them.
    """

    create: int = 1
    look_up: int = 1
    delete: int = 1
    mark: int = 3
    catalogue: int = 2
    page: int = 50

    def __post_init__(self) -> None:
        if any(getattr(self, field.name) < 1 for field in dataclasses.fields(self)):
            raise ValueError("every operation takes at least one request")


def costs_of(cloud: object) -> Costs:
    """Return the costs that a cloud (its class, or a login) states, else the usual ones."""
    costs = getattr(cloud, "costs", None)
    return costs if isinstance(costs, Costs) else Costs()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The rate budget as the cloud's last answer showed it: ``remaining`` of ``limit`` until
    ``reset_at`` (Unix seconds: when the budget is whole again), seen at ``seen_at``."""

    limit: int
    remaining: int
    reset_at: float
    seen_at: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """How many machines the account may have and has; ``limit`` is None when unknown."""

    limit: int | None
    used: int | None
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A configured login at one cloud, as its :meth:`Provider.open` gets it.

    ``token`` never shows in ``repr``, nor in an error or a log from here on. ``endpoint`` is empty
    for the vendor's own address.
    ``settings`` is an instance of the cloud's :attr:`Provider.account_options`; None where
    somebody made the login by hand: take the defaults then. ``read_timeout_s`` bounds every
    request as a whole, connecting, headers and body included, ``connect_timeout_s`` the connecting,
    whatever the vendor's SDK thinks of it.
    """

    account: str
    cluster: str
    token: str = dataclasses.field(repr=False)
    endpoint: str = ""
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 30.0
    settings: object = None

    def __post_init__(self) -> None:
        masking.know(self.token)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NoOptions:
    """The options of a cloud that has none of its own."""


@runtime_checkable
class Provider(Protocol):
    """One login at one cloud.

    Methods block, may be called from several threads at once (one reader, ``hands`` writers, and
    whoever asks for :meth:`budget` or :meth:`node_labels`, which contact nobody), raise only
    :class:`providers.errors.CloudError` and return only values of this module. None of them
    retries, nor lets an SDK do so: whoever calls decides. Errors carry ``login.account`` and the
    method's name. Nothing is logged but events, under a logger below ``providers`` (the server
    shows that one), and never a token, a header or user-data.

    The class itself says, before there is a login:

    ``scheme``
        what stands left of ``://`` in ``node.spec.providerID``: this cloud's alone, the same that
        its cloud controller manager uses if there is one, fixed for ever. Lower-case letters,
        digits, ``+``, ``.`` and ``-``, beginning with a letter.
    ``token_variable``
        the environment variable that holds the token when no file does; "" where none is needed.
    ``joins_by_itself``
        whether its machines become nodes with nothing for the user to write: False for every
        real cloud, True only where machines are simulated (MemoryCloud must set it True).
        The server takes a class without it for False.
    ``metadata_service``
        how one of its machines learns its own id, and what pods are kept from: see
        :class:`providers.metadata.Service`. A class without it is taken for one whose ids are
        cloud-init's ``instance_id``, and ``check`` warns.
    ``account_options``, ``group_options``
        frozen dataclasses with the cloud's own settings of an account and of a group (both are
        ``options:`` in the file); :class:`NoOptions` where there are none. Field names become
        camelCase keys, unknown keys are refused, a ValueError of ``__post_init__`` is shown to the
        user. Field types: str, int, float, bool, Decimal, Literal, enums, other such dataclasses,
        ``X | None``, ``tuple[X, ...]``, ``frozenset[X]``, ``Mapping[str, X]``.
    ``supports``
        which of the common group settings (``networks``, ``firewalls``, ``placement_group``,
        ``public_ipv4``, ``public_ipv6``, ``ssh_keys``) the cloud can do; the others are refused
        when the user sets them, and come in an order as their defaults.
    ``user_data_limit_bytes``
        the largest user-data the cloud takes, before the cloud's own encoding; the same for every
        login, so that a file is judged by it before there is one.

    An open login says, the same for its whole life:

    ``settle_s``
        seconds after which a listing can be trusted to show an accepted create or delete: what was
        measured or, if nobody did, 60. Too little loses machines, too much makes recovery slow.
    ``hands``
        how many writes may be under way at once.
    ``rate``, ``create_rate``
        the documented limits of all requests, and of creates where they have one of their own
        (which count against ``rate`` as well), None where not.

    It may say, class or login:

    ``costs``
        the :class:`Costs` of its operations, where they are not the usual ones.
    """

    scheme: ClassVar[str]
    token_variable: ClassVar[str]
    joins_by_itself: ClassVar[bool]
    metadata_service: ClassVar[metadata.Service]
    account_options: ClassVar[type]
    group_options: ClassVar[type]
    supports: ClassVar[frozenset[str]]
    user_data_limit_bytes: ClassVar[int]
    settle_s: float
    hands: int
    rate: Rate
    create_rate: Rate | None

    @classmethod
    def open(cls, login: Login) -> Provider:
        """Make a provider for a login; contacts nobody.

        Raises BadOrder when the settings cannot work together in a way that their dataclass
        cannot know; a wrong token shows at the first request.
        """
        ...

    def machine_types(self) -> tuple[MachineType, ...]:
        """List every machine type that the cloud sells, sold out or not; called about hourly."""
        ...

    def offers(self) -> tuple[Offer, ...]:
        """List what is sold where, for how much, sold out or not; called about hourly."""
        ...

    def instances(self) -> tuple[Instance, ...]:
        """List every machine that carries our cluster's mark: all pages, or an error.

        Never a part: a listing that cannot be completed raises, a list that was seen to change
        between two pages too (Unreachable). Machines without the mark of ``login.cluster`` do not
        exist for us: compare the whole mark yourself, whatever the API's filter let through.
        Machines of our cluster's name are listed whatever their identity.
        Called every few seconds while machines come and go, else about every minute.
        """
        ...

    def create(self, order: Order) -> Instance:
        """Order one machine; return when the cloud has accepted, not when the machine boots.

        Raises OutOfStock or QuotaExceeded (nothing was made), Throttled (refused before anything
        was done), Unreachable (it may have been made), BadCredentials or BadOrder. User-data over
        the limit is BadOrder before anything is sent.

        Where names are unique, the same order twice makes one machine and returns it both times;
        a machine of the name whose cluster, node name or identity is not the order's is BadOrder,
        whether or not it is still ``unjoined``. Where names are not unique, the same
        order twice may make two: after Unreachable the caller looks the name up first, once
        ``settle_s`` has passed. A machine that the cloud made without its marks must be deleted
        again: nobody would ever find it.
        """
        ...

    def look_up(self, *, node_name: str, instance_id: str, receipt: str) -> Instance | None:
        """Find one machine of ours by id, or by our name mark where ``instance_id`` is empty.

        With an id, ``node_name`` is only what we believe and decides nothing. By name, of two
        machines the older. Returns None only when there is certainly no such machine, or it is not
        of this cluster; only the vendor's own word for "no such machine" is believed, not every
        404. What is uncertain is an error: callers give up machines on the strength of a None.

        ``receipt`` is what :meth:`create` returned, or empty. When the order behind it failed
        after it was accepted, raises the NoCapacity or BadOrder that it failed with, even while
        the cloud still shows the machine. Those two are raised for nothing else here: a look-up
        that the vendor refuses for any other reason is Unreachable.
        """
        ...

    def delete(self, instance_id: str) -> None:
        """Delete one machine by the cloud's id; one that is already gone is success.

        Returns when the cloud has accepted. Whose machine it is was settled before: do not ask.
        Raises Throttled when the machine is locked or busy: ask again.
        """
        ...

    def budget(self) -> Budget | None:
        """Return the rate budget as the last answer showed it; None where the cloud does not.

        Contacts nobody; called after every other call, from any thread.
        """
        ...

    def node_labels(self, machine_type: MachineType, location: str) -> Mapping[str, str]:
        """Return the labels that the cloud's own controllers put on such a node.

        ``topology.kubernetes.io/region``, zone where the cloud has them, and CSI topology keys:
        exactly what the vendor's CCM and CSI driver set, so that a template predicts the real
        node. Contacts nobody and raises nothing.
        """
        ...

    def check_order(self, order: Order) -> tuple[str, ...]:
        """Ask the cloud whether an order could work, making nothing; return what is wrong.

        Sentences for a person that name the culprit, one a problem: an image, key, network,
        firewall or placement group that is not there. Raises CloudError when the cloud cannot be
        asked. Only ``check --online`` calls it.
        """
        ...

    def quota(self) -> Quota | None:
        """Return the account's limit on machines where the API does; None where it does not.

        Only ``check --online`` calls it.
        """
        ...

    def close(self) -> None:
        """Close the connections; may be called twice."""
        ...


def as_ordered(cloud: object, machine_type: MachineType, options: object) -> MachineType:
    """Return a machine type as a group orders it: with the disk of the group's options.

    A cloud whose price list names no disk, because it is ordered for itself, has one more method,
    ``disk_bytes(machine_type, options) -> int``: the size, in bytes, of the disk that it orders
    for a group of these :attr:`Provider.group_options` (None: the defaults). It contacts nobody and
    raises nothing. Without, a template promises the disk of the price list.
    """
    size = getattr(cloud, "disk_bytes", None)
    if not callable(size):
        return machine_type
    return dataclasses.replace(machine_type, disk_bytes=max(0, int(size(machine_type, options))))


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
