"""Let another process drive a fake: ``/_control/...`` beside the vendor's endpoint.

``GET /_control/state`` and ``GET /_control/log`` read; ``POST /_control/<knob>`` with a JSON body
turns one: ``fault`` (the fields of :class:`providers.fakes.faults.Fault`), ``heal`` (no faults
any more, what hangs is released), ``latency`` (seconds, method, path), ``advance`` (seconds), and
those that a cloud adds with :func:`providers.fakes.vendor.control`. No key, limit, fault or
latency applies.
"""

from __future__ import annotations

import json
from typing import Any

from providers.fakes import faults, vendor, wire

PREFIX = "/_control/"


def answer(fake: Any, request: wire.Request) -> wire.Reply:
    """Answer one control request of a :class:`providers.fakes.engine.Fake`."""
    name = request.path.removeprefix(PREFIX)
    knobs = fake.knobs()
    try:
        with fake.changed:
            fake.settle()
            if request.method == "GET":
                shown = {"state": fake.state, "log": lambda: _log(fake)}[name]()
                return wire.Reply(body=shown).frozen()
            body = knobs[name](request.json() or {})
            fake.changed.notify_all()
    except (KeyError, TypeError, ValueError) as error:
        return wire.Reply(status=400, body={"wrong": repr(error), "knobs": sorted(knobs)})
    return wire.Reply(body=body if body is not None else {})


class Knobs:
    """The knobs that every fake has."""

    @vendor.control("fault")
    def _fault(self: Any, fields: dict[str, Any]) -> None:
        self.fail(faults.FaultKind(fields.pop("kind")), **fields)

    @vendor.control("heal")
    def _heal(self: Any, fields: dict[str, Any]) -> None:
        self.faults.clear()
        self.release()

    @vendor.control("latency")
    def _slow(self: Any, fields: dict[str, Any]) -> None:
        fields = {"method": ".*", "path": ".*", **fields}
        self.slow(float(fields["seconds"]), method=fields["method"], path=fields["path"])

    @vendor.control("advance")
    def _advance(self: Any, fields: dict[str, Any]) -> None:
        self.advance(float(fields["seconds"]))


def _log(fake: Any) -> list[dict[str, object]]:
    return [
        {
            "at": each.at,
            "method": each.request.method,
            "path": each.request.path,
            "query": each.request.query,
            "body": _readable(each.request.body),
            "status": each.reply.status,
            "fault": each.fault.value if each.fault else None,
            "worked": each.worked,
            "sent": each.sent,
        }
        for each in fake.exchanges
    ]


def _readable(body: bytes) -> object:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body.decode(errors="replace")
