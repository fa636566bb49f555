"""Fill the variables of a user-data file that the user wrote.

A variable is ``@@NAME@@``: no shell, no template language and no cloud-init reads that, so a
file may go on using all three. What is filled in consists of letters, digits and ``. _ / : = , -``
only, whatever the configuration says, so it can be put between quotes of any kind, into a shell
word, a YAML scalar or a systemd unit, and never ends them.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from externalgrpc.bootstrap import encoded
from externalgrpc.model import groups

VARIABLES: Final[Mapping[str, str]] = {
    "NODE_NAME": "the machine's name, which must become the node's name and host name",
    "GROUP": "the group's name",
    "CLUSTER": "the cluster's name",
    "LABELS": "the group's labels as kubelet's --node-labels takes them: a=b,c=d",
    "NODE_LABELS": "the same, with instance type, region and zone in front",
    "TAINTS": "the group's taints as kubelet's --register-with-taints takes them: k=v:NoSchedule",
    "REGION": "the region that the machine is ordered in",
    "INSTANCE_TYPE": "the machine type that is ordered",
    "PROVIDER": "the cloud's name in the configuration",
    "PROVIDER_ID_SCHEME": "what stands left of :// in spec.providerID",
}
"""Every variable, and what it stands for."""

LONGEST_NODE_NAME: Final = "n" * 63
"""Stands for a node name where the worst case is measured."""

_VARIABLE = re.compile(r"@@([A-Za-z0-9_]+)@@", re.ASCII)
_HARMLESS = re.compile(r"[A-Za-z0-9._/:=,-]*", re.ASCII)
_INSTANCE_TYPE = "node.kubernetes.io/instance-type"
_REGION = "topology.kubernetes.io/region"
_ZONE = "topology.kubernetes.io/zone"


class UnsafeValue(ValueError):
    """Say that a value holds a character that could end a quote or a word."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A variable in a file that stands for nothing; ``line`` and ``column`` count from 1."""

    name: str
    line: int
    column: int


def fill(
    group: groups.NodeGroup,
    *,
    cluster: str,
    node_name: str,
    machine_type: str,
    location: str,
    provider: str,
    scheme: str,
    cloud_labels: Mapping[str, str] | None = None,
) -> str:
    """Return a machine's user-data: the group's file with every variable filled in.

    ``cloud_labels`` is what :meth:`providers.contract.Provider.node_labels` says of the machine:
    region and zone are its words, which need not be the location's name. None where nobody was
    logged in to ask: the location stands for the region then.

    Those in parts that are base64 (and gzip in it) too, which are encoded again. Pure. Raises
    UnsafeValue when a value would not be harmless where it is put; a checked
    configuration never has one. Unknown variables stay as they are: :func:`unknown` finds them.
    """
    fields = {_REGION: location} if cloud_labels is None else cloud_labels
    places = {key: fields[key] for key in (_REGION, _ZONE) if key in fields}
    values = {
        "NODE_NAME": node_name,
        "GROUP": group.name,
        "CLUSTER": cluster,
        "LABELS": _labels(group.labels),
        "NODE_LABELS": _labels({_INSTANCE_TYPE: machine_type, **places, **group.labels}),
        "TAINTS": ",".join(_taint(taint) for taint in group.taints),
        "REGION": location,
        "INSTANCE_TYPE": machine_type,
        "PROVIDER": provider,
        "PROVIDER_ID_SCHEME": scheme,
    }
    for name, value in values.items():
        if not _HARMLESS.fullmatch(value):
            raise UnsafeValue(f"{name} holds a character that must not get into user-data")

    def filled(text: str) -> str:
        return _VARIABLE.sub(lambda found: values.get(found[1], found[0]), text)

    return filled(encoded.change(group.user_data, filled))


def utf8_bytes(text: str) -> int:
    """Measure a text that is sent as it is."""
    return len(text.encode())


def worst_case_bytes(
    group: groups.NodeGroup,
    *,
    cluster: str,
    provider: str,
    scheme: str,
    measure: Callable[[str], int] = utf8_bytes,
) -> int:
    """Measure the largest user-data that any machine of a group can get, as it is sent."""
    return max(
        measure(
            fill(
                group,
                cluster=cluster,
                node_name=LONGEST_NODE_NAME,
                machine_type=candidate.machine_type,
                location=candidate.location,
                provider=provider,
                scheme=scheme,
            )
        )
        for candidate in group.candidates
    )


def unknown(text: str) -> Iterator[Unknown]:
    """Find what looks like a variable and is none; inside base64, at the place of its part."""
    yield from _unknown(text, text, None)
    for part in encoded.parts(text):
        yield from _unknown(encoded.opened(part.inner), text, part.start)


def _unknown(text: str, whole: str, place: int | None) -> Iterator[Unknown]:
    for found in _VARIABLE.finditer(text):
        if found[1] not in VARIABLES:
            at = found.start() if place is None else place
            line = whole.count("\n", 0, at) + 1
            column = at - whole.rfind("\n", 0, at)
            yield Unknown(name=found[1], line=line, column=column)


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.items())


def _taint(taint: groups.Taint) -> str:
    return f"{taint.key}={taint.value}:{taint.effect}"
