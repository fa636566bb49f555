"""Implement the contract for one Linode account.

Machines carry their marks as tags (:mod:`providers.kit.marks`); a machine without our cluster's is
nobody of ours. A machine's label is the node's name and unique in the account, so the same order
sent twice makes one machine: the second is refused, "label taken", and finds the first by
its marks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import ClassVar

from providers import contract, errors, metadata
from providers.kit import leftovers, logs, marks, naming, options
from providers.linode import listing, ordering, reading, resolver, vocabulary, wire
from providers.linode.options import AccountOptions, GroupOptions

LISTINGS = contract.Rate(requests=200, per_s=60.0)
CREATES = contract.Rate(requests=20, per_s=15.0)

_INSTANCES = "/linode/instances"
_TYPES = "/linode/types"
_BY_ID = {"+order_by": "id", "+order": "asc"}


class LinodeCloud:
    """One login at Linode; safe to use from several threads."""

    scheme: ClassVar[str] = reading.SCHEME
    token_variable: ClassVar[str] = "LINODE_TOKEN"  # noqa: S105  (the variable's name)
    joins_by_itself: ClassVar[bool] = False
    metadata_service: ClassVar[metadata.Service] = metadata.Service(
        url="http://169.254.169.254/v1/instance",
        headers=("Accept: application/json",),
        id="{id}",
        token_url="http://169.254.169.254/v1/token",  # noqa: S106  (where one is asked for)
        token_headers=("Metadata-Token-Expiry-Seconds: 3600",),
        token_header="Metadata-Token",  # noqa: S106  (the header's name)
        pattern="[0-9]+",
        block=("fd00:a9fe:a9fe::1",),
        beside="192.168.128.0/17",
    )
    account_options: ClassVar[type] = AccountOptions
    group_options: ClassVar[type] = GroupOptions
    supports: ClassVar[frozenset[str]] = frozenset(
        {"networks", "firewalls", "placement_group", "public_ipv4", "ssh_keys"}
    )
    group_label: ClassVar[str] = ""
    user_data_limit_bytes: ClassVar[int] = ordering.USER_DATA_LIMIT_BYTES
    billing = "it is paid for by the hour, until it is deleted"
    costs: ClassVar[contract.Costs] = contract.Costs(catalogue=4, page=listing.PER_PAGE)
    rate: contract.Rate = LISTINGS
    create_rate: contract.Rate | None = CREATES

    def __init__(self, login: contract.Login, *, clock: Callable[[], float] = time.time) -> None:
        settings = options.or_defaults(login.settings, AccountOptions)
        self.settle_s: float = settings.settle_s
        self.hands: int = settings.hands
        self._login = login
        self._connection = wire.Connection(login, hands=settings.hands, clock=clock)
        self._finder = resolver.Resolver(self._connection, clock)
        self._unmarked = leftovers.Unmarked(
            login.account,
            read=self._looked_at,
            tags=reading.tags,
            name="label",
            delete=self._scrap,
        )
        self._log = logs.AccountLog("providers.linode", login.account)

    @classmethod
    def user_data_bytes(cls, text: str) -> int:
        """Return how much of the limit a user-data takes: a large cloud-config is sent as gzip."""
        return ordering.user_data_bytes(text)

    @classmethod
    def open(cls, login: contract.Login) -> contract.Provider:
        """Make a provider for a login; contacts nobody."""
        return cls(login)

    def machine_types(self) -> tuple[contract.MachineType, ...]:
        """List every type, sold out or not; one request."""
        with self._connection.operation("machine_types"):
            return tuple(listing.translated(self._connection, _TYPES, reading.machine_type))

    def offers(self) -> tuple[contract.Offer, ...]:
        """List what can be had where, for how much; three requests."""
        with self._connection.operation("offers"):
            types, regions = self._types(), listing.pages(self._connection, "/regions")
            availability = listing.pages(
                self._connection,
                "/regions/availability",
                key=lambda row: (row["plan"], row["region"]),
            )
            return tuple(reading.offers(types, regions, availability))

    def _types(self) -> list[wire.Row]:
        return listing.pages(self._connection, _TYPES)

    def instances(self) -> tuple[contract.Instance, ...]:
        """List every machine of our cluster; one request for each 500, any failed one fails all."""
        with self._connection.operation("instances"):
            self._unmarked.sweep()
            tag = marks.cluster_tag(self._login.cluster)
            filters = {"tags": tag, **_BY_ID}
            return tuple(
                listing.translated(self._connection, _INSTANCES, self._ours, filters=filters)
            )

    def create(self, order: contract.Order) -> contract.Instance:
        """Order one machine; see the contract for what is raised.

        Usually one request; the first of a group also asks for what it names. Where no SSH key
        is ordered, Linode wants a root password: one is made up, sent, and forgotten.
        """
        with self._connection.operation("create"):
            if problems := "; ".join(ordering.impossible(order)):
                raise errors.BadOrder(problems)
            try:
                row = self._connection.post(_INSTANCES, ordering.body(order, self._finder))
            except wire.SaidNoError as error:
                if "label" in error.fields or vocabulary.means_taken(error.sentences):
                    row = self._already_there(order, error)
                else:
                    if vocabulary.error_class(error.status, error.sentences) is errors.BadOrder:
                        self._finder.forget()
                    raise
            else:
                if not marks.is_fresh(reading.tags(row), order):
                    row = self._second_look(order, row)
            made = self._read(row)
            self._mind_watchdog(order, row)
            return made

    def _already_there(self, order: contract.Order, refusal: wire.SaidNoError) -> wire.Row:
        """Find the machine that has the order's label: ours when an earlier try made it."""
        name = order.node_name
        found = listing.pages(self._connection, _INSTANCES, filters={"label": name})
        rows = [row for row in found if row["label"] == name]
        if not rows:
            if vocabulary.means_taken(refusal.sentences):
                message = f"the label {name} is taken, but no machine shows it"
                raise wire.NoAnswerError(message) from refusal
            raise refusal
        if not marks.is_made_for(reading.tags(rows[0]), order):
            raise errors.BadOrder(
                f"a machine labelled {name} exists already and is not of this cluster: "
                f"{refusal.message}"
            ) from refusal
        return rows[0]

    def _second_look(self, order: contract.Order, row: wire.Row) -> wire.Row:
        """Look at a machine again that was made but not shown with our tags.

        One that has none indeed is deleted: nobody would ever find it, and it costs money. Of one
        that cannot be read nobody knows: it is looked at again before the next listings.
        """
        number = str(int(row["id"]))
        shown = self._unmarked.second_look(number, order)
        if shown is None:
            raise errors.BadOrder(
                f"machine {number} was made without our tags and is being deleted again: "
                "may the token's user put tags on machines?"
            )
        return shown

    def _looked_at(self, instance_id: str) -> wire.Row | None:
        with self._connection.operation("delete", certain=False):
            row = self._connection.maybe(f"{_INSTANCES}/{instance_id}")
            if row is not None:
                reading.tags(row)  # without them it cannot be judged
            return row

    def _mind_watchdog(self, order: contract.Order, row: wire.Row) -> None:
        """Switch the watchdog off where the group wants that; a failure is logged, not raised.

        The machine is made by now: an error would only hide it. Left on, the watchdog boots a
        machine again that powered itself off, which its state then shows.
        """
        if (
            options.or_defaults(order.options, GroupOptions).watchdog
            or row.get("watchdog_enabled") is False
        ):
            return
        try:
            self._connection.put(f"{_INSTANCES}/{int(row['id'])}", {"watchdog_enabled": False})
        except (wire.SaidNoError, wire.NoAnswerError) as error:
            self._log.warning("watchdog stays on", id=row["id"], reason=str(error))

    def look_up(
        self,
        *,
        node_name: str,
        instance_id: str,
        receipt: str,  # noqa: ARG002  (Linode makes no receipts)
    ) -> contract.Instance | None:
        """Find one machine of ours by id, or by its name mark; see the contract.

        Of two machines with one name mark (a clone keeps its tags) the older is given.
        """
        with self._connection.operation("look_up", certain=False):
            if not instance_id:
                return self._by_mark(node_name)
            if not naming.is_number(instance_id):
                return None
            row = self._connection.maybe(f"{_INSTANCES}/{instance_id}")
            if row is None:
                return None
            if not self._is_ours(row):
                self._log.warn_once("machine without our mark", id=instance_id)
                return None
            return self._read(row)

    def _by_mark(self, node_name: str) -> contract.Instance | None:
        try:
            tag = marks.node_tag(node_name)
        except ValueError:
            return None  # no machine of ours can carry it
        rows = listing.pages(self._connection, _INSTANCES, filters={"tags": tag, **_BY_ID})
        ours = [
            row
            for row in rows
            if self._is_ours(row) and marks.is_node(reading.tags(row), node_name)
        ]
        return self._read(min(ours, key=lambda row: int(row["id"]))) if ours else None

    def delete(self, instance_id: str) -> None:
        """Delete one machine by id; one that is gone already is success."""
        with self._connection.operation("delete"):
            if not naming.is_number(instance_id):
                raise errors.BadOrder(f"{instance_id!r} is no id of a Linode")
            self._delete(instance_id)

    def _delete(self, instance_id: str) -> bool:
        """Ask for a deletion; return whether it was gone already."""
        try:
            self._connection.delete(f"{_INSTANCES}/{instance_id}")
        except wire.SaidNoError as error:
            if not error.means_gone:
                raise
            return True
        return False

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
        """Change the marks of one machine; three requests, one when there is nothing to change.

        The API takes only the whole list of tags and knows no precondition: a tag that somebody
        else puts or takes off between our reading and our writing, some tenths of a second, is
        lost or comes back.
        """
        with self._connection.operation("mark"):
            path = f"{_INSTANCES}/{instance_id}"
            row = marks.change(
                "machine",
                instance_id,
                put=put,
                remove=remove,
                read=lambda each: self._connection.maybe(path) if naming.is_number(each) else None,
                worn=_worn,
                write=lambda _row, tags: self._connection.put(path, {"tags": list(tags)}),
            )
            return self._read(row)

    def neighbours(self) -> tuple[contract.Neighbour, ...]:
        """Count the account's machines by cluster and identity; one request for each 500."""
        with self._connection.operation("neighbours"):
            return marks.neighbours(
                listing.translated(
                    self._connection,
                    _INSTANCES,
                    lambda row: reading.tags(reading.whosever(row)),
                    filters=_BY_ID,
                )
            )

    def candidates(self) -> tuple[contract.Candidate, ...]:
        """List every machine of the account; one request for each 500."""
        with self._connection.operation("candidates"):
            return tuple(
                listing.translated(
                    self._connection,
                    _INSTANCES,
                    lambda row: self._candidate(reading.whosever(row)),
                    filters=_BY_ID,
                )
            )

    def _candidate(self, row: wire.Row) -> contract.Candidate:
        return marks.candidate(self._read(row), str(row.get("label") or ""), reading.tags(row))

    def budget(self) -> contract.Budget | None:
        """Return the budget of listings as the last one's headers showed it."""
        return self._connection.budget

    def node_labels(
        self,
        machine_type: contract.MachineType,  # noqa: ARG002  (the same for every type)
        location: str,
    ) -> Mapping[str, str]:
        """Return what Linode's controller manager and CSI driver set on a node: no zone."""
        return {
            "topology.kubernetes.io/region": location,
            "topology.linode.com/region": location,
        }

    def check_order(self, order: contract.Order) -> tuple[str, ...]:
        """Look for everything that an order names; about one request a name."""
        with self._connection.operation("check_order"):
            return (*ordering.impossible(order), *self._finder.problems(order))

    def quota(self) -> contract.Quota | None:
        """Return None: the API does not show an account's limits."""
        return None

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._connection.close()

    def _is_ours(self, row: wire.Row) -> bool:
        return marks.is_ours(reading.tags(row), self._login.cluster)

    def _ours(self, row: wire.Row) -> contract.Instance | None:
        return self._read(row) if self._is_ours(row) else None

    def _read(self, row: wire.Row) -> contract.Instance:
        return reading.instance(row, self._log.unknown_state)


def _worn(row: wire.Row) -> tuple[str, ...]:
    """Return a machine's tags in the order in which it carries them."""
    reading.tags(row)
    return tuple(row["tags"])
