"""Set up a Hetzner login at its fake, the hooks behind it, and the check against the document.

Every exchange of every test goes through the vendor's OpenAPI document when it is there.
"""

from __future__ import annotations

import functools

from providers.fakes import engine
from providers.hetzner import HetznerCloud
from tests.fakes import hetzner, spec
from tests.join import fake_metadata
from tests.providers import bench, contract, tearing

CLUSTER, ACCOUNT, TOKEN = bench.CLUSTER, bench.ACCOUNT, bench.TOKEN
IMAGE, TYPE, PLACE = "debian-13", "cx23", "nbg1"

KNOWN = (
    spec.Known(
        where="request",
        route="^POST /servers$",
        problem=r"^image: \d+ is not of type 'string'",
        why="the vendor's own SDKs send an image's id as a number",
    ),
    spec.Known(
        where="request",
        route="^POST /servers$",
        problem=r"^ssh_keys/\d+: \d+ is not of type 'string'",
        why="the document's own text says that ids are integers",
    ),
)


@functools.cache
def document() -> spec.Document | None:
    """Load the vendor's document once, None where it is not there."""
    return spec.load("hetzner", KNOWN)


class HetznerControls(bench.Faults, contract.Controls):
    machines = "/servers"
    sky, cloud = fake_metadata.HETZNER, HetznerCloud

    def __init__(self, fake: hetzner.HetznerFake, clock: engine.StoppedClock | None = None) -> None:
        self.fake = fake
        self.clock = clock or engine.StoppedClock()
        self.token = fake.token

    def add(self, *, cluster: str, group: str, node_name: str) -> str:
        fields = {"cluster": cluster, "group": group, "node": node_name if cluster else ""}
        labels = {f"vps-autoscaler/{key}": value for key, value in fields.items() if value}
        return str(self.fake.add(node_name, labels).id)

    def count(self) -> int:
        return len(self.fake.servers)

    def user_data(self, instance_id: str) -> bytes:
        return self.fake.servers[int(instance_id)].user_data.encode()

    def rename(self, instance_id: str, name: str) -> None:
        self.fake.servers[int(instance_id)].name = name

    def run(self, instance_id: str) -> None:
        self.fake.advance(self.fake.create_s + self.fake.boot_s)
        assert self.running(instance_id)

    def running(self, instance_id: str) -> bool:
        return self.fake.servers[int(instance_id)].status(self.fake.now()) == "running"

    def power_off(self, instance_id: str) -> None:
        self.fake.servers[int(instance_id)].power = "off"

    def settle(self) -> None:
        self.fake.advance(self.fake.delete_s + 0.1)

    def sell_out(self, machine_type: str, location: str) -> str:
        self.fake.sell_out(machine_type, location)
        return "error during placement"

    def fill_quota(self) -> str:
        self.fake.server_limit = len(self.fake.servers)
        return "server limit exceeded"

    def throttle(self) -> str:
        self.fake.fail(engine.FaultKind.THROTTLED, times=None)
        return "rate_limit_exceeded"

    def revoke_token(self) -> str:
        self.fake.token = "another"
        return "unable to authenticate"

    def go_down(self) -> str:
        text = "something broke"
        self.fake.fail(
            engine.FaultKind.ERROR, status=500, code="server_error", message=text, times=None
        )
        return text

    def vanish_before_page(self, number: int) -> None:
        tearing.before_page(
            self.fake, "/servers", number, lambda: self.fake.servers.pop(min(self.fake.servers))
        )

    def labels(self, instance_id: str) -> set[str]:
        labels = self.fake.servers[int(instance_id)].labels
        return {
            f"{key}={value}"
            for key, value in labels.items()
            if not key.startswith("vps-autoscaler/")
        }

    def lose_mark_reply(self, *, after_work: bool) -> None:
        self.fake.fail(engine.FaultKind.LOST, method="PUT", path="/servers/", after=after_work)

    def beside(self) -> set[str]:
        return {row["name"] for row in self.fake.placement_groups}

    def add_beside(self) -> None:
        cluster, group = "vps-autoscaler/cluster", "vps-autoscaler/group"
        self.fake.add_placement_group("blue-web-7")
        self.fake.add_placement_group("blue-web-8", **{cluster: "green", group: "web"})
        self.fake.add_placement_group("blue-web-9", **{group: "web"})
        self.fake.add_placement_group("blue-app-1", **{cluster: "blue", group: "app"})

    def forget(self) -> None:
        self.clock.now += 3600
        self.settle()

    def open_again(self) -> HetznerCloud:
        return HetznerCloud(login(self.fake), clock=self.clock)


login = bench.login
order = functools.partial(
    bench.order,
    machine_type=bench.machine_type(TYPE, disk_bytes=40 * 1000**3),
    location=PLACE,
    image=IMAGE,
)
serving = functools.partial(bench.serving, hetzner.HetznerFake, document)
opened = functools.partial(bench.opened, HetznerCloud)
