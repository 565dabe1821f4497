"""What goes into the production server's log, and what must not."""

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
    """Drops uvicorn's lines of each WebSocket: the first has a query string, which may carry a
    secret. `tracking` has its own line, when a connection ends.
    """

    LINES = ('%s - "WebSocket ', "connection open", "connection closed", "connection rejected")

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(self.LINES)


# What every record has, and uvicorn's message once more, with colours.
_STANDARD: Final = {*vars(logging.makeLogRecord({})), "message", "asctime", "color_message"}


def facts(record: logging.LogRecord) -> dict[str, str | int | float]:
    """Return what was logged as `extra`, as far as it is text or a number.

    Django adds the request, whose text has the query string.
    """
    return {
        name: value
        for name, value in vars(record).items()
        if name not in _STANDARD and isinstance(value, str | int | float)
    }


class ThrottledFailures(Throttle):
    """Of the pages that fail, one for each failure and minute: while the database is away, all do.

    The same failure is the same exception from the same line, or the same status. What is the
    client's fault, such as a page that is not there, passes.
    """

    def key(self, record: logging.LogRecord) -> str:
        if not record.exc_info or record.exc_info[2] is None:
            return str(getattr(record, "status_code", record.msg))
        *_, (frame, line) = traceback.walk_tb(record.exc_info[2])
        return f"{record.exc_info[0]} {frame.f_code.co_filename}:{line}"

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno < logging.ERROR or super().filter(record)


# Lines a second for each of the loggers below, of those that anybody can cause, logged in or not.
MAX_LINES: Final = 20
# Characters of such a line: what is in it was sent by a stranger.
MAX_LINE: Final = 500


class LimitStrangers(logging.Filter):
    """Lets `MAX_LINES` a second of each logger pass of the lines that strangers cause, shortened.

    The next one that passes says in `left_out` how many did not. Connections that have
    authenticated and what fails on this side always pass. For a handler: the filters of a logger
    do not see what comes from those below it.
    """

    def __init__(self, limit: int = MAX_LINES, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        # By logger: until when its lines are counted, how many passed, how many were left out.
        self._counts: dict[str, tuple[float, int, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        source = _source(record)
        if source is None or not STRANGERS[source](record):
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


# What of a logger, and of those below it, strangers cause.
STRANGERS: Final[dict[str, Callable[[logging.LogRecord], bool]]] = {
    "tracking.consumers.record": lambda record: getattr(record, "user", None) is None,
    # 4xx; what is answered 5xx is an error.
    "django.request": _is_warning,
    # Errors to Django, although the client's fault: a Host header that is not allowed, for example.
    "django.security": lambda record: True,
    "uvicorn.error": _is_warning,
    "uvicorn.access": lambda record: True,
    "axes": _is_warning,
}


def _source(record: logging.LogRecord) -> str | None:
    """Return which of `STRANGERS` a record comes from."""
    return next(
        (name for name in STRANGERS if f"{record.name}.".startswith(f"{name}.")),
        None,
    )


def _shorten(record: logging.LogRecord) -> None:
    """Leave out the traceback, which leads to where Django refused, and what is too long."""
    record.exc_info = record.exc_text = record.stack_info = None
    text = record.getMessage()
    if len(text) > MAX_LINE:
        text = hide_secrets(text)
        record.msg = f"{text[:MAX_LINE]} [{len(text) - MAX_LINE} more characters]"
        record.args = ()


class WithoutSecrets(logging.Formatter):
    """Lines for people."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        shown = (f" {name}={value}" for name, value in facts(record).items())
        return super().formatMessage(record) + "".join(shown)

    def format(self, record: logging.LogRecord) -> str:
        return hide_secrets(super().format(record))


class Censor(logging.Formatter):
    """Lines as another formatter makes them, by default logging's own, without secrets."""

    def __init__(self, formatter: logging.Formatter | None) -> None:
        super().__init__()
        self._formatter = formatter or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        return hide_secrets(self._formatter.format(record))


def configure(config: dict[str, Any]) -> None:
    """Django's LOGGING_CONFIG: log as Django does, to developers and in commands, but no secret.

    `manage.py serve` then configures its own log, with `logging_config`.
    """
    logging.config.dictConfig(config)
    handlers = [
        handler
        for name in (None, "django", "django.server")
        for handler in logging.getLogger(name).handlers
    ]
    # What writes the warnings that nobody else handles.
    for handler in [*handlers, *filter(None, [logging.lastResort])]:
        if not isinstance(handler.formatter, Censor):
            handler.setFormatter(Censor(handler.formatter))


class JSONWithoutSecrets(structlog.stdlib.ProcessorFormatter):
    """Lines for machines: `timestamp`, `level`, `logger`, `pid`, `event`, and all `extra`."""

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
    # Here, because in JSON a secret's end is hidden behind escapes.
    return {
        name: hide_secrets(value) if isinstance(value, str) else value
        for name, value in event.items()
    }


def logging_config(log_format: str) -> dict[str, Any]:
    """Return the configuration for `json` or `plain` lines."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "without_handshakes": {"()": WithoutHandshakes},
            "throttle": {"()": Throttle},
            "throttle_failures": {"()": ThrottledFailures},
            "limit_strangers": {"()": LimitStrangers},
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
                "filters": ["limit_strangers"],
            }
        },
        "loggers": {
            "uvicorn.error": {"filters": ["without_handshakes"]},
            "django.request": {"filters": ["throttle_failures"]},
            # While the database is away, each request's attempts to reach it.
            "psycopg.pool": {"level": "WARNING", "filters": ["throttle"]},
            # Below, it tells of every log-in.
            "axes": {"level": "WARNING"},
        },
        "root": {"level": "INFO", "handlers": ["console"]},
    }
