"""Run a server until it is stopped; what it cannot do ends the command with one sentence."""

from __future__ import annotations

from collections.abc import Callable

from externalgrpc import config
from externalgrpc.commands import parameters, terminal
from externalgrpc.model import groups, installed_clouds


def announce(address: str, in_force: groups.Config) -> None:
    """Print what a server serves, and where."""
    terminal.say(f"cluster {in_force.cluster}: {len(in_force.groups)} groups on {address}")
    for group in in_force.groups:
        types = ", ".join(dict.fromkeys(each.machine_type for each in group.candidates))
        where = ", ".join(dict.fromkeys(each.location for each in group.candidates))
        size = f"{group.min_size}..{group.max_size}"
        terminal.say(f"  {group.name}: {size} x {types} in {where} ({group.account})")


def run(serve: Callable[[], None]) -> None:
    """Serve; raises Failure with what cannot be."""
    from externalgrpc import assembly  # noqa: PLC0415
    from externalgrpc.leading import seat  # noqa: PLC0415
    from externalgrpc.rpc import server  # noqa: PLC0415
    from providers import errors  # noqa: PLC0415

    try:
        serve()
    except (
        assembly.NoCluster,
        server.CannotListen,
        config.ConfigError,
        installed_clouds.BrokenCloud,
        errors.CloudError,
        seat.Lost,
    ) as error:
        raise parameters.failure(error) from error
