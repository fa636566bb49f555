"""Choose between the join methods that need nothing written by the user."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from externalgrpc.bootstrap import k3s, kubeadm, machine, raw
from externalgrpc.model import credentials

METHODS: Final = ("kubeadm", "k3s")
"""What ``join`` of a group can be for :func:`user_data`."""

_K3S_RELEASE: Final = "v1.36.2+k3s1"


def user_data(of: machine.Machine, join_credentials: credentials.JoinCredentials) -> str:
    """Render the user-data of one machine by its group's join method.

    Raises Unjoinable when this machine could not join this cluster, ValueError when the group
    joins in another way.
    """
    match of.group.join:
        case "kubeadm":
            return kubeadm.user_data(of, join_credentials)
        case "k3s":
            return k3s.user_data(of, join_credentials)
        case other:
            raise ValueError(f"{other!r} is not a join method that is rendered: {METHODS}")


def example(method: str) -> credentials.JoinCredentials:
    """Give credentials that open nothing, of a cluster that this method can join.

    For showing and measuring user-data where no cluster was asked: nothing of them may decide
    whether a group can join.
    """
    return credentials.example(_K3S_RELEASE) if method == "k3s" else credentials.example()


def worst_case_bytes(
    machines: Iterable[machine.Machine],
    join_credentials: credentials.JoinCredentials,
    measure: Callable[[str], int] = raw.utf8_bytes,
) -> int:
    """Measure the largest user-data among machines of a group, as it is sent.

    Give one machine for each candidate, under the longest name that a machine can have.
    """
    return max(measure(user_data(each, join_credentials)) for each in machines)
