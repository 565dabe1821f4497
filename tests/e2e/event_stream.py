"""A client of a stream over HTTP."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager

DEADLINE = 10.0


class EventStream:
    """An open response: its status and headers, and its events one by one."""

    def __init__(self, reader, writer):
        self._reader, self._writer = reader, writer

    async def begin(self):
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        return self

    async def event(self):
        """Return the next event as its name and data."""
        name, data, line = "message", None, b""
        async with asyncio.timeout(DEADLINE):
            while data is None or line != b"\n":
                line = await self._reader.readline()
                assert line, "the stream ended"
                if line.startswith(b"event: "):
                    name = line[7:].decode().strip()
                elif line.startswith(b"data: "):
                    data = json.loads(line[6:])
        return name, data

    async def frame(self):
        name, data = await self.event()
        assert name == "message"
        return data


@asynccontextmanager
async def stream(port, path, token, *, narrow=False, **headers):
    """Open a stream. With `narrow`, little fits into the buffers of this side."""
    options = {}
    if narrow:
        options["sock"] = connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
    else:
        options |= {"host": "127.0.0.1", "port": port}
    reader, writer = await asyncio.open_connection(**options, limit=4096)
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {token}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    try:
        yield EventStream(reader, writer)
    finally:
        writer.close()
