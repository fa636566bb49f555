"""Play Linode: machines that are provisioned, boot, and come back when they power themselves off.

Also a program: ``python -m tests.fakes.linode --port 0 --boot-s 2`` prints its address and is
steered at ``/_control/{fault,heal,latency,advance,stock,quota,boot,budget,machine}``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Collection
from typing import Any

from providers.fakes import engine, program
from tests.fakes import linode_model, linode_orders
from tests.fakes.linode_account import Row
from tests.fakes.linode_model import Machine

CREATE_S, BOOT_S, DELETE_S, LASSIE_S = 5.0, 15.0, 1.0, 30.0
_FIELDS = ("id", "label", "region", "tags", "group", "ipv4")


class LinodeFake(linode_orders.Orders):
    """A whole Linode account behind one port.

    ``create_s`` is how long a machine is provisioning, ``boot_s`` what the boot takes after it,
    ``delete_s`` how long it is shown as deleting, ``lag_s`` how late listings show a new one,
    ``lassie_s`` when the watchdog boots what powered itself off. ``machine_limit`` is the quota.
    ``on_boot`` is called once a machine, when it runs.
    """

    def __init__(
        self, *, token: str = engine.FAKE_TOKEN, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(token=token, clock=clock)
        self.machines: dict[int, Machine] = {}
        self.create_s, self.boot_s, self.delete_s, self.lag_s = CREATE_S, BOOT_S, DELETE_S, 0.0
        self.lassie_s = LASSIE_S
        self.on_boot: Callable[[Machine], None] = lambda _machine: None

    # -- time -----------------------------------------------------------------------------------

    def settle(self) -> None:
        now = self.now()
        for machine in tuple(self.machines.values()):
            if machine.gone_at is not None and now >= machine.gone_at:
                self._drop(machine)
                continue
            if machine.back_at is not None and now >= machine.back_at:
                machine.up_at = machine.back_at + self.boot_s
                machine.off_at = machine.back_at = None
            if not machine.booted and machine.status(now) == "running":
                machine.booted = True
                self.on_boot(machine)

    def _drop(self, machine: Machine) -> None:
        del self.machines[machine.id]
        for group in self.placement_groups:
            group["members"] = [m for m in group["members"] if m["linode_id"] != machine.id]

    def labels(self) -> Collection[str]:
        return {machine.label for machine in self.machines.values()}

    # -- machines -------------------------------------------------------------------------------

    def _shown(self, machine: Machine) -> Row:
        group = self.find(self.placement_groups, machine.placement_group)
        return linode_model.shown(machine, group, self.now())

    @engine.route("GET", "/linode/instances")
    def _list(self, request: engine.Request) -> engine.Reply:
        now = self.now()
        rows = [self._shown(each) for each in self.machines.values() if each.seen_at <= now]
        return self.paged(rows, request, _FIELDS)

    @engine.route("GET", "/linode/instances/{id}")
    def _get(self, request: engine.Request) -> engine.Reply:
        return engine.Reply(body=self._shown(self._known(request)))

    def _known(self, request: engine.Request) -> Machine:
        number = request.params["id"]
        machine = self.machines.get(int(number)) if number.isdigit() else None
        if machine is None:
            self.refuse_with(404, "Not found")
        return machine

    def _may_write(self) -> None:
        if self.readonly_token:
            self.refuse_with(401, linode_orders.NO_SCOPE)

    @engine.route("POST", "/linode/instances")
    def _create(self, request: engine.Request) -> engine.Reply:
        self._may_write()
        machine = self.ordered(request.json(), create_s=self.create_s, boot_s=self.boot_s)
        machine.seen_at += self.lag_s
        self.check_room(machine, len(self.machines))
        self.machines[machine.id] = machine
        group = self.find(self.placement_groups, machine.placement_group)
        if group is not None:
            group["members"].append({"linode_id": machine.id, "is_compliant": True})
        return engine.Reply(body=self._shown(machine))

    @engine.route("PUT", "/linode/instances/{id}")
    def _update(self, request: engine.Request) -> engine.Reply:
        self._may_write()
        machine, result = self._known(request), request.json()
        if self.now() < machine.busy_until:
            self.refuse_with(400, "Linode busy.")
        machine.label = result.get("label", machine.label)
        if "tags" in result:
            machine.tags = self.tags_of(result)  # all of them, or none
        machine.watchdog = result.get("watchdog_enabled", machine.watchdog)
        return engine.Reply(body=self._shown(machine))

    @engine.route("DELETE", "/linode/instances/{id}")
    def _delete(self, request: engine.Request) -> engine.Reply:
        self._may_write()
        machine, now = self._known(request), self.now()
        if now < machine.busy_until:
            self.refuse_with(400, "Linode busy.")
        if machine.deleted_at is None:
            machine.deleted_at, machine.gone_at = now, now + self.delete_s
        self.settle()
        return engine.Reply(body={})

    # -- knobs ----------------------------------------------------------------------------------

    def add(self, label: str, tags: Collection[str] = (), **changes: Any) -> Machine:
        """Put a running machine there, past the API; keywords are fields of :class:`Machine`."""
        now = self.now()
        fields: dict[str, Any] = {
            "id": next(self.ids),
            "label": label,
            "tags": list(tags),
            "type": self.catalogue["types"][0],
            "region": self.catalogue["regions"][0]["id"],
            "image": self.images[0]["id"],
            "created": now - 60,
            "made_at": now - 55,
            "up_at": now - 45,
            "seen_at": now,
        }
        machine = Machine(**{**fields, **changes})
        with self.changed:
            self.machines[machine.id] = machine
            self.changed.notify_all()
        return machine

    def power_off(self, machine: Machine) -> None:
        """Let a machine shut itself down from inside; the watchdog may boot it again."""
        with self.changed:
            machine.off_at = self.now()
            machine.back_at = machine.off_at + self.lassie_s if machine.watchdog else None
            self.changed.notify_all()

    def state(self) -> object:
        now = self.now()
        return {
            "now": now,
            "servers": [
                {
                    "id": each.id,
                    "name": each.label,
                    "status": each.status(now),
                    "tags": each.tags,
                    "server_type": each.type["id"],
                    "location": each.region,
                    "image": each.image,
                    "user_data": each.user_data.decode(errors="replace"),
                    "address": each.address if each.public else "",
                }
                for each in self.machines.values()
            ],
            "server_limit": self.machine_limit,
            "sold_out": sorted("/".join(key) for key in self.sold_out),
        }

    @engine.control("stock")
    def _stock(self, body: dict[str, Any]) -> None:
        """``{machine_type, location, available, listed}``."""
        kind, place = body.get("machine_type", "*"), body.get("location", "*")
        if body["available"]:
            self.restock(kind, place)
        else:
            self.sell_out(kind, place, listed=body.get("listed", False))

    @engine.control("quota")
    def _quota(self, body: dict[str, Any]) -> None:
        """``{servers: 10}``, null for no limit."""
        self.machine_limit = body["servers"]

    @engine.control("boot")
    def _boot(self, body: dict[str, Any]) -> None:
        """``{create_s, boot_s, delete_s, lag_s, lassie_s}``, each optional."""
        for name in set(body) & {"create_s", "boot_s", "delete_s", "lag_s", "lassie_s"}:
            setattr(self, name, float(body[name]))

    @engine.control("budget")
    def _budget(self, body: dict[str, Any]) -> None:
        """``{leave: 10, of: "lists" | "creates" | "others"}`` requests until the window ends."""
        window = {"lists": self.lists, "creates": self.creates, "others": self.others}
        window[body.get("of", "lists")].drain(self.now(), leave=int(body["leave"]))

    @engine.control("machine")
    def _machine_knob(self, body: dict[str, Any]) -> object:
        """``{id, label, word, tags, power_off, remove}``, or ``{add: label, tags}``."""
        if "add" in body:
            return {"id": self.add(body["add"], body.get("tags", ())).id}
        machine = self.machines[int(body["id"])]
        if body.get("remove"):
            self._drop(machine)
        if body.get("power_off"):
            self.power_off(machine)
        for name in set(body) & {"label", "word", "tags"}:
            setattr(machine, name, body[name])
        return None


def build(arguments: argparse.Namespace) -> LinodeFake:
    """Play Linode on a port."""
    fake = LinodeFake(token=arguments.token)
    fake.create_s, fake.boot_s = arguments.create_s, arguments.boot_s
    fake.delete_s, fake.machine_limit = arguments.delete_s, arguments.servers
    return fake


def describe(parser: argparse.ArgumentParser) -> None:
    """Add what is Linode's own to the program's arguments."""
    parser.add_argument("--create-s", type=float, default=CREATE_S, help="provisioning takes")
    parser.add_argument("--boot-s", type=float, default=BOOT_S, help="a boot takes")
    parser.add_argument("--delete-s", type=float, default=DELETE_S, help="a deletion takes")
    parser.add_argument("--servers", type=int, default=None, help="quota; none by default")


if __name__ == "__main__":
    sys.exit(program.run(sys.argv[1:], build, describe))
