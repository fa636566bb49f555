"""Set up a Linode login at its fake, the hooks behind it, and the check against the document.

Every exchange of every test goes through the vendor's OpenAPI document when it is there.
"""

from __future__ import annotations

import functools

from providers.fakes import engine
from providers.kit import marks
from providers.linode import LinodeCloud
from tests.fakes import linode, linode_orders, spec
from tests.join import fake_metadata
from tests.providers import bench, contract, tearing

CLUSTER, ACCOUNT, TOKEN = bench.CLUSTER, bench.ACCOUNT, bench.TOKEN
IMAGE, TYPE, PLACE = "linode/debian13", "g6-standard-2", "eu-central"
INSTANCES = "/linode/instances$"

_SLASH = "an image's id holds a slash, which the API takes unescaped and the document cannot say"
KNOWN = (
    spec.Known(
        where="request",
        route="^GET /(linode/instances|images|networking/firewalls|placement/groups)$",
        problem=r"^body: '\{.*\}' is not valid under any of the given schemas",
        why="X-Filter is JSON; the document describes the object inside, not a header's text",
    ),
    spec.Known(
        where="reply",
        route="^(GET|POST|PUT) /linode/instances",
        problem=r"backups/schedule/(day|window): None is not one of",
        why="both are null without backups: the document calls them nullable, its enum forgets it",
    ),
    spec.Known(
        where="reply",
        route=r"^GET /placement/groups/\{id\}$",
        problem="^ResponseNotFound: Unknown response http status: 4",
        why="the document forgets this operation's errors; every other one has them",
    ),
    spec.Known(
        where="request", route=r"^GET /images/\{owner\}", problem="^PathNotFound", why=_SLASH
    ),
    spec.Known(where="reply", route=r"^GET /images/\{owner\}", problem="^PathNotFound", why=_SLASH),
)


@functools.cache
def document() -> spec.Document | None:
    """Load the vendor's document once, None where it is not there."""
    return spec.load("linode", KNOWN)


class LinodeControls(bench.Faults, contract.HTTPControls):
    machines = "/linode/instances"
    sky, cloud = fake_metadata.LINODE, LinodeCloud

    def __init__(self, fake: linode.LinodeFake) -> None:
        self.fake = fake
        self.token = fake.token

    def add(self, *, cluster: str, group: str, node_name: str) -> str:
        tags = []
        if cluster:
            tags += [marks.cluster_tag(cluster), marks.node_tag(node_name)]
        if group:
            tags += [marks.group_tag(group)]
        return str(self.fake.add(node_name, tags).id)

    def count(self) -> int:
        return len(self.fake.machines)

    def user_data(self, instance_id: str) -> bytes:
        return self.fake.machines[int(instance_id)].user_data

    def rename(self, instance_id: str, name: str) -> None:
        self.fake.machines[int(instance_id)].label = name

    def run(self, instance_id: str) -> None:
        self.fake.advance(self.fake.create_s + self.fake.boot_s)
        assert self.running(instance_id)

    def running(self, instance_id: str) -> bool:
        return self.fake.machines[int(instance_id)].status(self.fake.now()) == "running"

    def power_off(self, instance_id: str) -> None:
        self.fake.power_off(self.fake.machines[int(instance_id)])

    def settle(self) -> None:
        self.fake.advance(self.fake.delete_s + 0.1)

    def sell_out(self, machine_type: str, location: str) -> str:
        self.fake.sell_out(machine_type, location)
        return linode_orders.SOLD_OUT

    def fill_quota(self) -> str:
        self.fake.machine_limit = len(self.fake.machines)
        return linode_orders.QUOTA

    def throttle(self) -> str:
        self.fake.fail(engine.FaultKind.THROTTLED, times=None)
        return "Too many requests"

    def revoke_token(self) -> str:
        self.fake.token = "another"
        return "Invalid Token"

    def go_down(self) -> str:
        text = "Internal server error"
        self.fake.fail(engine.FaultKind.ERROR, status=500, message=text, times=None)
        return text

    def vanish_before_page(self, number: int) -> None:
        tearing.before_page(
            self.fake,
            "/linode/instances",
            number,
            lambda: self.fake.machines.pop(min(self.fake.machines)),
        )

    def labels(self, instance_id: str) -> set[str]:
        worn = self.fake.machines[int(instance_id)].tags
        return {tag for tag in worn if marks.mark_of(tag) is None}

    def lose_mark_reply(self, *, after_work: bool) -> None:
        self.fake.fail(
            engine.FaultKind.LOST, method="PUT", path="/linode/instances/", after=after_work
        )

    def open_again(self) -> LinodeCloud:
        return LinodeCloud.open(login(self.fake))


def tags(node_name: str, *, cluster: str = CLUSTER, group: str = "web") -> tuple[str, ...]:
    """Return the tags of a machine of ours."""
    return marks.tags(cluster=cluster, group=group, node_name=node_name)


login = bench.login
order = functools.partial(
    bench.order,
    machine_type=bench.machine_type(TYPE, disk_bytes=80 * 1024**3),
    location=PLACE,
    image=IMAGE,
)
serving = functools.partial(bench.serving, linode.LinodeFake, document)
opened = functools.partial(bench.opened, LinodeCloud)
