"""Run a cloud's fake as a process, and look at it past its API."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.e2e import programs
from tests.e2e.vendors import HETZNER, Vendor

TOKEN = "e2e-token"
CLUSTER = "e2e"
_CLUSTER_MARK, _GROUP_MARK = "vps-autoscaler/cluster", "vps-autoscaler/group"
_TAG = "vps-group:"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server as the cloud itself knows it; ``group`` is "" when it is not our cluster's."""

    id: int | str
    name: str
    status: str
    group: str
    machine_type: str
    location: str
    user_data: str
    scheme: str = HETZNER.scheme
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def provider_id(self) -> str:
        """Spell it as the cloud's controller manager does."""
        return f"{self.scheme}://{self.id}"


class Cloud:
    """A fake cloud with a control endpoint beside its API."""

    def __init__(
        self,
        folder: Path,
        vendor: Vendor = HETZNER,
        *,
        create_s: float,
        boot_s: float,
        delete_s: float,
    ) -> None:
        self.vendor = vendor
        takes = [f"--boot-s={boot_s}", f"--delete-s={delete_s}"]
        if vendor.creates_slowly:
            takes.append(f"--create-s={create_s}")
        self.program = programs.Program(
            "cloud" if vendor is HETZNER else f"cloud-{vendor.name}",
            [sys.executable, "-m", f"tests.fakes.{vendor.name}", f"--token={TOKEN}", *takes],
            folder,
        )
        self._http = httpx.Client(timeout=30.0)
        self.endpoint = ""

    def start(self) -> None:
        """Start and wait for its address."""
        self.program.start()
        self.endpoint = self.program.says(r"^http://\S+$").group()

    @property
    def _root(self) -> str:
        return self.endpoint.rpartition("/")[0]

    def stop(self) -> None:
        """Stop it."""
        self._http.close()
        self.program.stop()

    def turn(self, knob: str, **value: Any) -> Any:
        """Turn a knob; see the fake for what there is."""
        return self._control("POST", knob, value)

    def servers(self) -> list[Server]:
        """List all servers, those being deleted too."""
        return [
            Server(
                id=each["id"],
                name=each["name"],
                status="running" if each["status"] == self.vendor.running else each["status"],
                group=_group(each),
                machine_type=each["server_type"],
                location=each["location"],
                user_data=each["user_data"],
                scheme=self.vendor.scheme,
                labels=each.get("labels", {}),
            )
            for each in self._control("GET", "state")["servers"]
        ]

    def created(self) -> int:
        """Count the servers that were ever made through the API, replies lost or not."""
        return sum(httpx.codes.is_success(each["status"]) for each in self._orders())

    def refused(self) -> list[float]:
        """Return when orders were refused, in Unix seconds."""
        return [each["at"] for each in self._orders() if 400 <= each["status"] < 500]

    def _orders(self) -> list[dict[str, Any]]:
        return [
            each
            for each in self.log()
            if each["method"] == "POST" and each["path"].endswith(self.vendor.orders)
        ]

    def deletions(self) -> set[int | str]:
        """Name the servers that were asked to be deleted, by id."""
        beside = ("/tags/", "/placement_groups/")
        values = (
            each["path"].rpartition("/")[2]
            for each in self.log()
            if each["method"] == "DELETE" and not any(what in each["path"] for what in beside)
        )
        return {int(each) if each.isdigit() else each for each in values}

    def log(self) -> list[dict[str, Any]]:
        """Return every exchange."""
        found: list[dict[str, Any]] = self._control("GET", "log")
        return found

    def shapes(self) -> dict[str, Mapping[str, Any]]:
        """Return the machine types by name: cores, memory in GiB, disk in GB, architecture."""
        found: dict[str, Mapping[str, Any]] = {}
        page: int | None = 1
        while page is not None:
            reply = self._http.get(
                f"{self.endpoint}{self.vendor.types}",
                params={self.vendor.size: self.vendor.page, "page": page},
                headers={"Authorization": f"Bearer {TOKEN}"},
            )
            document = reply.raise_for_status().json()
            found.update(self.vendor.shapes(document))
            page = self.vendor.following(document)
        return found

    def _control(self, method: str, name: str, body: dict[str, Any] | None = None) -> Any:
        reply = self._http.request(method, f"{self._root}/_control/{name}", json=body)
        assert reply.is_success, f"control {name}: {reply.text}"
        return reply.json()


def _group(body: Mapping[str, Any]) -> str:
    if "labels" in body:
        labels = body["labels"]
        return labels.get(_GROUP_MARK, "") if labels.get(_CLUSTER_MARK) == CLUSTER else ""
    tags: list[str] = body["tags"]
    if f"vps-cluster:{CLUSTER}" not in tags:
        return ""
    return next((tag.removeprefix(_TAG) for tag in tags if tag.startswith(_TAG)), "")


def marks(*, cluster: str, group: str, node: str) -> dict[str, str]:
    """Return the labels of a server that another cluster's server would have made."""
    return {_CLUSTER_MARK: cluster, _GROUP_MARK: group, "vps-autoscaler/node": node}
