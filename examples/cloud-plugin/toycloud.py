"""Speak the contract to Toycloud, a cloud that exists only in this package's tests.

Machines carry three tags (see :mod:`providers.kit.marks`); one without our cluster's is nobody of
ours. Names are not unique: the same order sent twice makes two machines, so a create is sent once,
and whoever lost its answer looks the node name's tag up before sending it again.
"""

from __future__ import annotations

import base64
import dataclasses
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, ClassVar

from providers import contract, errors, metadata, rest
from providers.kit import logs, marks, paging
from providers.kit.options import AccountOptions, or_defaults

ENDPOINT = "https://api.toycloud.example/v1"
PER_PAGE = 20
USER_DATA_LIMIT_BYTES = 16 * 1024
NOT_FOUND = "machine_not_found"

Row = dict[str, Any]

STATES: Mapping[str, contract.InstanceState] = MappingProxyType(
    {
        "building": contract.InstanceState.CREATING,
        "running": contract.InstanceState.RUNNING,
        "rebooting": contract.InstanceState.RUNNING,
        "stopped": contract.InstanceState.STOPPED,
        "deleting": contract.InstanceState.DELETING,
    }
)

CODES: Mapping[str, type[errors.CloudError]] = MappingProxyType(
    {
        "sold_out": errors.OutOfStock,
        "no_host_left": errors.OutOfStock,
        "machine_limit": errors.QuotaExceeded,
        "too_many_requests": errors.Throttled,
        "machine_busy": errors.Throttled,
        "bad_token": errors.BadCredentials,
        "token_may_not": errors.BadCredentials,
        "bad_request": errors.BadOrder,
        "size_not_found": errors.BadOrder,
        "image_not_found": errors.BadOrder,
        "key_not_found": errors.BadOrder,
        NOT_FOUND: errors.BadOrder,
        # Something broke in the middle: nobody knows whether it was done.
        "internal": errors.Unreachable,
    }
)

BY_STATUS: Mapping[int, type[errors.CloudError]] = MappingProxyType(
    {401: errors.BadCredentials, 429: errors.Throttled}
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GroupOptions:
    """What may be set of a group at Toycloud.

    Whether its machines are backed up, for money, and how large a disk a size without one gets.
    """

    backups: bool = False
    disk_gb: int = 20


class ToyCloud:
    """One login at Toycloud; safe to use from several threads."""

    scheme: ClassVar[str] = "toycloud"
    token_variable: ClassVar[str] = "TOYCLOUD_TOKEN"  # noqa: S105 - the variable's name
    joins_by_itself: ClassVar[bool] = False
    metadata_service: ClassVar[metadata.Service] = metadata.Service(
        url="http://169.254.169.254/toycloud/v1.json",
        headers=("X-Toy-Metadata: yes",),
        id="{machine.id}",
        pattern="m-[0-9]+",
        cloud_init=False,  # whose instance-id is another number here
    )
    account_options: ClassVar[type] = AccountOptions
    group_options: ClassVar[type] = GroupOptions
    supports: ClassVar[frozenset[str]] = frozenset({"ssh_keys"})
    user_data_limit_bytes: ClassVar[int] = USER_DATA_LIMIT_BYTES
    costs: ClassVar[contract.Costs] = contract.Costs(page=PER_PAGE)

    rate: contract.Rate = contract.Rate(requests=600, per_s=60.0)
    create_rate: contract.Rate | None = None

    def __init__(self, login: contract.Login, *, clock: Callable[[], float] = time.time) -> None:
        settings = or_defaults(login.settings, AccountOptions)
        self.settle_s: float = settings.settle_s
        self.hands: int = settings.hands
        self._login = login
        self._connection = rest.Connection(
            login,
            rest.Vendor(endpoint=ENDPOINT, translate=translate, budget=budget),
            hands=settings.hands,
            clock=clock,
        )
        self._log = logs.AccountLog("providers.toycloud", login.account)

    @classmethod
    def open(cls, login: contract.Login) -> contract.Provider:
        """Make a provider for a login; contacts nobody."""
        return cls(login)

    def machine_types(self) -> tuple[contract.MachineType, ...]:
        """List every size, sold out or not; one request."""
        with self._connection.operation("machine_types"):
            return tuple(_machine_type(row) for row in self._sizes())

    def offers(self) -> tuple[contract.Offer, ...]:
        """List every size in every region that has it; one request."""
        with self._connection.operation("offers"):
            return tuple(_offers(self._sizes()))

    def _sizes(self) -> list[Row]:
        sizes: list[Row] = self._connection.get("/sizes")["sizes"]
        return sizes

    def instances(self) -> tuple[contract.Instance, ...]:
        """List every machine of our cluster; one request for each 20, any failed one fails all."""
        with self._connection.operation("instances"):
            rows = self._listed(tag=marks.cluster_tag(self._login.cluster))
            return tuple(self._instance(row) for row in rows if self._is_ours(row))

    def _listed(self, **by: str) -> list[Row]:
        """Read a whole list or raise: never a part, nor one that changed while it was read."""

        def read(page: int) -> paging.Page:
            answer = self._connection.get("/machines", page=page, per_page=PER_PAGE, **by)
            return paging.Page(
                rows=answer["machines"],
                total=int(answer["total"]),
                following=paging.after(page, answer["next_page"]),
            )

        return paging.whole("/machines", read, first=1)

    def create(self, order: contract.Order) -> contract.Instance:
        """Order one machine, once; after an Unreachable look its name up before ordering again.

        Toycloud takes the tags with the order or refuses both. Where yours may leave them out,
        look at the answer, and delete what would never be found: see
        :class:`providers.kit.leftovers.Unmarked`.
        """
        with self._connection.operation("create", orders=True):
            for problem in _impossible(order):
                raise errors.BadOrder(problem)
            answer = self._connection.ask("POST", "/machines", body=_body(order))
            return self._instance(rest.object_in(answer, "machine"), receipt=str(answer["order"]))

    def look_up(
        self, *, node_name: str, instance_id: str, receipt: str
    ) -> contract.Instance | None:
        """Find one machine of ours by id, or by the tag of its node name; see the contract.

        While it does not run, one request more asks what became of its order.
        """
        with self._connection.operation("look_up"):
            row = self._by_id(instance_id) if instance_id else self._by_name(node_name)
            if receipt and (row is None or row["state"] != "running"):
                self._raise_fate(receipt)
            if row is None or not self._is_ours(row):
                return None
            return self._instance(row, receipt)

    def _by_id(self, instance_id: str) -> Row | None:
        try:
            answer = self._connection.get(f"/machines/{_quoted(instance_id)}")
        except rest.SaidNoError as error:
            if _code(error) == NOT_FOUND:  # the vendor's own word: any other 404 proves nothing
                return None
            raise
        return rest.object_in(answer, "machine")  # and null is no word at all

    def _by_name(self, node_name: str) -> Row | None:
        rows = self._listed(tag=marks.node_tag(node_name))
        named = [row for row in rows if marks.is_node(row["tags"], node_name)]
        return min(filter(self._is_ours, named), key=lambda row: row["created"], default=None)

    def _raise_fate(self, receipt: str) -> None:
        """Raise what an accepted order failed with, if it did."""
        order = rest.object_in(self._connection.get(f"/orders/{_quoted(receipt)}"), "order")
        if order["state"] == "failed":
            raise _fate(str(order["code"]))(f"{order['message']} ({order['code']})")

    def delete(self, instance_id: str) -> None:
        """Delete one machine by id; one that is gone already is success."""
        with self._connection.operation("delete"):
            try:
                self._connection.ask("DELETE", f"/machines/{_quoted(instance_id)}")
            except rest.SaidNoError as error:
                if _code(error) != NOT_FOUND:
                    raise

    def mark(
        self,
        instance_id: str,
        *,
        put: Mapping[contract.Mark, str],
        remove: frozenset[contract.Mark] = frozenset(),
    ) -> contract.Instance:
        """Change the marks of one machine; three requests, one when there is nothing to change.

        Toycloud takes all tags at once, without a precondition: what somebody else writes between
        our reading and our writing is lost.
        """
        with self._connection.operation("mark", orders=True):
            path = f"/machines/{_quoted(instance_id)}/tags"
            row = marks.change(
                "machine",
                instance_id,
                put=put,
                remove=remove,
                read=self._by_id,
                worn=lambda row: tuple(row["tags"]),
                write=lambda _row, tags: self._connection.ask(
                    "PUT", path, body={"tags": list(tags)}
                ),
            )
            return self._instance(row)

    def neighbours(self) -> tuple[contract.Neighbour, ...]:
        """Count all machines by cluster and identity; one request for each 20."""
        with self._connection.operation("neighbours"):
            return marks.neighbours(row["tags"] for row in self._listed())

    def budget(self) -> contract.Budget | None:
        """Return the rate budget as the last answer's headers showed it."""
        return self._connection.budget

    def node_labels(
        self,
        machine_type: contract.MachineType,  # noqa: ARG002 - the same for every type
        location: str,
    ) -> Mapping[str, str]:
        """Return the region label: Toycloud has no controllers that would set others."""
        return {"topology.kubernetes.io/region": location}

    def disk_bytes(self, machine_type: contract.MachineType, options: object) -> int:
        """Return the disk that a group's machines are ordered with: their own, or one beside it."""
        chosen = or_defaults(options, GroupOptions)
        return machine_type.disk_bytes or chosen.disk_gb * 1000**3

    def check_order(self, order: contract.Order) -> tuple[str, ...]:
        """Look for the image and the keys that an order names; one request each."""
        with self._connection.operation("check_order"):
            wrong = list(_impossible(order))
            named = [("image", order.image)] if order.image else []  # told already when empty
            for kind, name in (*named, *(("key", key) for key in order.ssh_keys)):
                try:
                    self._connection.get(f"/{kind}s/{_quoted(name)}")
                except rest.SaidNoError as error:
                    if _code(error) != f"{kind}_not_found":
                        raise
                    wrong.append(f"there is no {kind} {name!r}")
            return tuple(wrong)

    def quota(self) -> contract.Quota | None:
        """Return the account's limit and use; one request."""
        with self._connection.operation("quota"):
            account = self._connection.get("/account")
            return contract.Quota(limit=int(account["limit"]), used=int(account["used"]))

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._connection.close()

    def _is_ours(self, row: Row) -> bool:
        return marks.is_ours(row["tags"], self._login.cluster)

    def _instance(self, row: Row, receipt: str = "") -> contract.Instance:
        mark = marks.read(row["tags"])
        word = str(row["state"])
        if word not in STATES:
            self._log.unknown_state(word)
        return contract.Instance(
            id=str(row["id"]),
            provider_id=self.metadata_service.provider_id(self.scheme, str(row["id"])),
            node_name=mark.node_name,
            group=mark.group,
            identity=mark.identity,
            unjoined=mark.unjoined,
            machine_type=str(row["size"]),
            location=str(row["region"]),
            image=str(row["image"]),
            addresses=tuple(str(address) for address in row["addresses"]),
            state=STATES.get(word, contract.InstanceState.RUNNING),
            created_at=float(row["created"]),
            receipt=receipt,
        )


def translate(error: rest.SaidNoError) -> errors.CloudError:
    """Return our own error for a no of Toycloud's; a word that we do not know is not guessed at."""
    code = _code(error)
    message = f"{error.sentence('message')} ({code})" if code else error.sentence()
    request_id = error.headers.get("x-request-id", "")
    unknown = BY_STATUS.get(error.status, errors.Unreachable)
    if code and unknown is errors.Unreachable and not rest.server_fault(error.status):
        unknown = errors.BadOrder
    meaning = CODES.get(code, unknown)
    if meaning is errors.Throttled:
        return errors.Throttled(message, retry_after_s=error.wait_s, request_id=request_id)
    return meaning(message, request_id=request_id)


def budget(headers: rest.Headers, now: float) -> contract.Budget | None:
    """Read the rate budget off an answer's headers, None where they do not tell it."""
    try:
        limit, left, reset = (
            float(headers[f"ratelimit-{name}"]) for name in ("limit", "remaining", "reset")
        )
    except (KeyError, ValueError):
        return None
    return contract.Budget(
        limit=int(limit), remaining=max(0, int(left)), reset_at=now + reset, seen_at=now
    )


def _code(error: rest.SaidNoError) -> str:
    """Return Toycloud's word for what is wrong, "" where the answer held none."""
    return str((error.body or {}).get("code") or "")


def _fate(code: str) -> type[errors.CloudError]:
    """Return why an accepted order failed: the next candidate is tried, unless it is our fault."""
    meaning = CODES.get(code, errors.OutOfStock)
    ours = issubclass(meaning, (errors.NoCapacity, errors.BadOrder))
    return meaning if ours else errors.OutOfStock


def _quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="")


def _impossible(order: contract.Order) -> Iterator[str]:
    """Yield what is wrong with an order, as far as that shows without asking."""
    size = len(order.user_data.encode())
    if size > USER_DATA_LIMIT_BYTES:
        yield f"user-data of {size} bytes is over Toycloud's limit of {USER_DATA_LIMIT_BYTES}"
    if not order.image:
        yield "no image is configured"
    try:
        marks.ordered(order)
    except ValueError as error:
        yield str(error)


def _body(order: contract.Order) -> Row:
    chosen = or_defaults(order.options, GroupOptions)
    return {
        "name": order.node_name,
        "size": order.machine_type.name,
        "region": order.location,
        "image": order.image,
        "tags": list(marks.ordered(order)),
        "keys": list(order.ssh_keys),
        "user_data": base64.b64encode(order.user_data.encode()).decode("ascii"),
        "backups": chosen.backups,
        "disk_gb": 0 if order.machine_type.disk_bytes else chosen.disk_gb,
    }


def _machine_type(row: Row) -> contract.MachineType:
    return contract.MachineType(
        name=str(row["name"]),
        cpu_millis=int(row["cpus"]) * 1000,
        memory_bytes=int(row["memory_mib"]) * 1024**2,
        disk_bytes=int(row["disk_gb"]) * 1000**3,
    )


def _offers(sizes: list[Row]) -> Iterator[contract.Offer]:
    for row in sizes:
        for region in row["regions"]:
            yield contract.Offer(
                machine_type=str(row["name"]),
                location=str(region),
                price_per_hour=Decimal(str(row["price_per_hour"])),
                currency="EUR",
                in_stock=region not in row["sold_out"],
            )
