"""Set up a Vultr login at its fake, the hooks behind it, and the check by the document.

Every exchange of every test goes through the vendor's OpenAPI document when it is there.
"""

from __future__ import annotations

import functools

from providers.fakes import engine
from providers.kit import marks
from providers.vultr import VultrCloud
from tests.fakes import spec, vultr
from tests.join import fake_metadata
from tests.providers import bench, contract, tearing

CLUSTER, ACCOUNT, TOKEN = bench.CLUSTER, bench.ACCOUNT, bench.TOKEN
IMAGE, TYPE, PLACE = "Debian 12 x64 (bookworm)", "vc2-2c-4gb", "fra"

KNOWN = (
    spec.Known(
        where="reply",
        route="",
        problem=r"Unknown response http status: 5\d\d",
        why="the document knows no server faults; a locked machine answers 500",
    ),
    spec.Known(
        where="reply",
        route="",
        problem=r"Unknown response http status: 4\d\d",
        why="the document gives a route only some of the statuses that the API has: no 401 where "
        "a key is not needed but may be wrong, no 422 for odd pages",
    ),
)


@functools.cache
def document() -> spec.Document | None:
    """Load the vendor's document once, None where it is not there."""
    return spec.load("vultr", KNOWN)


class VultrControls(bench.Faults, contract.HTTPControls):
    machines = "/instances"
    sky, cloud = fake_metadata.VULTR, VultrCloud

    def __init__(self, fake: vultr.VultrFake) -> None:
        self.fake = fake
        self.token = fake.token

    def add(self, *, cluster: str, group: str, node_name: str) -> str:
        worn = tags(cluster=cluster, group=group, node=node_name)
        return self.fake.add(node_name, worn).id

    def count(self) -> int:
        return len(self.fake.instances)

    def user_data(self, instance_id: str) -> bytes:
        return self.fake.instances[instance_id].user_data

    def rename(self, instance_id: str, name: str) -> None:
        self.fake.instances[instance_id].label = name

    def run(self, instance_id: str) -> None:
        self.fake.advance(self.fake.create_s + self.fake.boot_s)
        assert self.running(instance_id)

    def running(self, instance_id: str) -> bool:
        return self.fake.instances[instance_id].status(self.fake.now())["server_status"] == "ok"

    def power_off(self, instance_id: str) -> None:
        self.fake.instances[instance_id].power = "stopped"

    def settle(self) -> None:
        self.fake.advance(max(self.fake.delete_s, self.fake.lag_s) + 0.1)

    def sell_out(self, machine_type: str, location: str) -> str:
        self.fake.sell_out(machine_type, location)
        return "does not have any more capacity"

    def fill_quota(self) -> str:
        self.fake.limit = len(self.fake.instances)
        return "maximum number of active virtual machines"

    def throttle(self) -> str:
        self.fake.fail(engine.FaultKind.THROTTLED, times=None)
        return "rate limit exceeded"

    def revoke_token(self) -> str:
        self.fake.token = "another"
        return "Invalid API token."

    def go_down(self) -> str:
        text = "Internal server error."
        self.fake.fail(engine.FaultKind.ERROR, status=500, message=text, times=None)
        return text

    def vanish_before_page(self, number: int) -> None:
        tearing.before_page(
            self.fake,
            "/instances",
            number,
            lambda: self.fake.instances.pop(min(self.fake.instances)),
        )

    def labels(self, instance_id: str) -> set[str]:
        worn = self.fake.instances[instance_id].tags
        return {tag for tag in worn if marks.mark_of(tag) is None}

    def lose_mark_reply(self, *, after_work: bool) -> None:
        self.fake.fail(engine.FaultKind.LOST, method="PATCH", path="/instances/", after=after_work)

    def open_again(self) -> VultrCloud:
        return VultrCloud.open(login(self.fake))


login = bench.login
tags = bench.tags
machine_type = bench.machine_type
order = functools.partial(bench.order, machine_type=machine_type(TYPE), location=PLACE, image=IMAGE)
# Tests are quicker than thirty requests a second.
serving = functools.partial(bench.serving, vultr.VultrFake, document, requests_a_second=10_000)
opened = functools.partial(bench.opened, VultrCloud)
