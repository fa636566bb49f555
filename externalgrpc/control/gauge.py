"""Make gauges of this program's: one line for what each says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from prometheus_client import core

PREFIX: Final = "vps_autoscaler_"


def gauge(
    name: str,
    text: str,
    labels: Sequence[str] = (),
    samples: Iterable[tuple[Sequence[str], float]] = (),
) -> core.GaugeMetricFamily:
    """Make a gauge of samples: the labels' values, in their order, and the figure."""
    made = core.GaugeMetricFamily(f"{PREFIX}{name}", text, labels=labels)
    for values, figure in samples:
        made.add_metric(values, float(figure))
    return made
