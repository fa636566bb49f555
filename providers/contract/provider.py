"""What every cloud does."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, Protocol, runtime_checkable

from providers import masking, metadata
from providers.contract.budget import Budget, Quota, Rate
from providers.contract.machines import Instance, MachineType, Offer, Order

ENTRY_POINT_GROUP = "vps_autoscaler.providers"
"""The entry point group under which a package registers its class (the class, no instance). The
entry point's name is what ``provider:`` says in the configuration: lower-case letters, digits and
dashes, beginning with a letter."""


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
