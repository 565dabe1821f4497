"""Requests to OSRM, one at a time, from a job in the background."""

from http.client import HTTPException
from typing import Final
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from tracking.conf import conf

TIMEOUT: Final = 10.0  # seconds for each read; an answer takes 10 ms
MAX_ANSWER: Final = 4 * 1024 * 1024  # bytes; 100 fixes have about 10 kB


class EngineFailed(Exception):
    """Raised if the engine does not answer, or answers too much. Says nothing about a place."""


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *args: object) -> None:
        return None


# No proxy of the environment: the engine is the operator's own.
_opener = build_opener(ProxyHandler({}), _NoRedirects)


def ask(path: str) -> bytes:
    """Return the body of the engine's answer; raise EngineFailed.

    OSRM says with 400 that it found nothing, so that a body is what counts.
    """
    request = Request(conf.ROUTING["URL"].rstrip("/") + path)  # noqa: S310, checked by `checks`
    try:
        try:
            answer = _opener.open(request, timeout=TIMEOUT)
        except HTTPError as error:
            if error.code != 400:
                error.close()
                raise EngineFailed(f"the engine answers with {error.code}") from None
            answer = error
        with answer:
            body: bytes = answer.read(MAX_ANSWER + 1)
    except (OSError, HTTPException, ValueError) as error:
        # The text of the error may have the URL in it, which has places.
        raise EngineFailed(f"the engine does not answer: {type(error).__name__}") from None
    if len(body) > MAX_ANSWER:
        raise EngineFailed("the engine's answer is too long")
    return body
