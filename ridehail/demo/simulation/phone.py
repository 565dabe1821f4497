"""A driver's phone: measures, sends and reconnects as `docs/protocol.md` requires of clients."""

import asyncio
import json
import math
import random
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from ridehail.demo.simulation.tally import Tally
from ridehail.demo.simulation.vehicle import Vehicle
from tracking.ids import DriverId

# Close codes after which a client must not retry, with their reasons.
STOP: Final = {
    4400: "the server finds our messages malformed",
    4403: "may not publish for this driver",
    4408: "the server got no valid message in time",
}
NEW_TOKEN: Final = 4401
SHORTEST_WAIT, LONGEST_WAIT = 0.5, 20.0  # seconds between attempts, before jitter
LAST_ACKNOWLEDGEMENTS: Final = 2.0  # seconds that hanging up waits for them


# Returns a fresh token and the `time.time()` at which to ask for the next.
Mint = Callable[[], tuple[str, float]]


class Phone:
    """One driver on one connection.

    After `signal` seconds the phone loses the GPS signal and repeats its last measurement.
    """

    def __init__(
        self,
        driver_id: DriverId,
        vehicle: Vehicle,
        mint: Mint,
        *,
        url: str,
        interval: float,
        tally: Tally,
        rng: random.Random,
        signal: float = math.inf,
    ) -> None:
        self.driver_id = driver_id
        self.stopped: str | None = None
        self._vehicle, self._mint = vehicle, mint
        self._url = f"{url}/driver/set-tracking?userId={driver_id}"
        self._interval, self._tally, self._rng = interval, tally, rng
        self._token, self._renew_at = "", 0.0
        self._failures = 0
        self._token_refused = False
        self._measured_at: float | None = None
        self._signal = signal
        # The newest measurement, as members of a message's payload.
        self._measured: dict[str, Any] = {}
        self._next_send = 0.0
        # Sends without an acknowledgement: the time and the location.
        self._pending: deque[tuple[float, tuple[float, float]]] = deque()
        self._settled = asyncio.Event()

    async def run(self, delay: float = 0.0) -> None:
        """Drive and send until cancelled, or until a close code forbids to retry.

        In the latter case, `stopped` is the reason.
        """
        self._next_send = time.perf_counter() + delay
        await asyncio.sleep(delay)
        while self.stopped is None:
            try:
                async with connect(
                    self._url, compression=None, proxy=None, open_timeout=30, close_timeout=2
                ) as websocket:
                    await self._converse(websocket)
            except ConnectionClosed as error:
                self._hung_up(error.rcvd.code if error.rcvd else 1006)
            except (OSError, InvalidHandshake, TimeoutError) as error:
                self._failed(f"no connection: {type(error).__name__}")
            finally:
                self._give_up_pending()
            if self.stopped is None and self._failures:
                # Full jitter, so that not all phones reconnect to a restarted server at once.
                longest = min(LONGEST_WAIT, SHORTEST_WAIT * 2 ** min(self._failures, 10))
                await asyncio.sleep(SHORTEST_WAIT / 2 + self._rng.random() * longest)

    async def _converse(self, websocket: ClientConnection) -> None:
        self._tally.connected += 1
        reader = asyncio.create_task(self._read(websocket))
        try:
            while not reader.done():
                await self._send(websocket)
                now = time.perf_counter()
                # On schedule, so that the rate is exact; after an outage, from now on.
                self._next_send = max(self._next_send + self._interval, now)
                await asyncio.wait({reader}, timeout=self._next_send - now)
            await reader
        except asyncio.CancelledError:
            await self._settle(reader)
            raise
        finally:
            self._tally.connected -= 1
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _send(self, websocket: ClientConnection) -> None:
        now = time.perf_counter()
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        if self._signal >= 0:
            self._measure(now, at)
        if time.time() >= self._renew_at:
            self._token, self._renew_at = self._mint()
        payload = {"token": self._token, "command": "send", **self._measured, "sent_at": at}
        self._pending.append((now, (float(payload["lat"]), float(payload["lon"]))))
        self._settled.clear()
        await websocket.send(json.dumps({"type": "authenticate", "payload": payload}))
        self._tally.sent += 1

    def _measure(self, now: float, at: str) -> None:
        elapsed = now - self._measured_at if self._measured_at is not None else 0.0
        self._measured_at = now
        self._signal -= elapsed
        position = self._vehicle.advance(elapsed)
        self._measured = {
            "lat": f"{position.latitude:.6f}",
            "lon": f"{position.longitude:.6f}",
            "recorded_at": at,
            "heading": round(position.heading, 1) % 360,
            "speed": round(position.speed, 2),
            "accuracy": round(position.accuracy, 1),
        }

    async def _read(self, websocket: ClientConnection) -> None:
        """Receive acknowledgements and errors until the connection ends; raise ConnectionClosed."""
        while True:
            frame = json.loads(await websocket.recv())
            if "error" in frame:
                self._tally.errors[frame["error"]["code"]] += 1
            else:
                self._acknowledged(float(frame["location_lat"]), float(frame["location_lon"]))

    def _acknowledged(self, *location: float) -> None:
        """Match an acknowledgement with the first waiting send of the same location."""
        now = time.perf_counter()
        if all(sent != location for _, sent in self._pending):
            self._tally.errors["acknowledgement of something not sent"] += 1
            return
        while self._pending:
            sent_at, sent = self._pending.popleft()
            if sent == location:
                break
            self._tally.errors["not acknowledged"] += 1
        self._failures, self._token_refused = 0, False
        self._tally.add_acknowledgement(now - sent_at)
        if not self._pending:
            self._settled.set()

    async def _settle(self, reader: asyncio.Task[None]) -> None:
        """Wait up to LAST_ACKNOWLEDGEMENTS seconds for the last acknowledgements."""
        settled = asyncio.create_task(self._settled.wait())
        await asyncio.wait(
            {settled, reader},
            timeout=LAST_ACKNOWLEDGEMENTS if self._pending else 0,
            return_when=asyncio.FIRST_COMPLETED,
        )
        settled.cancel()

    def _hung_up(self, code: int) -> None:
        if code in STOP:
            self.stopped = f"driver {self.driver_id} stops: {STOP[code]} (close code {code})"
        elif code == NEW_TOKEN:
            # Retry with a new token at once; if that is refused too, with back-off.
            self._renew_at = 0.0
            self._tally.errors[f"closed {code}"] += 1
            self._failures += self._token_refused
            self._token_refused = True
        else:
            self._failed(f"closed {code}")

    def _failed(self, why: str) -> None:
        self._failures += 1
        self._tally.errors[why] += 1

    def _give_up_pending(self) -> None:
        if self._pending:
            self._tally.errors["not acknowledged"] += len(self._pending)
            self._pending.clear()
