"""What must not reach a log."""

import logging


class WithoutQueryStrings(logging.Filter):
    """Cuts the query string off every path that the server logs: it may carry a secret."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                argument.partition("?")[0] if isinstance(argument, str) else argument
                for argument in record.args
            )
        return True
