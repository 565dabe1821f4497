"""Logging of the production server: its formats, its limits, and what it hides."""

import logging
import logging.config
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, Final

import structlog
from structlog.typing import EventDict

from ridehail.censor import hide_secrets
from tracking.throttled_log import Throttle


class WithoutHandshakes(logging.Filter):
    """Drop uvicorn's lines about each WebSocket.

    The first of them has the query string, which may contain a secret. `tracking` logs its own line
    when a connection ends.
    """

    LINES = ('%s - "WebSocket ', "connection open", "connection closed", "connection rejected")

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(self.LINES)


# The attributes of every record, and uvicorn's coloured copy of the message.
_STANDARD: Final = {*vars(logging.makeLogRecord({})), "message", "asctime", "color_message"}


def facts(record: logging.LogRecord) -> dict[str, str | int | float]:
    """Return the record's `extra` attributes that are text or numbers.

    Others are left out: Django adds the request, whose text has the query string.
    """
    return {
        name: value
        for name, value in vars(record).items()
        if name not in _STANDARD and isinstance(value, str | int | float)
    }


class ThrottledFailures(Throttle):
    """Pass one record per failure and minute: all pages fail while the database is unavailable.

    The same failure means the same exception from the same line, or the same status. Records below
    ERROR, for the client's faults such as a missing page, always pass.
    """

    def key(self, record: logging.LogRecord) -> str:
        if not record.exc_info or record.exc_info[2] is None:
            return str(getattr(record, "status_code", record.msg))
        *_, (frame, line) = traceback.walk_tb(record.exc_info[2])
        return f"{record.exc_info[0]} {frame.f_code.co_filename}:{line}"

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno < logging.ERROR or super().filter(record)


# Lines a second that each of the loggers below may write about what any client can cause, logged in
# or not.
MAX_LINES_PER_SECOND: Final = 20
# Characters of such a line, which contains what the client sent.
MAX_LINE_LENGTH: Final = 500


class LimitClientLines(logging.Filter):
    """Shorten the lines that any client can cause, and pass `limit` of them a second per logger.

    The next line that passes says in `left_out` how many were dropped. Lines about authenticated
    connections and about failures of the server always pass. Add it to a handler: a logger's
    filters do not see the records of its child loggers.
    """

    def __init__(
        self, limit: int = MAX_LINES_PER_SECOND, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        # By logger: the end of the second that is counted, how many lines passed, how many did not.
        self._counts: dict[str, tuple[float, int, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        source = _source(record)
        if source is None or not CLIENT_CAUSED[source](record):
            return True
        with self._lock:
            now = self._clock()
            until, passed, left_out = self._counts.get(source, (now, 0, 0))
            if now >= until:
                until, passed = now + 1, 0
            if passed >= self._limit:
                self._counts[source] = until, passed, left_out + 1
                return False
            self._counts[source] = until, passed + 1, 0
        if left_out:
            record.left_out = left_out
        _shorten(record)
        return True


def _is_warning(record: logging.LogRecord) -> bool:
    return record.levelno == logging.WARNING


# By logger: tells whether any client can cause a record of it or of its child loggers.
CLIENT_CAUSED: Final[dict[str, Callable[[logging.LogRecord], bool]]] = {
    "tracking.consumers.record": lambda record: getattr(record, "user", None) is None,
    # 4xx responses. 5xx responses are logged as errors.
    "django.request": _is_warning,
    # Django logs these as errors, although the client causes them, for example by its Host header.
    "django.security": lambda record: True,
    "uvicorn.error": _is_warning,
    "uvicorn.access": lambda record: True,
    "axes": _is_warning,
}


def _source(record: logging.LogRecord) -> str | None:
    """Return the key of CLIENT_CAUSED for a record's logger, or None."""
    return next(
        (name for name in CLIENT_CAUSED if f"{record.name}.".startswith(f"{name}.")),
        None,
    )


def _shorten(record: logging.LogRecord) -> None:
    """Remove the traceback, which only shows where Django refused, and cut a long message."""
    record.exc_info = record.exc_text = record.stack_info = None
    text = record.getMessage()
    if len(text) > MAX_LINE_LENGTH:
        text = hide_secrets(text)
        record.msg = f"{text[:MAX_LINE_LENGTH]} [{len(text) - MAX_LINE_LENGTH} more characters]"
        record.args = ()


class WithoutSecrets(logging.Formatter):
    """Format plain lines for people, without secrets."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        shown = (f" {name}={value}" for name, value in facts(record).items())
        return super().formatMessage(record) + "".join(shown)

    def format(self, record: logging.LogRecord) -> str:
        return hide_secrets(super().format(record))


class Censor(logging.Formatter):
    """Hide secrets in the lines of another formatter, by default logging's own."""

    def __init__(self, formatter: logging.Formatter | None) -> None:
        super().__init__()
        self._formatter = formatter or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        return hide_secrets(self._formatter.format(record))


def configure(config: dict[str, Any]) -> None:
    """Configure logging as Django does by default, with secrets hidden. Used as LOGGING_CONFIG.

    This serves commands and the development server. `manage.py serve` then configures its own log
    with `logging_config`.
    """
    logging.config.dictConfig(config)
    handlers = [
        handler
        for name in (None, "django", "django.server")
        for handler in logging.getLogger(name).handlers
    ]
    # The last resort writes the warnings that no other handler takes.
    for handler in [*handlers, *filter(None, [logging.lastResort])]:
        if not isinstance(handler.formatter, Censor):
            handler.setFormatter(Censor(handler.formatter))


class JSONWithoutSecrets(structlog.stdlib.ProcessorFormatter):
    """Format JSON lines with `timestamp`, `level`, `logger`, `pid`, `event` and all `extra`."""

    def __init__(self) -> None:
        super().__init__(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                _add_facts,
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _hide_secrets,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )


def _add_facts(logger: Any, method: str, event: EventDict) -> EventDict:
    record = event["_record"]
    return {**event, "pid": record.process, **facts(record)}


def _hide_secrets(logger: Any, method: str, event: EventDict) -> EventDict:
    # Before encoding, because in JSON a secret's end is hidden behind escapes.
    return {
        name: hide_secrets(value) if isinstance(value, str) else value
        for name, value in event.items()
    }


def logging_config(log_format: str) -> dict[str, Any]:
    """Return the logging configuration of the server. `log_format` is `json` or `plain`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "without_handshakes": {"()": WithoutHandshakes},
            "throttle": {"()": Throttle},
            "throttle_failures": {"()": ThrottledFailures},
            "limit_client_lines": {"()": LimitClientLines},
        },
        "formatters": {
            "plain": {
                "()": WithoutSecrets,
                "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
            },
            "json": {"()": JSONWithoutSecrets},
        },
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": log_format,
                "filters": ["limit_client_lines"],
            }
        },
        "loggers": {
            "uvicorn.error": {"filters": ["without_handshakes"]},
            "django.request": {"filters": ["throttle_failures"]},
            # While the database is unavailable, each request logs its attempts to connect.
            "psycopg.pool": {"level": "WARNING", "filters": ["throttle"]},
            # At lower levels, axes logs every log-in.
            "axes": {"level": "WARNING"},
        },
        "root": {"level": "INFO", "handlers": ["console"]},
    }
