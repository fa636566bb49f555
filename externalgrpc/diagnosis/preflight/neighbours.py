"""Judge whose machines are in an account's project: a renamed cluster, a second one of our name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from externalgrpc.diagnosis.findings import Finding, Severity
from externalgrpc.model import by_hand, foreign_words, groups
from providers import contract


def judge(
    account: groups.Account,
    found: Sequence[contract.Neighbour],
    *,
    cluster: str,
    identity: str,
) -> Iterator[Finding]:
    """Judge the clusters that have machines in the project; ``identity`` is ours, "" for none."""
    of_our_name = [each for each in found if each.cluster == cluster]
    for each in found:
        if each.cluster == cluster:
            continue
        if identity and each.identity == identity:
            yield Finding(
                severity=Severity.TROUBLE,
                subject="neighbours",
                what=f"{each.count} machines of this very cluster carry the name "
                f"{each.cluster!r}, the file says {cluster!r}: was it renamed?",
                cure=f"Name it {each.cluster} again, or delete them: vps-autoscaler purge "
                f"--cluster {each.cluster}",
            )
        else:
            whose = f" (identity {each.identity})" if each.identity else ""
            yield Finding(
                severity=Severity.NOTE,
                subject="neighbours",
                what=f"{each.count} machines of cluster {each.cluster!r}{whose}",
            )
    yield from _of_our_name(account, of_our_name, identity)


def _of_our_name(
    account: groups.Account, found: Sequence[contract.Neighbour], identity: str
) -> Iterator[Finding]:
    strangers = [each for each in found if each.identity not in ("", identity)]
    if not identity and len(found) < 2 and not _nobodys(found):
        # Without an identity of our own one kind of machines is no sign of another cluster.
        return
    for each in strangers:
        word = account.foreign.get(each.identity, "")
        ours = f", ours is {identity}" if identity else ""
        yield Finding(
            severity=Severity.NOTE if word else Severity.WARNING,
            subject="neighbours",
            what=f"{each.count} machines of this cluster's name carry the identity "
            f"{each.identity}{ours}" + (f"; foreign says: {word}" if word else ""),
            cure=""
            if word
            else "Give two clusters two names; if they are of a cluster that is no more, say so "
            f"under accounts[].foreign ({foreign_words.GONE}), or: "
            f"{by_hand.purge_identity(each.identity)}",
        )


def _nobodys(found: Sequence[contract.Neighbour]) -> bool:
    return any(each.identity == contract.NOBODYS for each in found)
