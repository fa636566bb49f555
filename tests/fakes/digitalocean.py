"""Play DigitalOcean: droplets that may share a name, and may fail after the 202.

Also a program: ``python -m tests.fakes.digitalocean --port 0 --boot-s 2`` prints its address and
is steered at ``/_control/{fault,heal,latency,advance,stock,quota,boot,action,budget,droplet}``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

from providers.fakes import engine, program
from tests.fakes import digitalocean_account, digitalocean_model
from tests.fakes.digitalocean_account import Row
from tests.fakes.digitalocean_model import Droplet

BOOT_S, DELETE_S = 20.0, 1.0
USER_DATA_LIMIT_BYTES = 64 * 1024
SOLD_OUT = "Size is not available in this region."
OVER_LIMIT = "creating this/these droplet(s) will exceed your droplet limit"
BUSY = "Droplet already has a pending event."


class DigitalOceanFake(digitalocean_account.Account):
    """A whole DigitalOcean account behind one port.

    ``boot_s`` is what a create takes, ``delete_s`` how long a deleted droplet is still shown,
    ``lag_s`` how late lists by tag show a new one. ``droplet_limit`` is the quota. With
    ``spares_new`` a delete of a droplet that is still new says yes and does nothing; with
    ``drops_tags`` creates leave their tags out. ``on_boot`` is called once a droplet, when it is
    active. ``tagged_elsewhere`` counts volumes and the like that carry a tag.
    """

    def __init__(
        self, *, token: str = engine.FAKE_TOKEN, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(token=token, clock=clock)
        self.droplets: dict[int, Droplet] = {}
        self.actions: dict[int, Droplet] = {}
        self.boot_s, self.delete_s, self.lag_s = BOOT_S, DELETE_S, 0.0
        self.droplet_limit: int | None = None
        self.sold_out: dict[tuple[str, str], str] = {}
        self.failing: list[str] = []
        self.tagged_elsewhere: dict[str, int] = {}
        self.spares_new = False
        self.drops_tags = False
        self.on_boot: Callable[[Droplet], None] = lambda _droplet: None

    # -- time -----------------------------------------------------------------------------------

    def settle(self) -> None:
        now = self.now()
        for droplet in tuple(self.droplets.values()):
            failed = droplet.fails == "gone" and now >= droplet.up_at
            if failed or (droplet.gone_at is not None and now >= droplet.gone_at):
                del self.droplets[droplet.id]
            elif not droplet.booted and droplet.status(now) == "active":
                droplet.booted = True
                self.on_boot(droplet)

    # -- droplets -------------------------------------------------------------------------------

    @engine.route("GET", "/droplets")
    def _list(self, request: engine.Request) -> engine.Reply:
        tag, name, kind = (request.one(key) for key in ("tag_name", "name", "type"))
        if sum(map(bool, (tag, name, kind))) > 1:
            self.refuse_with(422, "tag_name, name and type cannot be combined")
        now = self.now()
        found = [each for each in self.droplets.values() if each.has_gpu == (kind == "gpus")]
        if tag:
            found = [
                each
                for each in found
                if each.indexed_at <= now and any(self.same_tag(tag, item) for item in each.tags)
            ]
        if name:
            found = [each for each in found if each.name.lower() == name.lower()]
        reply = self.paged("droplets", [{"id": each.id} for each in found], request)
        cut = [self.droplets[row["id"]] for row in reply.body["droplets"]]
        rows = [digitalocean_model.shown(each, now) for each in cut]
        return engine.Reply(body={**reply.body, "droplets": rows})

    @engine.route("GET", "/droplets/{id}")
    def _get(self, request: engine.Request) -> engine.Reply:
        droplet = self._known(request)
        return engine.Reply(body={"droplet": digitalocean_model.shown(droplet, self.now())})

    def _known(self, request: engine.Request) -> Droplet:
        value = request.params["id"]
        droplet = self.droplets.get(int(value)) if value.isdigit() else None
        if droplet is None:
            self.refuse_with(404, "The resource you were accessing could not be found.")
        return droplet

    @engine.route("POST", "/droplets")
    def _create(self, request: engine.Request) -> engine.Reply:
        document = request.json()
        names = document.get("names") or [document.get("name")]
        if not names[0]:
            self.refuse_with(422, "Name can't be blank")
        made = [self._order(name, document) for name in names]
        used = len(self.droplets)
        if self.droplet_limit is not None and used + len(made) > self.droplet_limit:
            self.refuse_with(422, OVER_LIMIT)
        now = self.now()
        rows, links = [], []
        for droplet in made:
            self.droplets[droplet.id] = self.actions[droplet.action] = droplet
            rows.append(digitalocean_model.shown(droplet, now))
            href = f"https://api.digitalocean.com/v2/actions/{droplet.action}"
            links.append({"id": droplet.action, "rel": "create", "href": href})
        body = {"droplets": rows} if "names" in document else {"droplet": rows[0]}
        return engine.Reply(status=202, body={**body, "links": {"actions": links}})

    def _order(self, name: str, payload: Row) -> Droplet:
        size = self.find(self.catalogue["sizes"], payload.get("size"), "slug")
        if size is None:
            self.refuse_with(422, "You specified an invalid size for Droplet creation.")
        image = self.find(self.images, payload.get("image"), "id", "slug")
        if image is None:
            self.refuse_with(422, "You specified an invalid image for Droplet creation.")
        region = self._region(payload.get("region", ""))
        self._check_stock(size, region)
        if not image["public"] and region["slug"] not in image.get("regions", [region["slug"]]):
            self.refuse_with(
                422,
                "The image you specified is not available in the selected region, "
                "you can transfer it to this region from the images pages.",
            )
        user_data = payload.get("user_data") or ""
        if len(user_data.encode()) > USER_DATA_LIMIT_BYTES:
            self.refuse_with(422, "User data is too long (maximum is 65536 bytes)")
        vpc = self._vpc(payload.get("vpc_uuid", ""), region)
        now = self.now()
        return Droplet(
            id=next(self.ids),
            action=next(self.ids),
            name=name,
            size=size,
            region=region,
            image=image,
            tags=[] if self.drops_tags else self.tagged(payload.get("tags") or ()),
            created=now,
            up_at=now + self.boot_s,
            indexed_at=now + self.lag_s,
            user_data=user_data,
            ssh_keys=tuple(self._key(each) for each in payload.get("ssh_keys") or ()),
            vpc=vpc,
            ipv6=bool(payload.get("ipv6", False)),
            public=bool(payload.get("public_networking", True)),
            fails=self.failing.pop(0) if self.failing else "",
        )

    def _region(self, content: str) -> Row:
        """Find a region; a prefix, or nothing, may land anywhere."""
        for row in self.catalogue["regions"]:
            if row["slug"].startswith(content) and (
                row["slug"] == content or not content[-1:].isdigit()
            ):
                if not row["available"]:
                    self.refuse_with(422, "Region is not available")
                return row
        return self.refuse_with(422, "You specified an invalid region for Droplet creation.")

    def _check_stock(self, size: Row, region: Row) -> None:
        kind, place = size["slug"], region["slug"]
        for key in ((kind, place), ("*", place), (kind, "*")):
            if key in self.sold_out:
                self.refuse_with(422, self.sold_out[key])
        if not size["available"] or place not in size["regions"]:
            self.refuse_with(422, SOLD_OUT)

    def _key(self, value: Any) -> int:
        number = int(value) if str(value).isdigit() else value
        row = self.find(self.ssh_keys, number, "id", "fingerprint")
        if row is None:
            self.refuse_with(422, f"{value} are invalid key identifiers for Droplet creation.")
        return int(row["id"])

    def _vpc(self, content: str, region: Row) -> str:
        if not content:
            return ""
        row = self.find(self.vpcs, content, "id")
        if row is None or row["region"] != region["slug"]:
            self.refuse_with(422, "The VPC was not found in the region of the Droplet.")
        return content

    @engine.route("DELETE", "/droplets/{id}")
    def _delete(self, request: engine.Request) -> engine.Reply:
        droplet, now = self._known(request), self.now()
        if now < droplet.busy_until:
            self.refuse_with(422, BUSY)
        if not (self.spares_new and droplet.status(now) == "new") and droplet.gone_at is None:
            droplet.gone_at = now + self.delete_s
        self.settle()
        return engine.Reply(status=204)

    @engine.route("DELETE", "/droplets")
    def _delete_tagged(self, request: engine.Request) -> engine.Reply:
        tag = request.one("tag_name")
        for each in self.droplets.values():
            if any(self.same_tag(tag, item) for item in each.tags):
                each.gone_at = self.now()
        self.settle()
        return engine.Reply(status=204)

    @engine.route("GET", "/actions/{id}")
    def _action(self, request: engine.Request) -> engine.Reply:
        droplet = self.actions.get(int(request.params["id"]))
        if droplet is None:
            self.refuse_with(404, "The resource you were accessing could not be found.")
        return engine.Reply(body={"action": digitalocean_model.action(droplet, self.now())})

    # -- tags -----------------------------------------------------------------------------------

    @engine.route("POST", "/tags")
    def _make_tag(self, request: engine.Request) -> engine.Reply:
        name = str(request.json().get("name", ""))
        if not self.tagged([name]):
            text = f"Error validating resource tag: {name!r} contains invalid characters"
            body = {"error": text, "messages": None, "root_causes": []}
            return engine.Reply(status=400, body=body)
        return engine.Reply(status=201, body={"tag": self._shown_tag(self.tags[name.lower()])})

    def _shown_tag(self, tag: str) -> Row:
        worn = [each for each in self.droplets.values() if tag in each.tags]
        droplets: Row = {"count": len(worn)}
        if worn:
            uri = f"https://api.digitalocean.com/v2/droplets/{worn[-1].id}"
            droplets["last_tagged_uri"] = uri
        others = {key: {"count": 0} for key in ("images", "volumes", "volume_snapshots")}
        count = len(worn) + self.tagged_elsewhere.get(tag, 0)
        return {"name": tag, "resources": {"count": count, "droplets": droplets, **others}}

    def _known_tag(self, request: engine.Request) -> str:
        """Find a tag by its canonical spelling alone."""
        name = request.params["tag"]
        if self.tags.get(name.lower()) != name:
            self.refuse_with(404, "The resource you were accessing could not be found.")
        return name

    @engine.route("GET", "/tags/{tag}")
    def _tag(self, request: engine.Request) -> engine.Reply:
        return engine.Reply(body={"tag": self._shown_tag(self._known_tag(request))})

    @engine.route("DELETE", "/tags/{tag}")
    def _drop_tag(self, request: engine.Request) -> engine.Reply:
        name = self._known_tag(request)
        del self.tags[name.lower()]
        for each in self.droplets.values():
            each.tags = [tag for tag in each.tags if tag != name]
        return engine.Reply(status=204)

    @engine.route("POST", "/tags/{tag}/resources")
    def _attach(self, request: engine.Request) -> engine.Reply:
        name = self._known_tag(request)
        for droplet in self._resources(request):
            if name not in droplet.tags:
                droplet.tags.append(name)
        return engine.Reply(status=204)

    @engine.route("DELETE", "/tags/{tag}/resources")
    def _detach(self, request: engine.Request) -> engine.Reply:
        name = self._known_tag(request)
        for droplet in self._resources(request):
            droplet.tags = [tag for tag in droplet.tags if tag != name]
        return engine.Reply(status=204)

    def _resources(self, request: engine.Request) -> list[Droplet]:
        found = []
        for item in request.json()["resources"]:
            droplet = self.droplets.get(int(item["resource_id"]))
            if item["resource_type"] != "droplet" or droplet is None:
                self.refuse_with(404, "The resource you were accessing could not be found.")
            found.append(droplet)
        return found

    def shown_limit(self) -> int:
        return 25 if self.droplet_limit is None else self.droplet_limit

    # -- knobs ----------------------------------------------------------------------------------

    def add(self, name: str, tags: list[str] | None = None, **changes: Any) -> Droplet:
        """Put an active droplet there, past the API; keywords are fields of :class:`Droplet`."""
        now = self.now()
        fields: dict[str, Any] = {
            "id": next(self.ids),
            "action": next(self.ids),
            "name": name,
            "tags": self.tagged(tags or []),
            "size": self.catalogue["sizes"][0],
            "region": self.catalogue["regions"][0],
            "image": self.images[0],
            "created": now - 60,
            "up_at": now - 45,
            "indexed_at": now,
        }
        droplet = Droplet(**{**fields, **changes})
        with self.changed:
            self.droplets[droplet.id] = self.actions[droplet.action] = droplet
            self.changed.notify_all()
        return droplet

    def fail_action(self, *, leave: str = "new", times: int = 1) -> None:
        """Let the next creates' actions error after the 202, leaving them "new" or "gone"."""
        self.failing += [leave] * times

    def sell_out(self, kind: str, place: str, *, listed: bool = True, text: str = "") -> None:
        """Have none left ("*" for any); ``listed`` says whether the catalogue admits it."""
        self.sold_out[kind, place] = text or SOLD_OUT
        if listed:
            for row in self.catalogue["sizes"]:
                if kind in {"*", row["slug"]}:
                    row["regions"] = [each for each in row["regions"] if place not in {"*", each}]

    def restock(self, kind: str, place: str) -> None:
        """Have it again."""
        self.sold_out.pop((kind, place), None)
        for row in self.catalogue["sizes"]:
            for region in self.catalogue["regions"]:
                slug = region["slug"]
                fits = kind in {"*", row["slug"]} and place in {"*", slug}
                if fits and row["slug"] in region["sizes"] and slug not in row["regions"]:
                    row["regions"].append(slug)

    def state(self) -> object:
        now = self.now()
        return {
            "now": now,
            "servers": [
                {
                    "id": each.id,
                    "name": each.name,
                    "status": each.status(now),
                    "tags": each.tags,
                    "server_type": each.size["slug"],
                    "location": each.region["slug"],
                    "image": each.image["slug"] or each.image["id"],
                    "user_data": each.user_data,
                    "address": digitalocean_model.networks(each, now)["v4"][-1:],
                }
                for each in self.droplets.values()
            ],
            "droplet_limit": self.droplet_limit,
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
        self.droplet_limit = payload["servers"]

    @engine.control("boot")
    def _boot(self, payload: dict[str, Any]) -> None:
        """``{boot_s, delete_s, lag_s}``, each optional."""
        for name in set(payload) & {"boot_s", "delete_s", "lag_s"}:
            setattr(self, name, float(payload[name]))

    @engine.control("action")
    def _action_knob(self, payload: dict[str, Any]) -> None:
        """``{leave, times}``: how the next creates fail after their 202."""
        self.fail_action(**payload)

    @engine.control("budget")
    def _budget(self, payload: dict[str, Any]) -> None:
        """``{leave: 10}`` requests until the hour ends."""
        self.hourly.drain(self.now(), leave=int(payload["leave"]))

    @engine.control("droplet")
    def _droplet_knob(self, payload: dict[str, Any]) -> object:
        """``{id, name, word, power, tags, remove}``, or ``{add: name, tags}``."""
        if "add" in payload:
            return {"id": self.add(payload["add"], payload.get("tags", [])).id}
        droplet = self.droplets[int(payload["id"])]
        if payload.get("remove"):
            del self.droplets[droplet.id]
        for name in set(payload) & {"name", "word", "power", "tags"}:
            setattr(droplet, name, payload[name])
        return None


def build(arguments: argparse.Namespace) -> DigitalOceanFake:
    """Play DigitalOcean on a port."""
    fake = DigitalOceanFake(token=arguments.token)
    fake.boot_s, fake.delete_s = arguments.boot_s, arguments.delete_s
    fake.droplet_limit = arguments.servers
    return fake


def describe(parser: argparse.ArgumentParser) -> None:
    """Add what is DigitalOcean's own to the program's arguments."""
    parser.add_argument("--boot-s", type=float, default=BOOT_S, help="a create takes")
    parser.add_argument("--delete-s", type=float, default=DELETE_S, help="shown after a delete")
    parser.add_argument("--servers", type=int, default=None, help="quota; none by default")


if __name__ == "__main__":
    sys.exit(program.run(sys.argv[1:], build, describe))
