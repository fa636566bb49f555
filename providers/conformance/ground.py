# ruff: noqa: S101 - a suite consists of assertions
"""Give every part of the suite what it stands on: a bench, an order, a look at an error."""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from providers import contract, errors
from providers.conformance.controls import Bench

T = TypeVar("T")
_PATIENCE = 4

OPERATIONS = (
    *("create", "instances", "look_up", "delete", "mark"),
    *("neighbours", "tidy", "leftovers", "finish", "candidates"),
)
REGION_LABEL = "topology.kubernetes.io/region"
ZONE_LABEL = "topology.kubernetes.io/zone"
GROUP_SETTINGS = frozenset(
    {"networks", "firewalls", "placement_group", "public_ipv4", "public_ipv6", "ssh_keys"}
)


class Ground(abc.ABC):
    """What a cloud's own test class says, and what all tests share.

    ``machine_type``, ``location`` and ``image`` are names that the empty cloud of :meth:`make`
    sells and has in stock; ``bad_image`` is one that it has not. ``names_unique`` says that the
    cloud refuses two machines of one name. ``page_size`` is how many machines a page of the
    listing holds as the provider asks for it; 0 where the listing is one answer. ``region`` is what
    the region label of a machine in ``location`` says, "" where that is the location itself;
    ``zone`` is what its zone label says, "" where the cloud's controllers set none; ``provider_id``
    is how its ``spec.providerID`` looks, with ``{}`` in place of the id ("" asks nothing). Have all
    three from a Node of a cluster with the vendor's controller manager, not from your provider.
    ``shows_deleting`` is False where the API goes on showing a deleted machine as it was, without a
    word for its being on the way out.
    """

    machine_type: str
    location: str
    image: str
    bad_image = "no-such-image-4711"
    names_unique: bool = True
    page_size: int = 50
    region: str = ""
    zone: str = ""
    provider_id: str = ""
    shows_deleting: bool = True

    cluster = "blue"
    account = "the-account"
    token = "tok-3nS3cret4711"  # noqa: S105 - looked for in everything that is shown

    @abc.abstractmethod
    def make(self, *, cluster: str, account: str, token: str) -> Iterator[Bench]:
        """Yield a bench with an empty cloud, once; tear it down afterwards.

        The provider must be opened with these three; the suite closes it.
        """

    @pytest.fixture
    def bench(self) -> Iterator[Bench]:
        """Yield a test its own empty cloud."""
        with contextlib.contextmanager(self.make)(
            cluster=self.cluster, account=self.account, token=self.token
        ) as bench:
            yield bench
            bench.provider.close()

    def order(self, bench: Bench, node_name: str, **changes: Any) -> contract.Order:  # noqa: ANN401
        """Make an order that this cloud should take; override it where yours needs more."""
        types = {one.name: one for one in bench.provider.machine_types()}
        order = contract.Order(
            node_name=node_name,
            cluster=self.cluster,
            group="web",
            machine_type=types[self.machine_type],
            location=self.location,
            image=self.image,
            user_data="#!/bin/sh\necho hello\n",
        )
        return dataclasses.replace(order, **changes)

    def ask_again(self, bench: Bench, call: Callable[[], T]) -> T:
        """Make a call as the server does: who is asked to come again comes a little later.

        So a machine can be locked for a moment, or be stopped before it is deleted.
        """
        for _ in range(_PATIENCE):
            try:
                return call()
            except errors.Throttled:
                bench.controls.settle()
        return call()

    def delete(self, bench: Bench, instance_id: str) -> None:
        """Delete a machine, as often as the cloud asks for."""
        self.ask_again(bench, lambda: bench.provider.delete(instance_id))

    def marks(self, bench: Bench) -> set[tuple[str, str]]:
        """List (node name, group) of everything that is ours."""
        return {(one.node_name, one.group) for one in bench.provider.instances()}

    def calls(self, bench: Bench) -> dict[str, Callable[[], object]]:
        """Return the calls that a running server makes, ready to be made: as many as there are."""
        provider, order = bench.provider, self.order(bench, "web-a1")
        standing = bench.controls.add(cluster=self.cluster, group="web", node_name="web-a0")
        calls: dict[str, Callable[[], object]] = {
            "create": lambda: provider.create(order),
            "instances": provider.instances,
            "look_up": lambda: provider.look_up(
                node_name="web-a0", instance_id=standing, receipt=""
            ),
            "delete": lambda: provider.delete(standing),
        }
        if isinstance(provider, contract.Marking):
            gone = frozenset({contract.Mark.UNJOINED})
            calls["mark"] = functools.partial(provider.mark, standing, put={}, remove=gone)
        if isinstance(provider, contract.Neighbourly):
            calls["neighbours"] = provider.neighbours
        if isinstance(provider, contract.Tidying):
            calls["tidy"] = functools.partial(provider.tidy, groups=["web"], nodes=["web-a1"])
        if isinstance(provider, contract.Finishing):
            shown = provider.look_up(node_name="web-a0", instance_id=standing, receipt="")
            assert shown is not None
            calls["finish"] = functools.partial(
                provider.finish, dataclasses.replace(order, node_name="web-a0"), shown
            )
        if isinstance(provider, contract.Leaving):
            calls["leftovers"] = provider.leftovers
        if isinstance(provider, contract.Adopting):
            calls["candidates"] = provider.candidates
        return calls

    def call(self, bench: Bench, operation: str) -> Callable[[], object]:
        """Return one of these calls; skip where the cloud has none."""
        calls = self.calls(bench)
        if operation not in calls:
            pytest.skip(f"this cloud has no {operation}()")
        return calls[operation]

    def check_error(self, error: errors.CloudError, operation: str, words: str = "") -> None:
        """Check that an error says who asked for what, and what the cloud said."""
        assert error.account == self.account
        assert error.operation == operation
        assert error.message
        assert words.lower() in error.message.lower()
        assert self.token not in str(error)
        assert self.token not in repr(error)
