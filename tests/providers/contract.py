"""One suite that every cloud passes: inherit :class:`ProviderContract`, supply the hooks.

A cloud's own test module looks like this::

    class TestHetzner(contract.ProviderContract):
        machine_type, location, image = "cx23", "nbg1", "debian-13"

        def make(self, *, cluster, account, token):
            with fakes.hetzner.serve() as fake:
                yield contract.Bench(provider=HetznerCloud.open(...), controls=MyControls(fake))

and then holds only what is that cloud's own. :class:`Controls` is what the tests may do to the
cloud behind its API; hooks that bring a failure about give back the words that the cloud will say,
so that the suite can look for them in the error's message.
"""

from __future__ import annotations

import abc
import concurrent.futures
import contextlib
import dataclasses
import ipaddress
import logging
import re
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from providers import contract, errors

REGION_LABEL = "topology.kubernetes.io/region"
GROUP_SETTINGS = {
    "networks",
    "firewalls",
    "placement_group",
    "public_ipv4",
    "public_ipv6",
    "ssh_keys",
}


class Controls(abc.ABC):
    """What a test may do to the cloud, behind the back of its API."""

    @abc.abstractmethod
    def add(self, *, cluster: str, group: str, node_name: str) -> str:
        """Put a running machine there with these marks (none for an empty one); give its id.

        With ``cluster`` empty it is a stranger's machine, of the display name ``node_name``.
        """

    @abc.abstractmethod
    def count(self) -> int:
        """Count the machines that are there or on their way out, everybody's."""

    @abc.abstractmethod
    def requests(self) -> int:
        """Count the requests that have reached the cloud so far."""

    @abc.abstractmethod
    def user_data(self, instance_id: str) -> bytes:
        """Read a machine's user-data as cloud-init would on that machine."""

    @abc.abstractmethod
    def rename(self, instance_id: str, name: str) -> None:
        """Give a machine another display name, as people do in consoles."""

    @abc.abstractmethod
    def run(self, instance_id: str) -> None:
        """Let so much time pass that the machine runs."""

    @abc.abstractmethod
    def settle(self) -> None:
        """Let so much time pass that deletions are done and listings show what is so."""

    @abc.abstractmethod
    def sell_out(self, machine_type: str, location: str) -> str:
        """Have none left of a machine type in a location; give the cloud's words for it."""

    @abc.abstractmethod
    def fill_quota(self) -> str:
        """Let the account have no more machines than it has; give the cloud's words for it."""

    @abc.abstractmethod
    def throttle(self) -> str:
        """Refuse requests for their rate until :meth:`mend`; give the cloud's words for it."""

    @abc.abstractmethod
    def revoke_token(self) -> str:
        """Refuse the token until :meth:`mend`; give the cloud's words for it."""

    @abc.abstractmethod
    def go_down(self) -> str:
        """Answer everything with 5xx until :meth:`mend`; give words of that answer, or ""."""

    @abc.abstractmethod
    def fail_page(self, number: int) -> None:
        """Fail the listing's page of this number (from 1), once."""

    @abc.abstractmethod
    def lose_reply(self, *, after_work: bool) -> None:
        """Cut the connection of the next create, before or after its work is done."""

    @abc.abstractmethod
    def mend(self) -> None:
        """End everything that the hooks above broke, except stock and quota."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A login at a cloud, and the hooks behind the cloud."""

    provider: contract.Provider
    controls: Controls


class ProviderContract(abc.ABC):
    """What is true of every cloud. Names of the catalogue are the subclass's to say."""

    machine_type: str
    location: str
    image: str
    bad_image = "no-such-image-4711"
    names_unique: bool = True
    page_size: int = 50

    cluster = "blue"
    account = "the-account"
    token = "tok-3nS3cret4711"

    @abc.abstractmethod
    def make(self, *, cluster: str, account: str, token: str) -> Iterator[Bench]:
        """Yield a bench with an empty cloud, once; tear it down afterwards."""

    @pytest.fixture
    def bench(self) -> Iterator[Bench]:
        with contextlib.contextmanager(self.make)(
            cluster=self.cluster, account=self.account, token=self.token
        ) as bench:
            yield bench
            bench.provider.close()

    def order(self, bench: Bench, node_name: str, **changes: object) -> contract.Order:
        """Make an order that this cloud should take."""
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

    def marks(self, bench: Bench) -> set[tuple[str, str]]:
        """List (node name, group) of everything that is ours."""
        return {(one.node_name, one.group) for one in bench.provider.instances()}

    # What a cloud says of itself.

    def test_it_is_a_provider_and_says_what_it_can(self, bench: Bench) -> None:
        provider = bench.provider
        assert isinstance(provider, contract.Provider)
        assert re.fullmatch(r"[a-z][a-z0-9]*", provider.scheme)
        assert re.fullmatch(r"[A-Z_]*", provider.token_variable)
        assert isinstance(provider.joins_by_itself, bool)
        for options in (provider.account_options, provider.group_options):
            assert dataclasses.is_dataclass(options)
            assert options.__dataclass_params__.frozen
        assert provider.supports <= GROUP_SETTINGS
        assert provider.settle_s > 0
        assert provider.hands >= 1
        assert provider.user_data_limit_bytes >= 1024
        assert provider.rate.requests > 0
        assert provider.rate.per_s > 0

    def test_machine_types_make_sense(self, bench: Bench) -> None:
        types = bench.provider.machine_types()
        assert len({one.name for one in types}) == len(types) > 0
        for one in types:
            assert one.cpu_millis >= 1000, one
            assert one.memory_bytes >= 256 * 1024**2, one
            assert one.disk_bytes > 0, one
            assert one.arch in {"amd64", "arm64"}, one
            assert one.gpus >= 0, one

    def test_offers_make_sense(self, bench: Bench) -> None:
        names = {one.name for one in bench.provider.machine_types()}
        offers = bench.provider.offers()
        assert offers
        assert len({(one.machine_type, one.location) for one in offers}) == len(offers)
        for one in offers:
            assert one.machine_type in names, one
            assert one.location, one
            assert isinstance(one.price_per_hour, Decimal), one
            assert one.price_per_hour > 0, one
            assert isinstance(one.ipv4_per_hour, Decimal), one
            assert one.ipv4_per_hour >= 0, one
            assert re.fullmatch(r"[A-Z]{3}", one.currency), one
        ours = [
            o for o in offers if (o.machine_type, o.location) == (self.machine_type, self.location)
        ]
        assert [one.in_stock for one in ours] == [True]

    def test_a_node_gets_the_region_label(self, bench: Bench) -> None:
        machine_type = self.order(bench, "n").machine_type
        labels = bench.provider.node_labels(machine_type, self.location)
        assert labels[REGION_LABEL] == self.location

    # A machine's life.

    def test_a_machine_from_order_to_gone(self, bench: Bench) -> None:
        provider, controls = bench.provider, bench.controls
        made = provider.create(self.order(bench, "web-a1"))
        assert made.node_name == "web-a1"
        assert made.id
        assert made.state in {contract.InstanceState.CREATING, contract.InstanceState.RUNNING}
        controls.run(made.id)
        controls.settle()

        (listed,) = provider.instances()
        assert listed.id == made.id
        assert listed.provider_id == made.provider_id == f"{provider.scheme}://{made.id}"
        assert (listed.node_name, listed.group) == ("web-a1", "web")
        assert (listed.machine_type, listed.location) == (self.machine_type, self.location)
        assert listed.state is contract.InstanceState.RUNNING
        assert listed.created_at > 0
        assert listed.addresses
        for address in listed.addresses:
            assert ipaddress.ip_address(address)

        by_id = provider.look_up(node_name="web-a1", instance_id=made.id, receipt=made.receipt)
        by_name = provider.look_up(node_name="web-a1", instance_id="", receipt="")
        for found in (by_id, by_name):
            assert found is not None
            assert (found.id, found.node_name, found.group) == (made.id, "web-a1", "web")
            assert found.state is contract.InstanceState.RUNNING

        provider.delete(made.id)
        controls.settle()
        assert provider.instances() == ()
        assert provider.look_up(node_name="web-a1", instance_id=made.id, receipt="") is None
        assert provider.look_up(node_name="web-a1", instance_id="", receipt="") is None
        assert controls.count() == 0

    def test_deleting_twice_is_success(self, bench: Bench) -> None:
        made = bench.provider.create(self.order(bench, "web-a1"))
        bench.controls.run(made.id)
        bench.provider.delete(made.id)
        bench.controls.settle()
        bench.provider.delete(made.id)
        assert bench.controls.count() == 0

    def test_looking_up_what_never_was_is_none(self, bench: Bench) -> None:
        assert bench.provider.look_up(node_name="ghost", instance_id="", receipt="") is None
        made = bench.provider.create(self.order(bench, "web-a1"))
        bench.controls.run(made.id)
        assert bench.provider.look_up(node_name="web-a", instance_id="", receipt="") is None
        assert bench.provider.look_up(node_name="web-a11", instance_id="", receipt="") is None

    def test_a_renamed_machine_keeps_its_node_name(self, bench: Bench) -> None:
        made = bench.provider.create(self.order(bench, "web-a1"))
        bench.controls.run(made.id)
        bench.controls.rename(made.id, "the-boss-server")
        bench.controls.settle()
        assert [(one.id, one.node_name) for one in bench.provider.instances()] == [
            (made.id, "web-a1")
        ]
        found = bench.provider.look_up(node_name="web-a1", instance_id="", receipt="")
        assert found is not None
        assert found.id == made.id

    def test_delete_asks_for_the_id_alone(self, bench: Bench) -> None:
        """Whose machine it is was settled before: a cloud's file does not second-guess."""
        for cluster, group in ((self.cluster, ""), ("green", "web"), ("", "")):
            stray = bench.controls.add(cluster=cluster, group=group, node_name="stray-1")
            bench.provider.delete(stray)
            bench.controls.settle()
            assert bench.controls.count() == 0, (cluster, group)

    # What is ours.

    def test_only_our_cluster_is_listed(self, bench: Bench) -> None:
        strangers = {
            bench.controls.add(cluster="", group="", node_name="someone-s-mail"),
            bench.controls.add(cluster="green", group="web", node_name="web-g1"),
            bench.controls.add(cluster="blue2", group="web", node_name="web-b2"),
            bench.controls.add(cluster="blu", group="web", node_name="web-b3"),
        }
        ours = bench.controls.add(cluster=self.cluster, group="web", node_name="web-a1")
        bench.controls.settle()
        assert [one.id for one in bench.provider.instances()] == [ours]
        for stranger in strangers:
            found = bench.provider.look_up(node_name="", instance_id=stranger, receipt="")
            assert found is None, stranger
        for name in ("someone-s-mail", "web-g1", "web-b2", "web-b3"):
            assert bench.provider.look_up(node_name=name, instance_id="", receipt="") is None, name

    def test_a_machine_without_a_group_is_listed_with_none(self, bench: Bench) -> None:
        bench.controls.add(cluster=self.cluster, group="", node_name="lost-1")
        bench.controls.add(cluster=self.cluster, group="web", node_name="web-a1")
        bench.controls.settle()
        assert self.marks(bench) == {("lost-1", ""), ("web-a1", "web")}

    # Listings.

    def test_a_listing_has_every_page(self, bench: Bench) -> None:
        names = [f"web-{number}" for number in range(2 * self.page_size + 3)]
        for name in names:
            bench.controls.add(cluster=self.cluster, group="web", node_name=name)
        bench.controls.settle()
        listed = bench.provider.instances()
        assert sorted(one.node_name for one in listed) == sorted(names)

    def test_a_full_last_page_is_no_trap(self, bench: Bench) -> None:
        for number in range(self.page_size):
            bench.controls.add(cluster=self.cluster, group="web", node_name=f"web-{number}")
        bench.controls.settle()
        assert len(bench.provider.instances()) == self.page_size

    @pytest.mark.parametrize("page", [1, 2, 3])
    def test_a_torn_listing_is_an_error_never_a_part(self, bench: Bench, page: int) -> None:
        for number in range(2 * self.page_size + 3):
            bench.controls.add(cluster=self.cluster, group="web", node_name=f"web-{number}")
        bench.controls.settle()
        bench.controls.fail_page(page)
        with pytest.raises(errors.NotNow):
            bench.provider.instances()
        bench.controls.mend()
        assert len(bench.provider.instances()) == 2 * self.page_size + 3

    # Orders that meet trouble.

    def test_the_same_order_twice(self, bench: Bench) -> None:
        order = self.order(bench, "web-a1")
        first = bench.provider.create(order)
        if not self.names_unique:
            # Whoever calls asks first; that it can is all such a cloud owes.
            bench.controls.settle()
            found = bench.provider.look_up(node_name="web-a1", instance_id="", receipt="")
            assert found is not None
            assert found.id == first.id
            return
        second = bench.provider.create(order)
        assert second.id == first.id
        assert (second.node_name, second.group) == ("web-a1", "web")
        assert bench.controls.count() == 1

    def test_a_stranger_with_our_name_is_not_taken_for_ours(self, bench: Bench) -> None:
        stranger = bench.controls.add(cluster="green", group="web", node_name="web-a1")
        if self.names_unique:
            with pytest.raises(errors.BadOrder):
                bench.provider.create(self.order(bench, "web-a1"))
            assert bench.controls.count() == 1
        else:
            assert bench.provider.create(self.order(bench, "web-a1")).id != stranger
        bench.controls.settle()
        assert stranger not in {one.id for one in bench.provider.instances()}

    def test_a_reply_lost_after_the_work_leaves_a_machine_to_find(self, bench: Bench) -> None:
        order = self.order(bench, "web-a1")
        bench.controls.lose_reply(after_work=True)
        with pytest.raises(errors.Unreachable) as caught:
            bench.provider.create(order)
        self.check_error(caught.value, "create")
        bench.controls.settle()
        assert bench.controls.count() == 1, "nothing below the caller may try again"
        found = bench.provider.look_up(node_name="web-a1", instance_id="", receipt="")
        assert found is not None
        assert found.group == "web"
        if self.names_unique:
            assert bench.provider.create(order).id == found.id
        assert bench.controls.count() == 1

    def test_a_request_lost_before_the_work_leaves_nothing(self, bench: Bench) -> None:
        order = self.order(bench, "web-a1")
        bench.controls.lose_reply(after_work=False)
        with pytest.raises(errors.Unreachable):
            bench.provider.create(order)
        bench.controls.settle()
        assert bench.controls.count() == 0, "nothing below the caller may try again"
        assert bench.provider.look_up(node_name="web-a1", instance_id="", receipt="") is None
        assert bench.provider.create(order).node_name == "web-a1"

    def test_eight_threads_order_at_once(self, bench: Bench) -> None:
        orders = [self.order(bench, f"web-t{number}") for number in range(8)]
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            made = list(threads.map(bench.provider.create, orders))
        assert [one.node_name for one in made] == [order.node_name for order in orders]
        assert len({one.id for one in made}) == 8
        for one in made:
            bench.controls.run(one.id)
        bench.controls.settle()
        assert self.marks(bench) == {(order.node_name, "web") for order in orders}

    # User-data.

    def test_user_data_at_the_limit_reaches_the_machine(self, bench: Bench) -> None:
        limit = bench.provider.user_data_limit_bytes
        head = "#!/bin/sh\n# naïve ☃ \t'quotes' \"$HOME\" \\n % & < >\n"
        text = head + "x" * (limit - len(head.encode()) - 1) + "\n"
        assert len(text.encode()) == limit
        made = bench.provider.create(self.order(bench, "web-a1", user_data=text))
        assert bench.controls.user_data(made.id) == text.encode()

    def test_user_data_over_the_limit_is_refused_before_anything_is_sent(
        self, bench: Bench
    ) -> None:
        limit = bench.provider.user_data_limit_bytes
        # Counted in bytes: as characters it would pass.
        text = "é" * (limit // 2) + "x" * (limit % 2 + 1)
        order = self.order(bench, "web-a1", user_data=text)
        before = bench.controls.requests()
        with pytest.raises(errors.BadOrder) as caught:
            bench.provider.create(order)
        self.check_error(caught.value, "create", str(limit))
        assert bench.controls.requests() == before
        assert "é" not in str(caught.value)

    # The errors.

    def check_error(self, error: errors.CloudError, operation: str, words: str = "") -> None:
        """Check that an error says who asked for what, and what the cloud said."""
        assert error.account == self.account
        assert error.operation == operation
        assert error.message
        assert words.lower() in error.message.lower()
        assert self.token not in str(error)
        assert self.token not in repr(error)

    def calls(self, bench: Bench) -> dict[str, Callable[[], object]]:
        """Give the four calls that a running server makes, ready to be made."""
        provider, order = bench.provider, self.order(bench, "web-a1")
        standing = bench.controls.add(cluster=self.cluster, group="web", node_name="web-a0")
        return {
            "create": lambda: provider.create(order),
            "instances": provider.instances,
            "look_up": lambda: provider.look_up(
                node_name="web-a0", instance_id=standing, receipt=""
            ),
            "delete": lambda: provider.delete(standing),
        }

    def test_sold_out(self, bench: Bench) -> None:
        order = self.order(bench, "web-a1")
        words = bench.controls.sell_out(self.machine_type, self.location)
        with pytest.raises(errors.CloudError) as caught:
            bench.provider.create(order)
        assert type(caught.value) is errors.OutOfStock
        self.check_error(caught.value, "create", words)
        assert bench.controls.count() == 0

    def test_quota(self, bench: Bench) -> None:
        order = self.order(bench, "web-a1")
        bench.controls.add(cluster="", group="", node_name="someone-s-mail")
        words = bench.controls.fill_quota()
        with pytest.raises(errors.CloudError) as caught:
            bench.provider.create(order)
        assert type(caught.value) is errors.QuotaExceeded
        self.check_error(caught.value, "create", words)
        assert bench.controls.count() == 1

    def test_an_image_that_is_not_there(self, bench: Bench) -> None:
        order = self.order(bench, "web-a1", image=self.bad_image)
        with pytest.raises(errors.CloudError) as caught:
            bench.provider.create(order)
        assert type(caught.value) is errors.BadOrder
        self.check_error(caught.value, "create", "image")
        assert bench.controls.count() == 0

    def test_a_machine_type_that_is_not_there(self, bench: Bench) -> None:
        order = self.order(bench, "web-a1")
        unknown = dataclasses.replace(order.machine_type, name="no-such-type-4711")
        with pytest.raises(errors.CloudError) as caught:
            bench.provider.create(dataclasses.replace(order, machine_type=unknown))
        assert type(caught.value) is errors.BadOrder
        self.check_error(caught.value, "create")
        assert bench.controls.count() == 0

    @pytest.mark.parametrize("operation", ["create", "instances", "look_up", "delete"])
    def test_throttled(self, bench: Bench, operation: str) -> None:
        call = self.calls(bench)[operation]
        words = bench.controls.throttle()
        with pytest.raises(errors.CloudError) as caught:
            call()
        assert type(caught.value) is errors.Throttled
        assert caught.value.retry_after_s is None or caught.value.retry_after_s >= 0
        self.check_error(caught.value, operation, words)
        assert bench.controls.count() == 1
        bench.controls.mend()
        call()

    @pytest.mark.parametrize("operation", ["create", "instances", "look_up", "delete"])
    def test_a_revoked_token(self, bench: Bench, operation: str) -> None:
        call = self.calls(bench)[operation]
        words = bench.controls.revoke_token()
        with pytest.raises(errors.CloudError) as caught:
            call()
        assert type(caught.value) is errors.BadCredentials
        self.check_error(caught.value, operation, words)
        assert bench.controls.count() == 1
        bench.controls.mend()
        call()

    @pytest.mark.parametrize("operation", ["create", "instances", "look_up", "delete"])
    def test_a_cloud_that_is_down(self, bench: Bench, operation: str) -> None:
        call = self.calls(bench)[operation]
        words = bench.controls.go_down()
        before = bench.controls.requests()
        with pytest.raises(errors.CloudError) as caught:
            call()
        assert type(caught.value) is errors.Unreachable
        self.check_error(caught.value, operation, words)
        assert bench.controls.requests() == before + 1, "nothing below the caller may try again"
        assert bench.controls.count() == 1
        bench.controls.mend()
        call()

    # Asking without doing.

    def test_check_order_makes_nothing(self, bench: Bench) -> None:
        assert bench.provider.check_order(self.order(bench, "web-a1")) == ()
        wrong = bench.provider.check_order(self.order(bench, "web-a1", image=self.bad_image))
        assert any(self.bad_image in sentence for sentence in wrong)
        assert bench.controls.count() == 0

    def test_the_budget_is_told_truly_or_not_at_all(self, bench: Bench) -> None:
        bench.provider.instances()
        before = bench.provider.budget()
        if before is None:
            return
        for _ in range(3):
            bench.provider.instances()
        after = bench.provider.budget()
        assert after is not None
        assert 0 <= after.remaining <= before.remaining <= before.limit == after.limit
        assert after.seen_at >= before.seen_at
        assert after.reset_at >= after.seen_at

    def test_the_quota_is_told_truly_or_not_at_all(self, bench: Bench) -> None:
        for number in range(3):
            bench.controls.add(cluster="", group="", node_name=f"someone-s-{number}")
        quota = bench.provider.quota()
        assert quota is None or quota.used in (None, 3)

    # Secrets, and the end.

    def test_no_secret_is_told(self, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        secret = "join-s3cret-0815"
        order = self.order(bench, "web-a1", user_data=f"#!/bin/sh\nkubeadm join --token {secret}\n")
        made = bench.provider.create(order)
        bench.controls.run(made.id)
        told = [order, made, bench.provider, *bench.provider.instances()]
        with contextlib.suppress(errors.CloudError):
            bench.provider.create(dataclasses.replace(order, image=self.bad_image))
        for break_it in (bench.controls.go_down, bench.controls.revoke_token):
            break_it()
            with pytest.raises(errors.CloudError) as caught:
                bench.provider.create(dataclasses.replace(order, node_name="web-a2"))
            told += [caught.value, str(caught.value)]
            bench.controls.mend()
        text = caplog.text + "".join(map(repr, told))
        assert self.token not in text
        assert secret not in text

    def test_closing_twice_is_harmless(self, bench: Bench) -> None:
        bench.provider.instances()
        bench.provider.close()
        bench.provider.close()
