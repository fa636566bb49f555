"""Run the command line: ``python -m externalgrpc``."""

from __future__ import annotations

from externalgrpc.cli import main

if __name__ == "__main__":
    main()
