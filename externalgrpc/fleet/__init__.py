"""THE state: one frozen value, and pure functions over it.

Time, randomness and I/O are handed in: a whole history replays from a seed. By what they do:

* hold: ``state`` the values, ``requests`` what can be asked of a cloud, ``identity`` and ``keys``
  names, ``index`` and ``memo`` what is derived;
* take wishes: ``wishes`` those of CA (grow, retire, shrink), ``configured``, ``pausing`` and
  ``trials`` those of the operator, ``succession`` what is kept when another server acts;
* decide what is due: ``plan``, ``dispatch`` for launches, ``stock`` where to order, ``notnow``,
  ``surge`` and ``spending`` what forbids it;
* take answers: ``answers`` and ``finished`` to one request, ``catalogue`` and ``neighbours``,
  ``listing`` and what it means for orders (``landing``) and for retired names (``returning``);
* doubt: ``claims`` who claims a machine, ``proof`` that it never was a node, ``quarantine`` what is
  unsure, ``vanishing`` what is believed gone;
* follow nodes: ``registering`` which there are, ``joins`` and ``journeys`` how far machines are,
  ``verdicts`` which may be shown as failed, ``repair`` which are not ready for long,
  ``observed_capacity`` what they have;
* end: ``retired`` what must not exist, ``sparing`` what may after all, ``finishing`` what a create
  left half made, ``marking`` and ``tidying`` what is on and beside machines;
* read: ``view`` members and targets, ``explanation`` why there is no node, ``ways`` and ``history``
  what happened lately.
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
