"""Decide what goes wrong with a request to the memory cloud: rate limit, outages, lost replies."""

from __future__ import annotations

import dataclasses
import enum
import random

from providers import contract, errors
from providers.memory.datacenter import options

CUT = "connection closed before the reply"


class Lost(enum.Enum):
    """Which half of an exchange fails: the way there, before the work, or the way back."""

    BEFORE = "before"
    AFTER = "after"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request under way: whose it is and what it is about."""

    id: str
    account: str
    operation: str
    subject: str = ""
    writes: bool = False

    def refusal(self, kind: type[errors.CloudError], words: str) -> errors.CloudError:
        """Make the error that answers this request."""
        return kind(words, account=self.account, operation=self.operation, request_id=self.id)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One failure to come: after ``skip`` others, of ``operation`` (of any, when empty)."""

    operation: str
    kind: type[errors.CloudError]
    words: str
    lost: Lost
    skip: int


class RateLimit:
    """Let requests through in a burst, then at a pace; instants are Unix seconds."""

    def __init__(self, burst: int, now: float) -> None:
        self._tokens = float(burst)
        self._filled_at = now

    def fill(self, burst: int) -> None:
        """Make the budget whole."""
        self._tokens = float(burst)

    def drain(self, now: float) -> None:
        """Leave nothing of the budget as of now."""
        self._tokens = 0.0
        self._filled_at = now

    def spend(self, settings: options.Options, request: Request, now: float) -> None:
        """Take one request out of the budget; raises Throttled when there is none left."""
        self._earn(settings, now)
        if self._tokens < 1:
            raise errors.Throttled(
                f"rate limit exceeded: {settings.requests_per_hour} requests an hour",
                retry_after_s=(1 - self._tokens) * 3600 / settings.requests_per_hour,
                account=request.account,
                operation=request.operation,
                request_id=request.id,
            )
        self._tokens -= 1

    def budget(self, settings: options.Options, now: float) -> contract.Budget:
        """Return what is left and when it will be whole again."""
        self._earn(settings, now)
        missing = settings.burst - self._tokens
        return contract.Budget(
            limit=settings.burst,
            remaining=int(self._tokens),
            reset_at=now + missing * 3600 / settings.requests_per_hour,
            seen_at=now,
        )

    def _earn(self, settings: options.Options, now: float) -> None:
        earned = max(0.0, now - self._filled_at) * settings.requests_per_hour / 3600
        self._tokens = min(float(settings.burst), self._tokens + earned)
        self._filled_at = now


class Troubles:
    """The faults that are due: an outage, ordered ones, and those left to chance."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._outage: tuple[type[errors.CloudError], str] | None = None
        self._faults: list[Fault] = []

    def order(self, fault: Fault) -> None:
        """Make one coming request fail."""
        self._faults.append(fault)

    def begin_outage(self, kind: type[errors.CloudError], words: str) -> None:
        """Make every request fail until :meth:`mend`."""
        self._outage = (kind, words)

    def mend(self) -> None:
        """Forget the outage and every ordered fault."""
        self._outage = None
        self._faults.clear()

    def strike(self, settings: options.Options, request: Request) -> errors.CloudError | None:
        """Raise what fails before the work; return what is to be raised after it."""
        if self._outage is not None:
            raise request.refusal(*self._outage)
        for index, fault in enumerate(self._faults):
            if fault.operation not in ("", request.operation):
                continue
            if fault.skip > 0:
                self._faults[index] = dataclasses.replace(fault, skip=fault.skip - 1)
                continue
            del self._faults[index]
            error = request.refusal(fault.kind, fault.words)
            if fault.lost is Lost.BEFORE:
                raise error
            return error
        if self.roll(settings.error_rate):
            raise request.refusal(errors.Unreachable, "503 service unavailable")
        if request.writes and self.roll(settings.lost_reply_rate):
            return request.refusal(errors.Unreachable, CUT)
        return None

    def roll(self, rate: float) -> bool:
        """Throw the dice; chance is asked only where there is some."""
        return rate > 0 and self._chance.random() < rate

    def lag_s(self, settings: options.Options) -> float:
        """Draw how far listings lag behind one machine, in seconds."""
        late_s = settings.late_listing_s
        return self._chance.uniform(0, late_s) if late_s else 0.0
