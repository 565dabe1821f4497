"""Receivers of webhooks: small HTTP servers on real sockets."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Request:
    headers: dict
    body: bytes

    @property
    def content(self):
        return json.loads(self.body)


@dataclass
class Receiver:
    """Answers each request as `answer` does, an async function (request, writer)."""

    answer: object
    port: int = 0
    requests: list = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/hooks?key=hush"

    async def handle(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.decode().split("\r\n")[1:-2]
                headers = {
                    name.lower(): value for name, value in (line.split(": ", 1) for line in lines)
                }
                body = await reader.readexactly(int(headers["content-length"]))
                request = Request(headers, body)
                self.requests.append(request)
                self.arrived.set()
                await self.answer(request, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving(answer):
    """Yield a receiver on a free port."""
    receiver = Receiver(answer)
    tasks = set()

    def connected(reader, writer):
        task = asyncio.ensure_future(receiver.handle(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def says(status, body=b"", **headers):
    """Return an answer of this status."""
    lines = [f"HTTP/1.1 {status} Told", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]

    async def answer(request, writer):
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    return answer


async def hangs(request, writer):
    """Never answer."""
    await asyncio.Event().wait()


async def drips(request, writer):
    """Answer 200, and send its body for ever, a byte at a time."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def floods(request, writer):
    """Answer 200 with a body that never ends."""
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b"y" * 65536 + b"\r\n")
        await writer.drain()


async def babbles(request, writer):
    """Answer something that is not HTTP."""
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


async def hangs_up(request, writer):
    """Close the connection."""
    raise ConnectionError
