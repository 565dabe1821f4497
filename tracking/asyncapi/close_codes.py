"""How connections end, and whether to come back."""

from typing import Final

from tracking.conf import conf
from tracking.protocol import CloseCode
from tracking.protocol.errors import ERRORS

_STAY_AWAY: Final = "Do not retry as you are."
_NEW_TOKEN: Final = "Retry with a new token."  # noqa: S105 - advice
_COME_BACK: Final = "Retry with jittered backoff."
_SEND_LESS: Final = "Retry with jittered backoff, and send less."
_SMALLER: Final = "Send smaller messages."

_CLOSE_CODES: Final = {
    CloseCode.MESSAGE_TOO_BIG: ("A frame above {MAX_MESSAGE_SIZE} bytes.", _SMALLER),
    CloseCode.INTERNAL_ERROR: ("The server failed.", _COME_BACK),
    CloseCode.SERVICE_RESTART: ("The server is about to stop.", _COME_BACK),
    CloseCode.TRY_AGAIN_LATER: ("Too many connections, or the database is away.", _COME_BACK),
    CloseCode.BAD_REQUEST: (
        "{MAX_BAD_MESSAGES} bad messages in a row, or no proper `userId`.",
        _STAY_AWAY,
    ),
    CloseCode.UNAUTHORIZED: ("The token is not valid, or is so no longer.", _NEW_TOKEN),
    CloseCode.FORBIDDEN: ("This account may not do this for this driver.", _STAY_AWAY),
    CloseCode.TIMEOUT: ("No valid message arrived in time.", _STAY_AWAY),
    CloseCode.TOO_MANY_REQUESTS: ("Messages kept coming faster than allowed.", _SEND_LESS),
}


def close_codes() -> list[dict[str, object]]:
    """Return all close codes with their meaning, for which AsyncAPI has no words of its own."""
    limits = {key: getattr(conf, key) for key in ("MAX_MESSAGE_SIZE", "MAX_BAD_MESSAGES")}
    return [
        {"code": int(code), "name": code.name, "when": when.format_map(limits), "then": then}
        for code, (when, then) in _CLOSE_CODES.items()
    ]


def errors() -> list[dict[str, object]]:
    """Return all errors; with a close code of null the connection stays open."""
    return [
        {"code": error.code, "message": error.message, "closeCode": error.close_code}
        for error in ERRORS
    ]
