"""A listing holds what was made of its rows: no page is kept while the next is asked for."""

from __future__ import annotations

import weakref
from typing import Any

import pytest

from providers import rest
from providers.digitalocean import DigitalOceanCloud
from providers.digitalocean import listing as digitalocean_listing
from providers.hetzner import HetznerCloud
from providers.hetzner import listing as hetzner_listing
from providers.hetzner import wire as hetzner_wire
from providers.linode import LinodeCloud
from providers.linode import listing as linode_listing
from providers.linode import wire as linode_wire
from providers.vultr import VultrCloud
from providers.vultr import listing as vultr_listing
from tests.bench import clouds as places
from tests.providers import digitalocean_bench, hetzner_bench, linode_bench, vultr_bench

PER_PAGE = 25
MACHINES = 4 * PER_PAGE + 3

CLOUDS: dict[str, tuple[type, Any, Any, str]] = {
    "hetzner": (hetzner_wire.Connection, hetzner_bench, hetzner_listing, "PER_PAGE"),
    "linode": (linode_wire.Connection, linode_bench, linode_listing, "PER_PAGE"),
    "digitalocean": (rest.Connection, digitalocean_bench, digitalocean_listing, "PER_PAGE"),
    "vultr": (rest.Connection, vultr_bench, vultr_listing, "PER_PAGE"),
}
PROVIDERS: dict[str, Any] = {
    "hetzner": HetznerCloud,
    "linode": LinodeCloud,
    "digitalocean": DigitalOceanCloud,
    "vultr": VultrCloud,
}


class Row(dict[str, Any]):
    """A row that can be watched."""


class Watched:
    """Count the rows that came, and those that are still held when a further page is asked for."""

    def __init__(self, connection: type, monkeypatch: pytest.MonkeyPatch) -> None:
        self.came = 0
        self.held: list[int] = []
        self._refs: list[weakref.ref[Row]] = []
        get = connection.get  # type: ignore[attr-defined]

        def watched(*args: Any, **params: Any) -> Any:
            self.held.append(sum(each() is not None for each in self._refs))
            response = get(*args, **params)
            return {key: self._rows(value) for key, value in response.items()}

        monkeypatch.setattr(connection, "get", watched)

    def _rows(self, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        rows = [Row(row) for row in value]
        self._refs += map(weakref.ref, rows)
        self.came += len(rows)
        return rows


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize("asks", ["instances", "neighbours"])
def test_no_row_outlives_its_page(name: str, asks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connection, bench, module, per_page = CLOUDS[name]
    monkeypatch.setattr(module, per_page, PER_PAGE)
    place = next(each for each in places.ALL if each.provider == name)
    with place.start() as fake:
        for number in range(MACHINES):
            place.add(fake, f"pool-{number:04d}", "pool")
        provider = PROVIDERS[name](bench.login(fake, cluster=places.CLUSTER))
        try:
            watched = Watched(connection, monkeypatch)
            result = getattr(provider, asks)()
        finally:
            provider.close()
    counted = len(result) if asks == "instances" else sum(each.count for each in result)
    assert counted == MACHINES
    assert len(watched.held) > watched.came // PER_PAGE  # it was asked page by page
    assert max(watched.held) == 0
