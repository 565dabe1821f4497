"""The sender of webhooks: one request to a permitted address, and what came of it."""

import asyncio
import re
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from tracking.webhooks.schedule import parse_retry_after
from tracking.webhooks.signing import sign
from tracking.webhooks.targets import (
    ForbiddenAddressError,
    InvalidTarget,
    check_form,
    lookup,
    socket_factory,
)

USER_AGENT: Final = "django-live-tracking webhooks (Standard Webhooks 1.0.0)"
# Seconds for a whole attempt. The standard suggests 15 to 30.
TIMEOUT: Final = 15.0
# Seconds for the body of an answer whose status is known.
ANSWER_TIMEOUT: Final = 2.0
# Bytes of an answer that are read. A connection with more is closed.
MAX_ANSWER: Final = 4096
# Characters of an answer that are kept.
KEPT_ANSWER: Final = 500
# Seconds for which a connection is kept open for the next delivery. Servers close theirs after 5 or
# more: a request sent at that very moment would fail.
KEEP_ALIVE: Final = 4.0
# Seconds for which the addresses of a name are reused.
NAME_TTL: Final = 10

_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class Outcome:
    """The outcome of an attempt: the status, or None without an answer, and its duration."""

    status: int | None
    seconds: float
    # The beginning of the answer's body, or the error.
    answer: str
    retry_after: float | None = None

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        return self.status == 410


class Sender:
    """Sends webhooks. Open it in the event loop, and close it there."""

    def __init__(self) -> None:
        connector = aiohttp.TCPConnector(
            limit=0,  # the deliverer's bounds are the limits
            resolver=_Resolver(),
            socket_factory=socket_factory,
            ttl_dns_cache=NAME_TTL,
            keepalive_timeout=KEEP_ALIVE,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            # No proxy from the environment: it would connect to addresses that are not checked.
            trust_env=False,
            # An answer of a few bytes may be compressed gigabytes.
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
        )

    async def close(self) -> None:
        await self._session.close()

    async def send(self, url: str, secrets: Sequence[str], message_id: str, body: bytes) -> Outcome:
        """Make one attempt, and return its outcome, whatever happens but for a cancellation."""
        began = time.perf_counter()
        status, retry_after, answer = None, None, bytearray()
        try:
            check_form(url)
            async with asyncio.timeout(TIMEOUT):
                timestamp = int(time.time())
                headers = {
                    "content-type": "application/json",
                    "user-agent": USER_AGENT,
                    "accept": "*/*",
                    "accept-encoding": "identity",
                    "webhook-id": message_id,
                    "webhook-timestamp": str(timestamp),
                    "webhook-signature": sign(secrets, message_id, timestamp, body),
                }
                async with self._session.post(
                    URL(url), data=body, headers=headers, allow_redirects=False
                ) as response:
                    status = response.status
                    if "retry-after" in response.headers:
                        retry_after = parse_retry_after(
                            response.headers["retry-after"], datetime.now(UTC)
                        )
                    await _read(response, answer)
            text = answer.decode("utf-8", "replace")
        except Exception as error:
            # With a status, what is wrong with the rest of the answer does not matter.
            text = answer.decode("utf-8", "replace") if status is not None else explain(error)
        return Outcome(
            status=status,
            seconds=time.perf_counter() - began,
            answer=_UNPRINTABLE.sub("", text)[:KEPT_ANSWER],
            retry_after=retry_after,
        )


async def _read(response: aiohttp.ClientResponse, answer: bytearray) -> None:
    """Read the beginning of an answer, and close its connection if there is more."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            async for chunk in response.content.iter_any():
                answer += chunk
                if len(answer) > MAX_ANSWER:
                    break
    except TimeoutError:
        pass
    if not response.content.at_eof():
        response.close()
    del answer[MAX_ANSWER:]


def explain(error: Exception) -> str:
    """Return why an attempt had no answer, in words without the URL."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ForbiddenAddressError):
            return "The host's address is not public, so nothing was sent."
        cause = getattr(cause, "os_error", None) or cause.__cause__
    match error:
        case InvalidTarget():
            return f"Nothing was sent. {error}"
        case TimeoutError():
            return f"There was no answer within {TIMEOUT:g} seconds."
        case aiohttp.ClientConnectorCertificateError():
            return f"The server's certificate is not valid: {error.certificate_error}"
        case aiohttp.ClientConnectorDNSError():
            return "The host was not found."
        case aiohttp.ClientConnectorSSLError():
            return f"TLS failed: {error.os_error.strerror or error.os_error}"
        case aiohttp.ClientConnectorError():
            return f"The connection failed: {error.os_error.strerror or error.os_error}"
        case aiohttp.ServerDisconnectedError():
            return "The server closed the connection without an answer."
        case aiohttp.ClientOSError():
            return f"The connection broke: {error.strerror or type(error).__name__}"
        case aiohttp.ClientResponseError():
            return "The answer is not HTTP."
    return f"The attempt failed: {type(error).__name__}"


class _Resolver(AbstractResolver):
    """Finds names as `targets.lookup` does, which no name that hangs can block."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await asyncio.wrap_future(lookup(host, port))
        return [
            ResolveResult(
                hostname=host,
                host=address[0],
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
            if family in (socket.AF_UNSPEC, kind)
        ]

    async def close(self) -> None:
        """Do nothing: threads of lookups end by themselves."""
