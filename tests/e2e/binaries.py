"""Find the real cluster-autoscaler, which users have and this repository cannot build.

As a program: print the paths, one a line, or say what is missing and end with status 1.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "CLUSTER_AUTOSCALER"
NAME = "cluster-autoscaler"
IMAGE = "registry.k8s.io/autoscaling/cluster-autoscaler"

HOW = f"""\
The end-to-end tests drive the server with the real {NAME} and need its binary: on PATH
under that name, or named by the variable {VARIABLE}. Several paths, separated by '{os.pathsep}',
run every scenario with each. It is /{NAME} in the official image,
{IMAGE}; any release from 1.28 on will do."""


class MissingError(Exception):
    """There is no autoscaler to test with; the message says how to get one."""


def find(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the autoscalers to test with; raises MissingError."""
    named = [each for each in environ.get(VARIABLE, "").split(os.pathsep) if each]
    if not named:
        found = shutil.which(NAME, path=environ.get("PATH"))
        if found is None:
            raise MissingError(f"{NAME} is not on PATH, and {VARIABLE} is not set.\n{HOW}")
        return (Path(found),)
    paths = tuple(dict.fromkeys(Path(each).expanduser().absolute() for each in named))
    wrong = [str(each) for each in paths if not (each.is_file() and os.access(each, os.X_OK))]
    if wrong:
        raise MissingError(f"{VARIABLE} names no program: {', '.join(wrong)}\n{HOW}")
    return paths


def labels(paths: tuple[Path, ...]) -> tuple[str, ...]:
    """Return each path a short name for reports: what distinguishes it from the others."""
    short = tuple(each.name.removeprefix(f"{NAME}-") for each in paths)
    if len(set(short)) == len(paths):
        return short
    return tuple("-".join(each.parts[1:]) for each in paths)


def main() -> int:
    """Print what was found; give the exit status."""
    try:
        paths = find(os.environ)
    except MissingError as missing:
        sys.stderr.write(f"{missing}\n")
        return 1
    sys.stdout.write("".join(f"{each}\n" for each in paths))
    return 0


if __name__ == "__main__":
    sys.exit(main())
