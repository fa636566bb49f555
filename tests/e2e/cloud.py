"""Run the fake of Hetzner Cloud as a process, and look at it past its API."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.e2e import programs

TOKEN = "e2e-token"
CLUSTER = "e2e"
_CLUSTER_MARK, _GROUP_MARK = "vps-autoscaler/cluster", "vps-autoscaler/group"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server as the cloud itself knows it; ``group`` is "" when it is not our cluster's."""

    id: int
    name: str
    status: str
    group: str
    machine_type: str
    location: str
    user_data: str

    @property
    def provider_id(self) -> str:
        """Spell it as Hetzner's controller manager does."""
        return f"hcloud://{self.id}"


class Cloud:
    """A fake cloud with a control endpoint beside its API."""

    def __init__(self, folder: Path, *, create_s: float, boot_s: float, delete_s: float) -> None:
        self.program = programs.Program(
            "cloud",
            [
                sys.executable,
                "-m",
                "tests.fakes.hetzner",
                f"--token={TOKEN}",
                f"--create-s={create_s}",
                f"--boot-s={boot_s}",
                f"--delete-s={delete_s}",
            ],
            folder,
        )
        self._http = httpx.Client(timeout=30.0)
        self.endpoint = ""

    def start(self) -> None:
        """Start and wait for its address."""
        self.program.start()
        self.endpoint = self.program.says(r"^http://\S+$").group()

    def stop(self) -> None:
        """Stop it."""
        self._http.close()
        self.program.stop()

    def turn(self, knob: str, **told: Any) -> Any:
        """Turn a knob; see the fake for what there is."""
        return self._control("POST", knob, told)

    def servers(self) -> list[Server]:
        """List all servers, those being deleted too."""
        return [
            Server(
                id=each["id"],
                name=each["name"],
                status=each["status"],
                group=_group(each["labels"]),
                machine_type=each["server_type"],
                location=each["location"],
                user_data=each["user_data"],
            )
            for each in self._control("GET", "state")["servers"]
        ]

    def created(self) -> int:
        """Count the servers that were ever made through the API, replies lost or not."""
        return sum(
            each["method"] == "POST" and each["path"].endswith("/servers") and each["status"] == 201
            for each in self.log()
        )

    def refused(self) -> list[float]:
        """Tell when orders were refused for want of stock, in Unix seconds."""
        return [
            each["at"] for each in self.log() if each["method"] == "POST" and each["status"] == 412
        ]

    def deletions(self) -> set[int]:
        """Name the servers that were asked to be deleted, by id."""
        return {
            int(each["path"].rpartition("/")[2])
            for each in self.log()
            if each["method"] == "DELETE"
        }

    def log(self) -> list[dict[str, Any]]:
        """Give every exchange."""
        found: list[dict[str, Any]] = self._control("GET", "log")
        return found

    def shapes(self) -> dict[str, Mapping[str, Any]]:
        """Give the machine types by name, as the API tells them."""
        found: dict[str, Mapping[str, Any]] = {}
        page: int | None = 1
        while page is not None:
            reply = self._http.get(
                f"{self.endpoint}/server_types",
                params={"per_page": 50, "page": page},
                headers={"Authorization": f"Bearer {TOKEN}"},
            )
            told = reply.raise_for_status().json()
            found.update({each["name"]: each for each in told["server_types"]})
            page = told["meta"]["pagination"]["next_page"]
        return found

    def _control(self, method: str, name: str, told: dict[str, Any] | None = None) -> Any:
        root = self.endpoint.removesuffix("/v1")
        reply = self._http.request(method, f"{root}/_control/{name}", json=told)
        assert reply.is_success, f"control {name}: {reply.text}"
        return reply.json()


def _group(labels: Mapping[str, str]) -> str:
    return labels.get(_GROUP_MARK, "") if labels.get(_CLUSTER_MARK) == CLUSTER else ""


def marks(*, cluster: str, group: str, node: str) -> dict[str, str]:
    """Give the labels of a server that another cluster's server would have made."""
    return {_CLUSTER_MARK: cluster, _GROUP_MARK: group, "vps-autoscaler/node": node}
