"""Play Vultr: instances that may share a label, show 0.0.0.0 while pending, and linger.

Also a program: ``python -m tests.fakes.vultr --port 0 --boot-s 2`` prints its address and is
steered at ``/_control/{fault,heal,latency,advance,stock,quota,boot,instance}``.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import sys
from collections.abc import Callable
from typing import Any

from providers.fakes import engine, program
from tests.fakes import vultr_account, vultr_model
from tests.fakes.vultr_account import Row
from tests.fakes.vultr_model import Instance

CREATE_S, BOOT_S, DELETE_S, LINGER_S = 5.0, 30.0, 1.0, 120.0
SOLD_OUT = (
    "Plan is not available in the selected datacenter.  This could mean you have chosen the wrong "
    "plan (for example, a storage plan in a location that does not offer them), or the location "
    "you have selected does not have any more capacity."
)
OVER_LIMIT = (
    "Server add failed: You have reached the maximum number of active virtual machines for this "
    "account. Please contact our support team to raise the limit."
)
LOCKED = "Unable to destroy server: Unable to remove VM: Server is currently locked"
PENDING = "Unable to destroy server: Server is already pending destruction."
_SOURCES = ("os_id", "snapshot_id", "image_id", "app_id", "iso_id")


class VultrFake(vultr_account.Account):
    """A whole Vultr account behind one port.

    ``create_s`` is how long an instance is pending, ``boot_s`` how long it installs after that,
    ``delete_s`` how long a deleted one is still shown, ``linger_s`` how long it still counts
    against ``limit``, ``lag_s`` how late lists show a new one. ``on_boot`` is called once an
    instance, when it is ready. With ``drops_tags`` creates leave their tags out; with
    ``totals_count_all`` the total of a filtered list counts what the filter hides.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.instances: dict[str, Instance] = {}
        self.lingering: list[float] = []
        self.create_s, self.boot_s, self.delete_s = CREATE_S, BOOT_S, DELETE_S
        self.linger_s, self.lag_s = LINGER_S, 0.0
        self.limit: int | None = None
        self.sold_out: dict[tuple[str, str], str] = {}
        self.drops_tags = self.totals_count_all = False
        self.on_boot: Callable[[Instance], None] = lambda _instance: None

    # -- time -----------------------------------------------------------------------------------

    def settle(self) -> None:
        now = self.now()
        self.lingering = [until for until in self.lingering if until > now]
        for instance in tuple(self.instances.values()):
            if instance.gone_at is not None and now >= instance.gone_at:
                del self.instances[instance.id]
                self.lingering.append(instance.gone_at + self.linger_s)
            elif not instance.booted and instance.status(now)["server_status"] == "ok":
                instance.booted = True
                self.on_boot(instance)

    # -- instances ------------------------------------------------------------------------------

    def shown(self, instance: Instance) -> Row:
        """Show an instance as the API does."""
        return vultr_model.shown(instance, self.now())

    @engine.route("GET", "/instances")
    def _list(self, request: engine.Request) -> engine.Reply:
        now = self.now()
        found = [each for each in self.instances.values() if each.seen_at <= now]
        if tag := request.one("tag"):
            # Seen in the wild: capitals make no difference here.
            lower = tag.lower()
            found = [each for each in found if lower in (item.lower() for item in each.tags)]
        for field in ("label", "hostname", "region"):
            if wanted := request.one(field):
                found = [each for each in found if getattr(each, field) == wanted]
        hidden = len(self.instances) - len(found) if self.totals_count_all else 0
        bare = [{"id": each.id} for each in found]
        reply = self.paged("instances", bare, request, hidden=hidden)
        rows = [self.shown(self.instances[row["id"]]) for row in reply.body["instances"]]
        return engine.Reply(body={**reply.body, "instances": rows})

    @engine.route("GET", "/instances/{id}")
    def _get(self, request: engine.Request) -> engine.Reply:
        instance = self._known(request)
        return engine.Reply(body={"instance": vultr_model.shown(instance, self.now())})

    @engine.route("GET", "/instances/{id}/user-data")
    def _user_data(self, request: engine.Request) -> engine.Reply:
        data = base64.b64encode(self._known(request).user_data).decode()
        return engine.Reply(body={"user_data": {"data": data}})

    def _known(self, request: engine.Request) -> Instance:
        instance = self.instances.get(request.params["id"])
        if instance is None:
            self.refuse_with(404, "Invalid instance.")
        return instance

    @engine.route("POST", "/instances")
    def _create(self, request: engine.Request) -> engine.Reply:
        document = request.json() or {}
        instance = self._order(document)
        if self.limit is not None and len(self.instances) + len(self.lingering) >= self.limit:
            self.refuse_with(400, OVER_LIMIT)
        self.instances[instance.id] = instance
        row = vultr_model.shown(instance, self.now())
        row["default_password"] = f"v5{{Fkvh#2ycPWwHp-{instance.number:x}"
        return engine.Reply(status=202, body={"instance": row})

    def _order(self, body: Row) -> Instance:
        plan = self.find(self.catalogue["plans"], body.get("plan"), "plan")
        region = self.find(self.catalogue["regions"], body.get("region"), "region")
        self._check_stock(plan, region["id"])
        given = [source for source in _SOURCES if body.get(source)]
        if len(given) != 1:
            self.refuse_with(400, "Exactly one of os_id, snapshot_id, image_id must be given.")
        if plan["type"] == "vx1" and not body.get("block_devices"):
            self.refuse_with(400, "This plan needs block_devices.")
        ipv4, ipv6 = not body.get("disable_public_ipv4"), bool(body.get("enable_ipv6"))
        if not ipv4 and not ipv6:
            self.refuse_with(400, "disable_public_ipv4 needs enable_ipv6.")
        if body.get("vpc_only"):
            ipv4 = ipv6 = False
        now = self.now()
        tags = list(body.get("tags") or ([body["tag"]] if body.get("tag") else []))
        return Instance(
            id=self.new_id(),
            label=body.get("label", ""),
            hostname=body.get("hostname", "vultr.guest"),
            tags=[] if self.drops_tags else tags,
            plan=plan,
            region=region["id"],
            os=self._os_of(body),
            snapshot=self._snapshot_of(body),
            image=body.get("image_id", ""),
            created=now,
            made_at=now + self.create_s,
            up_at=now + self.create_s + self.boot_s,
            seen_at=now + self.lag_s,
            user_data=self._decoded(body.get("user_data", "")),
            ssh_keys=tuple(
                self.find(self.ssh_keys, each, "sshkey_id")["id"]
                for each in body.get("sshkey_id") or ()
            ),
            vpcs=tuple(self._vpc(each, region["id"]) for each in body.get("attach_vpc") or ()),
            firewall=self._firewall(body.get("firewall_group_id", "")),
            ipv4=ipv4,
            ipv6=ipv6,
        )

    def _check_stock(self, plan: Row, place: str) -> None:
        for key in ((plan["id"], place), ("*", place), (plan["id"], "*")):
            if key in self.sold_out:
                self.refuse_with(400, self.sold_out[key])
        if place not in plan["locations"]:
            self.refuse_with(400, SOLD_OUT)

    def _os_of(self, body: Row) -> Row:
        if not body.get("os_id"):
            return {}
        return self.find(self.catalogue["os"], int(body["os_id"]), "os_id")

    def _snapshot_of(self, body: Row) -> str:
        if not body.get("snapshot_id"):
            return ""
        return str(self.find(self.snapshots, body["snapshot_id"], "snapshot_id")["id"])

    def _vpc(self, content: str, place: str) -> str:
        row = self.find(self.vpcs, content, "VPC")
        if row["region"] != place:
            self.refuse_with(400, "Invalid VPC.")
        return content

    def _firewall(self, content: str) -> str:
        return str(self.find(self.firewalls, content, "firewall_group_id")["id"]) if content else ""

    def _decoded(self, content: str) -> bytes:
        try:
            return base64.b64decode(content, validate=True)
        except binascii.Error:
            self.refuse_with(400, "Invalid user_data. Must be base64 encoded.")

    @engine.route("PATCH", "/instances/{id}")
    def _update(self, request: engine.Request) -> engine.Reply:
        instance, result = self._known(request), request.json()
        instance.label = result.get("label", instance.label)
        instance.tags = list(result.get("tags", instance.tags))  # all of them, or none
        return engine.Reply(status=202, body={"instance": self.shown(instance)})

    @engine.route("DELETE", "/instances/{id}")
    def _delete(self, request: engine.Request) -> engine.Reply:
        instance, now = self._known(request), self.now()
        if now < instance.locked_until:
            self.refuse_with(500, LOCKED)
        if instance.gone_at is not None:
            self.refuse_with(500, PENDING)
        instance.gone_at = now + self.delete_s
        self.settle()
        return engine.Reply(status=204)

    # -- knobs ----------------------------------------------------------------------------------

    def add(self, label: str, tags: list[str] | None = None, **changes: Any) -> Instance:
        """Put a running instance there, past the API; keywords are fields of :class:`Instance`."""
        now = self.now()
        fields: dict[str, Any] = {
            "id": self.new_id(),
            "label": label,
            "hostname": label,
            "tags": list(tags or []),
            "plan": self.catalogue["plans"][0],
            "region": self.catalogue["regions"][0]["id"],
            "os": self.catalogue["os"][-1],
            "created": now - 60,
            "made_at": now - 55,
            "up_at": now - 45,
            "seen_at": now,
        }
        instance = Instance(**{**fields, **changes})
        with self.changed:
            self.instances[instance.id] = instance
            self.changed.notify_all()
        return instance

    def sell_out(self, kind: str, place: str, *, listed: bool = True, text: str = "") -> None:
        """Have none left ("*" for any); ``listed`` says whether the catalogue admits it."""
        self.sold_out[kind, place] = text or SOLD_OUT
        if listed:
            for row in self.catalogue["plans"]:
                if kind in {"*", row["id"]}:
                    row["locations"] = [
                        each for each in row["locations"] if place not in {"*", each}
                    ]

    def restock(self, kind: str, place: str) -> None:
        """Have it again, wherever it is asked for."""
        self.sold_out.pop((kind, place), None)
        for row in self.catalogue["plans"]:
            for region in self.catalogue["regions"]:
                fits = kind in {"*", row["id"]} and place in {"*", region["id"]}
                if fits and region["id"] not in row["locations"]:
                    row["locations"].append(region["id"])

    def state(self) -> object:
        now = self.now()
        return {
            "now": now,
            "servers": [
                {
                    "id": each.id,
                    "name": each.label,
                    "status": " ".join(each.status(now).values()),
                    "tags": each.tags,
                    "server_type": each.plan["id"],
                    "location": each.region,
                    "image": each.os.get("name") or each.snapshot or each.image,
                    "user_data": each.user_data.decode(errors="replace"),
                    "address": vultr_model.shown(each, now)["main_ip"],
                }
                for each in self.instances.values()
            ],
            "limit": self.limit,
            "sold_out": sorted("/".join(key) for key in self.sold_out),
        }

    @engine.control("stock")
    def _stock(self, body: dict[str, Any]) -> None:
        """``{machine_type, location, available, listed}``."""
        kind, place = body.get("machine_type", "*"), body.get("location", "*")
        if body["available"]:
            self.restock(kind, place)
        else:
            self.sell_out(kind, place, listed=body.get("listed", True))

    @engine.control("quota")
    def _quota(self, body: dict[str, Any]) -> None:
        """``{servers: 10}``, null for no limit."""
        self.limit = body["servers"]

    @engine.control("boot")
    def _boot(self, body: dict[str, Any]) -> None:
        """``{create_s, boot_s, delete_s, linger_s, lag_s}``, each optional."""
        for name in set(body) & {"create_s", "boot_s", "delete_s", "linger_s", "lag_s"}:
            setattr(self, name, float(body[name]))

    @engine.control("instance")
    def _instance_knob(self, body: dict[str, Any]) -> object:
        """``{id, label, words, power, tags, remove}``, or ``{add: label, tags}``."""
        if "add" in body:
            return {"id": self.add(body["add"], body.get("tags", [])).id}
        instance = self.instances[body["id"]]
        if body.get("remove"):
            del self.instances[instance.id]
        for name in set(body) & {"label", "words", "power", "tags"}:
            setattr(instance, name, body[name])
        return None


def build(arguments: argparse.Namespace) -> VultrFake:
    """Play Vultr on a port."""
    fake = VultrFake(token=arguments.token)
    fake.create_s, fake.boot_s = arguments.create_s, arguments.boot_s
    fake.delete_s, fake.limit = arguments.delete_s, arguments.servers
    return fake


def describe(parser: argparse.ArgumentParser) -> None:
    """Add what is Vultr's own to the program's arguments."""
    parser.add_argument("--create-s", type=float, default=CREATE_S, help="an instance is pending")
    parser.add_argument("--boot-s", type=float, default=BOOT_S, help="an instance installs")
    parser.add_argument("--delete-s", type=float, default=DELETE_S, help="shown after a delete")
    parser.add_argument("--servers", type=int, default=None, help="quota; none by default")


if __name__ == "__main__":
    sys.exit(program.run(sys.argv[1:], build, describe))
