"""The close codes with their meaning and the advice to clients, and the errors."""

from typing import Final

from tracking.conf import conf
from tracking.protocol import CloseCode
from tracking.protocol.errors import ERRORS

_NO_RETRY: Final = "Do not retry without a change: it would fail again."
_NEW_TOKEN: Final = "Retry with a new token."  # noqa: S105 - advice
_RETRY: Final = "Retry with jittered backoff."
_SEND_LESS: Final = "Retry with jittered backoff, and send less often."
_SMALLER: Final = "Send smaller messages."

_CLOSE_CODES: Final = {
    CloseCode.MESSAGE_TOO_BIG: ("A message is larger than {MAX_MESSAGE_SIZE} bytes.", _SMALLER),
    CloseCode.INTERNAL_ERROR: ("The server failed.", _RETRY),
    CloseCode.SERVICE_RESTART: ("The server is about to stop.", _RETRY),
    CloseCode.TRY_AGAIN_LATER: (
        "Too many connections, the driver may not be watched yet, or the database is unavailable.",
        _RETRY,
    ),
    CloseCode.BAD_REQUEST: (
        "{MAX_BAD_MESSAGES} invalid messages in a row, or `userId` is missing or invalid.",
        _NO_RETRY,
    ),
    CloseCode.UNAUTHORIZED: ("The token is invalid, expired or revoked.", _NEW_TOKEN),
    CloseCode.FORBIDDEN: ("This account may not do this for this driver.", _NO_RETRY),
    CloseCode.TIMEOUT: ("No valid message arrived in time.", _NO_RETRY),
    CloseCode.TOO_MANY_REQUESTS: ("The client kept sending faster than allowed.", _SEND_LESS),
}


def close_codes() -> list[dict[str, object]]:
    """Return all close codes, as an extension of AsyncAPI, which does not describe them."""
    limits = {key: getattr(conf, key) for key in ("MAX_MESSAGE_SIZE", "MAX_BAD_MESSAGES")}
    return [
        {"code": int(code), "name": code.name, "when": when.format_map(limits), "then": then}
        for code, (when, then) in _CLOSE_CODES.items()
    ]


def errors() -> list[dict[str, object]]:
    """Return all errors. With a `closeCode` of null, the connection stays open."""
    return [
        {"code": error.code, "message": error.message, "closeCode": error.close_code}
        for error in ERRORS
    ]
