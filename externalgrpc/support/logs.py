"""Log structured events: one name and key=value fields a line, never a secret.

User-data, tokens and headers have no business in a log: nothing that holds them is ever passed in,
and where a cloud's text echoes them they are masked on the way out (:mod:`providers.masking`).
Values are quoted when they hold spaces, and what is not plain text in them is escaped as in JSON
(:mod:`externalgrpc.support.plaintext`), so that what a cloud says can neither forge a line nor
steer the terminal of whoever reads the log.
"""

from __future__ import annotations

import json
import logging
import math
import sys
import time
from typing import IO, Any

from externalgrpc.support import plaintext
from externalgrpc.support.brief import LOGGED, brief
from providers import masking
from providers.kit import logs as events


class Log(events.Log):
    """Log the server's events; ``name`` says which part of it speaks."""

    def __init__(self, name: str) -> None:
        super().__init__(f"vps_autoscaler.{name}")


class KeyValueFormatter(logging.Formatter):
    """Write ``time level logger event key=value ...``; a traceback becomes one quoted field."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record as one line."""
        text = masking.masked(record.getMessage())
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        parts = [
            f"{stamp}.{int(record.msecs):03d}Z",
            record.levelname.lower(),
            text if text == plaintext.line(text) else _quoted(text),
        ]
        parts += [f"{key}={_quoted(value)}" for key, value in _fields(record).items()]
        if record.exc_info:
            parts.append(f"traceback={_quoted(self.formatException(record.exc_info))}")
        return " ".join(parts)


class JSONFormatter(logging.Formatter):
    """Write one JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record as one JSON object."""
        line: dict[str, Any] = {
            "time": record.created,
            "level": record.levelname.lower(),
            "event": masking.masked(record.getMessage()),
            **{key: _plain(value) for key, value in _fields(record).items()},
        }
        if record.exc_info:
            line["traceback"] = masking.masked(self.formatException(record.exc_info))
        return json.dumps(line, default=str)


def set_up(*, level: str, as_json: bool, stream: IO[str] | None = None) -> None:
    """Send all logs of this process to a stream (standard error by default), one event a line.

    The HTTP libraries' own debug output shows headers and bodies: it stays off at every level.
    """
    sink = logging.StreamHandler(stream or sys.stderr)
    sink.setFormatter(JSONFormatter() if as_json else KeyValueFormatter())
    root = logging.getLogger()
    root.handlers[:] = [sink]
    root.setLevel(logging.WARNING)
    logging.getLogger("vps_autoscaler").setLevel(level.upper())
    logging.getLogger("providers").setLevel(level.upper())


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields = getattr(record, "fields", None)
    return fields if isinstance(fields, dict) else {}


def _plain(value: object) -> object:
    if isinstance(value, str):
        return brief(masking.masked(value), LOGGED)
    if isinstance(value, int | bool) or value is None:
        return value
    if isinstance(value, float):
        return round(value, 3) if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return brief(masking.masked(str(value)), LOGGED)


def _quoted(value: object) -> str:
    plain = _plain(value)
    if isinstance(plain, list):
        plain = brief(",".join(str(item) for item in plain), LOGGED)
    text = str(plain)
    if text and text == plaintext.line(text) and not any(c in ' "=' for c in text):
        return text
    return plaintext.line(json.dumps(text, ensure_ascii=False))
