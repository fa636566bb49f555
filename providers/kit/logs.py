"""Log events: a short phrase and its fields, the same from the server and from every cloud."""

from __future__ import annotations

import logging
import threading


class Log:
    """Log events under one logger's name, fields in ``record.fields``.

    A field holds ids, names and the vendor's words; never a token, a header or user-data.
    """

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, event: str, **fields: object) -> None:
        """Log what only a developer wants to know."""
        self._logger.debug(event, extra={"fields": fields})

    def info(self, event: str, **fields: object) -> None:
        """Log what an operator wants to read afterwards."""
        self._logger.info(event, extra={"fields": fields})

    def warning(self, event: str, **fields: object) -> None:
        """Log what an operator should look at."""
        self._logger.warning(event, extra={"fields": fields})

    def error(self, event: str, **fields: object) -> None:
        """Log what does not work."""
        self._logger.error(event, extra={"fields": fields})

    def exception(self, event: str, **fields: object) -> None:
        """Log what should not have happened, with its traceback."""
        self._logger.exception(event, extra={"fields": fields})


class AccountLog:
    """Log the events of one login, its account among the fields; safe to use from several threads.

    ``name`` is the logger's and begins with ``providers.``: the server shows those.
    """

    def __init__(self, name: str, account: str) -> None:
        self._log = Log(name)
        self._account = account
        self._guard = threading.Lock()
        self._warned: set[tuple[str, str]] = set()

    def info(self, event: str, **fields: object) -> None:
        """Log what an operator wants to read afterwards."""
        self._log.info(event, account=self._account, **fields)

    def warning(self, event: str, **fields: object) -> None:
        """Log what an operator should look at."""
        self._log.warning(event, account=self._account, **fields)

    def warn_once(self, event: str, **fields: object) -> None:
        """Log a warning the first time that the event has these fields, and never again."""
        key = event, repr(fields)
        with self._guard:
            if key in self._warned:
                return
            self._warned.add(key)
        self.warning(event, **fields)

    def unknown_state(self, word: str) -> None:
        """Log, once, that a machine's state has a word which the cloud's table does not know."""
        self.warn_once("unknown machine state", state=word, taken_for="running")
