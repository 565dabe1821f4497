"""What goes into the production server's log, and what must not."""

import logging
import re
from typing import Any, Final


class WithoutHandshakes(logging.Filter):
    """Drops uvicorn's three lines per WebSocket: the first has a query string, which may carry a
    secret, and thousands of them at once, after a restart, are no help to anyone.
    """

    LINES = ('%s - "WebSocket ', "connection open", "connection closed")

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(self.LINES)


class WithoutSecrets(logging.Formatter):
    """Hides tokens, and the row that PostgreSQL quotes when it refuses one, locations included.

    Nothing logs them on purpose, but an exception's text may carry them.
    """

    SECRETS = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*|(?<=DETAIL:  ).+")

    def format(self, record: logging.LogRecord) -> str:
        return self.SECRETS.sub("[hidden]", super().format(record))


LOGGING: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"without_handshakes": {"()": WithoutHandshakes}},
    "formatters": {
        "plain": {
            "()": WithoutSecrets,
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {
        "uvicorn.error": {"filters": ["without_handshakes"]},
        # Below, it tells of every log-in.
        "axes": {"level": "WARNING"},
    },
    "root": {"level": "INFO", "handlers": ["console"]},
}
