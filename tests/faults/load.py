"""Drivers and watchers over real sockets, which reconnect when disconnected."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, Self

from picows import WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from .ledger import DriverLedger, Ledger, WatcherLedger, WrongFrameError, location

# The browser client's values (tracking-client.js). Full jitter, so that clients do not all
# reconnect to a restarted server at once.
RETRY_FLOOR, RETRY_CEILING = 0.5, 20.0
STABLE_AFTER = 60.0
CONNECT_TIMEOUT = 10.0


class Client(WSListener):
    """A device on one of several servers. When disconnected or refused, it tries the next one."""

    def __init__(self, load: "Load", urls: Sequence[str], token: str) -> None:
        super().__init__()
        self.load = load
        self.token = token
        self.transport: WSTransport | None = None
        self.disconnects = 0
        self._urls = urls
        self._failures = 0

    async def run(self) -> None:
        """Connect, and reconnect when disconnected, until cancelled."""
        turn = 0
        while True:
            began = monotonic()
            url = self._urls[turn % len(self._urls)]
            with suppress(OSError, TimeoutError, WSError):
                transport, _ = await ws_connect(
                    lambda: self,
                    url,
                    websocket_handshake_timeout=CONNECT_TIMEOUT,
                    read_buffer_init_size=1024,
                )
                await transport.wait_disconnected()
            turn += 1
            if monotonic() - began > STABLE_AFTER:
                self._failures = 0
            ceiling = min(RETRY_CEILING, 4 * RETRY_FLOOR * 2**self._failures)
            self._failures += 1
            await asyncio.sleep(random.uniform(RETRY_FLOOR, ceiling))

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self.send_first_message()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.TEXT:
            try:
                self.receive(frame.get_payload_as_utf8_text(), monotonic())
            except (WrongFrameError, ValueError) as error:
                self.load.errors.append(error)
            self.load.news.set()
        elif frame.msg_type is WSMsgType.CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.transport = None
        self.disconnects += 1
        received = transport.close_handshake and transport.close_handshake.recv
        code = received.code if received else WSCloseCode.ABNORMAL_CLOSURE
        self.load.disconnects[getattr(code, "value", code)] += 1

    def say(self, **payload: Any) -> None:
        """Send a message, if connected."""
        if self.transport is not None:
            message = {"type": "authenticate", "payload": {"token": self.token, **payload}}
            self.transport.send(WSMsgType.TEXT, json.dumps(message).encode())

    def send_first_message(self) -> None:
        """Send the first message of each connection."""
        raise NotImplementedError

    def receive(self, frame: str, now: float) -> None:
        """Record a frame in the ledger. Raises `WrongFrameError` or ValueError."""
        raise NotImplementedError


class Driver(Client):
    """Sends fixes at a steady rate while connected, and the newest at once after reconnecting."""

    def __init__(self, *args: Any, ledger: DriverLedger) -> None:
        super().__init__(*args)
        self.ledger = ledger

    def send_first_message(self) -> None:
        self.ledger.connect()
        if self.load.sending or not self.ledger.settled:
            self.send()

    def send(self) -> None:
        if self.transport is not None:
            number = self.ledger.send(monotonic())
            lat, lon = location(self.ledger.driver_id, number)
            self.say(command="send", lat=lat, lon=lon)

    def receive(self, frame: str, now: float) -> None:
        self.ledger.acknowledge(frame, now)

    async def send_forever(self, interval: float) -> None:
        await asyncio.sleep(random.uniform(0, interval))
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self.send()
            due += interval
            await asyncio.sleep(due - loop.time())


class Watcher(Client):
    """Streams one driver."""

    def __init__(self, *args: Any, ledger: WatcherLedger) -> None:
        super().__init__(*args)
        self.ledger = ledger

    def send_first_message(self) -> None:
        self.ledger.connect()
        self.say(command="start")

    def receive(self, frame: str, now: float) -> None:
        self.ledger.deliver(frame, now)


class Load:
    """Drivers and watchers on servers, as an async context manager; `ledger` has what happened.

    The n-th driver begins on the n-th server in turn. Its watchers begin on the servers in turn
    too, the first of them on the next server, so that with two servers half of what is delivered
    goes from one to the other. All are connected and have received a frame when the block begins.

    `disconnects` counts close codes (1006: a bare disconnect), `errors` has all unexpected errors.
    """

    def __init__(
        self,
        urls: Sequence[str],
        tokens: Mapping[int, str],
        *,
        watchers: int = 2,
        per_second: float = 5.0,
    ) -> None:
        """Set up clients. `urls` are the servers' (ws://host:port); drivers' tokens also watch."""
        self.ledger = Ledger()
        self.disconnects: Counter[int] = Counter()
        self.errors: list[Exception] = []
        self.news = asyncio.Event()
        self.sending = True
        self.drivers: list[Driver] = []
        self.watchers: list[Watcher] = []
        self._interval = 1 / per_second
        self._senders: list[asyncio.Task[None]] = []
        self._runners: list[asyncio.Task[None]] = []
        for turn, (driver_id, token) in enumerate(tokens.items()):
            driver = self.ledger.drivers[driver_id] = DriverLedger(driver_id)
            to_set = _routes(urls, turn, f"set-tracking?userId={driver_id}")
            self.drivers.append(Driver(self, to_set, token, ledger=driver))
            for number in range(watchers):
                watcher = WatcherLedger(driver)
                self.ledger.watchers.append(watcher)
                to_get = _routes(urls, turn + 1 + number, f"get-tracking?userId={driver_id}")
                self.watchers.append(Watcher(self, to_get, token, ledger=watcher))

    async def __aenter__(self) -> Self:
        self._runners = [
            asyncio.create_task(client.run()) for client in (*self.drivers, *self.watchers)
        ]
        self._senders = [
            asyncio.create_task(driver.send_forever(self._interval)) for driver in self.drivers
        ]
        try:
            await self.until(lambda: all(watcher.seen for watcher in self.ledger.watchers), 30)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        tasks = [*self._senders, *self._runners]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for client in (*self.drivers, *self.watchers):
            if client.transport is not None:
                client.transport.disconnect()

    async def until(self, condition: Any, seconds: float) -> None:
        """Wait until `condition()`, checked after each frame, is true. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not condition():
                self.news.clear()
                await self.news.wait()

    async def settle(self, seconds: float) -> None:
        """Stop sending; wait until all is acknowledged and every watcher has the newest fix.

        Raises AssertionError on timeout, with the clients that are behind.
        """
        self.sending = False
        for task in self._senders:
            task.cancel()
        drivers = self.ledger.drivers.values()
        try:
            await self.until(
                lambda: all(driver.settled for driver in drivers) and not self.ledger.behind(),
                seconds,
            )
        except TimeoutError:
            waiting = [driver.driver_id for driver in drivers if not driver.settled]
            behind = [(w.driver.driver_id, w.seen, w.driver.sent) for w in self.ledger.behind()]
            raise AssertionError(
                f"after {seconds} s unacknowledged: {waiting}; behind (driver, seen, sent): "
                f"{behind}; disconnects: {dict(self.disconnects)}; errors: {self.errors[:3]}"
            ) from None


def _routes(urls: Sequence[str], turn: int, route: str) -> list[str]:
    return [f"{urls[(turn + step) % len(urls)]}/driver/{route}" for step in range(len(urls))]
