"""A flood, in a process of its own: a driver who sends without limit, and idle connections.

`python -m tests.e2e.flood '{"flooded": port, "target": path, "token": token, "ports": [...],
"idle": 2000, "seconds": 10}'` writes `ready` once the idle connections are open, and one line of
JSON at the end: how many connections ended with which code, and how many messages were sent.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from contextlib import suppress
from itertools import cycle
from typing import Any

from .raw import CLOSE, TEXT, frame, handshake

PER_SECOND = 1_000  # messages
PER_ADDRESS = 50  # idle connections, on each port
BATCH = 10


class Flood:
    """Counts, in `ended`, the close codes of the connections that sent and of the idle ones."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.sent = 0
        self.ended: dict[str, Counter[int]] = {"flooding": Counter(), "idle": Counter()}

    async def idle(self, port: int, source: str, opened: asyncio.Barrier) -> None:
        """Connect, and send nothing until the server closes the connection."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, local_addr=(source, 0), limit=1024
        )
        writer.write(handshake(self.plan["target"].encode()))
        await reader.readuntil(b"\r\n\r\n")
        await opened.wait()
        self.ended["idle"][await close_code(reader)] += 1
        writer.close()

    async def flooding(self) -> None:
        """Send until cancelled; reconnect and go on when disconnected."""
        payload = {"token": self.plan["token"], "command": "send", "lat": 1, "lon": 2}
        text = json.dumps({"type": "authenticate", "payload": payload})
        batch = frame(TEXT, text.encode()) * BATCH
        began = time.monotonic()
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.plan["flooded"])
            writer.write(handshake(self.plan["target"].encode()))
            await reader.readuntil(b"\r\n\r\n")
            closed = asyncio.ensure_future(close_code(reader))
            while not closed.done():
                writer.write(batch)
                self.sent += BATCH
                await asyncio.sleep(began + self.sent / PER_SECOND - time.monotonic())
            self.ended["flooding"][closed.result()] += 1
            writer.close()

    async def run(self) -> None:
        opened = asyncio.Barrier(self.plan["idle"] + 1)
        ports = cycle(self.plan["ports"])
        per_address = PER_ADDRESS * len(self.plan["ports"])
        async with asyncio.TaskGroup() as tasks:
            for number in range(self.plan["idle"]):
                source = f"127.0.0.{2 + number // per_address}"
                tasks.create_task(self.idle(next(ports), source, opened))
                await asyncio.sleep(0.001)
            await opened.wait()
            print("ready", flush=True)
            with suppress(TimeoutError):
                async with asyncio.timeout(self.plan["seconds"]):
                    await self.flooding()
        print(json.dumps({"sent": self.sent, **self.ended}), flush=True)


async def close_code(reader: asyncio.StreamReader) -> int:
    """Return the code of the server's close frame; 1006 if it closes without one."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            first, size = await reader.readexactly(2)
            if size == 126:
                size = int.from_bytes(await reader.readexactly(2), "big")
            payload = await reader.readexactly(size)
            if first & 15 == CLOSE:
                return int.from_bytes(payload[:2], "big")
    return 1006


if __name__ == "__main__":
    asyncio.run(Flood(json.loads(sys.argv[1])).run())
