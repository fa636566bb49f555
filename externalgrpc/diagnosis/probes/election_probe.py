"""Ask whether the accounts of servers that elect one of them may do what an election takes."""

from __future__ import annotations

from typing import Final

from externalgrpc.diagnosis.facts import Election, ElectionRights, Workload
from externalgrpc.diagnosis.judges import servers
from externalgrpc.diagnosis.notes import Notes
from externalgrpc.diagnosis.probes import rights_probe
from externalgrpc.kube import access, api

WHAT: Final = "the rights to elect one of several servers"


def ask(
    of: api.Api, workloads: tuple[Workload, ...] | None, notes: Notes
) -> tuple[ElectionRights, ...] | None:
    """Ask by SubjectAccessReviews; None, and a note, where it is not to be had.

    Whether servers elect is in their flags: without workloads nobody knows what they need.
    """
    if workloads is None:
        notes.missed(
            WHAT, "the server's flags are in its workload, which these credentials did not show"
        )
        return None
    found = servers.elections(workloads)
    if not found:
        return ()
    return notes.look(WHAT, lambda: tuple(_rights(of, each) for each in found))


def _rights(of: api.Api, election: Election) -> ElectionRights:
    at = election.workload.namespace
    user = f"system:serviceaccount:{at}:{election.workload.account}"
    needed = access.needs_of_election(
        elect=election.elect,
        namespace=election.namespace,
        lease=election.lease,
        service=election.service,
        at=at,
    )
    return ElectionRights(
        election=election,
        missing=tuple(deed for deed in needed if not rights_probe.may(of, user, at, deed)),
    )
