"""Read the flags of a Cluster Autoscaler (CA) out of its container, as its own parser would."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from externalgrpc.diagnosis.facts import Container, Workload

PROGRAM: Final = "cluster-autoscaler"

_SHELLS: Final = frozenset({"sh", "bash", "ash", "dash"})
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?)(h|ms|m|s)", re.ASCII)
_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_RELEASE: Final = re.compile(r":v?1\.([0-9]{1,3})(?:[.\-+@].*)?$", re.ASCII)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Autoscaler:
    """A CA that is deployed: the workload, and its flags, each with all its values in order.

    ``minor`` is its release as its image's tag says it; None where it does not.
    """

    workload: Workload
    flags: Mapping[str, tuple[str, ...]]
    minor: int | None = None

    def text(self, name: str, default: str = "") -> str:
        """Return a flag's last value."""
        return self.flags.get(name, (default,))[-1]

    def on(self, name: str, *, default: bool) -> bool:
        """Return whether a switch is on."""
        result = self.text(name, str(default)).lower()
        return result in {"", "true", "t", "1"}

    def seconds(self, name: str, default: float) -> float:
        """Return a duration in seconds; the default where it makes no sense."""
        result = duration_s(self.text(name))
        return default if result is None else result

    def number(self, name: str, default: float) -> float:
        """Return a number; the default where it makes no sense."""
        try:
            return float(self.text(name))
        except ValueError:
            return default


def find(workloads: Iterable[Workload]) -> tuple[Autoscaler, ...]:
    """Find every CA among workloads that have pods, by image or command."""
    return tuple(
        Autoscaler(
            workload=workload,
            flags=parse(container.words),
            minor=release(container.image),
        )
        for workload in workloads
        if workload.replicas
        for container in workload.containers
        if _is_autoscaler(container)
    )


def parse(words: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Read flags: ``--name=value``, ``--name value`` and ``--name``, also out of a shell's line."""
    found: dict[str, tuple[str, ...]] = {}
    every = list(_flat(words))
    for at, word in enumerate(every):
        if not word.startswith("-") or word.strip("-") == "":
            continue
        name, given, value = word.lstrip("-").partition("=")
        if not given and at + 1 < len(every) and not every[at + 1].startswith("-"):
            value = every[at + 1]
        found[name] = (*found.get(name, ()), value)
    return found


def release(image: str) -> int | None:
    """Read the minor release out of an image's tag: 36 of ``...:v1.36.1``; None if it has none."""
    match = _RELEASE.search(image.partition("@")[0])
    return int(match[1]) if match else None


def duration_s(text: str) -> float | None:
    """Read a Go duration ("15m", "1h30m0s"); None when it is none."""
    if text == "0":
        return 0.0
    parts = list(_PART.finditer(text))
    if not parts or "".join(each[0] for each in parts) != text:
        return None
    return sum(float(each[1]) * _SECONDS[each[2]] for each in parts)


def _is_autoscaler(container: Container) -> bool:
    path = container.image.partition("@")[0]
    image = path.rpartition("/")[2].partition(":")[0]
    # Images are mirrored under other names and built with the architecture in theirs.
    named = re.fullmatch(rf"{PROGRAM}(-(amd64|arm64|s390x))?", image) is not None
    first = (word for word in _flat(container.words[:3]) if not word.startswith("-"))
    programs = (word.rpartition("/")[2] for word in first)
    return named or PROGRAM in programs


def _flat(words: Iterable[str]) -> Iterator[str]:
    every = list(words)
    shell = bool(every) and every[0].rpartition("/")[2] in _SHELLS
    for word in every:
        if not shell or " " not in word:
            yield word
            continue
        try:
            yield from shlex.split(word)
        except ValueError:
            yield from word.split()
