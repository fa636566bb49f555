# ruff: noqa: D102, S101 - the tests' names say what they hold
"""Hold a machine's life from order to gone, whose it is, and whole listings."""

from __future__ import annotations

import ipaddress

import pytest

from providers import contract, errors
from providers.conformance import ground
from providers.conformance.controls import Bench

_INSIDE = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"),
    )
)


def _is_inside(text: str) -> bool:
    """Return whether an address is one of a private network; raises ValueError where it is none."""
    address = ipaddress.ip_address(text)
    return any(address in network for network in _INSIDE)


class Living(ground.Ground):
    """Machines come, are shown whole and to the right cluster, and go."""

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
        service = type(provider).metadata_service
        assert (
            listed.provider_id == made.provider_id == service.provider_id(provider.scheme, made.id)
        ), "<scheme>://<prefix><id>, as metadata_service says: a Node gets that for ever"
        assert service.problem(made.id) == "", "a machine would refuse its own id"
        if self.provider_id:
            assert made.provider_id == self.provider_id.format(made.id), (
                "not as Nodes there have it"
            )
        assert (listed.node_name, listed.group) == ("web-a1", "web")
        assert (listed.machine_type, listed.location) == (self.machine_type, self.location)
        assert listed.state is contract.InstanceState.RUNNING
        assert listed.created_at > 0
        assert listed.addresses
        inside = [_is_inside(address) for address in listed.addresses]
        assert inside == sorted(inside), f"public addresses come first: {listed.addresses}"

        by_id = provider.look_up(node_name="web-a1", instance_id=made.id, receipt=made.receipt)
        by_name = provider.look_up(node_name="web-a1", instance_id="", receipt="")
        for found in (by_id, by_name):
            assert found is not None
            assert (found.id, found.node_name, found.group) == (made.id, "web-a1", "web")
            assert found.state is contract.InstanceState.RUNNING
            assert found.created_at == listed.created_at, "of two machines the older stays"

        self.delete(bench, made.id)
        controls.settle()
        assert provider.instances() == ()
        assert provider.look_up(node_name="web-a1", instance_id=made.id, receipt="") is None
        assert provider.look_up(node_name="web-a1", instance_id="", receipt="") is None
        assert controls.count() == 0

    def test_a_machine_learns_its_own_id(self, bench: Bench) -> None:
        """A providerID is never corrected: with a wrong one a Node belongs to no machine."""
        made = bench.provider.create(self.order(bench, "web-a1"))
        bench.controls.run(made.id)
        service = type(bench.provider).metadata_service
        headers = dict(
            header.split(": ", 1) for header in (*service.token_headers, *service.headers)
        )
        if service.token_header:
            headers[service.token_header] = "a-token"
        sent = {name.lower(): value for name, value in headers.items()}
        answer = bench.controls.metadata(made.id, sent)
        if answer is None:
            pytest.skip("metadata() of the controls does not say what a machine hears of itself")
        assert answer, f"the metadata service answers nothing to {sorted(sent) or 'no header'}"
        assert service.read(answer) == made.id, "a machine learns another id"

    def test_a_machine_that_boots_does_not_run_yet(self, bench: Bench) -> None:
        """Taken for running too early, its order is forgotten, and a failure of it never seen."""
        made = bench.provider.create(self.order(bench, "web-a1"))
        bench.controls.settle()
        listed = bench.provider.instances()
        if bench.controls.running(made.id) is not False:
            pytest.skip("running() of the controls does not say that it has not booted")
        by_id = bench.provider.look_up(node_name="web-a1", instance_id=made.id, receipt="")
        for shown in (made, *listed, by_id):
            assert shown is not None
            assert shown.state is not contract.InstanceState.RUNNING

    def test_a_machine_that_is_off_is_listed_as_stopped(self, bench: Bench) -> None:
        """Hidden it would be given up and left behind; as running it would be waited for."""
        made = bench.provider.create(self.order(bench, "web-a1"))
        bench.controls.run(made.id)
        try:
            bench.controls.power_off(made.id)
        except NotImplementedError as error:
            pytest.skip(f"nobody can switch a machine off here: {error}")
        bench.controls.settle()
        by_id = bench.provider.look_up(node_name="web-a1", instance_id=made.id, receipt="")
        listed = bench.provider.instances()
        assert [one.id for one in listed] == [made.id]
        for shown in (*listed, by_id):
            assert shown is not None
            assert shown.state is contract.InstanceState.STOPPED

    def test_what_an_order_made_goes_with_its_machine(self, bench: Bench) -> None:
        """A volume or an address that stays is paid for, by nobody's wish."""
        if isinstance(bench.provider, contract.Tidying):
            pytest.skip("this cloud has tidy(), which others of these tests hold")
        before = set(bench.controls.beside())
        made = bench.provider.create(self.order(bench, "web-a1"))
        bench.controls.run(made.id)
        self.delete(bench, made.id)
        bench.controls.settle()
        left = set(bench.controls.beside()) - before
        assert not left, f"the machine is gone, and still there are {sorted(left)}"

    def test_deleting_twice_is_success(self, bench: Bench) -> None:
        made = bench.provider.create(self.order(bench, "web-a1"))
        bench.controls.run(made.id)
        self.delete(bench, made.id)
        bench.controls.settle()
        self.delete(bench, made.id)
        assert bench.controls.count() == 0

    def test_deleting_what_is_going_is_success(self, bench: Bench) -> None:
        made = bench.provider.create(self.order(bench, "web-a1"))
        bench.controls.run(made.id)
        for _ in range(3):
            self.delete(bench, made.id)
        bench.controls.settle()
        assert bench.controls.count() == 0

    def test_a_machine_that_is_being_deleted_counts_no_more(self, bench: Bench) -> None:
        """Between the delete and the end it is shown as such, or not at all."""
        if not self.shows_deleting:
            pytest.skip("shows_deleting says that this API shows such machines as before")
        standing = {contract.InstanceState.CREATING, contract.InstanceState.RUNNING}
        ours = bench.provider.create(self.order(bench, "web-a1")).id
        bench.controls.run(ours)
        self.delete(bench, ours)
        by_id = bench.provider.look_up(node_name="web-a1", instance_id=ours, receipt="")
        by_name = bench.provider.look_up(node_name="web-a1", instance_id="", receipt="")
        for shown in (*bench.provider.instances(), by_id, by_name):
            assert shown is None or shown.state not in standing, "it would count as a node to come"

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
            self.delete(bench, stray)
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

    def test_a_short_page_is_not_the_last(self, bench: Bench) -> None:
        """An API may give fewer rows a page than it is asked for: what follows says its answer."""
        names = [f"web-{number}" for number in range(7)]
        for name in names:
            bench.controls.add(cluster=self.cluster, group="web", node_name=name)
        bench.controls.settle()
        assert len(bench.provider.instances()) == len(names)
        if not bench.controls.shorten_pages(3):
            pytest.skip("shorten_pages() of the controls cannot have short pages here")
        before = bench.controls.requests()
        listed = bench.provider.instances()
        assert sorted(one.node_name for one in listed) == sorted(names)
        assert bench.controls.requests() - before >= 3, "shorten_pages(3) made no page short"

    @pytest.mark.parametrize("page", [1, 2, 3])
    def test_a_torn_listing_is_an_error_never_a_part(self, bench: Bench, page: int) -> None:
        if page > 1 and not self.page_size:
            pytest.skip(
                "this cloud's listing is one answer: page_size says that there are no pages"
            )
        for number in range(2 * self.page_size + 3):
            bench.controls.add(cluster=self.cluster, group="web", node_name=f"web-{number}")
        bench.controls.settle()
        bench.controls.fail_page(page)
        with pytest.raises(errors.NotNow):
            bench.provider.instances()
        bench.controls.mend()
        assert len(bench.provider.instances()) == 2 * self.page_size + 3

    @pytest.mark.parametrize("page", [2, 3])
    def test_a_deletion_between_two_pages_hides_nobody(self, bench: Bench, page: int) -> None:
        """The next page then begins one row later; the last page alone does not show it."""
        if not self.page_size:
            pytest.skip(
                "this cloud's listing is one answer: page_size says that there are no pages"
            )
        for number in range(2 * self.page_size + 3):
            bench.controls.add(cluster=self.cluster, group="web", node_name=f"web-{number}")
        bench.controls.settle()
        whole = {one.id for one in bench.provider.instances()}
        bench.controls.vanish_before_page(page)
        try:
            listed = {one.id for one in bench.provider.instances()}
        except errors.NotNow:
            listed = {one.id for one in bench.provider.instances()}
        left = {one.id for one in bench.provider.instances()}
        assert len(whole - left) == 1, "vanish_before_page takes one machine away"
        assert left <= listed
