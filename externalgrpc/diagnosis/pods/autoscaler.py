"""Read what Cluster Autoscaler (CA) and the scheduler say: a status ConfigMap, Events on a pod.

CA writes its status as YAML since 1.30, before that as text made for people. Pure: ages are
reckoned from the moment that is handed in, in Unix seconds.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml

from externalgrpc.kube import api
from externalgrpc.model import loose

CONFIG_MAP: Final = "cluster-autoscaler-status"
KEY: Final = "status"

REASONS: Final = ("TriggeredScaleUp", "NotTriggerScaleUp", "FailedScheduling", "FailedBinding")
"""The Events on a pod that say something of its node."""

_LARGEST: Final = 1 << 20
"""A ConfigMap holds no more."""

_AT: Final = re.compile(r"Cluster-autoscaler status at (?P<at>.*)")
_CONDITION: Final = re.compile(r"\s+(?P<kind>Health|ScaleUp|ScaleDown):\s+(?P<status>\S+).*")
_INSTANT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d+)? ?(Z|[+-]\d\d:?\d\d)?"
)
_NAME: Final = re.compile(r"\s+Name:\s+(?P<name>\S+)")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GroupStatus:
    """What CA says of a group; ``backoff`` is why it leaves the group alone, "" if it does not."""

    health: str = ""
    scale_up: str = ""
    backoff: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What CA says of itself. ``written_at`` is Unix time, None where it does not say."""

    written_at: float | None = None
    state: str = ""
    health: str = ""
    scale_up: str = ""
    groups: Mapping[str, GroupStatus] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The newest Event of a reason on a pod. ``at`` is Unix time, None where it does not say."""

    reason: str
    message: str
    source: str
    at: float | None = None


def read_status(obj: api.Object) -> Status | None:
    """Read the ConfigMap; None when what it holds is no status that any release writes."""
    held = loose.text(loose.mapping(obj.get("data")).get(KEY))
    if not held or len(held) > _LARGEST:
        return None
    if match := _AT.match(held):
        return _of_text(match["at"], held)
    try:
        # Nothing but scalars and their containers; a date stays a text.
        loaded = yaml.load(held, Loader=yaml.BaseLoader)  # noqa: S506 - a safe one
    except yaml.YAMLError:
        return None
    of = loose.mapping(loaded)
    return _of_yaml(of) if of.get("autoscalerStatus") else None


def read_events(items: Iterable[Mapping[str, Any]], uid: str) -> tuple[Event, ...]:
    """Return the newest Event of each reason that speaks of a pod's node, newest first."""
    newest: dict[str, Event] = {}
    for each in items:
        reason = loose.text(each.get("reason"))
        about = loose.mapping(each.get("involvedObject"))
        if reason not in REASONS or (uid and about.get("uid") not in (uid, None, "")):
            continue
        found = Event(
            reason=reason,
            message=loose.text(each.get("message")),
            source=loose.text(each.get("reportingComponent"))
            or loose.text(loose.mapping(each.get("source")).get("component")),
            at=_event_time(each),
        )
        if reason not in newest or (found.at or 0.0) >= (newest[reason].at or 0.0):
            newest[reason] = found
    return tuple(sorted(newest.values(), key=lambda each: -(each.at or 0.0)))


def instant(text: str) -> float | None:
    """Read an instant as Kubernetes or Go writes it; None for anything else."""
    # Go's own form: 2026-11-28 05:50:01.123456789 +0000 UTC.
    match = _INSTANT.match(text)
    if match is None:
        return None
    zone = (match[3] or "Z").replace("Z", "+00:00")
    try:
        return datetime.datetime.fromisoformat(f"{match[1]}T{match[2]}{zone}").timestamp()
    except ValueError:
        return None


def _event_time(event: Mapping[str, Any]) -> float | None:
    series = loose.mapping(event.get("series"))
    about = loose.mapping(event.get("metadata"))
    for text in (
        series.get("lastObservedTime"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
        about.get("creationTimestamp"),
    ):
        at = instant(loose.text(text))
        if at is not None:
            return at
    return None


def _of_yaml(of: Mapping[str, Any]) -> Status:
    wide = loose.mapping(of.get("clusterWide"))
    return Status(
        written_at=instant(loose.text(of.get("time"))),
        state=loose.text(of.get("autoscalerStatus")),
        health=_word(wide, "health"),
        scale_up=_word(wide, "scaleUp"),
        groups={
            loose.text(each.get("name")): GroupStatus(
                health=_word(each, "health"),
                scale_up=_word(each, "scaleUp"),
                backoff=_backoff(loose.mapping(each.get("scaleUp"))),
            )
            for each in loose.sequence(of.get("nodeGroups"))
        },
    )


def _word(of: Mapping[str, Any], kind: str) -> str:
    return loose.text(loose.mapping(of.get(kind)).get("status"))


def _backoff(scale_up: Mapping[str, Any]) -> str:
    if scale_up.get("status") != "Backoff":
        return ""
    why = loose.mapping(scale_up.get("backoffInfo"))
    said = (loose.text(why.get("errorCode")), loose.text(why.get("errorMessage")))
    return ": ".join(filter(None, said)) or "it does not say why"


def _of_text(at: str, text: str) -> Status:
    """Read the text of releases up to 1.29."""
    wide: dict[str, str] = {}
    every: dict[str, dict[str, str]] = {}
    current = wide
    for line in text.splitlines():
        if match := _NAME.fullmatch(line):
            current = every.setdefault(match["name"], {})
        elif match := _CONDITION.fullmatch(line):
            current[match["kind"]] = match["status"]
    return Status(
        written_at=instant(at),
        state="Running" if wide else "Initializing",
        health=wide.get("Health", ""),
        scale_up=wide.get("ScaleUp", ""),
        groups={
            name: GroupStatus(
                health=each.get("Health", ""),
                scale_up=each.get("ScaleUp", ""),
                backoff="it does not say why" if each.get("ScaleUp") == "Backoff" else "",
            )
            for name, each in every.items()
        },
    )
