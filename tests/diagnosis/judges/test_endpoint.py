"""The API server's address as machines will see it."""

from __future__ import annotations

import pytest

from externalgrpc.diagnosis.facts import EndpointProbe
from externalgrpc.diagnosis.judges import endpoint as judging
from tests.diagnosis import given


def at(endpoint: str, *addresses: str, group: object | None = None, **changed: object) -> object:
    one = group or given.group()
    probed = EndpointProbe(endpoint=endpoint, groups=("web",), addresses=addresses, **changed)
    return given.facts(one, endpoint_probes=(probed,))


INNER = given.group(networks=("net",))
SIX = given.group(public_ipv4=False, join_gateway="10.0.0.1")


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        ("https://127.0.0.1:6443", "127.0.0.1"),
        ("https://[::1]:6443", "::1"),
        ("https://localhost:6443", "127.0.0.1"),
        ("https://[::]:6443", "::"),
        ("https://169.254.1.1:6443", "169.254.1.1"),
    ],
)
def test_an_address_that_is_each_machine_itself(endpoint: str, address: str) -> None:
    found = given.trouble(at(endpoint, address, group=INNER))
    assert "which is each one itself" in found.what
    assert "apiServer" in found.cure


def test_a_name_of_the_inside() -> None:
    found = given.trouble(at("https://kubernetes.default.svc:443", "10.96.0.1", group=INNER))
    assert "a name that only the cluster" in found.what


@pytest.mark.parametrize("address", ["10.0.0.2", "192.168.1.2", "100.64.3.4", "fd00::2"])
def test_a_private_address_and_a_group_without_network(address: str) -> None:
    found = given.trouble(at("https://api.example.org:6443", address))
    assert "machines of web have no private network" in found.what
    assert found.cure.startswith("Give the groups networks:, or: set kubernetes:")
    assert given.judged(at("https://api.example.org:6443", address, group=INNER)) == []
    subnet = given.group(join_private_subnet="10.0.0.0/16")
    assert given.judged(at("https://api.example.org:6443", address, group=subnet)) == []


def test_a_name_with_a_public_address_too_is_reached() -> None:
    assert given.judged(at("https://api.example.org:6443", "10.0.0.2", "8.8.8.8")) == []


def test_an_address_of_a_family_that_machines_have_not() -> None:
    four = given.group(public_ipv6=False)
    found = given.trouble(at("https://[2a01::1]:6443", "2a01::1", group=four))
    assert "machines of web have no address of the family of https://[2a01::1]:6443" in found.what
    assert given.judged(at("https://api.example.org:6443", "2a01::1", "8.8.8.8", group=four)) == []
    assert given.judged(at("https://8.8.8.8:6443", "8.8.8.8", group=SIX)) == []


def test_ipv6_alone() -> None:
    six = given.group(public_ipv4=False)
    found = given.warning(at("https://[2a01::1]:6443", "2a01::1", group=six))
    assert "machines of web have IPv6 and no way to IPv4" in found.what
    assert "joinOptions.gateway" in found.cure
    assert given.judged(at("https://[2a01::1]:6443", "2a01::1", group=SIX)) == []


def test_no_answer_here_says_little_of_there() -> None:
    of = at("https://8.8.8.8:6443", "8.8.8.8", trouble="no answer in time")
    found = given.warning(of)
    assert found.what == "https://8.8.8.8:6443 does not answer here: no answer in time"
    assert "from where machines will be" in found.why


def test_a_certificate_that_joins_refuse() -> None:
    of = at(
        "https://8.8.8.8:6443",
        "8.8.8.8",
        trouble="IP address mismatch",
        untrusted=True,
        names=("10.0.0.2", "kubernetes"),
    )
    found = given.trouble(of)
    assert "IP address mismatch (it names 10.0.0.2, kubernetes)" in found.what
    assert "Add 8.8.8.8 to apiServer.certSANs" in found.cure


def test_a_name_that_is_not_known_here_is_not_judged_by_its_addresses() -> None:
    of = at("https://api.example.org:6443", trouble="its name is not known")
    assert "does not answer here" in given.warning(of).what


def test_a_certificate_whose_names_were_not_seen() -> None:
    of = at("https://8.8.8.8:6443", "8.8.8.8", trouble="self-signed", untrusted=True)
    assert given.trouble(of).what.endswith("that joins refuse: self-signed")


def test_machines_on_a_private_network_alone_are_no_ipv6_machines() -> None:
    inner = given.group(public_ipv4=False, public_ipv6=False, networks=("net",))
    assert given.judged(at("https://10.0.0.2:6443", "10.0.0.2", group=inner)) == []


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        ("https://h:1", "h"),
        ("https://[::1]:6443", "::1"),
        ("https://", ""),
        ("https://[::1", ""),
        ("", ""),
    ],
)
def test_the_host_of_an_address(endpoint: str, host: str) -> None:
    assert judging.host_of(endpoint) == host


def test_of_several_addresses_the_public_ones_decide() -> None:
    four = given.group(public_ipv6=False)
    of = at("https://api.example.org:6443", "10.0.0.2", "2a01::1", group=four)
    assert "(2a01::1)" in given.trouble(of).what


def test_machines_with_ipv6_and_a_server_with_ipv4() -> None:
    six = given.group(public_ipv4=False)
    findings = given.judged(at("https://8.8.8.8:6443", "8.8.8.8", group=six))
    assert findings[0].startswith(
        "TROUBLE API endpoint: machines of web have no address of the family"
    )
    assert len(findings) == 2
