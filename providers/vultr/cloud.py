"""Implement the contract for one Vultr account.

Instances carry their marks as tags (see :mod:`providers.kit.marks`); one without our cluster's is
nobody of ours. Labels are not unique: the same order sent twice makes two instances, so a create is
sent once, and whoever lost its answer looks the node name's tag up before sending it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from providers import contract, errors, metadata, rest
from providers.kit import leftovers, logs, marks, options, paging
from providers.vultr import listing, ordering, reading, resolver, vocabulary
from providers.vultr.options import AccountOptions

ENDPOINT = "https://api.vultr.com/v2"
REQUESTS_A_SECOND = 30

_PLANS = ("/plans", "plans")
_INSTANCES = ("/instances", "instances")

Row = dict[str, Any]
T = TypeVar("T")


class VultrCloud:
    """One login at Vultr; safe to use from several threads.

    The answer to a create holds the machine's root password, which is neither kept nor logged.
    """

    scheme: ClassVar[str] = reading.SCHEME
    token_variable: ClassVar[str] = "VULTR_API_KEY"  # noqa: S105  (the variable's name)
    joins_by_itself: ClassVar[bool] = False
    metadata_service: ClassVar[metadata.Service] = metadata.Service(
        url="http://169.254.169.254/v1.json",
        headers=("Metadata-Token: cloudinit",),
        id="{instance-v2-id}",
        pattern="[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        block=(),  # nothing but the address above
    )
    account_options: ClassVar[type] = AccountOptions
    group_options: ClassVar[type] = contract.NoOptions
    supports: ClassVar[frozenset[str]] = frozenset(
        {"networks", "firewalls", "public_ipv4", "public_ipv6", "ssh_keys"}
    )
    group_label: ClassVar[str] = ""
    user_data_limit_bytes: ClassVar[int] = ordering.USER_DATA_LIMIT_BYTES
    billing = "it is paid for by the hour, until it is deleted"
    costs: ClassVar[contract.Costs] = contract.Costs(catalogue=3, page=listing.PER_PAGE)

    def __init__(self, login: contract.Login, *, clock: Callable[[], float] = time.time) -> None:
        settings = options.or_defaults(login.settings, AccountOptions)
        self.settle_s: float = settings.settle_s
        self.hands: int = settings.hands
        self.rate: contract.Rate = contract.Rate(requests=REQUESTS_A_SECOND, per_s=1.0)
        self.create_rate: contract.Rate | None = None
        self._login = login
        self._connection = rest.Connection(
            login,
            rest.Vendor(endpoint=ENDPOINT, translate=vocabulary.translate),
            hands=settings.hands,
            clock=clock,
        )
        self._finder = resolver.Resolver(self._connection, clock)
        self._unmarked = leftovers.Unmarked(
            login.account,
            read=self._looked_at,
            tags=reading.tags,
            name="label",
            delete=self._scrap,
        )
        self._log = logs.AccountLog("providers.vultr", login.account)
        self._whole = False

    @classmethod
    def open(cls, login: contract.Login) -> contract.Provider:
        """Make a provider for a login; contacts nobody."""
        return cls(login)

    def machine_types(self) -> tuple[contract.MachineType, ...]:
        """List every plan, sold out or not; one request for each 500."""
        with self._connection.operation("machine_types"):
            plans = listing.translated(self._connection, *_PLANS, reading.machine_type)
            return tuple(plans)

    def offers(self) -> tuple[contract.Offer, ...]:
        """List every plan in every region; one request more than the types."""
        with self._connection.operation("offers"):
            regions = listing.pages(self._connection, "/regions", "regions")
            return tuple(reading.offers(self._plans(), regions))

    def _plans(self) -> list[Row]:
        return listing.pages(self._connection, *_PLANS)

    def instances(self) -> tuple[contract.Instance, ...]:
        """List every instance of our cluster; one request for each 500, any failed one fails all.

        The API's filter takes other capitals for ours, and its document calls it deprecated: each
        row's tags are compared again, letter by letter.
        """
        with self._connection.operation("instances"):
            self._unmarked.sweep()
            return tuple(self._filtered(self._ours, tag=marks.cluster_tag(self._login.cluster)))

    def _ours(self, row: Row) -> contract.Instance | None:
        return self._instance(row) if self._is_ours(row) else None

    def _filtered(self, read: Callable[[Row], T | None], **by: str) -> list[T]:
        """List at least what the filter should let through; the caller looks for itself.

        It is not documented whether the total of a filtered list counts what the filter hides.
        Where rows are missing, they were lost on the way or the total counts what is hidden: from
        then on the list is read without a filter.
        """
        if not self._whole:
            try:
                return listing.translated(self._connection, *_INSTANCES, read, **by)
            except paging.ShortListError as error:
                self._whole = True
                self._log.info("machines listed without filter", reason=str(error))
        return listing.translated(self._connection, *_INSTANCES, read)

    def _is_ours(self, row: Row) -> bool:
        return marks.is_ours(reading.tags(row), self._login.cluster)

    def _instance(self, row: reading.Row) -> contract.Instance:
        return reading.instance(row, marks.read(reading.tags(row)), self._log.unknown_state)

    def create(self, order: contract.Order) -> contract.Instance:
        """Order one instance, once; see the contract for what is raised.

        Usually one request; the first of a group also asks for the ids of what it names. The same
        order twice makes two: after an Unreachable look its node name up first. An instance that
        came without its marks is deleted again, and BadOrder raised; Unreachable where it cannot be
        read, and then it is looked at again before the next listings. Deleted instances count
        against the account's limit for some two minutes, so QuotaExceeded may pass by itself.
        """
        with self._connection.operation("create", orders=True):
            for problem in ordering.impossible(order):
                raise errors.BadOrder(problem)
            body = ordering.body(order, self._finder)
            try:
                row: Row = self._connection.ask("POST", "/instances", body=body)["instance"]
            except rest.SaidNoError as error:
                if isinstance(self._connection.meaning(error), errors.BadOrder):
                    self._finder.forget()
                raise
            return self._accepted(order, row)

    def _accepted(self, order: contract.Order, row: Row) -> contract.Instance:
        number = reading.identity(row)
        if not marks.is_fresh(row.get("tags") or (), order):
            if row.get("label") != order.node_name:
                raise rest.NoAnswerError(f"a create was answered with another instance, {number}")
            shown = self._unmarked.second_look(number, order)
            if shown is None:
                raise errors.BadOrder(
                    f"instance {number} was made without its tags and is being deleted again"
                )
            row = shown
        return self._instance(row)

    def look_up(
        self,
        *,
        node_name: str,
        instance_id: str,
        receipt: str,  # noqa: ARG002  (an order's fate shows in the machine alone)
    ) -> contract.Instance | None:
        """Find one instance of ours by id, or by the tag of its node name; see the contract.

        One request by id; by name a second one, by label, where the tag finds none. Of two
        instances of one name the older.
        """
        with self._connection.operation("look_up"):
            row = self._by_id(instance_id) if instance_id else self._by_mark(node_name)
            return None if row is None else self._instance(row)

    def _shown(self, instance_id: str) -> Row | None:
        """Read one instance, whosever it is; None when there is certainly none."""
        if not reading.is_id(instance_id):
            return None
        try:
            row: Row = rest.object_in(self._connection.get(f"/instances/{instance_id}"), "instance")
        except rest.SaidNoError as error:
            if vocabulary.is_gone(error):
                return None
            raise
        if (shown := reading.identity(row)) != instance_id:
            raise rest.NoAnswerError(f"asked for instance {instance_id}, was shown {shown}")
        return row

    def _by_id(self, instance_id: str) -> Row | None:
        row = self._shown(instance_id)
        if row is None or self._is_ours(row):
            return row
        self._log.warn_once("machine without our mark", id=instance_id)
        return None

    def _by_mark(self, node_name: str) -> Row | None:
        try:
            tag = marks.node_tag(node_name)
        except ValueError:
            return None  # no instance can carry it
        return self._oldest(node_name, tag=tag) or self._oldest(node_name, label=node_name)

    def _oldest(self, node_name: str, **by: str) -> Row | None:
        def named(row: Row) -> Row | None:
            is_it = self._is_ours(row) and marks.is_node(reading.tags(row), node_name)
            return row if is_it else None

        return min(
            self._filtered(named, **by),
            key=lambda row: (str(row.get("date_created")), str(row["id"])),
            default=None,
        )

    def delete(self, instance_id: str) -> None:
        """Delete one instance by id; one that is gone or going already is success."""
        with self._connection.operation("delete"):
            if not reading.is_id(instance_id):
                raise errors.BadOrder(f"{instance_id!r} is no id of an instance")
            self._delete(instance_id)

    def _delete(self, instance_id: str) -> bool:
        """Ask for a deletion; return whether it was gone already."""
        try:
            self._connection.ask("DELETE", f"/instances/{instance_id}")
        except rest.SaidNoError as error:
            if vocabulary.is_gone(error):
                return True
            if not vocabulary.is_going(error):
                raise
        return False

    def _looked_at(self, instance_id: str) -> Row | None:
        with self._connection.operation("delete"):
            row = self._shown(instance_id)
            if row is not None:
                reading.tags(row)  # without them it cannot be judged
            return row

    def _scrap(self, instance_id: str) -> bool:
        with self._connection.operation("delete"):
            return self._delete(instance_id)

    def mark(
        self,
        instance_id: str,
        *,
        put: Mapping[contract.Mark, str],
        remove: frozenset[contract.Mark] = frozenset(),
    ) -> contract.Instance:
        """Change the marks of one instance; three requests, one when there is nothing to change.

        The API takes only the whole list of tags and knows no precondition: a tag that somebody
        else puts or takes off between our reading and our writing, some tenths of a second, is
        lost or comes back.
        """
        with self._connection.operation("mark", orders=True):
            # Only the tags: other fields of a PATCH would reinstall the machine.
            path = f"/instances/{instance_id}"
            row = marks.change(
                "instance",
                instance_id,
                put=put,
                remove=remove,
                read=self._shown,
                worn=reading.tags,
                write=lambda _row, tags: self._connection.ask(
                    "PATCH", path, body={"tags": list(tags)}
                ),
            )
            return self._instance(row)

    def neighbours(self) -> tuple[contract.Neighbour, ...]:
        """Count the account's instances by cluster and identity; one request for each 500."""
        with self._connection.operation("neighbours"):
            rows = listing.translated(
                self._connection, *_INSTANCES, lambda row: reading.tags(reading.whosever(row))
            )
            return marks.neighbours(rows)

    def candidates(self) -> tuple[contract.Candidate, ...]:
        """List every instance of the account; one request for each 500."""
        with self._connection.operation("candidates"):
            return tuple(
                listing.translated(
                    self._connection,
                    *_INSTANCES,
                    lambda row: self._candidate(reading.whosever(row)),
                )
            )

    def _candidate(self, row: reading.Row) -> contract.Candidate:
        return marks.candidate(self._instance(row), str(row.get("label") or ""), reading.tags(row))

    def budget(self) -> contract.Budget | None:
        """Return None: Vultr's answers do not say what is left."""
        return None

    def node_labels(
        self,
        machine_type: contract.MachineType,  # noqa: ARG002  (the same for every type)
        location: str,
    ) -> Mapping[str, str]:
        """Return what Vultr's controller manager puts on a node: the region."""
        return {"topology.kubernetes.io/region": location}

    def check_order(self, order: contract.Order) -> tuple[str, ...]:
        """Look for everything that an order names; one request for each kind of thing."""
        with self._connection.operation("check_order"):
            return (*ordering.impossible(order), *self._finder.problems(order))

    def quota(self) -> contract.Quota | None:
        """Return None: the API does not show an account's limits."""
        return None

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._connection.close()
