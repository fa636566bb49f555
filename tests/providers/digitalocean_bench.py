"""Set up a DigitalOcean login at its fake, the hooks behind it, and the check by the document.

Every exchange of every test goes through the vendor's OpenAPI document when it is there.
"""

from __future__ import annotations

import functools

from providers.digitalocean import DigitalOceanCloud
from providers.fakes import engine
from providers.kit import marks
from tests.fakes import digitalocean, spec
from tests.join import fake_metadata
from tests.providers import bench, contract, tearing

CLUSTER, ACCOUNT, TOKEN = bench.CLUSTER, bench.ACCOUNT, bench.TOKEN
IMAGE, TYPE, PLACE = "debian-12-x64", "s-2vcpu-4gb", "fra1"
GPU_TYPE, GPU_PLACE = "gpu-h100x1-80gb", "tor1"

KNOWN: tuple[spec.Known, ...] = ()


@functools.cache
def document() -> spec.Document | None:
    """Load the vendor's document once, None where it is not there."""
    return spec.load("digitalocean", KNOWN)


class DigitalOceanControls(bench.Faults, contract.HTTPControls):
    machines = "/droplets"
    sky, cloud = fake_metadata.DIGITALOCEAN, DigitalOceanCloud

    def __init__(self, fake: digitalocean.DigitalOceanFake) -> None:
        self.fake = fake
        self.token = fake.token

    def add(self, *, cluster: str, group: str, node_name: str) -> str:
        worn = tags(cluster=cluster, group=group, node=node_name)
        return str(self.fake.add(node_name, worn).id)

    def count(self) -> int:
        return len(self.fake.droplets)

    def user_data(self, instance_id: str) -> bytes:
        return self.fake.droplets[int(instance_id)].user_data.encode()

    def rename(self, instance_id: str, name: str) -> None:
        self.fake.droplets[int(instance_id)].name = name

    def run(self, instance_id: str) -> None:
        self.fake.advance(self.fake.boot_s)
        assert self.running(instance_id)

    def running(self, instance_id: str) -> bool:
        return self.fake.droplets[int(instance_id)].status(self.fake.now()) == "active"

    def power_off(self, instance_id: str) -> None:
        self.fake.droplets[int(instance_id)].power = "off"

    def settle(self) -> None:
        self.fake.advance(max(self.fake.delete_s, self.fake.lag_s) + 0.1)

    def sell_out(self, machine_type: str, location: str) -> str:
        self.fake.sell_out(machine_type, location)
        return digitalocean.SOLD_OUT

    def fill_quota(self) -> str:
        self.fake.droplet_limit = len(self.fake.droplets)
        return "droplet limit"

    def throttle(self) -> str:
        self.fake.fail(engine.FaultKind.THROTTLED, times=None)
        return "API Rate limit exceeded"

    def revoke_token(self) -> str:
        self.fake.token = "another"
        return "Unable to authenticate you"

    def go_down(self) -> str:
        text = "Unexpected server-side error"
        self.fake.fail(
            engine.FaultKind.ERROR, status=500, code="server_error", message=text, times=None
        )
        return text

    def vanish_before_page(self, number: int) -> None:
        tearing.before_page(
            self.fake, "/droplets", number, lambda: self.fake.droplets.pop(min(self.fake.droplets))
        )

    def labels(self, instance_id: str) -> set[str]:
        worn = self.fake.droplets[int(instance_id)].tags
        return {tag for tag in worn if marks.mark_of(tag) is None}

    def lose_mark_reply(self, *, after_work: bool) -> None:
        self.fake.fail(engine.FaultKind.LOST, path="/resources$", after=after_work)

    def beside(self) -> set[str]:
        return {tag for tag in self.fake.tags.values() if tag.startswith(marks.NODE)}

    def add_beside(self) -> None:
        self.fake.tagged(["n:web-g1", "n:web-a11", "N:WEB-A1"])

    def open_again(self) -> DigitalOceanCloud:
        return DigitalOceanCloud.open(login(self.fake))


login = bench.login
tags = bench.tags
machine_type = bench.machine_type
order = functools.partial(bench.order, machine_type=machine_type(TYPE), location=PLACE, image=IMAGE)
serving = functools.partial(bench.serving, digitalocean.DigitalOceanFake, document)
opened = functools.partial(bench.opened, DigitalOceanCloud)
