"""An HTTP client that sends a request's bytes unchanged, on a connection of its own."""

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any

from .client import DEADLINE


@dataclass(frozen=True)
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


async def exchange(port: int, request: bytes) -> Response:
    """Send a request to a server on this machine, and return its answer.

    The request must contain `Connection: close`.
    """
    async with asyncio.timeout(DEADLINE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            answer = await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    if headers.get("transfer-encoding") == "chunked":
        body = _joined(body)
    return Response(int(status.split()[1]), headers, body)


async def call(
    port: int, method: str, path: str, token: str | None = None, body: Any = None, **headers: str
) -> Response:
    """Call the REST API with JSON and an access token."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Connection: close",
        f"Content-Length: {len(content)}",
        *([] if token is None else [f"Authorization: Bearer {token}"]),
        *([] if body is None else ["Content-Type: application/json"]),
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return await exchange(port, "\r\n".join([*lines, "", ""]).encode() + content)


async def readiness(port: int, expected: int) -> Any:
    """Wait until `/health/ready/` answers with the expected status; return the answer's content."""
    until = time.monotonic() + DEADLINE
    while True:
        answer = await call(port, "GET", "/health/ready/")
        if answer.status == expected or time.monotonic() > until:
            assert answer.status == expected
            return answer.json()
        await asyncio.sleep(0.1)


def _joined(chunked: bytes) -> bytes:
    body = b""
    while chunked:
        size, _, rest = chunked.partition(b"\r\n")
        length = int(size, 16)
        body += rest[:length]
        chunked = rest[length + 2 :] if length else b""
    return body
