"""Measure the delivery of events to webhooks: `python -m benchmarks.webhooks`, in three minutes.

One `tracking_deliver` on PostgreSQL delivers to ten endpoints of one server, which answers at once.
Each round commits events at a fixed rate, each for all ten endpoints, and measures the time from
before the commit to the first delivery: without and, alternating, with a hanging endpoint among the
ten. Then a backlog shows how many a second the process can deliver.
"""

import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import psycopg

from benchmarks.load.cpu import cpu_seconds
from tests import services
from tracking.ids import time_ordered_id

ENDPOINTS: Final = 10
ROUNDS: Final = 3
SPAN: Final = 10.0  # seconds of each measurement
# Events a second, each for all ten endpoints.
RATES: Final = (2, 20)
BACKLOG: Final = 4_000  # deliveries
ROOT: Final = Path(__file__).resolve().parent.parent
SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - the standard's example

_EVENT: Final = """
INSERT INTO tracking_event (id, type, occurred_at, data)
VALUES (%s, 'zone.entered', now(), '{"driver": 19, "zone": 3, "name": "Airport"}')
"""
_ENDPOINT: Final = """
INSERT INTO tracking_webhookendpoint (url, description, events, secret, former_secret, created_at,
    disabled_reason)
VALUES (%s, '', '["zone.entered"]', %s, '', now(), '')
"""


class Sink:
    """Ten endpoints on one port. It notes when an event first arrives at each."""

    def __init__(self) -> None:
        self.arrived: dict[tuple[str, str], float] = {}
        self.hangs = False
        self.port = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                path = head.split(" ", 2)[1]
                headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:-2])
                await reader.readexactly(int(headers["content-length"]))
                self.arrived.setdefault((path, headers["webhook-id"]), time.perf_counter())
                if self.hangs and path == "/0":
                    await reader.read()  # until the other side gives up
                    break
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                await writer.drain()
        writer.close()

    @contextlib.asynccontextmanager
    async def listening(self, port: int = 0) -> AsyncIterator[None]:
        server = await asyncio.start_server(self.handle, "127.0.0.1", port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()


@contextlib.contextmanager
def deliverer(environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    child = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, str(ROOT / "manage.py"), "tracking_deliver", "--until-eof"],
        env=environment,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        start_new_session=True,  # whose CPU time is measured
    )
    try:
        yield child
    finally:
        child.terminate()
        child.wait()


async def latencies(
    sink: Sink, database: psycopg.Connection, rate: int, *, hangs: bool
) -> list[float]:
    """Commit events at a fixed rate for SPAN; return the seconds to each first delivery."""
    sink.hangs = hangs
    committed: dict[str, float] = {}
    began = time.perf_counter()
    for number in range(int(SPAN * rate)):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        event = time_ordered_id()
        committed[str(event)] = time.perf_counter()
        await asyncio.to_thread(database.execute, _EVENT, (event,))
    paths = [f"/{number}" for number in range(1, ENDPOINTS)]
    wanted = {(path, event) for path in paths for event in committed}
    while not wanted <= sink.arrived.keys():  # noqa: ASYNC110 - nothing else runs here
        await asyncio.sleep(0.05)
    return sorted(
        sink.arrived[path, event] - since for event, since in committed.items() for path in paths
    )


async def backlog(sink: Sink, database: psycopg.Connection, pid: int) -> tuple[float, float]:
    """Return the deliveries a second, and the share of a core, while it works off a backlog."""
    sink.hangs = False
    events = [time_ordered_id() for _ in range(BACKLOG // ENDPOINTS)]
    before = len(sink.arrived)
    with database.transaction():
        for event in events:
            database.execute(_EVENT, (event,))
    began, cpu = time.perf_counter(), cpu_seconds(pid)
    while len(sink.arrived) < before + BACKLOG:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.02)
    seconds = time.perf_counter() - began
    return BACKLOG / seconds, (cpu_seconds(pid) - cpu) / seconds


def shown(taken: list[float]) -> str:
    median, p99 = statistics.median(taken), taken[int(len(taken) * 0.99)]
    return " | ".join(f"{seconds * 1000:.0f} ms" for seconds in (median, p99, taken[-1]))


async def measure(database: psycopg.Connection, environment: dict[str, str]) -> None:
    sink = Sink()
    async with sink.listening():
        for number in range(ENDPOINTS):
            database.execute(_ENDPOINT, (f"http://127.0.0.1:{sink.port}/{number}", SECRET))
        with deliverer(environment) as process:
            await latencies(sink, database, 1, hangs=False)  # it has started
            print("| what | deliveries/s | median | p99 | most | load |")
            print("| --- | ---: | ---: | ---: | ---: | ---: |")
            for _ in range(ROUNDS):
                for rate in RATES:
                    for hangs in (False, True):
                        taken = await latencies(sink, database, rate, hangs=hangs)
                        what = "one of ten hangs" if hangs else "all answer"
                        print(
                            f"| {what} | {rate * ENDPOINTS} | {shown(taken)} |"
                            f" {os.getloadavg()[0]:.1f} |",
                            flush=True,
                        )
                        # The endpoint that hung is as new.
                        database.execute(
                            "DELETE FROM tracking_webhookdelivery WHERE status = 'pending'"
                        )
                        database.execute("UPDATE tracking_webhookendpoint SET failing_since = NULL")
                rate_, share = await backlog(sink, database, process.pid)
                print(
                    f"| backlog | {rate_:.0f} | | | {share:.0%} of a core |"
                    f" {os.getloadavg()[0]:.1f} |",
                    flush=True,
                )


def main() -> None:
    with ExitStack() as stack:
        postgres = stack.enter_context(services.postgres_service())
        environment = services.environment(postgres.url, TRACKING_WEBHOOK_ALLOW_PRIVATE="true")
        services.manage(environment, "migrate", "--no-input")
        database = stack.enter_context(psycopg.connect(postgres.url, autocommit=True))
        asyncio.run(measure(database, environment))


if __name__ == "__main__":
    main()
