"""Linode passes the suite of every cloud, and reads and writes what is its own."""

from __future__ import annotations

from collections.abc import Iterator

from providers.linode import LinodeCloud
from tests.providers import contract, linode_bench


class TestContract(contract.ProviderContract):
    machine_type, location, image = linode_bench.TYPE, linode_bench.PLACE, linode_bench.IMAGE
    page_size = 500

    def make(self, *, cluster: str, account: str, token: str) -> Iterator[contract.Bench]:
        with linode_bench.serving(token=token) as fake:
            login = linode_bench.login(fake, cluster=cluster, account=account)
            yield contract.Bench(
                provider=LinodeCloud.open(login), controls=linode_bench.LinodeControls(fake)
            )
