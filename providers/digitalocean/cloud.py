"""Implement the contract for one DigitalOcean account.

Droplets carry their marks as tags (see :mod:`providers.kit.marks`); one without our cluster's is
nobody of ours. Names are not unique: the same order sent twice makes two droplets, so a create is
sent once, and whoever lost its answer looks the node name's tag up before sending it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar, TypeVar

from providers import contract, errors, metadata, rest
from providers.digitalocean import (
    gpus,
    listing,
    ordering,
    reading,
    resolver,
    tagging,
    vocabulary,
)
from providers.digitalocean.options import AccountOptions
from providers.kit import leftovers, logs, marks, naming, options

ENDPOINT = "https://api.digitalocean.com/v2"
REQUESTS_AN_HOUR = 5000

_SIZES = ("/sizes", "sizes")

Row = dict[str, Any]
T = TypeVar("T")


class DigitalOceanCloud:
    """One login at DigitalOcean; safe to use from several threads.

    Where no SSH key is ordered, DigitalOcean makes a root password and mails it to the account's
    owner.
    """

    scheme: ClassVar[str] = reading.SCHEME
    token_variable: ClassVar[str] = "DIGITALOCEAN_TOKEN"  # noqa: S105  (the variable's name)
    joins_by_itself: ClassVar[bool] = False
    metadata_service: ClassVar[metadata.Service] = metadata.Service(
        url="http://169.254.169.254/metadata/v1/id",
        pattern="[0-9]+",
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
        self.rate: contract.Rate = contract.Rate(requests=REQUESTS_AN_HOUR, per_s=3600.0)
        self.create_rate: contract.Rate | None = None
        self._login = login
        self._connection = rest.Connection(
            login,
            rest.Vendor(
                endpoint=ENDPOINT, translate=vocabulary.translate, budget=vocabulary.budget
            ),
            hands=settings.hands,
            clock=clock,
        )
        self._finder = resolver.Resolver(self._connection, clock)
        self._gpus = gpus.Watch(clock)
        self._unmarked = leftovers.Unmarked(
            login.account,
            read=self._looked_at,
            tags=reading.tags,
            name="name",
            delete=self._scrap,
        )
        self._log = logs.AccountLog("providers.digitalocean", login.account)

    @classmethod
    def open(cls, login: contract.Login) -> contract.Provider:
        """Make a provider for a login; contacts nobody."""
        return cls(login)

    def machine_types(self) -> tuple[contract.MachineType, ...]:
        """List every size, sold out or not; one request for each 200."""
        with self._connection.operation("machine_types"):
            sizes = listing.translated(self._connection, *_SIZES, reading.machine_type)
            return tuple(sizes)

    def offers(self) -> tuple[contract.Offer, ...]:
        """List every size in every region; one request more than the types."""
        with self._connection.operation("offers"):
            regions = listing.pages(self._connection, "/regions", "regions")
            return tuple(reading.offers(self._sizes(), regions))

    def _sizes(self) -> list[Row]:
        return listing.pages(self._connection, *_SIZES)

    def instances(self) -> tuple[contract.Instance, ...]:
        """List every droplet of our cluster; one request for each 200, any failed one fails all.

        Lists by tag leave GPU droplets out, and ``type=gpus``, which shows them, knows no tag: a
        second list of all GPU droplets of the account is needed. It is read in our first minutes
        (a predecessor's orders may still land), as long as we ordered or saw a GPU droplet of
        ours, and otherwise every tenth time.
        """
        with self._connection.operation("instances"):
            self._unmarked.sweep()
            ours = self._listed(self._ours, tag_name=marks.cluster_tag(self._login.cluster))
            if self._gpus.due():
                found = self._listed(self._ours, type="gpus")
                self._gpus.looked(found=bool(found))
                ours += found
            return tuple(ours)

    def _listed(self, read: Callable[[Row], T | None], **by: str) -> list[T]:
        return listing.translated(self._connection, "/droplets", "droplets", read, **by)

    def _ours(self, row: Row) -> contract.Instance | None:
        return self._instance(row) if self._is_ours(row) else None

    def _is_ours(self, row: Row) -> bool:
        return marks.is_ours(reading.tags(row), self._login.cluster)

    def _instance(self, row: Row, receipt: str = "") -> contract.Instance:
        mark = marks.read(reading.tags(row))
        return reading.instance(row, mark, self._log.unknown_state, receipt)

    def create(self, order: contract.Order) -> contract.Instance:
        """Order one droplet, once; see the contract for what is raised.

        Usually one request; the first of a group also asks for the ids of what it names. The same
        order twice makes two droplets: after an Unreachable look its node name up first. A
        droplet that came without its marks is deleted again, and BadOrder raised; Unreachable where
        it cannot be read, and then it is looked at again before the next listings.
        """
        with self._connection.operation("create", orders=True):
            for problem in ordering.impossible(order):
                raise errors.BadOrder(problem)
            if not order.ssh_keys:
                self._log.warn_once("no SSH key: the cloud mails root passwords", group=order.group)
            body = ordering.body(order, self._finder)
            if order.machine_type.gpus:
                self._gpus.expect()
            try:
                answer = self._connection.ask("POST", "/droplets", body=body)
            except rest.SaidNoError as error:
                if isinstance(self._connection.meaning(error), errors.BadOrder):
                    self._finder.forget()
                raise
            return self._accepted(order, answer)

    def _accepted(self, order: contract.Order, answer: Row) -> contract.Instance:
        row = answer["droplet"]
        number = reading.identity(row)
        if not marks.is_fresh(row.get("tags") or (), order):
            if row.get("name") != order.node_name:
                raise rest.NoAnswerError(f"a create was answered with another droplet, {number}")
            shown = self._unmarked.second_look(number, order)
            if shown is None:
                raise errors.BadOrder(
                    f"droplet {number} was made without its tags and is being deleted again: the "
                    "token needs the scopes tag:create and tag:read, and tags keep the capitals of "
                    "their first use"
                )
            row = shown
        made = (answer.get("links") or {}).get("actions") or ()
        action = next((each["id"] for each in made if each.get("rel") == "create"), "")
        return self._instance(row, receipt=str(action))

    def look_up(
        self, *, node_name: str, instance_id: str, receipt: str
    ) -> contract.Instance | None:
        """Find one droplet of ours by id, or by the tag of its node name; see the contract.

        One request by id and one more while it is not active, for the fate of its order. By name
        up to three: lists by tag may lag behind, so those by name and of GPU droplets are read
        before there is certainly none. Of two droplets of one name the older.
        """
        with self._connection.operation("look_up"):
            row = self._by_id(instance_id) if instance_id else self._by_mark(node_name)
            if receipt and (row is None or row["status"] != "active"):
                self._raise_fate(receipt)
            if row is None:
                return None
            if reading.has_gpu(row):
                self._gpus.expect()
            if not self._is_ours(row):
                self._log.warn_once("machine without our mark", id=row["id"])
                return None
            return self._instance(row, receipt)

    def _by_id(self, instance_id: str) -> Row | None:
        if not naming.is_number(instance_id):
            return None
        response = self._maybe(f"/droplets/{instance_id}")
        if response is None:
            return None
        row: Row = rest.object_in(response, "droplet")
        if (shown := reading.identity(row)) != instance_id:
            raise rest.NoAnswerError(f"asked for droplet {instance_id}, was shown {shown}")
        return row

    def _by_mark(self, node_name: str) -> Row | None:
        try:
            tag = marks.node_tag(node_name)
        except ValueError:
            return None  # no droplet can carry it
        return (
            self._oldest(node_name, tag_name=tag)
            or self._oldest(node_name, name=node_name)
            or self._oldest(node_name, type="gpus")
        )

    def _oldest(self, node_name: str, **by: str) -> Row | None:
        def named(row: Row) -> Row | None:
            is_it = self._is_ours(row) and marks.is_node(reading.tags(row), node_name)
            return row if is_it else None

        return min(
            self._listed(named, **by),
            key=lambda row: (str(row.get("created_at")), int(row["id"])),
            default=None,
        )

    def _raise_fate(self, receipt: str) -> None:
        """Raise that an accepted order failed, if it did; the API never says why."""
        if not naming.is_number(receipt):
            return
        response = self._maybe(f"/actions/{receipt}")
        if response is not None and response["action"]["status"] == vocabulary.ERRORED:
            raise errors.OutOfStock(
                f"the order was accepted and then failed: its action {receipt} errored; "
                "DigitalOcean does not say why"
            )

    def _maybe(self, path: str) -> Row | None:
        """Read what may not be there; only the vendor's own word for that is believed."""
        try:
            return self._connection.get(path)
        except rest.SaidNoError as error:
            if vocabulary.code_of(error) == vocabulary.NOT_FOUND:
                return None
            raise

    def delete(self, instance_id: str) -> None:
        """Delete one droplet by id; one that is gone already is success.

        A delete of a droplet that is still ``new`` may be taken and ignored: look it up.
        """
        with self._connection.operation("delete"):
            if not naming.is_number(instance_id):
                raise errors.BadOrder(f"{instance_id!r} is no id of a droplet")
            self._delete(instance_id)

    def _delete(self, instance_id: str) -> bool:
        """Ask for a deletion; return whether it was gone already."""
        try:
            self._connection.ask("DELETE", f"/droplets/{instance_id}")
        except rest.SaidNoError as error:
            if vocabulary.code_of(error) != vocabulary.NOT_FOUND:
                raise
            return True
        return False

    def _looked_at(self, instance_id: str) -> Row | None:
        with self._connection.operation("delete"):
            row = self._by_id(instance_id)
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
        """Change the marks of one droplet: three requests to take one off, four to put one on.

        One request when there is nothing to change. Each tag is attached and detached for itself,
        so nothing that somebody else writes meanwhile is lost.
        """
        with self._connection.operation("mark", orders=True):
            row = marks.change(
                "droplet",
                instance_id,
                put=put,
                remove=remove,
                read=self._by_id,
                worn=reading.tags,
                write=lambda row, wanted: tagging.change(self._connection, row, wanted),
            )
            return self._instance(row)

    def neighbours(self) -> tuple[contract.Neighbour, ...]:
        """Count the account's droplets by cluster and identity, GPU droplets too.

        One request for each 200 of either kind.
        """
        with self._connection.operation("neighbours"):
            usual, gpus = self._listed(reading.tags), self._listed(reading.tags, type="gpus")
            return marks.neighbours(usual + gpus)

    def candidates(self) -> tuple[contract.Candidate, ...]:
        """List every droplet of the account, GPU droplets too; one request for 200 of a kind."""
        with self._connection.operation("candidates"):

            def read(row: Row) -> contract.Candidate:
                return marks.candidate(self._instance(row), str(row["name"]), reading.tags(row))

            found = [*self._listed(read), *self._listed(read, type="gpus")]
            return tuple({each.instance.id: each for each in found}.values())

    def tidy(
        self,
        *,
        groups: Collection[str],
        nodes: Collection[str],
    ) -> tuple[str, ...]:
        """Delete the tags of node names that no resource carries; two requests a name.

        A tag stays in the account when what carried it goes. Those of groups stay: they do not
        say whose they are, and deleting one takes it off whatever was just made with it.
        """
        with self._connection.operation("tidy", orders=True):
            kinds = (tagging.NodeTags(self._connection),)
            return leftovers.clear(kinds, groups=groups, nodes=nodes)

    def budget(self) -> contract.Budget | None:
        """Return the hourly budget as the last answer's headers showed it."""
        return self._connection.budget

    def node_labels(
        self,
        machine_type: contract.MachineType,  # noqa: ARG002  (the same for every type)
        location: str,
    ) -> Mapping[str, str]:
        """Return what DigitalOcean's controller manager and CSI driver put on a node."""
        return {"topology.kubernetes.io/region": location, "region": location}

    def check_order(self, order: contract.Order) -> tuple[str, ...]:
        """Look for everything that an order names; one request for each kind of thing."""
        with self._connection.operation("check_order"):
            wrong = tuple(ordering.impossible(order))
            try:
                worn = marks.ordered(order)
            except ValueError:
                worn = ()  # among the problems already
            return wrong + self._finder.problems(order, worn)

    def quota(self) -> contract.Quota | None:
        """Return the account's droplet limit and how many there are; three requests."""
        with self._connection.operation("quota"):
            account = self._connection.get("/account")["account"]
            used = sum(
                listing.total(self._connection, "/droplets", type=kind)
                for kind in ("droplets", "gpus")
            )
            status = str(account.get("status", "active"))
            note = "" if status == "active" else f"account {status}: {account['status_message']}"
            return contract.Quota(limit=int(account["droplet_limit"]), used=used, note=note)

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._connection.close()
