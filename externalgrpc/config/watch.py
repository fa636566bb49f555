"""Keep a configuration fresh: read it again when it, or a file that it names, changes.

A mounted ConfigMap or Secret swaps a symlink, an editor writes in place, a person sends SIGHUP.
What counts is content: the configuration, the token files and the user-data files are read at
every look and their digests compared, through whatever links lead to them.
"""

from __future__ import annotations

from externalgrpc.config import files, loading
from externalgrpc.model import groups

INTERVAL_S = 3.0
"""Seconds between two looks; a change is taken once two looks in a row saw the same."""


class Watch:
    """Hold the last good configuration and replace it when the files change.

    Belongs to one thread, waits for nothing and starts nothing: whoever owns it looks every
    :data:`INTERVAL_S`, and reads at once when asked to. Making one reads the files and raises
    ConfigError.
    """

    def __init__(self, source: loading.Source) -> None:
        self._source = source
        self._seen = files.Files()
        self._settling: tuple[str, ...] | None = None
        self._config = loading.read(source, self._seen)

    @property
    def config(self) -> groups.Config:
        """Return the last good configuration."""
        return self._config

    def poll(self) -> groups.Config | None:
        """Look once; return the new configuration where there is one.

        A change is taken at the second look that sees the same content: a file that is being
        written in place may be valid at half its length, and lack the groups of its second half.
        Raises ConfigError, once, for content that cannot be taken; the last good one stays.
        """
        if not self._seen.changed():
            self._settling = None
            return None
        now = self._seen.fingerprint()
        if now != self._settling:
            self._settling = now
            return None
        return self.reload()

    def reload(self) -> groups.Config | None:
        """Read the files now; return the configuration if it is not the one in force.

        Raises ConfigError when they cannot be taken; the last good one stays.
        """
        self._settling = None
        self._seen = files.Files()
        config = loading.read(self._source, self._seen)
        if config == self._config:
            return None
        self._config = config
        return config
