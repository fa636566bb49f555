"""Keep note of what was looked at, and of what could not be and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from externalgrpc.diagnosis.findings import Unseen
from externalgrpc.kube import errors, facts

T = TypeVar("T")


class Notes:
    """What one examination looked at; ``progress`` hears what is being asked just now."""

    def __init__(self, progress: Callable[[str], None] = lambda _what: None) -> None:
        self.progress = progress
        self._seen: list[str] = []
        self._unseen: list[Unseen] = []

    @property
    def seen(self) -> tuple[str, ...]:
        """Return what was looked at, in order."""
        return tuple(dict.fromkeys(self._seen))

    @property
    def unseen(self) -> tuple[Unseen, ...]:
        """Return what was not looked at, and why."""
        return tuple(dict.fromkeys(self._unseen))

    def saw(self, what: str) -> None:
        """Note something that was looked at."""
        self._seen.append(what)

    def missed(self, what: str, because: str) -> None:
        """Note something that should have been looked at and could not be."""
        self._unseen.append(Unseen(what=what, because=because))

    def skipped(self, what: str, because: str) -> None:
        """Note something that nobody asked to look at, or that is not there to be looked at."""
        self._unseen.append(Unseen(what=what, because=because, failed=False))

    def look(self, what: str, ask: Callable[[], T]) -> T | None:
        """Ask the API server for something; None, and a note, when it is not to be had."""
        self.progress(what)
        try:
            found = ask()
        except errors.Denied as error:
            self.missed(what, f"these credentials may not ({error})")
        except (errors.KubeError, facts.Unusable) as error:
            self.missed(what, str(error))
        else:
            self.saw(what)
            return found
        return None
