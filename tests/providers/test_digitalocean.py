"""DigitalOcean passes the suite of every cloud, and reads and writes what is its own."""

from __future__ import annotations

from collections.abc import Iterator

from providers.digitalocean import DigitalOceanCloud
from tests.providers import contract, digitalocean_bench


class TestContract(contract.ProviderContract):
    machine_type, location, image = (
        digitalocean_bench.TYPE,
        digitalocean_bench.PLACE,
        digitalocean_bench.IMAGE,
    )
    names_unique = False
    page_size = 200

    def make(self, *, cluster: str, account: str, token: str) -> Iterator[contract.Bench]:
        with digitalocean_bench.serving(token=token) as fake:
            login = digitalocean_bench.login(fake, cluster=cluster, account=account)
            yield contract.Bench(
                provider=DigitalOceanCloud.open(login),
                controls=digitalocean_bench.DigitalOceanControls(fake),
            )
