"""Say what a history does behind the back of a fake's API, while a whole server works with it."""

from __future__ import annotations

import abc
import json
import random
from collections.abc import Mapping
from typing import Any, ClassVar

from providers.fakes import engine


class HistoryControls(abc.ABC):
    """What a history needs of a fake on :mod:`providers.fakes.engine`.

    ``creates`` and ``lists`` are regular expressions searched for in a path: the POST that orders a
    machine, the GET that lists them. Names here are the machines' display names, which are the
    names of their nodes unless somebody renames them; a history does not.
    """

    creates: ClassVar[str]
    lists: ClassVar[str]
    fake: engine.Fake

    @abc.abstractmethod
    def add(self, *, cluster: str, group: str, node_name: str) -> str:
        """Put a running machine there; see :class:`providers.conformance.Controls`."""

    @abc.abstractmethod
    def standing(self) -> Mapping[str, str]:
        """Return the names of the machines that are there and not on their way out, by id."""

    @abc.abstractmethod
    def running(self, instance_id: str) -> bool:
        """Return whether a machine that stands has booted."""

    @abc.abstractmethod
    def vanish(self, instance_id: str) -> None:
        """Let somebody else delete a machine: it is gone at once."""

    @abc.abstractmethod
    def lock(self, instance_id: str, seconds: float) -> None:
        """Let a machine be busy for a while, so that it cannot be deleted.

        Nothing where the cloud has no such thing.
        """

    @abc.abstractmethod
    def be_late(self, seconds: float) -> None:
        """Let lists show new machines so much later."""

    @abc.abstractmethod
    def sell_out(self, machine_type: str, location: str) -> str:
        """Have none left of a machine type in a location."""

    @abc.abstractmethod
    def restock(self, machine_type: str, location: str) -> None:
        """Have it again."""

    def fail_an_accepted_order(self, chance: random.Random) -> None:  # noqa: B027 - not all can
        """Let the next order fail after it was accepted, where the cloud has such."""

    def calm(self) -> None:
        """End all that was to come: faults, and orders that are going to fail."""
        self.fake.faults.clear()

    def ordered(self, body: Any) -> str:  # noqa: ANN401 - whatever the vendor takes
        """Return the name of the machine that the body of a create asks for."""
        return str(next(body[key] for key in ("name", "label", "hostname") if key in body))

    def made(self) -> list[str]:
        """Return the names of the orders that the cloud took and whose reply went out whole."""
        return [
            self.ordered(json.loads(each.request.body))
            for each in self.fake.log("POST", self.creates)
            if each.worked and each.fault is None and each.reply.status < 300
        ]
