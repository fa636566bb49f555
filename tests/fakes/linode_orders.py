"""Check orders for machines as Linode does: the input, then room, quota and stock.

Sentences marked as ours are no quotes: nobody has seen the vendor's own.
"""

from __future__ import annotations

import abc
import base64
import binascii
import re
import time
from collections.abc import Callable, Collection
from typing import Any

from providers.fakes import engine
from tests.fakes import linode_account
from tests.fakes.linode_account import Row
from tests.fakes.linode_model import Machine

USER_DATA_MAX_BYTES = 16384
SOLD_OUT = (
    "The Linode plan you chose is not currently available in the selected region. "
    "Please select another region or plan type, or contact Support for assistance."
)
QUOTA = "Account Limit reached. Please open a support ticket."
TAKEN = "Label must be unique among your linodes"
NO_SCOPE = "Your OAuth token is not authorized to use this endpoint."
_LABEL = re.compile(r"[a-zA-Z]((?!--|__|\.\.)[a-zA-Z0-9-_.])+\Z")


class Orders(linode_account.Account):
    """What is refused. ``machine_limit`` is the quota, ``sold_out`` what is out of stock."""

    def __init__(
        self, *, token: str = engine.FAKE_TOKEN, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(token=token, clock=clock)
        self.machine_limit: int | None = None
        self.quota_text = QUOTA
        self.sold_out: dict[tuple[str, str], tuple[int, str]] = {}
        self.default_generation = "legacy_config"

    @abc.abstractmethod
    def labels(self) -> Collection[str]:
        """Return the labels that machines have."""

    def ordered(self, body: dict[str, Any], *, create_s: float, boot_s: float) -> Machine:
        """Check an order as the API does, and make the machine that it asks for."""
        for field in ("type", "region"):
            if field not in body:
                self.refuse_with(400, f"{field} is required", field)
        kind = self.find(self.catalogue["types"], body["type"])
        if kind is None:
            self.refuse_with(400, "A valid plan type by that ID was not found", "type")
        region = self.find(self.catalogue["regions"], body["region"])
        if region is None:
            self.refuse_with(400, "region is not valid", "region")
        image = self._image_of(body)
        number, now = next(self.ids), self.now()
        label = self._label_of(body, number)
        tags = self.tags_of(body)
        user_data = self._user_data_of(body, region, image)
        network = self._network_of(body, region)
        group = self._group_of(body, region)
        return Machine(
            id=number,
            label=label,
            tags=tags,
            type=kind,
            region=region["id"],
            image=image["id"] if image else None,
            created=now,
            made_at=now + create_s,
            up_at=now + create_s + boot_s,
            seen_at=now,
            user_data=user_data,
            authorized_keys=tuple(body.get("authorized_keys", ())),
            root_pass=body.get("root_pass", ""),
            swap_mb=body.get("swap_size", 512),
            private_ip=bool(body.get("private_ip")),
            placement_group=group,
            **network,
        )

    def _image_of(self, body: dict[str, Any]) -> Row | None:
        if not body.get("image"):
            return None
        image = self.find(self.images, body["image"])
        if image is None:
            self.refuse_with(400, "image is not valid", "image")
        if not (
            body.get("root_pass") or body.get("authorized_keys") or body.get("authorized_users")
        ):
            self.refuse_with(400, "root_pass is required", "root_pass")
        password = body.get("root_pass")
        if password is not None and not (11 <= len(password) <= 128 and not password.isalnum()):
            self.refuse_with(400, "Password does not meet strength requirement", "root_pass")
        return image

    def _label_of(self, body: dict[str, Any], number: int) -> str:
        label = body.get("label", f"linode{number}")
        if not 3 <= len(label) <= 64:
            self.refuse_with(400, "Length must be 3-64 characters", "label")
        if not _LABEL.match(label):
            self.refuse_with(400, "Label must be alphanumeric", "label")  # ours
        if label in self.labels():
            self.refuse_with(400, TAKEN, "label")
        return str(label)

    def tags_of(self, body: dict[str, Any]) -> list[str]:
        tags = list(body.get("tags", ()))
        for tag in tags:
            if not 3 <= len(tag) <= 50 or "," in tag:
                self.refuse_with(400, "Length must be 3-50 characters", "tags")  # ours
        return tags

    def _user_data_of(self, body: dict[str, Any], region: Row, image: Row | None) -> bytes:
        encoded = (body.get("metadata") or {}).get("user_data")
        if not encoded:
            return b""
        try:
            data = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            self.refuse_with(400, "Must be base64 encoded", "metadata.user_data")  # ours
        if len(data) > USER_DATA_MAX_BYTES:
            self.refuse_with(400, "Decoded data is too long", "metadata.user_data")  # ours
        if "Metadata" not in region["capabilities"]:
            self.refuse_with(400, "Metadata is not available in this region", "region")  # ours
        if image is None or "cloud-init" not in image["capabilities"]:
            self.refuse_with(400, "This image does not support cloud-init", "image")  # ours
        return data

    def _network_of(self, body: dict[str, Any], region: Row) -> dict[str, Any]:
        interfaces = body.get("interfaces") or [{"purpose": "public"}]
        legacy = body.get("interface_generation", self.default_generation) == "legacy_config"
        older = ("interfaces", "firewall_id", "private_ip")
        if not legacy and any(body.get(name) for name in older):
            text = "Cannot be used with this interface generation"  # ours
            self.refuse_with(400, text, "interface_generation")
        subnet = 0
        for each in interfaces:
            if each["purpose"] == "vpc":
                subnet = self._subnet_of(each.get("subnet_id"), region)
        firewall = body.get("firewall_id", 0)
        if firewall and self.find(self.firewalls, firewall) is None:
            self.refuse_with(400, "firewall_id is not valid", "firewall_id")  # ours
        public = any(each["purpose"] == "public" for each in interfaces)
        return {"subnet": subnet, "firewall": firewall, "public": public}

    def _subnet_of(self, number: Any, region: Row) -> int:
        holding = (vpc for vpc in self.vpcs if self.find(vpc["subnets"], number) is not None)
        vpc = next(holding, None)
        if vpc is None:
            self.refuse_with(400, "subnet_id is not valid", "interfaces[0].subnet_id")  # ours
        if vpc["region"] != region["id"]:
            self.refuse_with(400, "VPC is in another region", "interfaces[0].subnet_id")  # ours
        return int(number)

    def _group_of(self, body: dict[str, Any], region: Row) -> int:
        number = (body.get("placement_group") or {}).get("id", 0)
        if not number:
            return 0
        group = self.find(self.placement_groups, number)
        if group is None or group["region"] != region["id"]:
            self.refuse_with(400, "placement_group.id is not valid", "placement_group.id")  # ours
        if len(group["members"]) >= region["placement_group_limits"]["maximum_linodes_per_pg"]:
            text = "Placement group has no capacity"  # ours
            self.refuse_with(400, text, "placement_group.id")
        return int(number)

    def check_room(self, machine: Machine, machines: int) -> None:
        """Refuse what there is no room for: quota, then stock."""
        if self.machine_limit is not None and machines >= self.machine_limit:
            self.refuse_with(400, self.quota_text)
        kind, place = machine.type["id"], machine.region
        for key in ((kind, place), ("*", place), (kind, "*")):
            if key in self.sold_out:
                self.refuse_with(*self.sold_out[key])

    def sell_out(
        self,
        kind: str,
        place: str,
        *,
        listed: bool = False,
        status: int = 403,
        text: str = SOLD_OUT,
    ) -> None:
        """Have none left ("*" for any); ``listed`` says whether the availability list shows it."""
        self.sold_out[kind, place] = status, text
        if listed:
            self.availability.append({"plan": kind, "region": place, "available": False})

    def restock(self, kind: str, place: str) -> None:
        """Have it again."""
        self.sold_out.pop((kind, place), None)
        for row in self.availability:
            if (row["plan"], row["region"]) == (kind, place):
                row["available"] = True
