"""Get rid of machines that a cloud made without our marks.

Where marks are tags, a create may be accepted and its tags left out. Nobody would ever find such
a machine again, and it costs money; so whoever made it remembers its id here, and asks for its
deletion until the cloud says that it is gone (a cloud may ignore the first). Kept in memory only:
each is told in the log with its id.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from providers import errors

_log = logging.getLogger("providers.strays")


class Strays:
    """The unmarked machines of one account; safe to use from several threads.

    ``delete`` asks the cloud to delete one by id and tells whether it was gone already; it
    raises CloudError when it cannot be asked.
    """

    def __init__(self, account: str, delete: Callable[[str], bool]) -> None:
        self._account = account
        self._delete = delete
        self._guard = threading.Lock()
        self._ids: set[str] = set()

    def scrap(self, machine_id: str) -> None:
        """Take a machine on, and ask for its deletion at once."""
        with self._guard:
            self._ids.add(machine_id)
        self.sweep()

    def sweep(self) -> None:
        """Ask for the deletion of what is still there; never raises: the next sweep tries again."""
        with self._guard:
            ids = sorted(self._ids)
        for machine_id in ids:
            fields = {"account": self._account, "id": machine_id}
            try:
                gone = self._delete(machine_id)
            except errors.CloudError as error:
                told = {**fields, "error": error.message}
                _log.warning("unmarked_machine_not_deleted", extra={"fields": told})
                continue
            if gone:
                with self._guard:
                    self._ids.discard(machine_id)
                _log.info("unmarked_machine_gone", extra={"fields": fields})
            else:
                _log.warning("unmarked_machine_deleted", extra={"fields": fields})
