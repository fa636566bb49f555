"""THE state: one frozen value, and pure functions over it.

``state`` holds the values, ``wishes`` the way down (grow, retire, shrink), ``listing`` and
``answers`` the way up, ``landing`` what a listing means for orders, ``registering`` which Nodes
there are, ``joins`` who became one, ``observed_capacity`` what they have, ``repair`` who no longer
is of use, ``retired`` what must not exist, ``sparing`` what may after all,
``returning`` what comes back,
``stock`` what clouds said no to, ``plan`` what is due,
``claims``, ``proof`` and ``quarantine`` what may be believed of a machine, ``vanishing`` of many,
``succession`` what a server keeps that takes over from another,
``configured``, ``pausing`` and ``spending`` what the operator asks for, ``view`` what is read,
``keys`` which machine a name means, ``memo`` what was derived. Time, randomness and I/O are handed
in: a whole history replays from a seed.
"""

from externalgrpc.fleet.answers import looked_up, missing_looked_up, ordered
from externalgrpc.fleet.configured import configure
from externalgrpc.fleet.finished import finished
from externalgrpc.fleet.joins import judge as judge_joins
from externalgrpc.fleet.joins import outage, overdue
from externalgrpc.fleet.listing import not_listed, observe
from externalgrpc.fleet.observed_capacity import kubelets, learn
from externalgrpc.fleet.registering import (
    identify,
    lose_sight_of_nodes,
    register,
    see_nodes,
)
from externalgrpc.fleet.repair import judge as repair_nodes
from externalgrpc.fleet.retired import deleted, terminated
from externalgrpc.fleet.state import AccountState, Fleet, Snapshot
from externalgrpc.fleet.succession import stand_by, take_over
from externalgrpc.fleet.verdicts import annotated
from externalgrpc.fleet.wishes import (
    NodeRef,
    autoscaler_started,
    await_groups,
    grow,
    retire,
    shrink,
)

__all__ = [
    "AccountState",
    "Fleet",
    "NodeRef",
    "Snapshot",
    "annotated",
    "autoscaler_started",
    "await_groups",
    "configure",
    "deleted",
    "finished",
    "grow",
    "identify",
    "judge_joins",
    "kubelets",
    "learn",
    "looked_up",
    "lose_sight_of_nodes",
    "missing_looked_up",
    "not_listed",
    "observe",
    "ordered",
    "outage",
    "overdue",
    "register",
    "repair_nodes",
    "retire",
    "see_nodes",
    "shrink",
    "stand_by",
    "take_over",
    "terminated",
]
