"""What can be ordered, an order, and the machine that comes of it."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from decimal import Decimal


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
    ``unused`` says that it costs money and that the cloud shows it in nobody's use. While its
    machine stands the server deletes no such thing, for an order may be about to use it: it is
    reported.
    """

    kind: str
    id: str
    name: str
    group: str = ""
    node_name: str = ""
    unused: bool = False

    def __str__(self) -> str:
        return f"{self.kind} {self.name} ({self.id})" if self.id else f"{self.kind} {self.name}"
