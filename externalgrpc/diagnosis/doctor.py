"""Find out what is wrong with an installation, and say why it matters and what to do.

:mod:`examining` asks, the modules named ``asking_*`` know how; every other module judges plain
facts and contacts nobody. Nothing here changes anything, anywhere.
"""

from __future__ import annotations

from externalgrpc.diagnosis.examining import Ways, examine
from externalgrpc.diagnosis.findings import Finding, Report, Severity, Unseen, plain

__all__ = ["Finding", "Report", "Severity", "Unseen", "Ways", "examine", "plain"]
