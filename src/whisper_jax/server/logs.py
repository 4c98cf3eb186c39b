"""Logs as JSON, a line for each event. What was said is not among what is logged."""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, final

LOGGER = logging.getLogger("whisper_jax.server")
LEVELS = ("debug", "info", "warning", "error")


@final
class JsonFormatter(logging.Formatter):
    """A record as one line of JSON; the fields of `log_event` stand beside time and level."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info is not None and record.exc_info[0] is not None:
            # Where, not with what: messages of others may quote what they were given.
            line["error"] = record.exc_info[0].__name__
            line["at"] = [
                f"{frame.filename}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(record.exc_info[2])[-8:]
            ]
        return json.dumps(line, default=str)


def log_event(event: str, level: int = logging.INFO, **fields: Any) -> None:
    """Log something that happened."""
    known = {name: value for name, value in fields.items() if value is not None}
    LOGGER.log(level, event, extra={"fields": known})


def set_up_logs(level: str) -> None:
    """Have this server's lines, and warnings of all others, logged on stderr in JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    LOGGER.setLevel(level.upper())
