"""What a request to a cloud is, from its name to what becomes of its answer."""

from __future__ import annotations

import abc
import dataclasses
import random
from collections.abc import Callable
from typing import Any, ClassVar, Generic, NamedTuple, TypeAlias, TypeVar

from externalgrpc.fleet import requests, state
from externalgrpc.support import clock
from providers import contract, errors

Q = TypeVar("Q", bound=requests.Request)
R = TypeVar("R")
T = TypeVar("T")
U = TypeVar("U")

Prepare: TypeAlias = Callable[[requests.Create], contract.Order]
"""Turn a launch into the order to send; it runs on a lane's thread and may block."""

Beside: TypeAlias = Callable[[Callable[[], Any], Callable[[], Any]], tuple[Any, Any]]
"""Ask two questions, side by side where there are threads, and give both answers."""

MayAct: TypeAlias = Callable[[], str]
"""Say why this server may not change anything now; empty when it may. Never blocks."""


def one_by_one(first: Callable[[], T], second: Callable[[], U]) -> tuple[T, U]:
    """Be :data:`Beside` where there are none."""
    return first(), second()


@dataclasses.dataclass(frozen=True, slots=True)
class Tools:
    """What a call runs with, on a lane's thread."""

    provider: contract.Provider
    prepare: Prepare
    clock: clock.Clock
    beside: Beside = one_by_one
    may_act: MayAct = lambda: ""

    def about_to_send(self) -> None:
        """Be called right before anything is sent that changes something; raises Throttled."""
        if why := self.may_act():
            raise errors.Throttled(f"not sent: {why}")


class Moment(NamedTuple):
    """When an answer came, monotonic and in Unix seconds, and the chance that names are made of."""

    now: float
    unix_now: float
    chance: random.Random


class Line(NamedTuple):
    """An event of the audit log: what a good answer is logged with, at ``level``, and fields."""

    level: str
    event: str
    fields: dict[str, object]


class Call(abc.ABC, Generic[Q, R]):
    """A request of the fleet with all that is to be known of its kind; ``R`` is its answer.

    :meth:`run` blocks, on a lane; the rest is pure. An answer is a value or the CloudError that
    :meth:`run` raised.
    """

    operation: ClassVar[str]
    """What metrics, logs and the lane's budget call it."""
    writes: ClassVar[bool] = False
    """Whether it makes or deletes something."""
    counted: ClassVar[str] = ""
    """Under which name its answers are counted; empty for not at all."""

    def __init__(self, request: Q) -> None:
        self.request = request

    def cost(self, fleet: state.Fleet, costs: contract.Costs) -> int:  # noqa: ARG002
        """Return how many requests of the cloud's budget it is expected to take."""
        return 1

    def not_wanted(self, fleet: state.Fleet) -> str:  # noqa: ARG002
        """Say why it is not sent any more, asked right before: it may have waited for the budget.

        Empty when it is.
        """
        return ""

    @abc.abstractmethod
    def run(self, tools: Tools) -> R:
        """Ask the cloud; it blocks, and raises CloudError."""

    @abc.abstractmethod
    def fold(self, fleet: state.Fleet, answer: R | errors.CloudError, at: Moment) -> state.Fleet:
        """Take the answer, whatever has happened since it was sent."""

    @abc.abstractmethod
    def line(self, answer: R | errors.CloudError) -> Line | None:
        """Return what the cloud answered, as an event for the log; None for what needs none."""

    @property
    def counted_by(self) -> tuple[str, str]:
        """Return the label, and its value, by which answers are counted."""
        return "account", self.request.account


def kind(answer: object) -> str:
    """Name an answer by its error's class: "ok" for a good one, "none" for none."""
    if answer is None:
        return "none"
    return type(answer).__name__ if isinstance(answer, errors.CloudError) else "ok"


def listed_cost(fleet: state.Fleet, account: str, costs: contract.Costs) -> int:
    """Return what it costs to go through all machines of an account, by what it showed last."""
    held = fleet.accounts.get(account)
    shown = held.snapshot.instances if held is not None and held.snapshot else ()
    return 1 + len(shown) // costs.page
