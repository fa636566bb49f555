"""What the benches of the four clouds share: logins and orders at a fake, and its faults.

A bench names its cloud, the fake, and what of it is its own; every exchange goes through the
vendor's OpenAPI document when it is there.
"""

from __future__ import annotations

import contextlib
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from providers import contract as cloud
from providers.fakes import engine
from providers.kit import marks
from tests.fakes import spec
from tests.join import fake_metadata
from tests.providers import steps

CLUSTER, ACCOUNT, TOKEN = "blue", "the-account", "tok-3nS3cret4711"
MOST_PROBLEMS = 20


class Faults(steps.Cutting):
    """The hooks that are the same at every fake; ``machines`` is the path of its list."""

    machines: ClassVar[str]
    sky: ClassVar[fake_metadata.Sky]
    cloud: ClassVar[type[cloud.Provider]]
    token: str

    @property
    def shows_budget(self) -> bool:
        """Return whether the fake's answers show a rate budget, as the vendor's do."""
        counted = self.fake.limits(engine.Request(method="GET", path=self.fake.prefix))
        return bool(counted and self.fake.rate_headers(counted[0], self.fake.now()))

    def metadata(self, instance_id: str, headers: Mapping[str, str]) -> str:
        """Answer as the vendor's service answers a machine: only to the headers that it demands."""
        of = fake_metadata.Identity(id=instance_id, name="n", mac="", location="", user_data="")
        answers, (name, value) = self.sky.answers(of), self.sky.header
        if "PUT /v1/token" in answers:
            value = "a-token" if "metadata-token-expiry-seconds" in headers else ""
        if name and (not value or headers.get(name.lower()) != value):
            return ""
        return answers[f"GET {urllib.parse.urlsplit(self.cloud.metadata_service.url).path}"]

    def requests(self) -> int:
        return len(self.fake.exchanges)

    def fail_page(self, number: int) -> None:
        path = f"{self.machines}$"
        self.fake.fail(engine.FaultKind.CUT, method="GET", path=path, skip=number - 1)

    def shorten_pages(self, rows: int) -> bool:
        self.fake.max_per_page = rows
        return True

    def lose_reply(self, *, after_work: bool) -> None:
        path = f"{self.machines}$"
        self.fake.fail(engine.FaultKind.LOST, method="POST", path=path, after=after_work)

    def hang(self) -> None:
        self.fake.fail(engine.FaultKind.HANG, times=None)

    def babble(self, status: int) -> None:
        self.fake.fail(engine.FaultKind.HTML, status=status, times=None)

    def mend(self) -> None:
        self.fake.faults.clear()
        self.fake.release()
        self.fake.token = self.token


def login(fake: engine.Fake, **changes: Any) -> cloud.Login:
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


def machine_type(name: str, **changes: Any) -> cloud.MachineType:
    """Make a machine type as an order has it: two cores, 4 GiB."""
    fields: dict[str, Any] = {
        "cpu_millis": 2000,
        "memory_bytes": 4 * 1024**3,
        "disk_bytes": 80 * 1000**3,
    }
    return cloud.MachineType(name=name, **{**fields, **changes})


def order(node_name: str = "web-a1", **changes: Any) -> cloud.Order:
    """Make an order; a bench says the type, the place and the image that its fake has."""
    fields: dict[str, Any] = {
        "node_name": node_name,
        "cluster": CLUSTER,
        "group": "web",
        "user_data": "#!/bin/sh\n",
    }
    return cloud.Order(**{**fields, **changes})


def tags(*, cluster: str = CLUSTER, group: str = "web", node: str) -> list[str]:
    """Return the tags of a machine, none of an empty mark."""
    fields = {marks.CLUSTER: cluster, marks.GROUP: group, marks.NODE: node if cluster else ""}
    return [prefix + name for prefix, name in fields.items() if name]


@contextlib.contextmanager
def serving(
    fake_of: Callable[..., Any], document: Callable[[], spec.Document | None], **settings: Any
) -> Iterator[Any]:
    """Run a fake; at the end hold all that went over the wire to the vendor's document."""
    with fake_of(**{"token": TOKEN, **settings}) as fake:
        yield fake
    vendors = document()
    if vendors is not None:
        wrong = vendors.problems(fake.exchanges)
        assert not wrong, "\n".join(wrong[:MOST_PROBLEMS])


@contextlib.contextmanager
def opened(cloud_of: Callable[..., Any], fake: engine.Fake, **changes: Any) -> Iterator[Any]:
    """Open a login at a fake, and close it."""
    provider = cloud_of(login(fake, **changes))
    try:
        yield provider
    finally:
        provider.close()
