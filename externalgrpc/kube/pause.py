"""Is everything paused? An annotation of our ConfigMap says so, from a terminal, within seconds."""

from __future__ import annotations

import dataclasses
import threading
from typing import Final

from externalgrpc.kube import api, errors, refusals
from externalgrpc.support import logs, plaintext

ANNOTATION: Final = "vps-autoscaler/paused"

_OFF: Final = frozenset({"", "false"})
_SHOWN: Final = 120
"""So many characters of what somebody wrote are shown."""

_LOG = logs.Log("kube")


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """What the annotation says: a sentence that everything is paused; empty when it is not."""

    said: str


Answer = Known | refusals.Withheld | refusals.NotYet
"""Where it is withheld, nobody can pause us there; while nobody knows, what was known stays."""


def read(of: api.Api, *, namespace: str, name: str) -> Answer:
    """Ask once; blocks, raises nothing that an API server can bring about. Idempotent.

    A ConfigMap that is not there pauses nothing. Whatever is written but ``false`` does: who writes
    ``yes``, or why, means it. A refusal is believed as :mod:`externalgrpc.kube.refusals` says.
    """
    path = f"/api/v1/namespaces/{api.segment(namespace)}/configmaps/{api.segment(name)}"
    try:
        return Known(_said(refusals.get(of, path), f"{namespace}/{name}"))
    except errors.NotFound:
        return Known("")
    except refusals.Refused as error:
        return refusals.Withheld(str(error))
    except errors.KubeError as error:
        return refusals.NotYet(str(error))


class Reader:
    """Ask as often as one likes, and log each thing once; callable from many threads."""

    def __init__(self, of: api.Api, *, namespace: str, name: str) -> None:
        self._api = of
        self._namespace = namespace
        self._name = name
        self._lock = threading.Lock()
        self._logged: set[type[Answer]] = set()
        self._known = False

    def read(self) -> Answer:
        """Ask once, as :func:`read` does; write a line for each new thing.

        A right that was taken away says nothing new: what was read before stays.
        """
        answer = read(self._api, namespace=self._namespace, name=self._name)
        with self._lock:
            if isinstance(answer, Known):
                self._known = True
                self._logged.clear()
                return answer
            new = type(answer) not in self._logged
            self._logged.add(type(answer))
            known = self._known
        if new:
            self._report(answer)
        return refusals.NotYet(answer.why) if known else answer

    def _report(self, answer: refusals.Withheld | refusals.NotYet) -> None:
        where = f"{self._namespace}/{self._name}"
        if isinstance(answer, refusals.Withheld):
            _LOG.warning(
                f"ConfigMap not readable: its annotation {ANNOTATION} cannot pause anything",
                config_map=where,
                cure="kubectl apply -f deploy/rbac.yaml, or paused: true in the file",
                error=answer.why,
            )
        else:
            _LOG.warning("pause not known: asking again", config_map=where, error=answer.why)


def _said(thing: api.Object, where: str) -> str:
    about = thing.get("metadata")
    annotations = about.get("annotations") if isinstance(about, dict) else None
    value = annotations.get(ANNOTATION) if isinstance(annotations, dict) else None
    text = value.strip() if isinstance(value, str) else ""
    if text.lower() in _OFF:
        return ""
    shown = plaintext.line(text[:_SHOWN])
    return f"annotation {ANNOTATION}: {shown} of ConfigMap {where}"
