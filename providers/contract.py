"""Say what a cloud is to us: the Provider protocol and the values that cross it.

A cloud's file translates these values into its vendor's API and back; no SDK object, HTTP
status or vendor's word crosses. Everything here is a plain frozen value; the standard library
is all it takes. Money is :class:`decimal.Decimal`, sizes are bytes, instants are Unix seconds.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar, Protocol, runtime_checkable

ENTRY_POINT_GROUP = "vps_autoscaler.providers"
"""The entry point group under which a package registers its :class:`Cloud` class."""


class InstanceState(enum.Enum):
    """What a machine is doing; each cloud maps its own words here by an exhaustive table.

    A word that the table does not know means RUNNING and a warning in the log: taking a live
    machine for a dead one costs more than the reverse.
    """

    CREATING = "creating"
    RUNNING = "running"
    STOPPED = "stopped"
    DELETING = "deleting"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MachineType:
    """A size that the cloud sells, sold out or not.

    ``memory_bytes`` is nominal: what the price list says, before kernel and firmware take theirs.
    ``gpus`` counts whole cards; a fraction of a card is 0 with ``gpu_model`` told.
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

    Prices are net, per hour. ``ipv4_per_hour`` is what a public IPv4 address costs on top,
    zero where it is included. ``in_stock`` is a hint: clouds sell what they list as sold out
    and refuse what they list as available, so an order is tried all the same.
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
    :meth:`Provider.instances` reads back. ``ssh_keys``, ``networks``, ``firewalls`` and
    ``placement_group`` are the cloud's ids or names as the user wrote them. ``options`` is an
    instance of the cloud's own :attr:`Provider.group_options`.
    """

    node_name: str
    cluster: str
    group: str
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

    ``id`` is the cloud's own id, ``provider_id`` is ``<scheme>://<id>`` and equals the Node's
    ``spec.providerID`` byte for byte. ``node_name`` and ``group`` come from our marks, never from
    the server's display name (people rename servers); ``group`` is empty when the machine carries
    the cluster's mark and no group's. ``created_at`` is in Unix seconds, 0 when not told.
    ``receipt`` is whatever :meth:`Provider.look_up` needs to learn an order's fate (an action's
    id); it is opaque to everyone else.
    """

    id: str
    provider_id: str
    node_name: str
    group: str
    machine_type: str
    location: str
    image: str = ""
    addresses: tuple[str, ...] = ()
    state: InstanceState
    created_at: float = 0.0
    receipt: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A documented limit: ``requests`` every ``per_s`` seconds."""

    requests: int
    per_s: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The rate budget as the cloud's last answer told it: ``remaining`` of ``limit`` until
    ``reset_at`` (Unix seconds: when the budget is whole again), seen at ``seen_at``."""

    limit: int
    remaining: int
    reset_at: float
    seen_at: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """How many machines the account may have and has; ``limit`` is None when not told."""

    limit: int | None
    used: int | None
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A configured login at one cloud, as its :meth:`Provider.open` gets it.

    ``token`` never shows in ``repr``. ``endpoint`` is empty for the vendor's own address.
    ``settings`` is an instance of the cloud's :attr:`Provider.account_options`.
    ``connect_timeout_s`` and ``read_timeout_s`` bound every request.
    """

    account: str
    cluster: str
    token: str = dataclasses.field(repr=False)
    endpoint: str = ""
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 30.0
    settings: object = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NoOptions:
    """The options of a cloud that has none of its own."""


@runtime_checkable
class Provider(Protocol):
    """One login at one cloud.

    Methods block, may be called from several threads at once (one reader and ``hands`` writers),
    raise only :class:`providers.errors.CloudError` and return only values of this module. None of
    them retries: whoever calls decides.

    Class attributes describe the cloud itself:

    ``scheme``
        what stands left of ``://`` in ``node.spec.providerID``; fixed for ever.
    ``token_variable``
        the environment variable that holds the token when no file does; "" where none is needed.
    ``joins_by_itself``
        whether its machines become nodes with nothing for the user to write: False for every
        real cloud, True only where machines are simulated (MemoryCloud must set it True).
    ``account_options``, ``group_options``
        frozen dataclasses with the cloud's own settings of an account and of a group; field
        names become camelCase keys in the configuration file, unknown keys are refused.
    ``supports``
        which of the common group settings (``networks``, ``firewalls``, ``placement_group``,
        ``public_ipv4``, ``public_ipv6``, ``ssh_keys``) the cloud can do; the others are refused by
        ``check`` when set.
    ``settle_s``
        seconds after which a listing can be trusted to show an accepted create or delete.
    ``hands``
        how many writes may be under way at once.
    ``user_data_limit_bytes``
        the largest user-data the cloud takes, before the cloud's own encoding.
    ``rate``, ``create_rate``
        the documented limits of all requests, and of creates where they have one of their own.
    """

    scheme: ClassVar[str]
    token_variable: ClassVar[str]
    joins_by_itself: ClassVar[bool]
    account_options: ClassVar[type]
    group_options: ClassVar[type]
    supports: ClassVar[frozenset[str]]
    settle_s: float
    hands: int
    user_data_limit_bytes: int
    rate: Rate
    create_rate: Rate | None

    @classmethod
    def open(cls, login: Login) -> Provider:
        """Make a provider for a login; contacts nobody."""
        ...

    def machine_types(self) -> tuple[MachineType, ...]:
        """List every machine type that the cloud sells, sold out or not."""
        ...

    def offers(self) -> tuple[Offer, ...]:
        """List what can be had where, for how much."""
        ...

    def instances(self) -> tuple[Instance, ...]:
        """List every machine that carries our cluster's mark: all pages, or an error.

        Never a part: a listing that cannot be completed raises. Machines without the mark of
        ``login.cluster`` do not exist for us.
        """
        ...

    def create(self, order: Order) -> Instance:
        """Order one machine; return when the cloud has accepted, not when the machine boots.

        Raises OutOfStock or QuotaExceeded (nothing was made), Throttled (refused before anything
        was done), Unreachable (it may have been made), BadCredentials or BadOrder. Where names
        are unique, the same order twice makes one machine and returns it both times.
        """
        ...

    def look_up(self, *, node_name: str, instance_id: str, receipt: str) -> Instance | None:
        """Find one machine of ours by id, or by our name mark where ``instance_id`` is empty.

        Returns None only when there is certainly no such machine. When the order behind
        ``receipt`` failed after it was accepted, raises the NoCapacity or BadOrder that it failed
        with, even while the cloud still shows the machine.
        """
        ...

    def delete(self, instance_id: str) -> None:
        """Delete one machine by the cloud's id; one that is already gone is success.

        Raises Throttled when the machine is locked or busy: ask again.
        """
        ...

    def budget(self) -> Budget | None:
        """Tell the rate budget as the last answer showed it; None where the cloud does not."""
        ...

    def node_labels(self, machine_type: MachineType, location: str) -> Mapping[str, str]:
        """Give the labels that the cloud's own controllers put on such a node.

        Region (and zone where the cloud has them) and CSI topology keys; exactly what the
        vendor's CCM and CSI driver set, so that a template predicts the real node.
        """
        ...

    def check_order(self, order: Order) -> tuple[str, ...]:
        """Ask the cloud whether an order could work, making nothing; tell what is wrong.

        Sentences for a person, one a problem: an image, key, network, firewall or placement group
        that is not there. Raises CloudError when the cloud cannot be asked.
        """
        ...

    def quota(self) -> Quota | None:
        """Tell the account's limit on machines where the API does; None where it does not."""
        ...

    def close(self) -> None:
        """Let go of connections; harmless twice."""
        ...
