"""Read how much CPU each node uses: from metrics.k8s.io (metrics-server), or from a Prometheus."""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
from collections.abc import Mapping
from typing import Any, Final, Protocol

import urllib3

from externalgrpc.kube import api, errors
from externalgrpc.model import quantity
from externalgrpc.support import clock

METRICS_PATH: Final = "/apis/metrics.k8s.io/v1beta1/nodes"

FRESH_S: Final = 180.0
"""What was measured longer ago says nothing of now; metrics-server measures every 15 s to 1 min."""

_CONNECT_S: Final = 5.0
_READ_S: Final = 10.0
_MOST_BYTES: Final = 16 << 20
_MOST_MILLIS: Final = 1 << 30


class NoUsage(Exception):
    """Nobody says how much CPU is in use; the message says why, with the cure."""


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """CPU in use on a node in millicores, and the Unix time at which it was measured."""

    cpu_millis: int
    at: float


class Source(Protocol):
    """Who knows how much CPU nodes use."""

    def read(self) -> Mapping[str, Sample]:
        """Return the samples by the Node's name, all fresh. Blocks. Raises NoUsage."""
        ...


class MetricsServer:
    """metrics.k8s.io, which metrics-server or a Prometheus adapter serves."""

    def __init__(self, of: api.Api) -> None:
        self._api = of

    def read(self) -> Mapping[str, Sample]:
        """Return the samples by the Node's name, all fresh. Blocks. Raises NoUsage."""
        try:
            document = self._api.get(METRICS_PATH)
        except errors.NotFound as error:
            raise NoUsage(
                "the cluster has no metrics.k8s.io: install metrics-server, or name a Prometheus "
                "in kubernetes.prometheus"
            ) from error
        except errors.Denied as error:
            raise NoUsage(
                f"we may not read metrics.k8s.io: kubectl apply -f deploy/headroom.yaml ({error})"
            ) from error
        except errors.KubeError as error:
            raise NoUsage(f"metrics.k8s.io does not answer ({error})") from error
        now = self._api.server_unix()
        return _fresh({each.name: each.sample for each in _items(document)}, now, "metrics.k8s.io")


class Prometheus:
    """A Prometheus, asked for one number a node."""

    def __init__(self, address: str, query: str, *, time_source: clock.Clock) -> None:
        self._address = address.rstrip("/")
        self._query = query
        self._clock = time_source
        self._pool = urllib3.PoolManager(maxsize=1)

    def read(self) -> Mapping[str, Sample]:
        """Return the samples by the Node's name, all fresh. Blocks. Raises NoUsage."""
        document = self._asked()
        data = document.get("data")
        result = data.get("result") if isinstance(data, dict) else None
        if document.get("status") != "success" or not isinstance(result, list):
            raise NoUsage(f"{self._address} does not take the query ({_said(document)})")
        now = self._clock.unix()
        samples = {}
        for each in result:
            labels = each.get("metric") if isinstance(each, dict) else None
            name = labels.get("node") if isinstance(labels, dict) else None
            millis = _cores(each.get("value")) if name else None
            if isinstance(name, str) and millis is not None:
                samples[name] = Sample(millis, now)
        if result and not samples:
            raise NoUsage(
                f"{self._address} answers without the label node: name the Node in it, or change "
                "kubernetes.prometheusQuery"
            )
        return _fresh(samples, now, self._address)

    def _asked(self) -> dict[str, Any]:
        try:
            reply = self._pool.request(
                "GET",
                f"{self._address}/api/v1/query",
                fields={"query": self._query},
                timeout=urllib3.Timeout(connect=_CONNECT_S, read=_READ_S),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            try:
                text = reply.read(_MOST_BYTES)
            finally:
                reply.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise NoUsage(
                f"{self._address} does not answer ({type(error).__name__}): see "
                "kubernetes.prometheus"
            ) from error
        try:
            document = json.loads(text)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise NoUsage(f"{self._address} is no Prometheus (HTTP {reply.status})")
        return document


@dataclasses.dataclass(frozen=True, slots=True)
class _Item:
    name: str
    sample: Sample


def _items(document: api.Object) -> list[_Item]:
    found = []
    items = document.get("items")
    for each in items if isinstance(items, list) else ():
        try:
            name = each["metadata"]["name"]
            millis = quantity.millis(each["usage"]["cpu"])
            at = datetime.datetime.fromisoformat(each["timestamp"]).timestamp()
        except (LookupError, TypeError, ValueError, OverflowError):
            continue
        if isinstance(name, str) and 0 <= millis <= _MOST_MILLIS:
            found.append(_Item(name, Sample(millis, at)))
    return found


def _fresh(samples: Mapping[str, Sample], now: float, who: str) -> Mapping[str, Sample]:
    fresh = {name: each for name, each in samples.items() if abs(now - each.at) <= FRESH_S}
    if fresh:
        return fresh
    if samples:
        age_s = now - max(each.at for each in samples.values())
        raise NoUsage(f"what {who} says of nodes is {age_s:.0f} s old: is what measures running?")
    raise NoUsage(f"{who} says nothing of any node: is what measures running?")


def _cores(value: object) -> int | None:
    """Read the second of a pair, a text, as cores; None for what is no number of them."""
    try:
        cores = float(value[1])  # type: ignore[index]
    except (LookupError, TypeError, ValueError):
        return None
    millis = math.ceil(cores * 1000) if math.isfinite(cores) else -1
    return millis if 0 <= millis <= _MOST_MILLIS else None


def _said(document: Mapping[str, Any]) -> str:
    return str(document.get("error") or document.get("status") or "no reason given")[:200]
