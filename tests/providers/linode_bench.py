"""Set up a Linode login at its fake, the hooks behind it, and the check against the document.

Every exchange of every test goes through the vendor's OpenAPI document when it is there.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

from providers import contract as cloud
from providers.fakes import engine
from providers.kit import marks
from providers.linode import LinodeCloud
from tests.fakes import linode, linode_orders, spec
from tests.providers import contract, steps, tearing

CLUSTER, ACCOUNT, TOKEN = "blue", "the-account", "tok-3nS3cret4711"
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


class LinodeControls(steps.Cutting, contract.HTTPControls):
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

    def requests(self) -> int:
        return len(self.fake.exchanges)

    def user_data(self, instance_id: str) -> bytes:
        return self.fake.machines[int(instance_id)].user_data

    def rename(self, instance_id: str, name: str) -> None:
        self.fake.machines[int(instance_id)].label = name

    def run(self, instance_id: str) -> None:
        self.fake.advance(self.fake.create_s + self.fake.boot_s)
        assert self.fake.machines[int(instance_id)].status(self.fake.now()) == "running"

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

    def fail_page(self, number: int) -> None:
        self.fake.fail(engine.FaultKind.CUT, method="GET", path=INSTANCES, skip=number - 1)

    def shorten_pages(self, rows: int) -> bool:
        self.fake.max_per_page = rows
        return True

    def vanish_before_page(self, number: int) -> None:
        tearing.before_page(
            self.fake,
            "/linode/instances",
            number,
            lambda: self.fake.machines.pop(min(self.fake.machines)),
        )

    def lose_reply(self, *, after_work: bool) -> None:
        self.fake.fail(engine.FaultKind.LOST, method="POST", path=INSTANCES, after=after_work)

    def labels(self, instance_id: str) -> set[str]:
        worn = self.fake.machines[int(instance_id)].tags
        return {tag for tag in worn if marks.mark_of(tag) is None}

    def lose_mark_reply(self, *, after_work: bool) -> None:
        self.fake.fail(
            engine.FaultKind.LOST, method="PUT", path="/linode/instances/", after=after_work
        )

    def hang(self) -> None:
        self.fake.fail(engine.FaultKind.HANG, times=None)

    def babble(self, status: int) -> None:
        self.fake.fail(engine.FaultKind.HTML, status=status, times=None)

    def open_again(self) -> LinodeCloud:
        return LinodeCloud.open(login(self.fake))

    def mend(self) -> None:
        self.fake.faults.clear()
        self.fake.release()
        self.fake.token = self.token


def login(fake: linode.LinodeFake, **changes: Any) -> cloud.Login:
    """Make a login at a fake."""
    fields: dict[str, Any] = {
        "account": ACCOUNT,
        "cluster": CLUSTER,
        "token": fake.token,
        "endpoint": fake.url,
        "connect_timeout_s": 2.0,
        "read_timeout_s": 10.0,
    }
    return cloud.Login(**{**fields, **changes})


def order(node_name: str = "web-a1", **changes: Any) -> cloud.Order:
    """Make an order that the fake takes."""
    fields: dict[str, Any] = {
        "node_name": node_name,
        "cluster": CLUSTER,
        "group": "web",
        "machine_type": cloud.MachineType(
            name=TYPE, cpu_millis=2000, memory_bytes=4 * 1024**3, disk_bytes=80 * 1024**3
        ),
        "location": PLACE,
        "image": IMAGE,
        "user_data": "#!/bin/sh\n",
    }
    return cloud.Order(**{**fields, **changes})


def tags(node_name: str, *, cluster: str = CLUSTER, group: str = "web") -> tuple[str, ...]:
    """Return the tags of a machine of ours."""
    return marks.tags(cluster=cluster, group=group, node_name=node_name)


@contextlib.contextmanager
def serving(**fake_settings: Any) -> Iterator[linode.LinodeFake]:
    """Run a fake; at the end hold all that went over the wire to the vendor's document."""
    with linode.LinodeFake(**{"token": TOKEN, **fake_settings}) as fake:
        yield fake
    vendors = document()
    if vendors is not None:
        wrong = vendors.problems(fake.exchanges)
        assert not wrong, "\n".join(wrong)


@contextlib.contextmanager
def opened(fake: linode.LinodeFake, **changes: Any) -> Iterator[LinodeCloud]:
    """Open a login at a fake, and close it."""
    provider = LinodeCloud(login(fake, **changes))
    try:
        yield provider
    finally:
        provider.close()
