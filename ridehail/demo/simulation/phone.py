"""A driver's phone: measures, sends and reconnects as `docs/protocol.md` requires of clients."""

import asyncio
import json
import math
import random
import time
from datetime import UTC, datetime
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from ridehail.demo.simulation.tally import Tally
from ridehail.demo.simulation.token import Mint, Token
from ridehail.demo.simulation.unacknowledged import Unacknowledged
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
AVAILABLE, OFF_DUTY = "available", "non_operational"


class PhoneStopped(Exception):
    """Raised if a phone has stopped for good, while it was to bring its vehicle somewhere."""


class Phone:
    """One driver on one connection.

    The vehicle drives `speed` times as fast as its town's time. After `signal` seconds the phone
    loses the GPS signal and repeats its last measurement. With `has_shifts` the driver is available
    once it is connected, and may end the shift.
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
        speed: float = 1.0,
        signal: float = math.inf,
        has_shifts: bool = False,
    ) -> None:
        self.driver_id, self.vehicle, self.token = driver_id, vehicle, Token(mint)
        self.stopped: str | None = None
        self._url = f"{url}/driver/set-tracking?userId={driver_id}"
        self._interval, self._tally, self._rng, self._speed = interval, tally, rng, speed
        self._failures = 0
        self._token_refused = False
        self._measured_at: float | None = None
        self._signal = signal
        # The newest measurement, as members of a message's payload.
        self._measured: dict[str, Any] = {}
        self._next_send = 0.0
        self._pending = Unacknowledged(tally)
        # Set once the vehicle has been sent somewhere and has reported from there.
        self._arrived = asyncio.Event()
        self._has_shifts = has_shifts
        self._on_duty = asyncio.Event()
        self._on_duty.set()
        # True if the server has set the state that was sent, False if it refuses to.
        self._state_set: asyncio.Future[bool] | None = None
        self._shift_ended: asyncio.Future[bool] | None = None

    async def drive_to(self, place: int) -> None:
        """Send the vehicle to a place, and return once it has reported from there.

        Raise PhoneStopped if the phone has stopped.
        """
        self.vehicle.drive_to(place)
        self._arrived.clear()
        if self.stopped is None:
            await self._arrived.wait()
        if self.stopped is not None:
            raise PhoneStopped(self.stopped)

    async def end_shift(self) -> bool:
        """Go off duty and hang up; return False if the server refuses, as the driver has a trip."""
        self._shift_ended = asyncio.get_running_loop().create_future()
        return await self._shift_ended

    def begin_shift(self) -> None:
        """Connect again, and be available."""
        self._on_duty.set()

    async def run(self, delay: float = 0.0) -> None:
        """Drive and send until cancelled, or until a close code forbids to retry.

        In the latter case, `stopped` is the reason.
        """
        self._next_send = time.perf_counter() + delay
        await asyncio.sleep(delay)
        while self.stopped is None:
            await self._on_duty.wait()
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
                self._pending.give_up()
            if self.stopped is None and self._failures:
                # Full jitter, so that not all phones reconnect to a restarted server at once.
                longest = min(LONGEST_WAIT, SHORTEST_WAIT * 2 ** min(self._failures, 10))
                await asyncio.sleep(SHORTEST_WAIT / 2 + self._rng.random() * longest)
        self._arrived.set()

    async def _converse(self, websocket: ClientConnection) -> None:
        self._tally.connected += 1
        reader = asyncio.create_task(self._read(websocket))
        try:
            if self._has_shifts:
                await self._set_state(websocket, reader, AVAILABLE)
            while not reader.done():
                if self._is_ending() and await self._end_shift(websocket, reader):
                    await self._pending.settle(reader)
                    return
                await self._send(websocket)
                now = time.perf_counter()
                # On schedule, so that the rate is exact; after an outage, from now on. Each fix has
                # a time of its own, in milliseconds.
                self._next_send = max(self._next_send + self._interval, now + 0.002)
                await asyncio.wait({reader}, timeout=self._next_send - now)
            await reader
        except asyncio.CancelledError:
            await self._pending.settle(reader)
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
        payload = {"token": self.token.get(), "command": "send", **self._measured, "sent_at": at}
        self._pending.add(now, (float(payload["lat"]), float(payload["lon"])))
        await websocket.send(json.dumps({"type": "authenticate", "payload": payload}))
        self._tally.sent += 1
        if self.vehicle.arrived:
            self._arrived.set()

    async def _set_state(
        self, websocket: ClientConnection, reader: asyncio.Task[None], state: str
    ) -> bool:
        """Send the driver's state; return False if it is not set."""
        self._state_set = asyncio.get_running_loop().create_future()
        payload = {"token": self.token.get(), "command": "state", "state": state}
        await websocket.send(json.dumps({"type": "authenticate", "payload": payload}))
        ends: list[asyncio.Future[Any]] = [reader, self._state_set]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        return self._state_set.done() and self._state_set.result()

    def _is_ending(self) -> bool:
        return self._shift_ended is not None and not self._shift_ended.done()

    async def _end_shift(self, websocket: ClientConnection, reader: asyncio.Task[None]) -> bool:
        """Go off duty; return False if that is refused, or the connection has ended."""
        ended = await self._set_state(websocket, reader, OFF_DUTY)
        # Without an answer, the next connection asks again.
        if self._shift_ended is not None and (ended or not reader.done()):
            self._shift_ended.set_result(ended)
        if ended:
            self._on_duty.clear()
            self._measured_at = None  # the vehicle stands still meanwhile
        return ended

    def _measure(self, now: float, at: str) -> None:
        elapsed = now - self._measured_at if self._measured_at is not None else 0.0
        self._measured_at = now
        self._signal -= elapsed
        position = self.vehicle.advance(elapsed * self._speed)
        self._measured = {
            "lat": f"{position.latitude:.6f}",
            "lon": f"{position.longitude:.6f}",
            "recorded_at": at,
            "heading": round(position.heading, 1) % 360,
            "speed": round(position.speed * self._speed, 2),
            "accuracy": round(position.accuracy, 1),
        }

    async def _read(self, websocket: ClientConnection) -> None:
        """Receive acknowledgements and errors until the connection ends; raise ConnectionClosed."""
        while True:
            frame = json.loads(await websocket.recv())
            state_set = self._state_set
            if "state" in frame:
                if state_set is not None and not state_set.done():
                    state_set.set_result(True)
            elif "error" in frame:
                code = frame["error"]["code"]
                if code == "state_conflict" and state_set is not None and not state_set.done():
                    state_set.set_result(False)
                else:
                    self._tally.errors[code] += 1
            elif self._pending.acknowledged(
                (float(frame["location_lat"]), float(frame["location_lon"]))
            ):
                self._failures, self._token_refused = 0, False

    def _hung_up(self, code: int) -> None:
        if code in STOP:
            self.stopped = f"driver {self.driver_id} stops: {STOP[code]} (close code {code})"
        elif code == NEW_TOKEN:
            # Retry with a new token at once; if that is refused too, with back-off.
            self.token.drop()
            self._tally.errors[f"closed {code}"] += 1
            self._failures += self._token_refused
            self._token_refused = True
        else:
            self._failed(f"closed {code}")

    def _failed(self, why: str) -> None:
        self._failures += 1
        self._tally.errors[why] += 1
