"""Set up a Vultr login at its fake, the hooks behind it, and the check by the document.

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
from providers.vultr import VultrCloud
from tests.fakes import spec, vultr
from tests.providers import contract, steps, tearing

CLUSTER, ACCOUNT, TOKEN = "blue", "the-account", "tok-3nS3cret4711"
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


def tags(*, cluster: str = CLUSTER, group: str = "web", node: str) -> list[str]:
    """Return the tags of a machine, none of an empty mark."""
    fields = {marks.CLUSTER: cluster, marks.GROUP: group, marks.NODE: node if cluster else ""}
    return [prefix + name for prefix, name in fields.items() if name]


class VultrControls(steps.Cutting, contract.HTTPControls):
    def __init__(self, fake: vultr.VultrFake) -> None:
        self.fake = fake
        self.token = fake.token

    def add(self, *, cluster: str, group: str, node_name: str) -> str:
        worn = tags(cluster=cluster, group=group, node=node_name)
        return self.fake.add(node_name, worn).id

    def count(self) -> int:
        return len(self.fake.instances)

    def requests(self) -> int:
        return len(self.fake.exchanges)

    def user_data(self, instance_id: str) -> bytes:
        return self.fake.instances[instance_id].user_data

    def rename(self, instance_id: str, name: str) -> None:
        self.fake.instances[instance_id].label = name

    def run(self, instance_id: str) -> None:
        self.fake.advance(self.fake.create_s + self.fake.boot_s)
        result = self.fake.instances[instance_id].status(self.fake.now())
        assert result["server_status"] == "ok"

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

    def fail_page(self, number: int) -> None:
        self.fake.fail(engine.FaultKind.CUT, method="GET", path="/instances$", skip=number - 1)

    def shorten_pages(self, rows: int) -> bool:
        self.fake.max_per_page = rows
        return True

    def vanish_before_page(self, number: int) -> None:
        tearing.before_page(
            self.fake,
            "/instances",
            number,
            lambda: self.fake.instances.pop(min(self.fake.instances)),
        )

    def lose_reply(self, *, after_work: bool) -> None:
        self.fake.fail(engine.FaultKind.LOST, method="POST", path="/instances$", after=after_work)

    def labels(self, instance_id: str) -> set[str]:
        worn = self.fake.instances[instance_id].tags
        return {tag for tag in worn if marks.mark_of(tag) is None}

    def lose_mark_reply(self, *, after_work: bool) -> None:
        self.fake.fail(engine.FaultKind.LOST, method="PATCH", path="/instances/", after=after_work)

    def hang(self) -> None:
        self.fake.fail(engine.FaultKind.HANG, times=None)

    def babble(self, status: int) -> None:
        self.fake.fail(engine.FaultKind.HTML, status=status, times=None)

    def open_again(self) -> VultrCloud:
        return VultrCloud.open(login(self.fake))

    def mend(self) -> None:
        self.fake.faults.clear()
        self.fake.release()
        self.fake.token = self.token


def login(fake: vultr.VultrFake, **changes: Any) -> cloud.Login:
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


def machine_type(name: str = TYPE, **changes: Any) -> cloud.MachineType:
    """Make a machine type as an order has it."""
    fields: dict[str, Any] = {
        "cpu_millis": 2000,
        "memory_bytes": 4 * 1024**3,
        "disk_bytes": 80 * 1000**3,
    }
    return cloud.MachineType(name=name, **{**fields, **changes})


def order(node_name: str = "web-a1", **changes: Any) -> cloud.Order:
    """Make an order that the fake takes."""
    fields: dict[str, Any] = {
        "node_name": node_name,
        "cluster": CLUSTER,
        "group": "web",
        "machine_type": machine_type(),
        "location": PLACE,
        "image": IMAGE,
        "user_data": "#!/bin/sh\n",
    }
    return cloud.Order(**{**fields, **changes})


@contextlib.contextmanager
def serving(**fake_settings: Any) -> Iterator[vultr.VultrFake]:
    """Run a fake; at the end hold all that went over the wire to the vendor's document."""
    # Tests are quicker than thirty requests a second.
    with vultr.VultrFake(**{"token": TOKEN, "requests_a_second": 10_000, **fake_settings}) as fake:
        yield fake
    vendors = document()
    if vendors is not None:
        wrong = vendors.problems(fake.exchanges)
        assert not wrong, "\n".join(wrong[:20])


@contextlib.contextmanager
def opened(fake: vultr.VultrFake, **changes: Any) -> Iterator[VultrCloud]:
    """Open a login at a fake, and close it."""
    provider = VultrCloud(login(fake, **changes))
    try:
        yield provider
    finally:
        provider.close()
