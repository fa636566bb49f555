"""Our server as users run it, but for how long a group may be below its minimum: seconds.

Run as a module, with the arguments of ``vps-autoscaler``.
"""

from __future__ import annotations

from externalgrpc.vpsnodes import scalable

BELOW_S = 10.0


def main() -> None:
    """Run the command line."""
    scalable.BELOW_S = BELOW_S  # type: ignore[misc] - it is read at each look
    from externalgrpc import cli  # noqa: PLC0415 - as in quick_looks

    cli.main()


if __name__ == "__main__":
    main()
