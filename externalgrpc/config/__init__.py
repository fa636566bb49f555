"""Make a frozen Config from a file, and keep it fresh.

* :func:`load` reads a file once; :class:`ConfigError` carries every :class:`Mistake` in it.
* :mod:`externalgrpc.config.watch` reads it again when it, or a file that it names, changes.
* :func:`cannot_join` says why a group that loads can still not work.
"""

from __future__ import annotations

from externalgrpc.config.joining import cannot_join
from externalgrpc.config.loading import Source, load
from externalgrpc.config.mistakes import ConfigError, Mistake

__all__ = ["ConfigError", "Mistake", "Source", "cannot_join", "load"]
