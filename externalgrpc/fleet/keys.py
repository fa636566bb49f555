"""Find retired machines: by name, or by provider id where two machines share a name."""

from __future__ import annotations

from collections.abc import Mapping

from externalgrpc.fleet import identity, state
from providers import contract


def machine_of(fleet: state.Fleet, retirement: state.Retirement) -> str:
    """Return the provider id of the machine that a retired name means; empty for none so far."""
    return retirement.provider_id or fleet.minted.get(retirement.name, "")


def is_retired(fleet: state.Fleet, instance: contract.Instance) -> bool:
    """Return whether a machine was retired: this very one, whatever name anybody gave it since."""
    return bool(fleet.retired) and instance.provider_id in retired_names(fleet)


def retired_names(fleet: state.Fleet) -> Mapping[str, str]:
    """Return the names under which machines were retired, by provider id."""
    found = fleet.memo.retired
    if found is None:
        found = fleet.memo.retired = {
            provider_id: retirement.name
            for retirement in fleet.retired.values()
            if (provider_id := machine_of(fleet, retirement))
        }
    return found


def key_of(fleet: state.Fleet, instance: contract.Instance) -> str:
    """Name a machine: by its node name, or by its provider id where that is another's or lost.

    The name is another's where an older machine bears it too, and where it is that of a launch or
    a retirement which means another machine. Of those that no listing shows the first has it.
    """
    name, provider_id = instance.node_name, instance.provider_id
    shown = fleet.index.by_name.get(name)
    if shown is not None and shown.provider_id != provider_id:
        return provider_id
    if shown is None and _unlisted(fleet).get(name, provider_id) != provider_id:
        return provider_id
    if name in fleet.launches and fleet.minted.get(name) != provider_id:
        return provider_id
    retirement = fleet.retired.get(name)
    if retirement is not None and machine_of(fleet, retirement) != provider_id:
        return provider_id
    return identity.key_of(instance)


def _unlisted(fleet: state.Fleet) -> dict[str, str]:
    """Return the machines that listings lack for now by name, the first of each."""
    found = fleet.memo.unlisted
    if found is None:
        found = {}
        for provider_id, missing in fleet.missing.items():
            found.setdefault(missing.instance.node_name, provider_id)
        fleet.memo.unlisted = found
    return found
