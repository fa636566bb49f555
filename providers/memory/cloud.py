"""Speak the contract to a cloud in RAM: the embedded default, the demo, the tests.

A :class:`MemoryCloud` is one login into a :class:`providers.memory.datacenter.Datacenter`, with the
mark of one cluster. Opened from the configuration it brings a data centre of its own; tests and
simulations hand one in, so that two clusters, or a server and its successor, look at one cloud.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, ClassVar, TypeVar

from providers import contract, errors, metadata
from providers.kit import marks
from providers.memory import datacenter, kwok

T = TypeVar("T")

_GIB = 1024**3

_SLACK_S = 1.0
"""How much longer than the listing's lag we wait before we believe a listing."""


class MemoryCloud:
    """One login at the memory cloud."""

    scheme: ClassVar[str] = "memory"
    token_variable: ClassVar[str] = ""
    joins_by_itself: ClassVar[bool] = True
    metadata_service: ClassVar[metadata.Service] = metadata.Service(pattern="[0-9]+", block=())
    account_options: ClassVar[type] = datacenter.Options
    group_options: ClassVar[type] = contract.NoOptions
    supports: ClassVar[frozenset[str]] = frozenset(
        {"networks", "firewalls", "placement_group", "public_ipv4", "public_ipv6", "ssh_keys"}
    )

    group_label: ClassVar[str] = ""
    user_data_limit_bytes: ClassVar[int] = 32 * 1024
    billing = "nothing is paid: it is simulated"

    def __init__(
        self, login: contract.Login, *, cloud: datacenter.Datacenter | None = None
    ) -> None:
        if cloud is None:
            cloud = datacenter.Datacenter(_settings(login))
        self._login = login
        self._cloud = cloud
        self._budget: contract.Budget | None = None
        settings = cloud.options
        self.settle_s: float = settings.late_listing_s + _SLACK_S
        self.hands: int = 8
        self.rate: contract.Rate = contract.Rate(requests=settings.requests_per_hour, per_s=3600.0)
        self.create_rate: contract.Rate | None = None

    @classmethod
    def open(cls, login: contract.Login) -> contract.Provider:
        """Make a provider with a data centre of its own, as ``login.settings`` describes it."""
        return cls(login)

    @property
    def cloud(self) -> datacenter.Datacenter:
        """Show the data centre behind the login, with its knobs and windows."""
        return self._cloud

    def machine_types(self) -> tuple[contract.MachineType, ...]:
        """List every machine type; one request."""
        return self._read(
            "machine_types",
            lambda _request, _now: tuple(
                _machine_type(plan) for plan in self._cloud.options.machine_types
            ),
        )

    def offers(self) -> tuple[contract.Offer, ...]:
        """List what can be had where, for how much; one request."""
        return self._read("offers", lambda _request, _now: tuple(self._offers()))

    def instances(self) -> tuple[contract.Instance, ...]:
        """List every machine of our cluster, one request a page; any failed page fails it all."""
        found: list[contract.Instance] = []
        after = 0
        while True:
            page = self._read("instances", self._page_work(after))
            found += page
            if len(page) < self._cloud.options.page_size:
                return tuple(found)
            after = int(page[-1].id)

    def create(self, order: contract.Order) -> contract.Instance:
        """Order one machine; where names are unique, the same order twice makes one."""
        if self._is_too_large(order):
            words = self._too_large(order)
            raise self._bad_order("create", words)
        if order.identity and not marks.is_identity(order.identity):
            raise self._bad_order("create", f"{order.identity!r} is no identity of a cluster")

        def work(request: datacenter.Request, now: float) -> contract.Instance:
            server = self._cloud.sales.rent(request, now, order)
            return self._instance(server, now, receipt=server.id)

        return self._write("create", order.node_name, self._cloud.options.create_latency_s, work)

    def look_up(
        self, *, node_name: str, instance_id: str, receipt: str
    ) -> contract.Instance | None:
        """Find one machine; raises OutOfStock when the order behind ``receipt`` has failed.

        The failure is remembered for as long as the data centre stands.
        """

        def work(request: datacenter.Request, now: float) -> contract.Instance | None:
            failure = self._cloud.sales.failure(receipt, now)
            if failure:
                raise request.refusal(errors.OutOfStock, failure)
            server = self._cloud.sales.find(
                cluster=self._login.cluster, server_id=instance_id, node_name=node_name
            )
            return None if server is None else self._instance(server, now)

        return self._read("look_up", work, subject=instance_id or node_name)

    def delete(self, instance_id: str) -> None:
        """Delete one machine, whosever it is; one that is gone or going is success."""
        self._write(
            "delete",
            instance_id,
            self._cloud.options.delete_latency_s,
            lambda _request, now: self._cloud.sales.delete(instance_id, now),
        )

    def mark(
        self,
        instance_id: str,
        *,
        put: Mapping[contract.Mark, str],
        remove: frozenset[contract.Mark] = frozenset(),
    ) -> contract.Instance:
        """Change the marks of one machine, whosever it is; one request, and nothing gets lost."""
        try:
            marks.check_change(put, remove)
        except ValueError as error:
            raise self._bad_order("mark", str(error)) from error

        def work(request: datacenter.Request, now: float) -> contract.Instance:
            server = self._cloud.sales.mark(request, instance_id, put=put, remove=remove)
            return self._instance(server, now)

        return self._write("mark", instance_id, self._cloud.options.list_latency_s, work)

    def neighbours(self) -> tuple[contract.Neighbour, ...]:
        """Count everybody's machines by cluster and identity; one request."""
        return self._read("neighbours", lambda _request, _now: self._cloud.sales.neighbours())

    def candidates(self) -> tuple[contract.Candidate, ...]:
        """List everybody's machines; one request."""

        def work(_request: datacenter.Request, now: float) -> tuple[contract.Candidate, ...]:
            return tuple(
                contract.Candidate(
                    instance=self._instance(server, now),
                    cluster=server.cluster,
                    name=server.name,
                    labels=frozenset(server.labels.items()),
                )
                for server in self._cloud.sales.everybodys(now)
            )

        return self._read("candidates", work)

    def tidy(
        self,
        *,
        groups: Collection[str],
        nodes: Collection[str],  # noqa: ARG002 - single machines leave nothing here
    ) -> tuple[str, ...]:
        """Take away the shelves of groups without machines; one request."""
        return self._write(
            "tidy",
            "",
            self._cloud.options.delete_latency_s,
            lambda _request, _now: self._cloud.sales.clear(
                cluster=self._login.cluster, groups=groups
            ),
        )

    def leftovers(self) -> tuple[contract.Leftover, ...]:
        """List our cluster's shelves; one request."""
        return self._read(
            "leftovers",
            lambda _request, _now: tuple(
                contract.Leftover(kind="shelf", id="", name=f"of group {group!r}", group=group)
                for cluster, group in sorted(self._cloud.sales.shelves)
                if cluster == self._login.cluster
            ),
        )

    @classmethod
    def makes_nodes(cls, settings: object) -> bool:
        """Return whether an account asks for Nodes that kwok keeps Ready."""
        return isinstance(settings, datacenter.Options) and settings.nodes == "kwok"

    def posing(self) -> tuple[contract.Instance, ...]:
        """List our cluster's machines as they truly are, whatever listings show; no request."""
        there = self._cloud.servers()
        now = self._cloud.now()
        found = [self._instance(one, now) for one in there if one.cluster == self._login.cluster]
        gone = contract.InstanceState.DELETING
        return tuple(each for each in found if each.state is not gone)

    def node_object(
        self, instance: contract.Instance, shape: contract.NodeShape
    ) -> Mapping[str, Any]:
        """Return the Node of a machine, for kwok to look after."""
        return kwok.node_object(instance, shape, cluster=self._login.cluster)

    def budget(self) -> contract.Budget | None:
        """Return the rate limit as our last request left it; None before the first."""
        return self._budget

    def node_labels(
        self,
        machine_type: contract.MachineType,  # noqa: ARG002 - the contract's signature
        location: str,
    ) -> Mapping[str, str]:
        """Return the region label: all that this cloud's machines get."""
        return {"topology.kubernetes.io/region": location}

    def check_order(self, order: contract.Order) -> tuple[str, ...]:
        """Return what would be refused; keys, networks and firewalls are never missing here."""
        oversize = (self._too_large(order),) if self._is_too_large(order) else ()
        return oversize + self._read("check_order", lambda _request, _now: self._problems(order))

    def quota(self) -> contract.Quota | None:
        """Return the account's limit and use; one request."""
        return self._read(
            "quota",
            lambda _request, _now: contract.Quota(
                limit=self._cloud.options.quota, used=self._cloud.sales.used()
            ),
        )

    def close(self) -> None:
        """Do nothing: RAM needs no goodbye."""

    def _read(
        self, operation: str, work: Callable[[datacenter.Request, float], T], subject: str = ""
    ) -> T:
        latency_s = self._cloud.options.list_latency_s
        return self._ask(operation, subject, latency_s, work, writes=False)

    def _write(
        self,
        operation: str,
        subject: str,
        latency_s: float,
        work: Callable[[datacenter.Request, float], T],
    ) -> T:
        return self._ask(operation, subject, latency_s, work, writes=True)

    def _ask(
        self,
        operation: str,
        subject: str,
        latency_s: float,
        work: Callable[[datacenter.Request, float], T],
        *,
        writes: bool,
    ) -> T:
        try:
            return self._cloud.exchange(
                work,
                account=self._login.account,
                operation=operation,
                subject=subject,
                latency_s=latency_s,
                writes=writes,
            )
        finally:
            self._budget = self._cloud.budget()

    def _page_work(
        self, after: int
    ) -> Callable[[datacenter.Request, float], list[contract.Instance]]:
        def work(_request: datacenter.Request, now: float) -> list[contract.Instance]:
            servers = self._cloud.sales.page(now, cluster=self._login.cluster, after=after)
            return [self._instance(server, now - server.lag_s) for server in servers]

        return work

    def _offers(self) -> Iterator[contract.Offer]:
        settings = self._cloud.options
        for plan in settings.machine_types:
            for location in settings.sold_in(plan):
                yield contract.Offer(
                    machine_type=plan.name,
                    location=location,
                    price_per_hour=plan.price_per_hour,
                    currency=settings.currency,
                    ipv4_per_hour=settings.ipv4_per_hour,
                    in_stock=self._cloud.sales.free(plan.name, location),
                )

    def _problems(self, order: contract.Order) -> tuple[str, ...]:
        return tuple(self._cloud.sales.nonsense(order))

    def _is_too_large(self, order: contract.Order) -> bool:
        return len(order.user_data.encode()) > self.user_data_limit_bytes

    def _bad_order(self, operation: str, words: str) -> errors.BadOrder:
        return errors.BadOrder(words, account=self._login.account, operation=operation)

    def _too_large(self, order: contract.Order) -> str:
        size = len(order.user_data.encode())
        return f"user-data has {size} bytes; this cloud takes {self.user_data_limit_bytes}"

    def _instance(
        self, server: datacenter.Server, at: float, *, receipt: str = ""
    ) -> contract.Instance:
        return contract.Instance(
            id=server.id,
            provider_id=f"{self.scheme}://{server.id}",
            node_name=server.node_name,
            group=server.group,
            identity=server.identity,
            unjoined=server.unjoined,
            adopted=server.adopted,
            machine_type=server.machine_type,
            location=server.location,
            image=server.image,
            addresses=server.addresses,
            state=server.state(at) or contract.InstanceState.DELETING,
            created_at=server.created_at,
            receipt=receipt,
        )


def _settings(login: contract.Login) -> datacenter.Options:
    if login.settings is None:
        return datacenter.Options()
    if not isinstance(login.settings, datacenter.Options):
        raise TypeError(f"settings of a memory account are Options, not {type(login.settings)}")
    return login.settings


def _machine_type(plan: datacenter.Plan) -> contract.MachineType:
    return contract.MachineType(
        name=plan.name,
        cpu_millis=plan.cpu * 1000,
        memory_bytes=int(plan.memory_gib * _GIB),
        disk_bytes=int(plan.disk_gib * _GIB),
        arch=plan.arch,
        gpus=plan.gpus,
        gpu_model=plan.gpu_model,
        deprecated=plan.deprecated,
    )
