"""Read who claims a machine: a Node is its name *and* its providerID.

Root on one machine can make its own Node say any providerID, and a label at the cloud can be
edited by anybody; the two together are hard to come by. What only one of them says is a sign of
life, which forbids to delete, and no proof of belonging.
"""

from __future__ import annotations

from collections.abc import Mapping

from externalgrpc.fleet import identity, keys, state, view
from providers import contract


def agrees(fleet: state.Fleet, instance: contract.Instance, node_name: str) -> bool:
    """Return whether a Node that carries a machine's providerID may bear this name.

    It bears the name in the machine's mark, unless its group says that its nodes are named
    otherwise.
    """
    if node_name and node_name == instance.node_name:
        return True
    group = fleet.groups.get(instance.group)
    return group is not None and group.any_node_name


def fits(fleet: state.Fleet, provider_id: str, node_name: str) -> bool:
    """Return whether a real Node of a name may carry a providerID, whether or not it is listed yet.

    Nobody knows a machine before its listing but by its order: the name is that of the launch, and
    so it is where the id stands for a launch without a machine. Of other ids nothing is known.
    """
    if placeholder := identity.placeholder_name(provider_id):
        return placeholder == node_name
    instance = fleet.index.by_provider_id.get(provider_id)
    if instance is None and (missing := fleet.missing.get(provider_id)) is not None:
        instance = missing.instance
    if instance is not None:
        return agrees(fleet, instance, node_name)
    if (terminated := keys.retired_names(fleet).get(provider_id)) is not None:
        return node_name == terminated
    owner = view.whose(fleet, provider_id)
    if owner is None:
        return True
    group, name = owner
    return node_name == name or fleet.groups[group].any_node_name


def claimed(fleet: state.Fleet, instance: contract.Instance) -> bool:
    """Return whether a Node of this cluster claims a machine by its name and its providerID."""
    provider_id = instance.provider_id
    name = fleet.registered.get(provider_id)
    if fleet.nodes is None:
        return name is not None and agrees(fleet, instance, name)
    named = fleet.nodes.get(instance.node_name)
    if named is not None and named.provider_id == provider_id:
        return True
    if not by_provider_id(fleet).get(provider_id):
        return False
    return any(agrees(fleet, instance, each) for each in by_provider_id(fleet)[provider_id])


def shows_life(fleet: state.Fleet, instance: contract.Instance) -> bool:
    """Return whether any Node was seen that may be this machine, by one of the two alone."""
    return lives(fleet, instance.provider_id, instance.node_name)


def lives(fleet: state.Fleet, provider_id: str, node_name: str) -> bool:
    """Return :func:`shows_life` of a machine that is known by its provider id and name alone."""
    if provider_id in fleet.registered or provider_id in fleet.misnamed:
        return True
    if fleet.nodes is None:
        return False
    named = fleet.nodes.get(node_name)
    if named is not None and named.provider_id in ("", provider_id):
        return True
    return bool(by_provider_id(fleet).get(provider_id))


def is_well(fleet: state.Fleet, provider_id: str, node_name: str) -> bool:
    """Return whether any Node that may be a machine, by its name or providerID alone, is ready."""
    names = {node_name, *by_provider_id(fleet).get(provider_id, ())}
    return any(name in names and seen.ready for name, seen in (fleet.nodes or {}).items())


def rival(fleet: state.Fleet, instance: contract.Instance) -> str:
    """Name the Node that claims a machine's providerID under another name; empty for none."""
    provider_id = instance.provider_id
    name = fleet.misnamed.get(provider_id, "")
    if name and fleet.nodes is None and not agrees(fleet, instance, name):
        return name
    others = by_provider_id(fleet).get(provider_id, ())
    return next((each for each in others if not agrees(fleet, instance, each)), "")


def usurped(fleet: state.Fleet, instance: contract.Instance) -> str:
    """Return the providerID that the Node of a machine's name claims instead; empty for none.

    Of machines that share a name the Node may be another's: then nothing is wrong with it.
    """
    group = fleet.groups.get(instance.group)
    if fleet.nodes is None or not instance.node_name or (group and group.any_node_name):
        return ""
    named = fleet.nodes.get(instance.node_name)
    if named is None or named.provider_id in ("", instance.provider_id):
        return ""
    other = fleet.index.by_provider_id.get(named.provider_id)
    if other is not None and other.node_name == instance.node_name:
        return ""
    return named.provider_id


def by_provider_id(fleet: state.Fleet) -> Mapping[str, tuple[str, ...]]:
    """Return the names of the Nodes that claim a providerID."""
    found = fleet.memo.claims
    if found is None:
        found = {}
        for name, seen in (fleet.nodes or {}).items():
            if seen.provider_id:
                found[seen.provider_id] = (*found.get(seen.provider_id, ()), name)
        fleet.memo.claims = found
    return found
