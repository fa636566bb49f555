"""Write Kubernetes Events (events.k8s.io/v1), where people look first.

One that is told again is counted on the Event that is there, at most once a minute.
"""

from __future__ import annotations

import dataclasses
import datetime
import secrets
import threading
from collections import OrderedDict
from typing import Final, Literal

from externalgrpc import clock, plaintext
from externalgrpc.kube import api, errors

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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """An Event: a machine's word for why (CamelCase), what was done, a sentence for people."""

    regarding: Regarding
    reason: str
    action: str
    note: str
    kind: Literal["Normal", "Warning"] = "Normal"


@dataclasses.dataclass(slots=True)
class _Told:
    name: str
    count: int
    last_at: float
    sent_at: float


class Notices:
    """Write Events; callable from many threads, blocking. Raises KubeError."""

    def __init__(self, of: api.Api, *, instance: str, time_source: clock.Clock) -> None:
        self._api = of
        self._instance = instance
        self._clock = time_source
        self._lock = threading.Lock()
        self._told: OrderedDict[Notice, _Told] = OrderedDict()

    def tell(self, notice: Notice) -> None:
        """Write an Event, or count it on the one that was written a while ago."""
        now = self._clock.monotonic()
        with self._lock:
            told = self._told.get(notice)
            if told is not None and now - told.last_at < _SAME_S:
                told.count += 1
                told.last_at = now
                if now - told.sent_at < _COUNT_EVERY_S:
                    return
                told.sent_at = now
            else:
                told = None
        if told is None or not self._count(notice, told):
            self._write(notice, now)

    def _write(self, notice: Notice, now: float) -> None:
        name = f"{notice.regarding.name[:200]}.{secrets.token_hex(8)}"
        regarding = {
            "kind": notice.regarding.kind,
            "apiVersion": "v1",
            "name": notice.regarding.name,
            "namespace": notice.regarding.namespace,
            "uid": notice.regarding.uid,
        }
        body: api.Object = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": _namespace(notice)},
            "eventTime": self._stamp(),
            "reportingController": CONTROLLER,
            "reportingInstance": self._instance[:128],
            "type": notice.kind,
            "reason": plaintext.line(notice.reason)[:128],
            "action": notice.action[:128],
            "note": _shortened(plaintext.line(notice.note)),
            "regarding": {key: value for key, value in regarding.items() if value},
        }
        self._api.post(_path(notice), body)
        with self._lock:
            self._told[notice] = _Told(name=name, count=1, last_at=now, sent_at=now)
            self._told.move_to_end(notice)
            while len(self._told) > _REMEMBERED:
                self._told.popitem(last=False)

    def _count(self, notice: Notice, told: _Told) -> bool:
        series = {"count": max(2, told.count), "lastObservedTime": self._stamp()}
        try:
            self._api.patch(f"{_path(notice)}/{api.segment(told.name)}", {"series": series})
        except errors.NotFound:
            return False
        return True

    def _stamp(self) -> str:
        moment = datetime.datetime.fromtimestamp(self._api.server_unix(), tz=datetime.UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _namespace(notice: Notice) -> str:
    return notice.regarding.namespace or _CLUSTER_SCOPED


def _path(notice: Notice) -> str:
    return f"/apis/events.k8s.io/v1/namespaces/{api.segment(_namespace(notice))}/events"


def _shortened(note: str) -> str:
    # The limit is one of bytes; an ellipsis has three.
    cut = note.encode()
    if len(cut) <= _LONGEST_NOTE:
        return note
    return cut[: _LONGEST_NOTE - 3].decode(errors="ignore") + "…"
