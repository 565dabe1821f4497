"""A routing engine over a real socket, which answers as a test wants it to."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.tracking.fakes import Log
from tracking.geo import distance

# Metres per second, and metres to drive per metre of the straight line.
SPEED, DETOUR = 10.0, 1.2
LINE = "_p~iF~ps|U"

Answer = tuple[int, bytes]


class FakeEngine:
    """Speaks the dialects of OSRM and Valhalla. `answer`, if set, replaces each answer's body."""

    def __init__(self) -> None:
        self.url = ""
        self.requests = Log()
        # The most requests that waited for an answer at the same time.
        self.most, self._open = 0, 0
        self.status = 200
        self.change: Callable[[Any], Any] = lambda answer: answer
        self.body: bytes | None = None
        self.headers = "content-type: application/json\r\n"
        self.hangs = False
        self.closes = False
        self.delay = 0.0
        self.line = LINE

    @property
    def tables(self) -> list[str]:
        return [each for each in self.requests if "/table/" in each or "/sources_to" in each]

    @property
    def routes(self) -> list[str]:
        return [each for each in self.requests if "/route" in each]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._answer(head.decode(), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(
        self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        _method, path, _ = head.split(" ", 2)
        length = next(
            (line for line in head.lower().split("\r\n") if line.startswith("content-length")), "0"
        )
        sent = await reader.readexactly(int(length.rpartition(":")[2]))
        self.requests.append(path)
        self._open += 1
        self.most = max(self.most, self._open)
        try:
            if self.hangs:
                await asyncio.sleep(3600)
            await asyncio.sleep(self.delay)
        finally:
            self._open -= 1
        if self.closes:
            writer.close()
            raise ConnectionError
        body = self.body
        if body is None:
            answer = self._valhalla(path, json.loads(sent)) if sent else self._osrm(path)
            body = json.dumps(self.change(answer)).encode()
        writer.write(
            f"HTTP/1.1 {self.status} Any\r\n{self.headers}content-length: {len(body)}\r\n\r\n"
            "".encode()
            + body
        )
        await writer.drain()

    def _osrm(self, path: str) -> Any:
        url = urlsplit(path)
        service, _, _, listed = url.path.strip("/").split("/")
        places = [
            (float(latitude), float(longitude))
            for longitude, latitude in (each.split(",") for each in listed.split(";"))
        ]
        query = parse_qs(url.query, separator="&")
        if service == "route":
            metres = distance(*places[0], *places[1]) * DETOUR
            way = {"duration": metres / SPEED, "distance": metres, "geometry": self.line}
            return {"code": "Ok", "routes": [way]}
        starts = [places[int(number)] for number in query["sources"][0].split(";")]
        ends = [places[int(number)] for number in query["destinations"][0].split(";")]
        metres_of = [[distance(*start, *end) * DETOUR for end in ends] for start in starts]
        return {
            "code": "Ok",
            "distances": metres_of,
            "durations": [[metres / SPEED for metres in row] for row in metres_of],
        }

    def _valhalla(self, path: str, sent: Any) -> Any:
        if path == "/route":
            start, end = ((each["lat"], each["lon"]) for each in sent["locations"])
            metres = distance(*start, *end) * DETOUR
            summary = {"time": metres / SPEED, "length": metres / 1000}
            return {"trip": {"summary": summary, "legs": [{"shape": self.line}], "status": 0}}
        return {
            "sources_to_targets": [
                [
                    {"time": metres / SPEED, "distance": metres / 1000, "to_index": column}
                    for column, end in enumerate(sent["targets"])
                    if (
                        metres := distance(start["lat"], start["lon"], end["lat"], end["lon"])
                        * DETOUR
                    )
                    is not None
                ]
                for start in sent["sources"]
            ]
        }


@asynccontextmanager
async def serve() -> AsyncIterator[FakeEngine]:
    """Run an engine."""
    engine = FakeEngine()
    tasks: set[asyncio.Task[None]] = set()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await engine.serve(reader, writer)
        except asyncio.CancelledError:
            writer.close()
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(client, "127.0.0.1", 0, limit=1 << 20)
    engine.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield engine
    finally:
        server.close()
        for task in [*tasks]:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
