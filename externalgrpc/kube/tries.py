"""Judge all that one machine asks for together: how many keys may become the same node.

Whoever reads a machine's token in time can ask for a certificate in the machine's name, with a key
of his own. A join makes a new key for each of its tries, so more than one key is no crime; more
keys than tries are, and so is any further key once the machine is a node.

All of it is counted in the requests that the API server lists. It keeps those that were approved
for an hour after that, which is longer than any token of ours lives, so nothing has to be
remembered over a restart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from externalgrpc.kube import csr

KEYS: Final = 3
"""So many keys a machine may ask with: as often as the script of a machine tries to join."""

REQUESTS: Final = 12
"""So many requests are approved for a machine, the same key's again and again included."""

SEEN: Final = (
    "a Node of that name is or was there, and this key is none that was approved for it: "
    "if the machine joins anew on purpose, delete it and let another take its place, or "
    "approve by hand with kubectl certificate approve"
)
TOO_MANY_KEYS: Final = (
    f"{KEYS} other keys have asked for that name, as many as a machine's tries to join: "
    "somebody else may know its token; delete the machine if it does not become a node"
)
TOO_MANY: Final = f"{REQUESTS} requests for that name were approved, and no machine needs more"
DENIED: Final = "this key was denied for that name"


def judge(
    requests: Iterable[csr.Request], *, sent: Collection[str] = (), seen: bool
) -> dict[str, str]:
    """Return for each undecided request, by name, why not to approve it; "" when nothing is wrong.

    ``requests`` are all of one machine's that are right by themselves (:func:`csr.objection`), the
    decided ones too. ``sent`` holds the uids of those that may be approved by now, for all we
    know. ``seen`` says that a Node of the machine's name is or was there.
    """

    def given(request: csr.Request) -> bool:
        return request.approved or request.uid in sent

    # What was approved holds its place whatever its age; of the others the oldest come first.
    ordered = sorted(requests, key=lambda each: (each.created_at, each.name))
    denied = {each.wanted.key for each in ordered if each.decided and not each.approved}
    keys = {each.wanted.key for each in ordered if given(each)}
    number = sum(given(each) for each in ordered)
    verdicts: dict[str, str] = {}
    for request in ordered:
        if request.decided:
            continue
        key, why = request.wanted.key, ""
        if key in denied:
            why = DENIED
        elif key not in keys and seen:
            why = SEEN
        elif key not in keys and len(keys) >= KEYS:
            why = TOO_MANY_KEYS
        elif number >= REQUESTS and not given(request):
            why = TOO_MANY
        elif not given(request):
            keys.add(key)
            number += 1
        verdicts[request.name] = why
    return verdicts
