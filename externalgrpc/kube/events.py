"""Write Kubernetes Events (events.k8s.io/v1), where people look first.

One that is written again is counted on the Event that is there, at most once a minute.
"""

from __future__ import annotations

import dataclasses
import datetime
import secrets
import threading
from collections import OrderedDict
from typing import Final, Literal

from externalgrpc.kube import api, errors
from externalgrpc.support import clock, plaintext

CONTROLLER: Final = "vps-autoscaler"

_CLUSTER_SCOPED: Final = "default"
"""Where Events about objects without a namespace must live; the API server holds to it."""

_LONGEST_NOTE: Final = 1024
_SAME_S: Final = 360.0
_COUNT_EVERY_S: Final = 60.0
_REMEMBERED: Final = 512


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Regarding:
    """What an Event is about: a Node (no namespace), a ConfigMap, ..."""

    kind: str
    name: str
    namespace: str = ""
    uid: str = ""
    api_version: str = "v1"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An Event: a machine's word for why (CamelCase), what was done, a sentence for people."""

    regarding: Regarding
    reason: str
    action: str
    note: str
    kind: Literal["Normal", "Warning"] = "Normal"


@dataclasses.dataclass(slots=True)
class _Sent:
    name: str
    count: int
    last_at: float
    sent_at: float


class EventWriter:
    """Write Events; callable from many threads, blocking. Raises KubeError."""

    def __init__(self, of: api.Api, *, instance: str, time_source: clock.Clock) -> None:
        self._api = of
        self._instance = instance
        self._clock = time_source
        self._lock = threading.Lock()
        self._sent: OrderedDict[Event, _Sent] = OrderedDict()

    def publish(self, event: Event) -> None:
        """Write an Event, or count it on the one that was written a while ago."""
        now = self._clock.monotonic()
        with self._lock:
            sent = self._sent.get(event)
            if sent is not None and now - sent.last_at < _SAME_S:
                sent.count += 1
                sent.last_at = now
                if now - sent.sent_at < _COUNT_EVERY_S:
                    return
                sent.sent_at = now
            else:
                sent = None
        if sent is None or not self._count(event, sent):
            self._write(event, now)

    def _write(self, event: Event, now: float) -> None:
        name = f"{event.regarding.name[:200]}.{secrets.token_hex(8)}"
        regarding = {
            "kind": event.regarding.kind,
            "apiVersion": event.regarding.api_version,
            "name": event.regarding.name,
            "namespace": event.regarding.namespace,
            "uid": event.regarding.uid,
        }
        body: api.Object = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": _namespace(event)},
            "eventTime": self._stamp(),
            "reportingController": CONTROLLER,
            "reportingInstance": self._instance[:128],
            "type": event.kind,
            "reason": plaintext.line(event.reason)[:128],
            "action": event.action[:128],
            "note": _shortened(plaintext.line(event.note)),
            "regarding": {key: value for key, value in regarding.items() if value},
        }
        self._api.post(_path(event), body)
        with self._lock:
            self._sent[event] = _Sent(name=name, count=1, last_at=now, sent_at=now)
            self._sent.move_to_end(event)
            while len(self._sent) > _REMEMBERED:
                self._sent.popitem(last=False)

    def _count(self, event: Event, seen: _Sent) -> bool:
        series = {"count": max(2, seen.count), "lastObservedTime": self._stamp()}
        try:
            self._api.patch(f"{_path(event)}/{api.segment(seen.name)}", {"series": series})
        except errors.NotFound:
            return False
        return True

    def _stamp(self) -> str:
        moment = datetime.datetime.fromtimestamp(self._api.server_unix(), tz=datetime.UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _namespace(event: Event) -> str:
    return event.regarding.namespace or _CLUSTER_SCOPED


def _path(event: Event) -> str:
    return f"/apis/events.k8s.io/v1/namespaces/{api.segment(_namespace(event))}/events"


def _shortened(note: str) -> str:
    # The limit is one of bytes; an ellipsis has three.
    cut = note.encode()
    if len(cut) <= _LONGEST_NOTE:
        return note
    return cut[: _LONGEST_NOTE - 3].decode(errors="ignore") + "…"
