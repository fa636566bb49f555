"""Name machines: one name from launch to deletion, and the id of what has no machine yet."""

from __future__ import annotations

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
