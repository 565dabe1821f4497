"""What goes into the production server's log, and what must not."""

import logging
from typing import Any, Final


class WithoutHandshakes(logging.Filter):
    """Drops uvicorn's line per WebSocket handshake: its query string may carry a secret, and
    thousands of them at once, after a restart, are no help to anyone.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith('%s - "WebSocket ')


LOGGING: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"without_handshakes": {"()": WithoutHandshakes}},
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {"uvicorn.error": {"filters": ["without_handshakes"]}},
    "root": {"level": "INFO", "handlers": ["console"]},
}
