"""When each alert comes and when it does not: series as promtool writes them, minute by minute.

`1x30` is a 1 and thirty more; `0+1x30` counts up; `_` is no sample.
"""

from __future__ import annotations

import dataclasses

Series = dict[str, str]
_VERSION = 'vps_autoscaler_build_info{version="1"}'


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Series, the minute at which the alert fires with these labels, and series without it.

    ``early`` is a minute at which the same series do not yet raise it, where it waits.
    """

    series: Series
    at_m: int
    labels: dict[str, str]
    early_m: int | None
    quiet: Series


def _gauge(name: str, bad: str, good: str, labels: str = "") -> tuple[Series, Series]:
    full = f"vps_autoscaler_{name}{{{labels}}}"
    return {full: bad}, {full: good}


def _case(
    series: tuple[Series, Series], at_m: int, early_m: int | None = None, **labels: str
) -> Case:
    return Case(series=series[0], at_m=at_m, labels=labels, early_m=early_m, quiet=series[1])


_REFUSED = 'group="web",code="NotReady"'
_LAUNCH = 'group="web",code="OutOfStock"'
_JOIN = 'group="web",code="JoinTimeout"'
_DAYS = 86400

CASES: dict[str, Case] = {
    "VpsAutoscalerGone": _case(({_VERSION: "1 _x30"}, {_VERSION: "1x60"}), 20, 14),
    "VpsAutoscalerNobodyLeads": _case(
        (
            {
                'vps_autoscaler_leader{namespace="n",job="j",pod="a"}': "0x30",
                'vps_autoscaler_leader{namespace="n",job="j",pod="b"}': "0x30",
            },
            {
                'vps_autoscaler_leader{namespace="n",job="j",pod="a"}': "0x30",
                'vps_autoscaler_leader{namespace="n",job="j",pod="b"}': "1x30",
            },
        ),
        6,
        4,
        namespace="n",
        job="j",
    ),
    "VpsAutoscalerGroupLeftOut": _case(
        _gauge("group_served", "0x30", "1x30", 'group="web"'), 20, 14, group="web"
    ),
    "VpsAutoscalerCloudNotListed": _case(
        _gauge("account_listed", "0x30", "1x30", 'account="h"'), 3, 1, account="h"
    ),
    "VpsAutoscalerClusterNotSeen": _case(
        ({"vps_autoscaler_cluster_known": "0x30"}, {"vps_autoscaler_cluster_known": "1x30"}), 6, 4
    ),
    "VpsAutoscalerNothingOrdered": _case(
        (
            {'vps_autoscaler_not_now{account="h",code="Outage"}': "1x30"},
            # Who paused it knows.
            {'vps_autoscaler_not_now{account="h",code="Paused"}': "1x30"},
        ),
        20,
        14,
        account="h",
        code="Outage",
    ),
    "VpsAutoscalerGrowthRefused": _case(
        # Backed off for longer each time, by an autoscaler that begins with five minutes.
        _gauge("growth_refused_total", "0x5 1x5 2x10 3x60", "0x10 1x60", _REFUSED),
        30,
        15,
        group="web",
        code="NotReady",
    ),
    "VpsAutoscalerLaunchesFailing": _case(
        _gauge("launches_failed_total", "0+1x60", "0+5x1 5x60", _LAUNCH),
        15,
        4,
        group="web",
        code="OutOfStock",
    ),
    "VpsAutoscalerJoinsFailing": _case(
        _gauge("joins_failed_total", "0x5 1x5 2x5 3x60", "0x10 1x10 2x50", _JOIN),
        30,
        10,
        group="web",
        code="JoinTimeout",
    ),
    "VpsAutoscalerHeldBack": _case(
        _gauge("group_held_back_seconds", "300-60x4 0x30", "0x30", 'group="web"'),
        2,
        0,
        group="web",
    ),
    "VpsAutoscalerJoinsNotGivenUp": _case(_gauge("joins_not_given_up", "2x30", "0x30"), 20, 14),
    "VpsAutoscalerBudgetNearlySpent": _case(
        (
            {
                'vps_autoscaler_request_budget_remaining{account="h"}': "300x30",
                'vps_autoscaler_request_budget_limit{account="h"}': "3600x30",
            },
            {
                'vps_autoscaler_request_budget_remaining{account="h"}': "400x30",
                'vps_autoscaler_request_budget_limit{account="h"}': "3600x30",
                # A cloud that says nonsense is not divided by.
                'vps_autoscaler_request_budget_remaining{account="odd"}': "0x30",
                'vps_autoscaler_request_budget_limit{account="odd"}': "0x30",
            },
        ),
        15,
        9,
        account="h",
    ),
    "VpsAutoscalerOrphans": _case(_gauge("orphans", "1x60", "0x60"), 40, 29),
    "VpsAutoscalerQuarantine": _case(
        _gauge("quarantined", "1x30", "_x30", 'account="h",doubt="Foreign"'),
        20,
        14,
        account="h",
        doubt="Foreign",
    ),
    "VpsAutoscalerSecondServer": _case(
        _gauge("strange_machines", "1x30", "0x30", 'account="h"'), 10, 4, account="h"
    ),
    "VpsAutoscalerReloadRefused": _case(
        _gauge("reloads_total", "0x5 1x30", "0x30", 'outcome="refused"'), 10, 4
    ),
    "VpsAutoscalerCertificateEnds": _case(
        # promtool's clock begins at 0.
        _gauge(
            "certificate_not_after_timestamp_seconds",
            f"{6 * _DAYS}x120",
            f"{8 * _DAYS}x120",
            'certificate="server"',
        ),
        90,
        30,
        certificate="server",
    ),
    "VpsAutoscalerNoRoom": _case(
        _gauge("headroom_state", "1x60", "0x60", 'group="workers",reason="NoMetrics"'),
        40,
        29,
        group="workers",
        reason="NoMetrics",
    ),
}
