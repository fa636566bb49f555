"""Our server as users run it, but for the time between two looks at an app: seconds, not minutes.

Run as a module, with the arguments of ``vps-autoscaler``.
"""

from __future__ import annotations

from externalgrpc.kubero import proof

APART_S = 5.0


def main() -> None:
    """Run the command line."""
    proof.APART_S = APART_S  # type: ignore[misc] - before anything takes it for a default
    from externalgrpc import cli  # noqa: PLC0415 - as above

    cli.main()


if __name__ == "__main__":
    main()
