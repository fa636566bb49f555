"""Judge how far apart clocks are: tokens and certificates are good between two instants."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from externalgrpc.diagnosis.facts import Facts
from externalgrpc.diagnosis.findings import Finding, trouble, warning
from externalgrpc.kube import tokens

SUBJECT: Final = "clocks"
WARN_S: Final = 30.0


def judge(facts: Facts) -> Iterator[Finding]:
    """Judge the API server's clock against this machine's."""
    skew_s = facts.cluster.skew_s
    if skew_s is None or abs(skew_s) <= WARN_S:
        return
    way = "ahead of" if skew_s > 0 else "behind"
    what = f"the API server's clock is {abs(skew_s):.0f} s {way} this machine's"
    cure = "timedatectl on both: switch NTP on where 'System clock synchronized' says no"
    if abs(skew_s) > tokens.MARGIN_S:
        yield trouble(
            SUBJECT,
            what,
            f"Tokens and certificates bear {tokens.MARGIN_S:.0f} s: a machine whose clock is "
            "right finds the cluster's certificates ended, or not begun.",
            cure,
        )
    else:
        yield warning(SUBJECT, what, "Ages and deadlines that are told are off by as much.", cure)
