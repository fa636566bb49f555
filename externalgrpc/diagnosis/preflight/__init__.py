"""Check a configuration before anything is started with it: offline, or asking the clouds.

The result is a :class:`Report` of plain values; whoever asked prints it.
"""

from __future__ import annotations

from externalgrpc.diagnosis.preflight.offline import check as check_offline
from externalgrpc.diagnosis.preflight.online import OpenProvider
from externalgrpc.diagnosis.preflight.online import check as check_online
from externalgrpc.diagnosis.preflight.report import (
    AccountReport,
    CandidateReport,
    GroupReport,
    Report,
    plain,
)

__all__ = [
    "AccountReport",
    "CandidateReport",
    "GroupReport",
    "OpenProvider",
    "Report",
    "check_offline",
    "check_online",
    "plain",
]
