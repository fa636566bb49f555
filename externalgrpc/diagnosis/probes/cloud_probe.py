"""Ask each account's cloud which machines carry our mark: one complete listing, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from externalgrpc.diagnosis.facts import Listing
from externalgrpc.diagnosis.notes import Notes
from externalgrpc.model import groups
from providers import contract, errors


class Lister(Protocol):
    """All that is asked of a :class:`providers.contract.Provider`: what only reads."""

    def instances(self) -> tuple[contract.Instance, ...]:
        """List every machine with our mark."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


OpenLister = Callable[[groups.Account], Lister]


def listings(config: groups.Config, open_lister: OpenLister, notes: Notes) -> tuple[Listing, ...]:
    """List every account that answers; the others are noted, and do not keep the rest."""
    found: list[Listing] = []
    for account in config.accounts.values():
        what = f"machines at account {account.name} ({account.provider})"
        notes.progress(what)
        try:
            lister = open_lister(account)
            try:
                machines = lister.instances()
            finally:
                lister.close()
        except errors.CloudError as error:
            notes.missed(what, str(error))
            continue
        found.append(
            Listing(
                account=account.name,
                machines=machines,
                marking=isinstance(lister, contract.Marking),
            )
        )
        notes.saw(what)
    return tuple(found)
