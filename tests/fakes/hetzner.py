"""Play Hetzner Cloud: servers that take time to be made, boot, and may fail after the 201.

Also a program: ``python -m tests.fakes.hetzner --port 0 --boot-s 2`` prints its address and is
steered at ``/_control/{fault,heal,latency,advance,stock,quota,boot,action,budget,hide,server}``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Collection
from typing import Any

from providers.fakes import engine, program
from tests.fakes import hetzner_model, hetzner_orders
from tests.fakes.hetzner_model import Action, Server
from tests.fakes.hetzner_project import Row

CREATE_S, BOOT_S, DELETE_S = 3.0, 9.0, 1.0


class HetznerFake(hetzner_orders.Orders):
    """A whole Hetzner Cloud project behind one port.

    ``create_s`` is what a create action takes, ``boot_s`` what the boot takes after it,
    ``delete_s`` how long a server is shown as deleting, ``lag_s`` how late listings show a new
    server. ``server_limit`` is the quota. ``on_boot`` is called once a server, when it runs.
    """

    def __init__(
        self, *, token: str = engine.FAKE_TOKEN, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(token=token, clock=clock)
        self.servers: dict[int, Server] = {}
        self.actions: dict[int, Action] = {}
        self.create_s, self.boot_s, self.delete_s, self.lag_s = CREATE_S, BOOT_S, DELETE_S, 0.0
        self.failing: list[dict[str, Any]] = []
        self.hidden: frozenset[int] = frozenset()
        self.on_boot: Callable[[Server], None] = lambda _server: None

    # -- time -----------------------------------------------------------------------------------

    def settle(self) -> None:
        now = self.now()
        for server in tuple(self.servers.values()):
            failed = server.fails == "gone" and now >= server.made_at
            if failed or (server.gone_at is not None and now >= server.gone_at):
                self._drop(server)
            elif not server.booted and server.status(now) == "running":
                server.booted = True
                self.on_boot(server)

    def _drop(self, server: Server) -> None:
        del self.servers[server.id]
        for group in self.placement_groups:
            if server.id in group["servers"]:
                group["servers"].remove(server.id)

    def act(self, command: str, server: int, takes_s: float, error: Any = None) -> Action:
        """Begin an action on a server."""
        now = self.now()
        action = Action(
            id=next(self.ids),
            command=command,
            server=server,
            begun=now,
            ends=now + takes_s,
            error=error,
        )
        self.actions[action.id] = action
        return action

    def names(self) -> Collection[str]:
        return {server.name for server in self.servers.values()}

    # -- servers --------------------------------------------------------------------------------

    def _shown(self, server: Server) -> Row:
        group = self.find(self.placement_groups, server.placement_group)
        return hetzner_model.shown(server, group, self.now())

    @engine.route("GET", "/servers")
    def _list(self, request: engine.Request) -> engine.Reply:
        now = self.now()
        there = [each for each in self.servers.values() if each.id not in self.hidden]
        rows = [self._shown(each) for each in there if each.seen_at <= now]
        if wanted := request.all("status"):
            rows = [row for row in rows if row["status"] in wanted]
        return self.paged("servers", rows, request)

    @engine.route("GET", "/servers/{id}")
    def _get(self, request: engine.Request) -> engine.Reply:
        return engine.Reply(body={"server": self._shown(self._known(request))})

    def _known(self, request: engine.Request) -> Server:
        number = request.params["id"]
        server = self.servers.get(int(number)) if number.isdigit() else None
        if server is not None and server.id in self.hidden:
            server = None
        if server is None or (server.deleted_at is not None and self.delete_s == 0):
            self.refuse_with(404, "not_found", f"server with ID '{number}' not found")
        return server

    @engine.route("POST", "/servers")
    def _create(self, request: engine.Request) -> engine.Reply:
        document = request.json()
        if self.readonly_token:
            self.refuse_with(401, "token_readonly", "the token is only allowed to read")
        server = self.ordered(document, create_s=self.create_s, boot_s=self.boot_s)
        server.seen_at += self.lag_s
        self.check_room(server, len(self.servers))
        fault = self._failure(server)
        self.servers[server.id] = server
        if server.placement_group:
            group = self.wanted("placement group", self.placement_groups, server.placement_group)
            group["servers"].append(server.id)
        error = {key: fault[key] for key in ("code", "message")} if fault else None
        action = self.act("create_server", server.id, self.create_s, error)
        start = self.act("start_server", server.id, self.create_s + self.boot_s)
        now = self.now()
        body = {
            "server": self._shown(server),
            "action": action.shown(now),
            "next_actions": [start.shown(now)],
            "root_password": None if server.ssh_keys else f"pw-{server.id:x}-YItygq1v3GYjjMom",
        }
        return engine.Reply(status=201, body=body)

    def _failure(self, server: Server) -> dict[str, Any] | None:
        """Take the failure that awaits this server's create action, if one does."""
        if not self.failing:
            return None
        fault = self.failing[0]
        fault["times"] -= 1
        if fault["times"] <= 0:
            self.failing.pop(0)
        server.fails = fault["leave"]
        return fault

    @engine.route("PUT", "/servers/{id}")
    def _update(self, request: engine.Request) -> engine.Reply:
        server, result = self._known(request), request.json()
        if self.readonly_token:
            self.refuse_with(401, "token_readonly", "the token is only allowed to read")
        name = result.get("name", server.name)
        if name != server.name and name in self.names():
            self.taken("server")
        server.name = name
        server.labels = self.labelled(result.get("labels", server.labels))  # all of them, or none
        return engine.Reply(body={"server": self._shown(server)})

    @engine.route("DELETE", "/servers/{id}")
    def _delete(self, request: engine.Request) -> engine.Reply:
        server, now = self._known(request), self.now()
        if server.protected:
            self.refuse_with(423, "protected", "server deletion is protected")
        if now < server.locked_until:
            self.refuse_with(423, "locked", "server is locked by another action")
        if server.deleted_at is None:
            server.deleted_at, server.gone_at = now, now + self.delete_s
        action = self.act("delete_server", server.id, self.delete_s)
        self.settle()
        return engine.Reply(body={"action": action.shown(now)})

    # -- actions --------------------------------------------------------------------------------

    @engine.route("GET", "/actions/{id}")
    def _action(self, request: engine.Request) -> engine.Reply:
        action = self.actions.get(int(request.params["id"]))
        if action is None:
            self.refuse_with(404, "not_found", "action not found")
        return engine.Reply(body={"action": action.shown(self.now())})

    @engine.route("GET", "/servers/{id}/actions")
    def _server_actions(self, request: engine.Request) -> engine.Reply:
        server, now = self._known(request), self.now()
        rows = [each.shown(now) for each in self.actions.values() if each.server == server.id]
        return self.paged("actions", rows, request)

    # -- knobs ----------------------------------------------------------------------------------

    def add(self, name: str, labels: dict[str, str] | None = None, **changes: Any) -> Server:
        """Put a running server there, past the API; keywords are fields of :class:`Server`."""
        now = self.now()
        fields: dict[str, Any] = {
            "id": next(self.ids),
            "name": name,
            "labels": dict(labels or {}),
            "server_type": self.catalogue["server_types"][0],
            "location": self.catalogue["locations"][1],
            "image": self.images[0],
            "created": now - 60,
            "made_at": now - 55,
            "up_at": now - 45,
            "seen_at": now,
        }
        server = Server(**{**fields, **changes})
        with self.changed:
            self.servers[server.id] = server
            self.changed.notify_all()
        return server

    def fail_action(
        self, code: str, message: str = "", *, leave: str = "gone", times: int = 1
    ) -> None:
        """Let the next create end in error after its 201; the server is then "gone" or "off"."""
        details = {"code": code, "message": message or code, "leave": leave, "times": times}
        self.failing.append(details)

    def state(self) -> object:
        now = self.now()
        return {
            "now": now,
            "servers": [
                {
                    **{key: self._shown(each)[key] for key in ("id", "name", "status", "labels")},
                    "server_type": each.server_type["name"],
                    "location": each.location["name"],
                    "image": each.image["name"],
                    "user_data": each.user_data,
                    "placement_group": each.placement_group,
                    "address": each.address if each.ipv4 else "",
                }
                for each in self.servers.values()
            ],
            "placement_groups": self.placement_groups,
            "server_limit": self.server_limit,
            "sold_out": sorted("/".join(key) for key in self.sold_out),
        }

    @engine.control("stock")
    def _stock(self, payload: dict[str, Any]) -> None:
        """``{machine_type, location, available, listed}``."""
        kind, place = payload.get("machine_type", "*"), payload.get("location", "*")
        if payload["available"]:
            self.restock(kind, place)
        else:
            self.sell_out(kind, place, listed=payload.get("listed", True))

    @engine.control("quota")
    def _quota(self, payload: dict[str, Any]) -> None:
        """``{servers: 10}``, null for no limit."""
        self.server_limit = payload["servers"]

    @engine.control("boot")
    def _boot(self, payload: dict[str, Any]) -> None:
        """``{create_s, boot_s, delete_s, lag_s}``, each optional."""
        for name in set(payload) & {"create_s", "boot_s", "delete_s", "lag_s"}:
            setattr(self, name, float(payload[name]))

    @engine.control("action")
    def _action_knob(self, payload: dict[str, Any]) -> None:
        """``{code, message, leave, times}``: how the next create fails after its 201."""
        self.fail_action(**payload)

    @engine.control("budget")
    def _budget(self, payload: dict[str, Any]) -> None:
        """``{leave: 10}`` requests until the bucket refills."""
        self.bucket.drain(self.now(), leave=int(payload["leave"]))

    @engine.control("hide")
    def _hide(self, payload: dict[str, Any]) -> None:
        """``{hidden: true}``: show an empty project, as another's token would; false ends it."""
        self.hidden = frozenset(self.servers) if payload["hidden"] else frozenset()

    @engine.control("server")
    def _server_knob(self, payload: dict[str, Any]) -> object:
        """``{id, name, word, power, protected, labels, remove}``, or ``{add: name, labels}``."""
        if "add" in payload:
            return {"id": self.add(payload["add"], payload.get("labels", {})).id}
        server = self.servers[int(payload["id"])]
        if payload.get("remove"):
            self._drop(server)
        for name in set(payload) & {"name", "word", "power", "protected", "labels"}:
            setattr(server, name, payload[name])
        return None


def build(arguments: argparse.Namespace) -> HetznerFake:
    """Play Hetzner Cloud on a port."""
    fake = HetznerFake(token=arguments.token)
    fake.create_s, fake.boot_s = arguments.create_s, arguments.boot_s
    fake.delete_s, fake.server_limit = arguments.delete_s, arguments.servers
    return fake


def describe(parser: argparse.ArgumentParser) -> None:
    """Add what is Hetzner's own to the program's arguments."""
    parser.add_argument("--create-s", type=float, default=CREATE_S, help="a create action takes")
    parser.add_argument("--boot-s", type=float, default=BOOT_S, help="a boot takes")
    parser.add_argument("--delete-s", type=float, default=DELETE_S, help="a delete action takes")
    parser.add_argument("--servers", type=int, default=None, help="quota; none by default")


if __name__ == "__main__":
    sys.exit(program.run(sys.argv[1:], build, describe))
