"""Find out when the OpenPGP key of a package source ends: GnuPG reads it, as apt's own does."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from typing import Final

_TIMEOUT_S: Final = 10.0
_VALIDITY, _END = 1, 6
"""Fields of a ``pub`` line. The end is in Unix seconds, and empty for a key that never ends."""
_INVALID: Final = "i"
"""No signature of the key's own is there, or none that is right."""


class NoKey(ValueError):
    """Say why nobody knows when a key ends."""


def ends_at(key: bytes) -> float | None:
    """Return the instant, in Unix seconds, at which a primary key ends; None for one that does not.

    Of several keys the one that ends last. GnuPG keeps what it makes in a folder that goes again,
    and starts no agent. Raises NoKey, also where GnuPG is not installed.
    """
    gpg = shutil.which("gpg")
    if gpg is None:
        raise NoKey("gpg reads it, and is not installed here")
    try:
        with tempfile.TemporaryDirectory(prefix="vps-autoscaler-") as home:
            command = [gpg, "--homedir", home, "--batch", "--no-autostart", "--show-keys"]
            ran = subprocess.run(  # noqa: S603 - no shell, and no word of it is a stranger's
                [*command, "--with-colons"],
                input=key,
                capture_output=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoKey(f"gpg cannot read it ({type(error).__name__})") from error
    rows = [line.split(":") for line in ran.stdout.decode(errors="replace").splitlines()]
    ends = [row[_END] for row in rows if row[0] == "pub" and row[_VALIDITY] != _INVALID]
    if ran.returncode or not ends:
        # Half a key has no signature of its own left, and would be one that never ends.
        said = ran.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise NoKey(f"it holds no public key that can be used ({said})")
    return None if "" in ends else float(max(map(int, ends)))
