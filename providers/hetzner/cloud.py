"""Implement the contract for one Hetzner Cloud project.

Servers carry labels of ours: cluster, group, node name, the cluster's identity where it has one,
and ``unjoined`` until their Node was seen. A server without our cluster's is nobody of ours. A
server's name is the node's name and unique in the project, so the same order sent twice makes one
server: the second is refused, "name taken", and finds the first by its marks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar

from providers import contract, errors, metadata
from providers.hetzner import (
    intree,
    listing,
    ordering,
    reading,
    resolver,
    spreading,
    vocabulary,
    wire,
)
from providers.hetzner.options import AccountOptions
from providers.kit import leftovers, logs, marks, naming, options

REQUESTS_AN_HOUR = 3600

_TYPES = ("/server_types", "server_types")
_SERVERS = ("/servers", "servers")


class HetznerCloud:
    """One login at Hetzner Cloud; safe to use from several threads.

    Where no SSH key is ordered, Hetzner makes a root password and mails it to the account's
    owner; it also stands in the answer to the create, where it is neither kept nor logged.
    """

    scheme: ClassVar[str] = reading.SCHEME
    token_variable: ClassVar[str] = "HCLOUD_TOKEN"  # noqa: S105  (the variable's name)
    joins_by_itself: ClassVar[bool] = False
    metadata_service: ClassVar[metadata.Service] = metadata.Service(
        url="http://169.254.169.254/hetzner/v1/metadata/instance-id",
        pattern="[0-9]+",
        decodes_base64=True,  # DataSourceHetzner
    )
    account_options: ClassVar[type] = AccountOptions
    group_options: ClassVar[type] = contract.NoOptions
    supports: ClassVar[frozenset[str]] = frozenset(
        {"networks", "firewalls", "placement_group", "public_ipv4", "public_ipv6", "ssh_keys"}
    )

    group_label: ClassVar[str] = intree.LABEL
    config_variable: ClassVar[str] = intree.CONFIG_FILE
    user_data_limit_bytes: ClassVar[int] = ordering.USER_DATA_LIMIT_BYTES
    billing = "every started hour is paid for, until it is deleted"
    costs: ClassVar[contract.Costs] = contract.Costs(catalogue=3, page=listing.PER_PAGE)

    def __init__(self, login: contract.Login, *, clock: Callable[[], float] = time.time) -> None:
        settings = options.or_defaults(login.settings, AccountOptions)
        self.settle_s: float = settings.settle_s
        self.hands: int = settings.hands
        self.rate: contract.Rate = contract.Rate(requests=REQUESTS_AN_HOUR, per_s=3600.0)
        self.create_rate: contract.Rate | None = None
        self._login = login
        self._clock = clock
        self._connection = wire.Connection(login, hands=settings.hands, clock=clock)
        self._finder = resolver.Resolver(self._connection, clock)
        self._shards = spreading.Shards(self._connection, clock)
        self._log = logs.AccountLog("providers.hetzner", login.account)

    @classmethod
    def open(cls, login: contract.Login) -> contract.Provider:
        """Make a provider for a login; contacts nobody."""
        return cls(login)

    @classmethod
    def convert(cls, setup: contract.Setup) -> contract.Converted:
        """Read how Cluster Autoscaler's own provider for Hetzner was set up; pure."""
        return intree.convert(setup)

    def machine_types(self) -> tuple[contract.MachineType, ...]:
        """List every server type, sold out or not; one request for each 50."""
        with self._connection.operation("machine_types"):
            return tuple(listing.translated(self._connection, *_TYPES, reading.machine_type))

    def offers(self) -> tuple[contract.Offer, ...]:
        """List what can be had where, for how much, net; one request more than the types."""
        with self._connection.operation("offers"):
            pricing = self._connection.get("/pricing")["pricing"]
            return tuple(reading.offers(self._types(), pricing, self._clock()))

    def _types(self) -> list[dict[str, Any]]:
        return listing.pages(self._connection, *_TYPES)

    def instances(self) -> tuple[contract.Instance, ...]:
        """List every server of our cluster; one request for each 50, any failed one fails all."""
        with self._connection.operation("instances"):
            return tuple(
                listing.translated(
                    self._connection,
                    *_SERVERS,
                    self._ours,
                    sort="id:asc",
                    label_selector=reading.selector(cluster=self._login.cluster),
                )
            )

    def _ours(self, row: Mapping[str, Any]) -> contract.Instance | None:
        if not reading.is_ours(row, self._login.cluster):
            return None
        return reading.instance(row, self._log.unknown_state)

    def create(self, order: contract.Order) -> contract.Instance:
        """Order one server; see the contract for what is raised.

        Usually one request; the first of a group also asks for the ids of what it names. With
        ``placement_group: spread`` it is put into one of the group's own placement groups.
        """
        with self._connection.operation("create"):
            for problem in ordering.impossible(order):
                raise errors.BadOrder(problem)
            if not order.ssh_keys:
                self._log.warn_once("no SSH key: the cloud mails root passwords", group=order.group)
            body = ordering.body(order, self._finder)
            if order.placement_group == resolver.SPREAD:
                return self._spread(order, body)
            if order.placement_group:
                body["placement_group"] = self._finder.placement_group(order.placement_group)
            return self._post(order, body)

    def _spread(self, order: contract.Order, body: dict[str, Any]) -> contract.Instance:
        """Order into a placement group of the group's own.

        One that is full, or that somebody tidied away since we listed it, is passed over once.
        """
        try:
            return self._in_shard(order, body)
        except wire.SaidNoError as error:
            if error.code not in {vocabulary.NO_PLACE, vocabulary.NOT_FOUND}:
                raise
        return self._in_shard(order, body)

    def _in_shard(self, order: contract.Order, body: dict[str, Any]) -> contract.Instance:
        shard = self._shards.claim(order)
        try:
            made = self._post(order, {**body, "placement_group": shard})
        except wire.SaidNoError as error:
            if error.code == vocabulary.NO_PLACE:
                self._shards.refused(order)
            else:
                self._shards.drop(order)
            raise
        self._shards.filled(order, int(made.id))
        return made

    def _post(self, order: contract.Order, body: dict[str, Any]) -> contract.Instance:
        try:
            response = self._connection.ask("POST", "/servers", json=body)
        except wire.SaidNoError as error:
            if error.code == vocabulary.TAKEN:
                return self._already_there(order, error)
            if error.code == vocabulary.NOT_FOUND:
                self._finder.forget()
                self._shards.forget()
            raise
        return self._accepted(response["server"], response["action"])

    def _accepted(self, row: Mapping[str, Any], action: Mapping[str, Any]) -> contract.Instance:
        _raise_fate(action)
        return reading.instance(row, self._log.unknown_state, receipt=str(int(action["id"])))

    def _already_there(self, order: contract.Order, taken: wire.SaidNoError) -> contract.Instance:
        """Find the server that has the order's name: ours when an earlier try made it."""
        name = order.node_name
        rows = [
            row
            for row in self._connection.get("/servers", name=name)["servers"]
            if row["name"] == name
        ]
        if not rows:
            raise wire.NoAnswerError(f"the name {name} is taken, but no server shows it") from taken
        labels = rows[0]["labels"]
        ours = reading.marks(order)
        whose = (reading.CLUSTER, reading.NODE, reading.IDENTITY)
        if any(labels.get(key) != ours.get(key) for key in whose):
            raise errors.BadOrder(
                f"a server named {name} exists already and is not of this cluster: {taken.message}"
            ) from taken
        number = int(rows[0]["id"])
        actions = self._connection.get(f"/servers/{number}/actions", sort="id:asc")["actions"]
        for action in actions:
            if action["command"] == "create_server":
                return self._accepted(rows[0], action)
        return reading.instance(rows[0], self._log.unknown_state)

    def look_up(
        self, *, node_name: str, instance_id: str, receipt: str
    ) -> contract.Instance | None:
        """Find one server of ours by id, or by its name mark; see the contract.

        A server that is not running yet costs a second request, for the fate of its order.
        """
        with self._connection.operation("look_up"):
            row = self._by_id(instance_id) if instance_id else self._by_mark(node_name)
            if receipt and (row is None or row["status"] != "running"):
                action = self._maybe(f"/actions/{int(receipt)}")
                if action is not None:
                    _raise_fate(action["action"])
            if row is None:
                return None
            if not reading.is_ours(row, self._login.cluster):
                self._log.warn_once("machine without our mark", id=instance_id or row["id"])
                return None
            return reading.instance(row, self._log.unknown_state, receipt)

    def _by_id(self, instance_id: str) -> dict[str, Any] | None:
        if not naming.is_number(instance_id):
            return None
        response = self._maybe(f"/servers/{instance_id}")
        if response is None:
            return None
        row: dict[str, Any] = response["server"]
        if not isinstance(row, dict):
            raise TypeError("the answer for a server is no object")
        return row

    def _by_mark(self, node_name: str) -> dict[str, Any] | None:
        selector = reading.selector(cluster=self._login.cluster, node=node_name)
        rows = listing.pages(self._connection, *_SERVERS, sort="id:asc", label_selector=selector)
        ours = (row for row in rows if row["labels"].get(reading.NODE) == node_name)
        return next(ours, None)

    def _maybe(self, path: str) -> dict[str, Any] | None:
        """Read what may not be there; only the vendor's own word for that is believed."""
        try:
            return self._connection.get(path)
        except wire.SaidNoError as error:
            if error.code == vocabulary.NOT_FOUND:
                return None
            raise

    def delete(self, instance_id: str) -> None:
        """Delete one server by id; one that is gone already is success."""
        with self._connection.operation("delete"):
            if not naming.is_number(instance_id):
                raise errors.BadOrder(f"{instance_id!r} is no id of a Hetzner server")
            try:
                self._connection.ask("DELETE", f"/servers/{instance_id}")
            except wire.SaidNoError as error:
                if error.code != vocabulary.NOT_FOUND:
                    raise

    def mark(
        self,
        instance_id: str,
        *,
        put: Mapping[contract.Mark, str],
        remove: frozenset[contract.Mark] = frozenset(),
    ) -> contract.Instance:
        """Change the marks of one server; three requests, one when there is nothing to change.

        The API takes only the whole set of labels and knows no precondition: a label that somebody
        else puts or edits between our reading and our writing, some tenths of a second, is lost.
        """
        with self._connection.operation("mark"):
            if problem := _misfit(put, remove):
                raise errors.BadOrder(problem)
            row = self._standing(instance_id)
            labels = reading.changed(row["labels"], put, remove)
            if labels != row["labels"]:
                self._connection.ask("PUT", f"/servers/{instance_id}", json={"labels": labels})
                row = self._standing(instance_id)
                if reading.changed(row["labels"], put, remove) != row["labels"]:
                    raise wire.NoAnswerError(
                        f"the labels of server {instance_id} were written and are not shown: "
                        "does somebody else write them too?"
                    )
            return reading.instance(row, self._log.unknown_state)

    def _standing(self, instance_id: str) -> dict[str, Any]:
        row = self._by_id(instance_id)
        if row is None:
            raise errors.BadOrder(f"there is no server {instance_id}: its marks cannot be changed")
        return row

    def neighbours(self) -> tuple[contract.Neighbour, ...]:
        """Count the project's servers by cluster and identity; one request for each 50."""
        with self._connection.operation("neighbours"):
            return marks.counted(
                listing.translated(
                    self._connection,
                    *_SERVERS,
                    reading.whose,
                    sort="id:asc",
                    label_selector=reading.CLUSTER,
                )
            )

    def candidates(self) -> tuple[contract.Candidate, ...]:
        """List every server of the project; one request for each 50."""
        with self._connection.operation("candidates"):
            return tuple(
                listing.translated(
                    self._connection,
                    *_SERVERS,
                    lambda row: reading.candidate(row, self._log.unknown_state),
                    sort="id:asc",
                )
            )

    def tidy(
        self,
        *,
        groups: Collection[str],
        nodes: Collection[str],
    ) -> tuple[str, ...]:
        """Delete the placement groups that ``spread`` made for groups without servers.

        One request, and three for each placement group that goes. One that an order of ours was
        given in the last minutes stays: ask again later.
        """
        with self._connection.operation("tidy"):
            kinds = (spreading.Leftovers(self._shards, self._login.cluster),)
            return leftovers.clear(kinds, groups=groups, nodes=nodes)

    def leftovers(self) -> tuple[contract.Leftover, ...]:
        """List the placement groups that ``spread`` made for us; one request for each 50."""
        with self._connection.operation("leftovers"):
            return self._shards.leftovers(self._login.cluster)

    def budget(self) -> contract.Budget | None:
        """Return the rate budget as the last answer's headers showed it."""
        return self._connection.budget

    def node_labels(
        self,
        machine_type: contract.MachineType,  # noqa: ARG002  (the same for every type)
        location: str,
    ) -> Mapping[str, str]:
        """Return what Hetzner's controller manager and CSI driver put on a node."""
        labels = {
            "topology.kubernetes.io/region": location,
            "instance.hetzner.cloud/provided-by": "cloud",
            "csi.hetzner.cloud/location": location,
        }
        zone = vocabulary.ZONES.get(location)
        return {**labels, "topology.kubernetes.io/zone": zone} if zone else labels

    def check_order(self, order: contract.Order) -> tuple[str, ...]:
        """Look for everything that an order names; one request a name and one more."""
        with self._connection.operation("check_order"):
            return (*ordering.impossible(order), *self._finder.problems(order))

    def quota(self) -> contract.Quota | None:
        """Return None: the API does not show a project's limits."""
        return None

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._connection.close()


def _misfit(put: Mapping[contract.Mark, str], remove: Collection[contract.Mark]) -> str:
    """Return why marks cannot be changed so; "" when they can."""
    try:
        marks.check_change(put, remove)
    except ValueError as error:
        return str(error)
    return ""


def _raise_fate(action: Mapping[str, Any]) -> None:
    """Raise what an accepted order failed with, if it did."""
    if action["status"] != "error":
        return
    failure = action.get("error") or {}
    code, message = str(failure.get("code", "")), str(failure.get("message", "no reason given"))
    sense = vocabulary.fate_class(code, message)
    raise sense(f"the order was accepted and then failed: {message} ({code})")
