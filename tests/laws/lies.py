"""What a cloud's API may say that is not so, for a while."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from providers import contract, errors

KINDS = ("one name", "one group", "empty", "foreign rows", "all deleting")
"""The kinds of lies: one label for all, another project's view, somebody else's rows."""

BLINDING = frozenset({"one name", "one group", "empty", "all deleting"})
"""Lies under which nobody can count what there is."""


@dataclasses.dataclass
class Liar:
    """What one project's API says at the moment; ``kind`` is empty while it answers truly."""

    kind: str = ""
    value: str = ""
    identity: str = ""
    ever: bool = False

    def begin(self, kind: str, value: str, identity: str) -> None:
        self.kind, self.value, self.identity = kind, value, identity
        self.ever = self.ever or kind in BLINDING

    def end(self) -> None:
        self.kind = ""

    def listed(
        self, there: Sequence[contract.Instance], scheme: str
    ) -> tuple[contract.Instance, ...]:
        """Return what a listing says of what is there."""
        if self.kind == "empty":
            return ()
        said = tuple(self.said(instance) for instance in there)
        if self.kind == "foreign rows":
            said += tuple(_stranger(number, scheme, self) for number in range(1, 4))
        return said

    def said(self, instance: contract.Instance) -> contract.Instance:
        """Return what is said of one machine."""
        match self.kind:
            case "one name":
                return dataclasses.replace(instance, node_name=self.value)
            case "one group":
                return dataclasses.replace(instance, group=self.value)
            case "all deleting":
                return dataclasses.replace(instance, state=contract.InstanceState.DELETING)
            case _:
                return instance

    def refuses(self) -> None:
        """Refuse an order where the login leads into a project that is not ours."""
        if self.kind == "empty":
            raise errors.QuotaExceeded("this project may have no machines")


def _stranger(number: int, scheme: str, liar: Liar) -> contract.Instance:
    """Make a row of a machine that is not there, with the marks of another cluster or none."""
    return contract.Instance(
        id=f"9{number}",
        provider_id=f"{scheme}://9{number}",
        node_name=f"g-strange{number}",
        group="g",
        identity=liar.identity,
        machine_type="small",
        location="north",
        state=contract.InstanceState.RUNNING,
        created_at=1.0,
    )
