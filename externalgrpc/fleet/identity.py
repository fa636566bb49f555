"""Name machines, by node name or provider id, and by a placeholder id what has no machine yet."""

from __future__ import annotations

from externalgrpc.fleet import state
from providers import contract


def key_of(instance: contract.Instance) -> str:
    """Name a machine: by its node name, or by its provider id where the mark is lost."""
    return instance.node_name or instance.provider_id


def placeholder_id(scheme: str, name: str) -> str:
    """Make the id under which a launch without a machine is listed."""
    return f"{scheme}://launching/{name}"


def placeholder_name(provider_id: str) -> str:
    """Read the launch's name out of a placeholder id; empty for any other id."""
    _, found, name = provider_id.partition("://launching/")
    return name if found else ""


def name_is_taken(fleet: state.Fleet, name: str) -> bool:
    """Return whether a name was used for anything that this process knows of."""
    return (
        name in fleet.minted
        or name in fleet.launches
        or name in fleet.retired
        or name in fleet.index.by_name
        or name in fleet.gone
        or any(held.instance.node_name == name for held in fleet.missing.values())
    )
